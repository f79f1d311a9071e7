//! What servers have as processes, beside what every spawner must do.

use std::os::unix::fs::PermissionsExt;

use jansky_spawn::{Spawner, StopMode};

use crate::bench::{Bench, end_of, eventually, pid, stop};

#[tokio::test]
async fn a_server_is_a_session_of_its_own_with_a_private_log_and_no_input() {
    let bench = Bench::shell("cat; echo to the log; echo and errors >&2; exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let log = bench.path().join("state/servers/1/1.log");
    eventually("the log is written", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text == "to the log\nand errors\n")
    })
    .await;
    assert_eq!(
        spawner.log_tail(&started.handle).await,
        "to the log\nand errors\n"
    );
    let mode = std::fs::metadata(&log)
        .expect("there is a log")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let main = rustix::process::Pid::from_raw(pid(&started.handle)).expect("a pid");
    assert_eq!(rustix::process::getsid(Some(main)), Ok(main));
    assert_eq!(rustix::process::getpgid(Some(main)), Ok(main));

    stop(&spawner, &started.handle).await;
    assert!(log.exists(), "the log is for the time after the end");
    spawner.remove(started_server()).await.expect("removed");
    assert!(!log.exists());
    assert_eq!(spawner.log_tail(&started.handle).await, "");
}

const fn started_server() -> jansky_model::ServerId {
    jansky_model::ServerId(1)
}

#[tokio::test]
async fn a_child_that_ended_leaves_no_zombie() {
    let bench = Bench::shell("exit 3");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let reason = end_of(&spawner, &started.handle).await;

    assert_eq!(reason, "ended with status 3");
    assert!(!std::path::Path::new(&format!("/proc/{}", pid(&started.handle))).exists());
    assert_eq!(
        end_of(&spawner, &started.handle).await,
        reason,
        "asking again gives the same"
    );
    spawner
        .stop(&started.handle, StopMode::Polite)
        .await
        .expect("it is gone already");
}

#[tokio::test]
async fn the_working_directory_is_made_for_the_user_only() {
    let bench = Bench::shell("pwd; exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let mode = std::fs::metadata(bench.home())
        .expect("it was made")
        .permissions()
        .mode();

    assert_eq!(mode & 0o777, 0o700);
    let log = bench.path().join("state/servers/1/1.log");
    let expected = format!("{}\n", bench.home().display());
    eventually("the server works there", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text == expected)
    })
    .await;
    stop(&spawner, &started.handle).await;
}
