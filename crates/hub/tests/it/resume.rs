//! What a hub makes of what an earlier one left.

use jansky_hub::Resumed;
use jansky_model::{ServerEvent, ServerId, ServerState, StartId};
use jansky_spawn::fake::FakeBehaviour;
use jansky_testing::hub::{World, until};

#[tokio::test]
async fn a_server_that_runs_is_adopted() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    let ready = first.settled(&server).await;
    let token = world.last_token();

    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            adopted: 1,
            ..Resumed::default()
        }
    );
    assert_eq!(
        world.reread(&server).await.state,
        ready.state,
        "nothing changed"
    );
    let ServerState::Ready { url, .. } = &ready.state else {
        panic!("{:?}", ready.state)
    };
    assert_eq!(second.routes.url("/user/river/").as_ref(), Some(url));
    assert!(second.knows(&token).await);
    assert_eq!(world.spawner.starts().len(), 1);
    assert!(world.spawner.stops().is_empty());
}

#[tokio::test]
async fn a_start_that_got_to_the_spawner_is_finished_with_its_own_token() {
    let world = World::new().await;
    let (server, token) = world.begun("river").await;
    world.spawned(server.id, StartId(1), &token).await;

    let hub = world.hub();
    let resumed = hub.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            starting: 1,
            ..Resumed::default()
        }
    );
    let after = hub.settled(&server).await;
    assert!(after.state.is_ready(), "{:?}", after.state);
    assert_eq!(hub.routes.paths(), ["/user/river/"]);
    assert_eq!(world.spawner.running(), 1, "not a second one");
    assert!(hub.knows(&token).await, "the process has no other");
}

#[tokio::test]
async fn a_start_that_did_not_get_to_the_spawner_begins_again() {
    let world = World::new().await;
    let (server, lost) = world.begun("river").await;

    let hub = world.hub();
    let resumed = hub.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            starting: 1,
            ..Resumed::default()
        }
    );
    let after = hub.settled(&server).await;
    assert!(after.state.is_ready(), "{:?}", after.state);
    assert_eq!(
        after.state.start(),
        Some(StartId(1)),
        "it is still the same start"
    );
    assert_eq!(world.spawner.running(), 1);
    assert!(hub.knows(&world.last_token()).await);
    assert!(!hub.knows(&lost).await, "nobody has it");
}

#[tokio::test]
async fn a_start_whose_process_has_ended_meanwhile_begins_again_with_a_good_token() {
    let world = World::new().await;
    let (server, token) = world.begun("river").await;
    world.spawned(server.id, StartId(1), &token).await;
    world.spawner.end(server.id, "was killed by signal 9");

    let hub = world.hub();
    hub.hub.servers.resume().await.expect("it resumes");

    let after = hub.settled(&server).await;
    assert!(after.state.is_ready(), "{:?}", after.state);
    assert!(hub.knows(&world.last_token()).await);
}

#[tokio::test]
async fn a_stop_goes_on() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    let ready = first.settled(&server).await;
    let token = world.last_token();
    let stopping = world
        .store
        .apply_event(ready.id, ready.version, ServerEvent::Stop, world.now())
        .await;
    let stopping = stopping.expect("it was ready");

    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            stopping: 1,
            ..Resumed::default()
        }
    );
    let after = second.settled(&stopping).await;
    assert_eq!(after.state, ServerState::Stopped);
    assert_eq!(world.spawner.running(), 0);
    assert!(!second.knows(&token).await);
    assert!(second.routes.paths().is_empty());
}

#[tokio::test]
async fn a_server_that_ended_while_nobody_looked_is_cleared_away() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    first.settled(&server).await;
    let token = world.last_token();
    world.spawner.end(server.id, "ended with status 0");

    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            gone: 1,
            ..Resumed::default()
        }
    );
    assert_eq!(world.reread(&server).await.state, ServerState::Stopped);
    assert!(second.routes.paths().is_empty());
    assert!(!second.knows(&token).await);
    let started = second.begin_start(&user).await;
    assert!(second.settled(&started).await.state.is_ready());
}

#[tokio::test]
async fn what_belongs_to_no_start_is_ended() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    first.settled(&server).await;
    let token = world.last_token();
    // A deleted server, and an earlier start of one that runs.
    world.spawned(ServerId(99), StartId(1), &token).await;
    world.spawned(server.id, StartId(0), &token).await;

    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");

    assert_eq!(
        resumed,
        Resumed {
            adopted: 1,
            orphans: 2,
            ..Resumed::default()
        }
    );
    until("only the wanted one runs", async || {
        world.spawner.running() == 1
    })
    .await;
    let stops = world.spawner.stops();
    let mut ended: Vec<_> = stops
        .iter()
        .map(|(server, start, _)| (*server, *start))
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, [(server.id, StartId(0)), (ServerId(99), StartId(1))]);
    assert!(world.reread(&server).await.state.is_ready());
}

#[tokio::test]
async fn nothing_is_given_up_while_the_spawner_does_not_answer() {
    let world = World::new().await;
    let (user, _) = world.server_of("wash").await;
    let first = world.hub();
    let running = first.begin_start(&user).await;
    first.settled(&running).await;
    let (server, token) = world.begun("river").await;
    world.spawned(server.id, StartId(1), &token).await;
    world.spawner.behave(FakeBehaviour {
        list_failure: Some("it does not say".to_owned()),
        unknown_polls: Some("no connection".to_owned()),
        ..FakeBehaviour::default()
    });

    let hub = world.hub();
    let resumed = hub.hub.servers.resume().await.expect("it resumes");
    hub.hub.servers.look_at_servers().await.expect("it looks");

    assert_eq!(
        resumed,
        Resumed {
            adopted: 1,
            starting: 1,
            ..Resumed::default()
        }
    );
    assert_eq!(hub.routes.paths(), ["/user/wash/"]);
    assert!(world.reread(&running).await.state.is_ready());
    assert_eq!(world.reread(&server).await.state, server.state);
    assert!(hub.knows(&token).await, "the process may have it");
    assert_eq!(world.spawner.running(), 2);

    world.spawner.behave(FakeBehaviour::default());
    hub.hub.servers.look_at_servers().await.expect("it looks");
    let after = hub.settled(&server).await;
    assert!(after.state.is_ready(), "{:?}", after.state);
    assert!(hub.knows(&token).await);
}

#[tokio::test]
async fn a_hub_that_shuts_down_leaves_servers_running() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    first.settled(&server).await;

    first.hub.shut_down_process(jansky_testing::hub::SOON).await;

    assert_eq!(world.spawner.running(), 1);
    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");
    assert_eq!(resumed.adopted, 1);
    second
        .hub
        .servers
        .stop_all_servers(second.hub.operator(), jansky_testing::hub::SOON)
        .await
        .expect("they stop");
    assert_eq!(world.spawner.running(), 0);
    assert_eq!(world.reread(&server).await.state, ServerState::Stopped);
}

#[tokio::test]
async fn a_server_whose_port_somebody_else_holds_is_not_adopted() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let first = world.hub();
    let server = first.begin_start(&user).await;
    first.settled(&server).await;
    world.spawner.behave(FakeBehaviour {
        others_answer: Some("the port is held by `nc`".to_owned()),
        ..FakeBehaviour::default()
    });

    let second = world.hub();
    let resumed = second.hub.servers.resume().await.expect("it resumes");

    assert_eq!(resumed.gone, 1);
    assert!(second.routes.paths().is_empty(), "nobody is led there");
    assert_eq!(world.reread(&server).await.state, ServerState::Stopped);
}
