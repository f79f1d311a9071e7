use jansky_spawn::{PollStatus, Severity, SpawnHandle, Spawner, StopMode};
use serde_json::json;

use crate::bench::{Bench, end_of, eventually, pid, stop};

#[tokio::test]
async fn a_new_hub_lists_polls_and_ends_what_an_old_one_made() {
    let bench = Bench::shell("exec sleep 600");
    let old = bench.spawner();
    let started = bench.start(&old).await;
    drop(old);

    let new = bench.spawner();
    let found = new.list().await.expect("listed");

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].handle, started.handle);
    assert_eq!(found[0].url.as_deref(), Some(started.url.as_str()));
    assert_eq!(new.poll(&found[0].handle).await, PollStatus::Running);
    new.stop(&found[0].handle, StopMode::Polite)
        .await
        .expect("ended");
    assert!(bench.pids().is_empty());
    // Only the parent learns how a process ended.
    assert_eq!(end_of(&new, &started.handle).await, "ended");
}

#[tokio::test]
async fn servers_of_another_instance_are_not_seen() {
    let ours = Bench::shell("exec sleep 600");
    let mut theirs = Bench::shell("exec sleep 600");
    theirs.settings.state_dir = theirs.path().join("their-state");
    let spawner = theirs.spawner();
    let started = theirs.start(&spawner).await;

    let seen = ours.spawner().list().await.expect("listed");

    assert!(seen.is_empty(), "{seen:?}");
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn remains_of_a_server_are_listed_and_can_be_ended() {
    let bench = Bench::shell("setsid sleep 600 & echo begun; exit 0");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    end_of(&spawner, &started.handle).await;
    eventually("only the kernel runs", || bench.pids().len() == 1).await;
    drop(spawner);

    let new = bench.spawner();
    let found = new.list().await.expect("listed");

    assert_eq!(found.len(), 1);
    assert!(matches!(
        new.poll(&found[0].handle).await,
        PollStatus::Exited { .. }
    ));
    stop(&new, &found[0].handle).await;
    assert!(bench.pids().is_empty());
    assert!(new.list().await.expect("listed").is_empty());
}

#[tokio::test]
async fn remains_are_found_without_any_record() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    bench.start(&spawner).await;
    std::fs::remove_dir_all(bench.path().join("state")).expect("the records are lost");

    let found = spawner.list().await.expect("listed");

    assert_eq!(found.len(), 1);
    stop(&spawner, &found[0].handle).await;
    assert!(bench.pids().is_empty());
}

#[tokio::test]
async fn a_pid_that_now_is_another_process_is_neither_taken_for_ours_nor_ended() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let mut stale = started.handle.clone();
    stale.0["server"] = json!(99);
    stale.0["main"]["began"] = json!(1);

    assert!(matches!(
        spawner.poll(&stale).await,
        PollStatus::Exited { .. }
    ));
    spawner
        .stop(&stale, StopMode::Now)
        .await
        .expect("it is gone");

    eventually("nothing but the server runs", || {
        bench.pids() == [pid(&started.handle)]
    })
    .await;
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_server_of_an_earlier_boot_has_ended() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let mut old = started.handle.clone();
    old.0["server"] = json!(99);
    old.0["boot"] = json!("another");

    assert!(matches!(
        spawner.poll(&old).await,
        PollStatus::Exited { .. }
    ));
    spawner.stop(&old, StopMode::Now).await.expect("it is gone");

    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_foreign_handle_is_unknown_and_not_gone() {
    let spawner = Bench::shell("true").spawner();
    let foreign = SpawnHandle(json!({ "kind": "container", "id": "abc" }));

    assert!(matches!(
        spawner.poll(&foreign).await,
        PollStatus::Unknown { .. }
    ));
    assert!(spawner.stop(&foreign, StopMode::Now).await.is_err());
}

#[tokio::test]
async fn check_says_what_is_missing() {
    let good = Bench::command(&["python3"]).spawner().check().await;
    let bad = Bench::command(&["no-such-command"]).spawner().check().await;

    let command = |findings: Vec<jansky_spawn::Finding>| {
        let found = findings.into_iter().find(|one| one.subject == "command");
        found.expect("the command is looked at")
    };
    let good = command(good);
    assert_eq!(good.severity, Severity::Good, "{good:?}");
    assert!(good.message.contains("Python 3"), "{good:?}");
    let bad = command(bad);
    assert_eq!(bad.severity, Severity::Error);
    assert!(!bad.advice.is_empty());
}
