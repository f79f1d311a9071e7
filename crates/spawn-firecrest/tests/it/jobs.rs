//! The life of a server that is a job.

use std::time::Duration;

use jansky_spawn::{PollStatus, ProgressSink, SpawnError, Spawner as _, StopMode};

use crate::rig::{Rig, in_time, spec};

#[tokio::test]
async fn a_server_is_a_job_that_is_found_again_and_leaves_nothing() {
    let rig = Rig::new();
    let (spawner, started) = rig.running().await;

    let answer = reqwest::get(&started.url).await.expect("it answers");
    assert!(answer.status().is_success());
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    let again = in_time(rig.spawner().start(&spec(), &ProgressSink::discard())).await;
    assert_eq!(again.expect("it is there"), started);
    let found = rig.spawner().list().await.expect("it answers");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].handle, started.handle);
    assert!(spawner.log_tail(&started.handle).await.contains("begins"));
    assert_eq!(rig.firecrest.calls("submit").len(), 1);

    in_time(spawner.stop(&started.handle, StopMode::Polite))
        .await
        .expect("it stops");

    let PollStatus::Exited { reason } = spawner.poll(&started.handle).await else {
        panic!("it has ended");
    };
    assert_eq!(reason, "was cancelled at the scheduler");
    assert_eq!(spawner.list().await.expect("it answers"), []);
    assert!(!rig.of_job().exists());
    in_time(spawner.stop(&started.handle, StopMode::Now))
        .await
        .expect("it is gone already");
}

#[tokio::test]
async fn two_starts_at_once_make_one_job() {
    let rig = Rig::new();
    let (one, other) = (rig.spawner(), rig.spawner());
    let nobody = ProgressSink::discard();
    let spec = spec();

    let (first, second) =
        in_time(async { tokio::join!(one.start(&spec, &nobody), other.start(&spec, &nobody)) })
            .await;

    assert_eq!(first.expect("it starts"), second.expect("it is found"));
    assert_eq!(rig.firecrest.jobs().len(), 1);
}

#[tokio::test]
async fn jobs_of_another_hub_on_the_same_cluster_are_left_alone() {
    let rig = Rig::new();
    let (one, of_one) = rig.running().await;
    let other = rig.spawner_with(|settings| "a1b2-3".clone_into(&mut settings.instance));

    let of_other = in_time(other.start(&spec(), &ProgressSink::discard())).await;

    let of_other = of_other.expect("it starts");
    assert_ne!(of_other.handle, of_one.handle);
    for (hub, started) in [(one, of_one), (other, of_other)] {
        let listed = hub.list().await.expect("it answers");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].handle, started.handle);
    }
}

#[tokio::test]
async fn who_waits_in_the_queue_reads_why() {
    let rig = Rig::new();
    rig.firecrest.script().holds_queue = true;
    let spawner = rig.spawner();
    let (sink, mut events) = ProgressSink::channel();
    let start = tokio::spawn(async move { spawner.start(&spec(), &sink).await });

    let waits = in_time(async {
        loop {
            let event = events.recv().await.expect("it goes on");
            if event.message.contains("waits in the queue") {
                return event.message;
            }
        }
    })
    .await;
    rig.firecrest.release_queue();

    assert_eq!(waits, "Job 8 waits in the queue: no free nodes");
    let started = in_time(start).await.expect("no panic");
    started.expect("it starts");
}

#[tokio::test]
async fn a_job_that_ends_at_once_is_told_of_with_its_log_and_started_anew_next_time() {
    let rig = Rig::new();
    let broken = rig.spawner_with(|settings| {
        settings.prologue = "echo no module of this name; exit 3".to_owned();
    });

    let failed = in_time(broken.start(&spec(), &ProgressSink::discard())).await;

    let Err(SpawnError::Failed { reason, log_tail }) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(reason, "the job 8 ended with status 3");
    assert_eq!(log_tail, "no module of this name\n");
    assert!(!rig.of_job().exists(), "with the document");
    let (_, started) = rig.running().await;
    assert_eq!(started.handle.0["job"], "9");
}

#[tokio::test]
async fn what_somebody_began_and_never_submitted_is_submitted_by_the_next() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.of_job()).expect("ours");
    let spawner = rig.spawner_with(|settings| {
        settings.claim_patience = Duration::from_millis(300);
    });

    let started = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;

    let handle = started.expect("it starts").handle;
    let directory = handle.0["directory"].as_str().expect("a path");
    assert!(directory.ends_with("a1b2-7-2-2"), "{directory}");
}

#[tokio::test]
async fn a_server_that_lost_its_node_has_ended() {
    let rig = Rig::new();
    let (spawner, started) = rig.running().await;

    rig.firecrest.lose("8");

    let reason = "was lost with its node".to_owned();
    assert_eq!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { reason }
    );
}

#[tokio::test]
async fn what_the_scheduler_refuses_is_told_in_its_words() {
    let rig = Rig::new();
    let message = "sbatch: error: invalid partition specified: nowhere";
    let fault = jansky_testing::firecrest::Fault::Status(500, message);
    rig.firecrest.script().faults.insert("submit", fault);
    let spawner = rig.spawner();

    let failed = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;

    let error = failed.expect_err("it is refused").to_string();
    assert!(error.contains(message), "{error}");
    assert!(!rig.of_job().exists(), "with the document");
}
