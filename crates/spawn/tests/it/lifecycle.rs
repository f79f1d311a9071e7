use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use jansky_spawn::{PollStatus, ProgressSink, Spawner, StopMode};

use crate::bench::{Bench, end_of, eventually, pid, spec, stop};

const SERVER: &str = "
import http.server, os, urllib.parse
address = urllib.parse.urlparse(os.environ['JUPYTERHUB_SERVICE_URL'])
http.server.HTTPServer((address.hostname, address.port), http.server.BaseHTTPRequestHandler).serve_forever()
";

#[tokio::test]
async fn a_server_runs_answers_at_its_url_and_ends_when_asked() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    let (progress, mut events) = ProgressSink::channel();

    let started = spawner
        .start(&spec(1, 1), &progress)
        .await
        .expect("the server starts");

    let address = started
        .url
        .strip_prefix("http://")
        .expect("plain HTTP")
        .to_owned();
    eventually("the server answers", || {
        std::net::TcpStream::connect(&address).is_ok()
    })
    .await;
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    assert!(events.recv().await.is_some_and(|event| !event.is_last()));

    spawner
        .stop(&started.handle, StopMode::Polite)
        .await
        .expect("the server is ended");

    assert!(matches!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { .. }
    ));
    assert!(bench.pids().is_empty());
    assert!(spawner.list().await.expect("listed").is_empty());
}

#[tokio::test]
async fn a_second_start_finds_the_first_also_from_a_new_hub() {
    let bench = Bench::shell("exec sleep 600");
    let first = bench.spawner();
    let started = bench.start(&first).await;

    let again = bench.start(&first).await;
    drop(first);
    let second = bench.spawner();
    let found = bench.start(&second).await;

    assert_eq!(again, started);
    assert_eq!(found, started);
    assert_eq!(bench.pids(), [pid(&started.handle)]);
    stop(&second, &started.handle).await;
}

#[tokio::test]
async fn parallel_starts_of_one_server_make_one_process() {
    let bench = Bench::shell("exec sleep 600");
    // Two hubs, so that nothing in memory can help.
    let (one, two) = (bench.spawner(), bench.spawner());

    let started = tokio::join!(
        bench.start(&one),
        bench.start(&two),
        bench.start(&one),
        bench.start(&two)
    );

    let all = [started.0, started.1, started.2, started.3];
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    assert_eq!(bench.pids(), [pid(&all[0].handle)]);
    stop(&one, &all[0].handle).await;
}

#[tokio::test]
async fn a_start_that_was_broken_off_is_found_or_never_happened() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    for millis in 0..12 {
        let time = std::time::Duration::from_millis(millis);
        let _ = tokio::time::timeout(time, bench.try_start(&spawner)).await;
    }

    let hub = bench.spawner();
    let started = bench.start(&hub).await;

    let main = pid(&started.handle);
    eventually("one process is left", || bench.pids() == [main]).await;
    let found = hub.list().await.expect("listed");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].handle, found[0].url.as_ref()),
        (&started.handle, Some(&started.url))
    );
    stop(&hub, &started.handle).await;
}

#[tokio::test]
async fn a_server_that_ended_is_started_anew() {
    let bench = Bench::shell("exit 0");
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    end_of(&spawner, &first.handle).await;

    let second = bench.start(&spawner).await;

    assert_ne!(second.handle, first.handle);
    end_of(&spawner, &second.handle).await;
}

#[tokio::test]
async fn servers_have_different_ports() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let mut urls = BTreeSet::new();
    for server in 1..=5 {
        let spec = spec(server, 1);
        let started = spawner
            .start(&spec, &ProgressSink::discard())
            .await
            .expect("it starts");
        urls.insert(started.url);
    }

    let found = spawner.list().await.expect("listed");

    assert_eq!((urls.len(), found.len()), (5, 5));
    for server in found {
        stop(&spawner, &server.handle).await;
    }
}

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
