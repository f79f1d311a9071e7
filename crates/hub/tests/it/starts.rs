//! How starts turn out.

use std::time::Duration;

use jansky_hub::HubError;
use jansky_model::{ServerName, ServerState};
use jansky_spawn::fake::{FakeBehaviour, FakeStart};
use jansky_testing::hub::{World, until};

fn behaving(start: FakeStart) -> FakeBehaviour {
    FakeBehaviour {
        start,
        log: "the last line".to_owned(),
        ..FakeBehaviour::default()
    }
}

/// Reason and end of the log of a start that failed.
fn failure(state: &ServerState) -> (&str, &str) {
    match state {
        ServerState::Failed {
            reason, log_tail, ..
        } => (reason, log_tail),
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn a_spawner_that_fails_says_why() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();

    for (start, reason, log) in [
        (
            FakeStart::Fails("no such command".to_owned()),
            "no such command",
            "the last line",
        ),
        (FakeStart::Refused("not here".to_owned()), "not here", ""),
        (FakeStart::Unavailable("no room".to_owned()), "no room", ""),
    ] {
        world.spawner.behave(behaving(start));
        let server = hub.begin_start(&user).await;
        let after = hub.settled(&server).await;
        let (found, log_tail) = failure(&after.state);
        assert!(found.contains(reason), "{found}");
        assert_eq!(log_tail, log);
        assert!(
            !hub.knows(&world.last_token()).await,
            "its token is worth nothing"
        );
    }
    assert!(hub.routes.paths().is_empty());
    let metrics = hub.hub.metrics_text().await.expect("the database answers");
    let line = "jupyterhub_server_spawn_duration_seconds_count{status=\"failure\"} 3\n";
    assert!(metrics.contains(line), "{metrics}");
    world.spawner.behave(FakeBehaviour::default());
    let server = hub.begin_start(&user).await;
    assert!(
        hub.settled(&server).await.state.is_ready(),
        "a failure is no end"
    );
}

#[tokio::test]
async fn a_server_that_ends_before_it_answers_shows_its_log() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    world.spawner.behave(behaving(FakeStart::NeverAnswers));
    let server = hub.begin_start(&user).await;
    until("the process runs", async || world.spawner.running() == 1).await;

    world.spawner.end(server.id, "ended with status 1");

    let after = hub.settled(&server).await;
    let (reason, log_tail) = failure(&after.state);
    assert_eq!(
        reason,
        "The server ended before it answered: ended with status 1."
    );
    assert_eq!(log_tail, "the last line");
    let found = jansky_spawn::Spawner::list(&world.spawner).await;
    assert!(found.expect("it lists").is_empty(), "nothing is left over");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub_with(|recipe| recipe.settings.http_timeout = Duration::from_millis(300));
    world.spawner.behave(behaving(FakeStart::NeverAnswers));
    let began = tokio::time::Instant::now();

    let server = hub.begin_start(&user).await;
    let after = hub.settled(&server).await;

    let (reason, log_tail) = failure(&after.state);
    assert_eq!(
        reason,
        "The server was started but did not answer within 0 seconds."
    );
    assert_eq!(log_tail, "the last line");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "one question takes no longer than all"
    );
    assert_eq!(world.spawner.running(), 0);
}

#[tokio::test]
async fn a_spawner_that_takes_too_long_is_given_up() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub_with(|recipe| recipe.settings.start_timeout = Duration::from_millis(100));
    world.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_hours(1),
        ..FakeBehaviour::default()
    });

    let server = hub.begin_start(&user).await;
    let after = hub.settled(&server).await;

    let (reason, _) = failure(&after.state);
    assert!(reason.contains("could not be started within"), "{reason}");
}

#[tokio::test]
async fn two_who_ask_at_the_same_time_get_one_server() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let (one, two) = (world.hub(), world.hub());

    let same = tokio::join!(
        one.begin_start(&user),
        one.begin_start(&user),
        one.begin_start(&user)
    );
    assert_eq!(same.0.state.start(), same.1.state.start());
    one.settled(&same.2).await;
    assert_eq!(world.spawner.starts().len(), 1);

    // Two processes on one database, too.
    let (other, _) = world.server_of("wash").await;
    let (a, b) = tokio::join!(one.begin_start(&other), two.begin_start(&other));
    assert_eq!(a.id, b.id);
    assert!(one.settled(&a).await.state.is_ready());
    assert_eq!(world.spawner.starts().len(), 2);
    let again = one
        .hub
        .servers
        .start_unasked(&other, &ServerName::default_server(), None)
        .await;
    assert!(matches!(again, Err(HubError::Invalid(_))), "{again:?}");
}

#[tokio::test]
async fn every_start_has_a_token_of_its_own() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let server = hub.begin_start(&user).await;
    let ready = hub.settled(&server).await;
    let first = world.last_token();
    hub.hub
        .servers
        .stop_unasked(&ready)
        .await
        .expect("it stops");
    hub.settled(&ready).await;

    let server = hub.begin_start(&user).await;
    hub.settled(&server).await;

    assert_eq!(server.state.start().map(|start| start.0), Some(2));
    assert!(!hub.knows(&first).await);
    assert!(hub.knows(&world.last_token()).await);
}

#[tokio::test]
async fn the_progress_can_be_watched_from_the_beginning() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    world.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_millis(50),
        ..FakeBehaviour::default()
    });
    let server = hub.begin_start(&user).await;

    let mut progress = hub.hub.servers.progress(&server).expect("it is under way");
    while progress.changed().await.is_ok() {}

    let events = progress.borrow().clone();
    let messages: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "Server requested",
            "Starting the server",
            "Waiting for the server to answer",
            "Server ready at /user/river/",
        ]
    );
    assert!(events[3].ready);
    assert!(hub.hub.servers.progress(&server).is_none(), "it is over");
}

#[tokio::test]
async fn a_server_whose_port_somebody_else_holds_is_not_ready_and_says_who() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let who = "the port 127.0.0.1:40001 is held by `nc`, pid 77 of the account `mal`";
    world.spawner.behave(FakeBehaviour {
        others_answer: Some(who.to_owned()),
        ..FakeBehaviour::default()
    });

    let server = hub.begin_start(&user).await;
    let after = hub.settled(&server).await;

    let (reason, _) = failure(&after.state);
    assert!(
        reason.starts_with("The port 127.0.0.1:40001 is held by `nc`"),
        "{reason}"
    );
    assert!(reason.ends_with("it gets another port."), "{reason}");
    assert!(hub.routes.paths().is_empty(), "nobody is led there");
}
