//! What FirecREST answers when it does not answer: nobody concludes anything from that.

use std::time::Duration;

use jansky_spawn::{PollStatus, ProgressSink, Spawner as _};
use jansky_testing::firecrest::Fault;

use jansky_settings::Written;

use crate::rig::{Rig, in_time, spec};

#[tokio::test]
async fn no_answer_is_no_end() {
    let rig = Rig::new();
    let (_, started) = rig.running().await;
    let spawner = rig.spawner_with(|settings| {
        settings.request_timeout = Written(Duration::from_millis(500));
    });

    for fault in [
        Fault::Status(404, "Job not found."),
        Fault::Status(404, "System not found"),
        Fault::Status(401, "Access token is invalid."),
        Fault::Status(500, "Error executing Slurm command."),
        Fault::Status(503, "The scheduler is unhealthy."),
        Fault::TooMany {
            times: 1,
            retry_after: 1,
        },
        Fault::Silence,
    ] {
        let told = format!("{fault:?}");
        rig.firecrest.script().faults.insert("job", fault);
        let status = in_time(spawner.poll(&started.handle)).await;
        assert!(
            matches!(status, PollStatus::Unknown { .. }),
            "{told}: {status:?}"
        );
        rig.firecrest.script().faults.remove("job");
    }
    rig.firecrest.close().await;
    let status = in_time(spawner.poll(&started.handle)).await;
    assert!(matches!(status, PollStatus::Unknown { .. }), "{status:?}");
    assert!(in_time(spawner.list()).await.is_err());
    rig.firecrest.open().await;

    // Who was asked to wait a second does so.
    in_time(async {
        while spawner.poll(&started.handle).await != PollStatus::Running {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_is_asked_to_wait_waits_and_asks_again() {
    let rig = Rig::new();
    let spawner = rig.spawner();
    let fault = Fault::TooMany {
        times: 1,
        retry_after: 1,
    };
    rig.firecrest.script().faults.insert("userinfo", fault);

    let began = tokio::time::Instant::now();
    let started = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;

    started.expect("it starts");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let statuses = rig.firecrest.calls("userinfo");
    let statuses: Vec<u16> = statuses.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [429, 200]);
}

#[tokio::test]
async fn a_start_goes_on_while_nobody_can_look_at_its_job() {
    let rig = Rig::new();
    let fault = Fault::Status(500, "Error executing Slurm command.");
    rig.firecrest.script().faults.insert("job", fault);
    let spawner = rig.spawner();
    let (sink, mut events) = ProgressSink::channel();
    let start = tokio::spawn(async move { spawner.start(&spec(), &sink).await });

    in_time(async {
        while let Some(event) = events.recv().await {
            if event
                .message
                .contains("Job 8 was submitted; FirecREST answered 500")
            {
                return;
            }
        }
        panic!("it was not told");
    })
    .await;
    rig.firecrest.script().faults.clear();

    let started = in_time(start).await.expect("no panic");
    started.expect("it starts");
}

#[tokio::test]
async fn the_doctor_says_whether_somebody_is_there() {
    use jansky_spawn::Severity;

    let rig = Rig::new();
    let spawner = rig.spawner();

    let well = spawner.check().await;
    rig.firecrest.close().await;
    let ill = spawner.check().await;

    assert!(
        well.iter().all(|one| one.severity == Severity::Good),
        "{well:?}"
    );
    assert_eq!(ill[0].severity, Severity::Error, "{ill:?}");
}
