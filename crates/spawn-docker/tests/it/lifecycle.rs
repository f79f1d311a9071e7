//! What servers have as containers, beside what every spawner must do.

use jansky_spawn::{PollStatus, SpawnHandle, Spawner, StopMode};

use crate::bench::{Bench, SERVER, container, end_of, get, until};

#[tokio::test]
async fn a_server_has_a_log_that_goes_with_its_container() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let log = until("it logs", async || {
        Some(spawner.log_tail(&started.handle).await).filter(|log| !log.is_empty())
    })
    .await;
    assert!(log.starts_with("listening\n"), "{log}");

    spawner
        .stop(&started.handle, StopMode::Polite)
        .await
        .expect("the server is ended");

    assert_eq!(spawner.log_tail(&started.handle).await, "");
}

#[tokio::test]
async fn the_container_of_a_server_that_ended_makes_room_for_the_next() {
    let bench = Bench::python("import time; time.sleep(0.5)");
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    let reason = end_of(&spawner, &first.handle).await;
    assert_eq!(reason, "ended with status 0");

    let second = bench.start(&spawner).await;

    assert_ne!(container(&second.handle), container(&first.handle));
    assert_eq!(bench.containers(), [container(&second.handle)]);
}

#[tokio::test]
async fn a_published_port_reaches_the_server_as_well() {
    let mut bench = Bench::python(SERVER);
    bench.settings.reach = jansky_settings::Reach::Port;
    // A network that leads nowhere has no ports either.
    bench.settings.network = "jansky-test-ports".to_owned();
    let spawner = bench.spawner();

    let started = bench.start(&spawner).await;

    assert!(started.url.starts_with("http://127.0.0.1:"), "{started:?}");
    until("the server answers", async || get(&started, "/")).await;
    let listed = spawner.list().await.expect("listed");
    assert_eq!(listed[0].url.as_ref(), Some(&started.url));
}

#[tokio::test]
async fn a_handle_of_another_engine_proves_nothing() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let mut elsewhere = started.handle.0;
    elsewhere["engine"] = "another".into();
    elsewhere["container"] = "0123456789ab".into();

    let status = spawner.poll(&SpawnHandle(elsewhere)).await;

    assert!(matches!(status, PollStatus::Unknown { .. }), "{status:?}");
}
