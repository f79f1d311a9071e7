//! How servers end: because somebody wants it, or by themselves.

use std::time::Duration;

use jansky_model::{ServerState, StartId};
use jansky_spawn::StopMode;
use jansky_spawn::fake::{FakeBehaviour, FakeStart};
use jansky_testing::hub::{World, until};

#[tokio::test]
async fn a_start_is_cancelled_while_the_spawner_works() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    world.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_hours(1),
        ..FakeBehaviour::default()
    });
    let server = hub.begin_start(&user).await;
    let mut progress = hub.hub.servers.progress(&server).expect("it is under way");
    until("the spawner was asked", async || {
        !world.spawner.starts().is_empty()
    })
    .await;

    hub.hub
        .servers
        .stop_unasked(&server)
        .await
        .expect("it can be cancelled");

    while progress.changed().await.is_ok() {}
    let last = progress.borrow().last().cloned().expect("an event");
    assert_eq!(last.message, "Spawn cancelled");
    assert_eq!(hub.settled(&server).await.state, ServerState::Stopped);
    assert_eq!(world.spawner.running(), 0);
    assert!(!hub.knows(&world.last_token()).await);
}

#[tokio::test]
async fn a_start_is_cancelled_while_the_server_does_not_answer() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    world.spawner.behave(FakeBehaviour {
        start: FakeStart::NeverAnswers,
        ..FakeBehaviour::default()
    });
    let server = hub.begin_start(&user).await;
    until("the process runs", async || world.spawner.running() == 1).await;

    hub.hub
        .servers
        .stop_unasked(&server)
        .await
        .expect("it can be cancelled");

    assert_eq!(hub.settled(&server).await.state, ServerState::Stopped);
    let stops = world.spawner.stops();
    assert_eq!(stops, [(server.id, StartId(1), StopMode::Polite)]);
    assert_eq!(world.spawner.running(), 0);
}

#[tokio::test]
async fn a_stop_that_does_not_work_is_tried_again() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let server = hub.begin_start(&user).await;
    let ready = hub.settled(&server).await;
    world.spawner.behave(FakeBehaviour {
        stop_failure: Some("it hangs".to_owned()),
        ..FakeBehaviour::default()
    });

    hub.hub
        .servers
        .stop_unasked(&ready)
        .await
        .expect("the wish is recorded");
    assert!(
        hub.routes.paths().is_empty(),
        "nobody is led there any more"
    );
    until("it was tried", async || !world.spawner.stops().is_empty()).await;
    hub.hub.servers.look_at_servers().await.expect("it looks");
    assert!(
        world.reread(&server).await.state.is_active(),
        "it may still run"
    );

    world.spawner.behave(FakeBehaviour::default());
    until("it is gone", async || {
        hub.hub.servers.look_at_servers().await.expect("it looks");
        world.reread(&server).await.state == ServerState::Stopped
    })
    .await;
    assert_eq!(world.spawner.running(), 0);
}

#[tokio::test]
async fn a_stop_waits_until_it_is_known_what_was_started() {
    let world = World::new().await;
    let (server, token) = world.begun("river").await;
    world.spawned(server.id, StartId(1), &token).await;
    world.spawner.behave(FakeBehaviour {
        list_failure: Some("it does not say".to_owned()),
        ..FakeBehaviour::default()
    });
    let hub = world.hub();
    hub.hub.servers.resume().await.expect("it resumes");

    hub.hub
        .servers
        .stop_unasked(&server)
        .await
        .expect("the wish is recorded");
    hub.hub
        .servers
        .stop_all_servers(hub.hub.operator(), Duration::from_secs(1))
        .await
        .expect("it waits");
    let state = world.reread(&server).await.state;
    assert!(matches!(state, ServerState::Stopping { .. }), "{state:?}");

    world.spawner.behave(FakeBehaviour::default());
    until("it is gone", async || {
        hub.hub.servers.look_at_servers().await.expect("it looks");
        world.reread(&server).await.state == ServerState::Stopped
    })
    .await;
    assert_eq!(world.spawner.running(), 0, "no process is left behind");
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_noticed() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let server = hub.begin_start(&user).await;
    hub.settled(&server).await;
    let token = world.last_token();
    hub.hub.servers.look_at_servers().await.expect("it looks");
    assert!(world.reread(&server).await.state.is_ready());
    assert!(hub.knows(&token).await);

    world.spawner.end(server.id, "was killed by signal 9");
    hub.hub.servers.look_at_servers().await.expect("it looks");

    assert_eq!(world.reread(&server).await.state, ServerState::Stopped);
    assert!(hub.routes.paths().is_empty());
    assert!(!hub.knows(&token).await);
}

#[tokio::test]
async fn housekeeping_looks_by_itself() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub_with(|recipe| recipe.settings.poll_interval = Duration::from_millis(20));
    hub.hub.spawn_housekeeping();
    let server = hub.begin_start(&user).await;
    assert!(
        hub.settled(&server).await.state.is_ready(),
        "a start is not disturbed"
    );

    world.spawner.end(server.id, "was killed by signal 9");

    until("it was noticed", async || {
        world.reread(&server).await.state == ServerState::Stopped
    })
    .await;
    assert_eq!(world.spawner.starts().len(), 1);
    hub.hub.shut_down_process(jansky_testing::hub::SOON).await;
}

#[tokio::test]
async fn stopping_what_does_not_run_does_nothing() {
    let world = World::new().await;
    let (_, server) = world.server_of("river").await;
    let hub = world.hub();

    hub.hub
        .servers
        .stop_unasked(&server)
        .await
        .expect("nothing is to be done");

    assert_eq!(world.reread(&server).await.state, ServerState::Stopped);
    assert!(world.spawner.stops().is_empty());
}
