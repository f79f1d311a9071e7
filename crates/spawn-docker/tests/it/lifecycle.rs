use jansky_spawn::{PollStatus, ProgressSink, SpawnHandle, Spawner, StopMode};

use crate::bench::{Bench, SERVER, container, end_of, get, spec, stop, until};

#[tokio::test]
async fn a_server_runs_answers_at_its_url_and_ends_when_asked() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    let (progress, mut events) = ProgressSink::channel();

    let started = spawner
        .start(&spec(1, 1), &progress)
        .await
        .expect("the server starts");

    let answer = until("the server answers", async || {
        get(&started, "/user/river/api")
    })
    .await;
    assert_eq!(answer, "/user/river/api");
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    assert!(events.recv().await.is_some_and(|event| !event.is_last()));
    let log = until("it logs", async || {
        Some(spawner.log_tail(&started.handle).await).filter(|log| !log.is_empty())
    })
    .await;
    assert!(log.starts_with("listening\n"), "{log}");

    spawner
        .stop(&started.handle, StopMode::Polite)
        .await
        .expect("the server is ended");

    assert!(matches!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { .. }
    ));
    assert!(bench.containers().is_empty());
    assert!(spawner.list().await.expect("listed").is_empty());
    assert_eq!(spawner.log_tail(&started.handle).await, "");
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_second_start_finds_the_first_also_from_a_new_hub() {
    let bench = Bench::python(SERVER);
    let first = bench.spawner();
    let started = bench.start(&first).await;

    let again = bench.start(&first).await;
    drop(first);
    let second = bench.spawner();
    let found = bench.start(&second).await;
    let listed = second.list().await.expect("listed");

    assert_eq!(again, started);
    assert_eq!(found, started);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].server, listed[0].start, &listed[0].handle),
        (spec(1, 1).server, spec(1, 1).start, &started.handle)
    );
    assert_eq!(listed[0].url.as_ref(), Some(&started.url));
    assert_eq!(bench.containers(), [container(&started.handle)]);
}

#[tokio::test]
async fn parallel_starts_of_one_server_make_one_container() {
    let bench = Bench::python(SERVER);
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
    assert_eq!(bench.containers(), [container(&all[0].handle)]);
    until("it answers", async || get(&all[0], "/")).await;
}

#[tokio::test]
async fn a_start_that_was_broken_off_is_found_or_never_happened() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    for millis in [20, 200, 350, 500, 700] {
        let time = std::time::Duration::from_millis(millis);
        let _ = tokio::time::timeout(time, bench.try_start(&spawner)).await;
    }

    let hub = bench.spawner();
    let started = bench.start(&hub).await;

    // With the whole document, or else it would not answer.
    until("the server answers", async || get(&started, "/")).await;
    assert_eq!(bench.containers(), [container(&started.handle)]);
}

#[tokio::test]
async fn a_server_that_ended_is_started_anew() {
    let bench = Bench::python("import time; time.sleep(1)");
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    let reason = end_of(&spawner, &first.handle).await;
    assert_eq!(reason, "ended with status 0");

    let second = bench.start(&spawner).await;

    assert_ne!(second.handle, first.handle);
    assert_eq!(bench.containers(), [container(&second.handle)]);
    assert!(matches!(
        spawner.poll(&first.handle).await,
        PollStatus::Exited { .. }
    ));
}

#[tokio::test]
async fn what_is_left_without_a_handle_is_listed_and_cleared_away() {
    let bench = Bench::python("import time; time.sleep(0.5)");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    end_of(&spawner, &started.handle).await;
    drop(started);

    let found = bench.spawner().list().await.expect("listed");

    assert_eq!(found.len(), 1);
    stop(&spawner, &found[0].handle).await;
    assert!(bench.containers().is_empty());
}

#[tokio::test]
async fn containers_of_another_hub_are_left_alone() {
    let (one, two) = (Bench::python(SERVER), Bench::python(SERVER));
    let (first, second) = (one.spawner(), two.spawner());
    let of_first = one.start(&first).await;
    let of_second = two.start(&second).await;

    let listed = first.list().await.expect("listed");
    stop(&first, &of_second.handle).await;

    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle, of_first.handle);
    assert_eq!(second.poll(&of_second.handle).await, PollStatus::Running);
}

#[tokio::test]
async fn a_published_port_reaches_the_server_as_well() {
    let mut bench = Bench::python(SERVER);
    bench.settings.reach = jansky_spawn_docker::Reach::PublishedPort;
    // A network that leads nowhere has no ports either.
    bench.settings.network.name = "jansky-test-ports".to_owned();
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
