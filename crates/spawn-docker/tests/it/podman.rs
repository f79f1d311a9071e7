use jansky_spawn::{PollStatus, Spawner, StopMode};

use crate::bench::{Bench, SERVER, container, get, until, variable};

#[tokio::test]
async fn podman_runs_servers_through_the_same_api() {
    let bench = Bench::on("PODMAN", &variable("JANSKY_TEST_PODMAN_BASE"), SERVER);
    let spawner = bench.spawner();

    let started = bench.start(&spawner).await;
    let again = bench.start(&bench.spawner()).await;

    assert_eq!(again, started);
    until("the server answers", async || get(&started, "/")).await;
    let listed = spawner.list().await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].url.as_ref(), Some(&started.url));
    let log = spawner.log_tail(&started.handle).await;
    assert!(log.starts_with("listening\n"), "{log}");
    let inspected = bench.inspect(&started).to_string();
    assert!(!inspected.contains("canary"), "{inspected}");

    spawner
        .stop(&started.handle, StopMode::Polite)
        .await
        .expect("it ends");

    assert!(matches!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { .. }
    ));
    assert!(!bench.containers().contains(&container(&started.handle)));
}
