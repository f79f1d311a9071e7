use jansky_spawn::{PollStatus, SpawnError, SpawnHandle, Spawner, StopMode};
use jansky_spawn_docker::Agent;
use serde_json::json;

use crate::bench::{Bench, SERVER};

#[tokio::test]
async fn an_engine_that_does_not_run_is_named() {
    let mut bench = Bench::python(SERVER);
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("docker.sock");
    bench.settings.host = format!("unix://{}", socket.display());
    let spawner = bench.spawner();
    let handle = SpawnHandle(json!({
        "kind": "docker", "server": 1, "start": 1, "container": "c0ffee", "engine": "x"
    }));

    let started = bench.try_start(&spawner).await;
    let status = spawner.poll(&handle).await;
    let listed = spawner.list().await;
    let stopped = spawner.stop(&handle, StopMode::Now).await;

    let Err(SpawnError::Unavailable { reason, .. }) = started else {
        panic!("{started:?}");
    };
    assert!(
        reason.contains("docker.sock") && reason.contains("is it running?"),
        "{reason}"
    );
    assert!(matches!(status, PollStatus::Unknown { .. }), "{status:?}");
    assert!(listed.is_err() && stopped.is_err());

    // A socket that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    let started = bench.try_start(&bench.spawner()).await;
    assert!(
        matches!(&started, Err(SpawnError::Unavailable { reason, .. })
            if reason.contains("is it running?")),
        "{started:?}"
    );
}

#[tokio::test]
async fn a_server_that_ends_at_once_tells_why() {
    let bench = Bench::python("import sys; sys.exit('no such thing')");
    let spawner = bench.spawner();

    // Whether the end is seen during the start or after it is a matter of milliseconds.
    let told = match bench.try_start(&spawner).await {
        Ok(started) => {
            let reason = crate::bench::end_of(&spawner, &started.handle).await;
            (reason, spawner.log_tail(&started.handle).await)
        }
        Err(SpawnError::Failed { reason, log_tail }) => {
            assert!(bench.containers().is_empty());
            (reason, log_tail)
        }
        Err(error) => panic!("{error:?}"),
    };

    assert!(told.0.contains("ended with status 1"), "{told:?}");
    assert!(told.1.contains("no such thing"), "{told:?}");
}

#[tokio::test]
async fn an_agent_that_the_image_does_not_have_fails_the_start() {
    let mut bench = Bench::python(SERVER);
    bench.settings.agent = Agent::InImage(vec!["/opt/none".to_owned()]);

    let failed = bench.try_start(&bench.spawner()).await;

    let Err(SpawnError::Failed { reason, .. }) = failed else {
        panic!("{failed:?}");
    };
    assert!(reason.contains("/opt/none"), "{reason}");
    assert!(bench.containers().is_empty(), "something of it is left");
}
