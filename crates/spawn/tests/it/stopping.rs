use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use jansky_settings::{Cgroups, Written};
use jansky_spawn::{Spawner, StopMode};

use crate::bench::{Bench, end_of, eventually, pid};

/// Notes which signal came, once it is ready for them. It writes without a buffer, in which a signal
/// could find it still writing.
const CAREFUL: &str = "
import os, signal, sys, time
def note(number, frame):
    os.write(1, b'got %d\\n' % number)
    if number == int(sys.argv[1]):
        sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, note)
os.write(1, b'ready\\n')
while True:
    time.sleep(1)
";

fn careful(ends_at: &str) -> Bench {
    let mut bench = Bench::python(CAREFUL);
    bench.settings.arguments = vec![ends_at.to_owned()];
    bench
}

/// Waits until the server can take signals, and returns its log.
async fn ready(bench: &Bench) -> PathBuf {
    let log = bench.path().join("state/servers/1/1.log");
    eventually("the server is ready", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"))
    })
    .await;
    log
}

async fn stopped(bench: &Bench, mode: StopMode) -> (String, Duration) {
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let log = ready(bench).await;
    let began = Instant::now();
    spawner.stop(&started.handle, mode).await.expect("ended");
    let took = began.elapsed();
    assert!(bench.pids().is_empty());
    (std::fs::read_to_string(log).expect("there is a log"), took)
}

#[tokio::test]
async fn a_polite_stop_begins_with_an_interrupt_and_waits_no_longer_than_needed() {
    let mut bench = careful("2");
    bench.settings.interrupt_timeout = Written(Duration::from_secs(10));

    let (log, took) = stopped(&bench, StopMode::Polite).await;

    assert_eq!(log, "ready\ngot 2\n");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_server_that_ignores_the_interrupt_is_told_to_terminate() {
    let (log, _) = stopped(&careful("15"), StopMode::Polite).await;

    assert_eq!(log, "ready\ngot 2\ngot 15\n");
}

#[tokio::test]
async fn a_stubborn_server_is_killed_within_the_timeouts() {
    let (log, took) = stopped(&careful("0"), StopMode::Polite).await;

    assert_eq!(log, "ready\ngot 2\ngot 15\n");
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(4),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_stop_at_once_asks_nobody() {
    let (log, _) = stopped(&careful("2"), StopMode::Now).await;

    assert_eq!(log, "ready\n");
}

/// Starts kernels that are sessions of their own, one of which has forgotten its environment.
const FAMILY: &str = "setsid sleep 600 & setsid env -i /bin/sleep 601 & \
     (setsid sleep 602 &) ; echo ready; exec sleep 603";

#[tokio::test]
async fn kernels_with_sessions_of_their_own_end_with_the_server() {
    for (cgroups, mode) in [
        (Cgroups::Off, StopMode::Polite),
        (Cgroups::Off, StopMode::Now),
        (Cgroups::Auto, StopMode::Polite),
    ] {
        let mut bench = Bench::shell(FAMILY);
        bench.settings.cgroups = cgroups;
        let spawner = bench.spawner();
        let started = bench.start(&spawner).await;
        let children = format!("/proc/{0}/task/{0}/children", pid(&started.handle));
        eventually("three carry the mark", || bench.pids().len() == 3).await;
        let forgetful = || {
            let children = std::fs::read_to_string(&children).unwrap_or_default();
            let pids: Vec<i32> = children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect();
            pids.into_iter().find(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line == b"/bin/sleep\x00601\x00")
            })
        };
        eventually("one has no environment", || forgetful().is_some()).await;
        let forgetful = forgetful().expect("it runs");

        spawner.stop(&started.handle, mode).await.expect("ended");

        assert!(bench.pids().is_empty());
        // Its new parent may take a moment to forget it.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{forgetful}/stat"));
            stat.map_or(true, |stat| {
                stat.contains(") Z ") || !stat.contains("(sleep)")
            })
        };
        eventually("the one without an environment is gone", gone).await;
    }
}

#[tokio::test]
async fn a_stop_that_was_broken_off_can_be_repeated() {
    let bench = careful("0");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    ready(&bench).await;
    let stop = spawner.stop(&started.handle, StopMode::Polite);
    let broken_off = tokio::time::timeout(Duration::from_millis(50), stop).await;
    let again = spawner.stop(&started.handle, StopMode::Now).await;

    assert!(broken_off.is_err());
    again.expect("ended");
    assert!(bench.pids().is_empty());
}

#[tokio::test]
async fn the_reason_names_the_signal_that_ended_a_server() {
    let bench = Bench::shell("kill -TERM $$");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    assert_eq!(
        end_of(&spawner, &started.handle).await,
        "was killed by signal 15"
    );
}
