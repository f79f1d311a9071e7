//! Tickets and sessions of agents.

use jansky_model::{ServerEvent, ServerId, StartId, Timestamp};
use jansky_store::{AgentSession, Agents, Enrolment, FreezeReason, NewTicket, Server};

use crate::harness::{TestStore, at, digest, on_both};
use crate::servers::begin;

on_both! {
    a_ticket_works_once_and_a_second_use_freezes_what_came_of_it,
    a_ticket_has_no_end_until_its_process_has_begun,
    a_ticket_is_only_made_for_a_start_that_is_under_way,
    a_server_that_ends_takes_tickets_and_session_with_it,
    signing_in_thaws_what_signing_out_froze_and_nothing_else,
    an_agent_that_comes_in_after_the_sign_out_is_frozen,
    every_freeze_is_announced_once,
}

/// A server that is starting.
async fn starting(store: &TestStore, user: &str) -> Server {
    let server = store.add_server(user).await;
    begin(store, &server).await
}

async fn ticket(store: &TestStore, server: &Server, seed: &str) -> bool {
    let new = NewTicket {
        digest: digest(seed),
        server: server.id,
        start: server.state.start().unwrap_or(StartId(1)),
        at: at(0),
    };
    store.create_ticket(&new).await.expect("the digest is new")
}

async fn enroll(store: &TestStore, seed: &str, now: Timestamp) -> Enrolment {
    let session = digest(&format!("of {seed}"));
    let enrolled = store.enroll(&digest(seed), &session, "key", now).await;
    enrolled.expect("the database answers")
}

async fn session_of(store: &TestStore, server: ServerId) -> Option<AgentSession> {
    let sessions = store.agent_sessions(Agents::OfServer(server)).await;
    sessions.expect("the database answers").pop()
}

async fn a_ticket_works_once_and_a_second_use_freezes_what_came_of_it(store: TestStore) {
    let server = starting(&store, "river").await;
    assert!(ticket(&store, &server, "ticket").await);

    let Enrolment::Began(session) = enroll(&store, "ticket", at(1)).await else {
        panic!("the ticket was good");
    };
    assert_eq!(
        (session.server, session.user_id, session.start),
        (server.id, server.user_id, StartId(1))
    );
    assert_eq!((session.thumbprint.as_str(), session.frozen), ("key", None));
    let found = store.agent_session_by_digest(&digest("of ticket")).await;
    assert_eq!(found.expect("the database answers"), Some(session.clone()));

    let again = enroll(&store, "ticket", at(2)).await;

    let user_id = server.user_id;
    assert_eq!(
        again,
        Enrolment::Replayed {
            server: server.id,
            user_id
        }
    );
    let frozen = session_of(&store, server.id).await.expect("it is kept");
    assert_eq!(frozen.id, session.id);
    assert_eq!(frozen.frozen, Some(FreezeReason::TicketReplay));
    assert_eq!(frozen.frozen_at, Some(at(2)));
    assert_eq!(enroll(&store, "unknown", at(2)).await, Enrolment::Unknown);
}

async fn a_ticket_has_no_end_until_its_process_has_begun(store: TestStore) {
    let river = starting(&store, "river").await;
    ticket(&store, &river, "early").await;
    assert!(matches!(
        enroll(&store, "early", at(100_000)).await,
        Enrolment::Began(_)
    ));
    ticket(&store, &river, "in time").await;
    ticket(&store, &river, "late").await;
    let start = StartId(1);
    let limited = store.limit_tickets(river.id, start, at(60)).await;
    limited.expect("the database answers");
    // What was limited stays so.
    let again = store.limit_tickets(river.id, start, at(1000)).await;
    again.expect("the database answers");

    let in_time = enroll(&store, "in time", at(59)).await;
    let late = enroll(&store, "late", at(60)).await;

    assert!(matches!(in_time, Enrolment::Began(_)), "{in_time:?}");
    let user_id = river.user_id;
    assert_eq!(
        late,
        Enrolment::Late {
            server: river.id,
            user_id
        }
    );
    let session = session_of(&store, river.id).await.expect("the last one");
    assert_eq!(session.frozen, None);
}

async fn a_ticket_is_only_made_for_a_start_that_is_under_way(store: TestStore) {
    let server = store.add_server("river").await;
    assert!(!ticket(&store, &server, "stopped").await);

    let server = begin(&store, &server).await;
    let other = NewTicket {
        digest: digest("other"),
        server: server.id,
        start: StartId(7),
        at: at(0),
    };
    let made = store.create_ticket(&other).await;

    assert!(!made.expect("the database answers"));
    assert_eq!(enroll(&store, "other", at(1)).await, Enrolment::Unknown);
}

async fn a_server_that_ends_takes_tickets_and_session_with_it(store: TestStore) {
    let server = starting(&store, "river").await;
    ticket(&store, &server, "used").await;
    ticket(&store, &server, "spare").await;
    enroll(&store, "used", at(1)).await;
    let event = ServerEvent::StartFailed {
        reason: "it did".to_owned(),
        log_tail: String::new(),
    };

    let ended = store
        .apply_event(server.id, server.version, event, at(5))
        .await;

    let ended = ended.expect("it was starting");
    for seed in ["used", "spare"] {
        assert_eq!(enroll(&store, seed, at(6)).await, Enrolment::Unknown);
    }
    let session = session_of(&store, server.id).await.expect("it is kept");
    assert_eq!(session.frozen, Some(FreezeReason::Stopped));
    let thawed = store.thaw_agents(server.user_id, at(7)).await;
    assert_eq!(thawed.expect("the database answers"), []);

    begin(&store, &ended).await;
    assert_eq!(session_of(&store, server.id).await, None);
}

async fn signing_in_thaws_what_signing_out_froze_and_nothing_else(store: TestStore) {
    let river = starting(&store, "river").await;
    let wash = starting(&store, "wash").await;
    for (server, seed) in [(&river, "river"), (&wash, "wash")] {
        ticket(&store, server, seed).await;
        enroll(&store, seed, at(1)).await;
    }
    let freeze = async |reason| {
        let frozen = store
            .freeze_agents(Agents::OfUser(river.user_id), reason, at(2))
            .await;
        frozen.expect("the database answers").len()
    };
    let thaw = async || {
        let thawed = store.thaw_agents(river.user_id, at(3)).await;
        thawed.expect("the database answers").len()
    };

    assert_eq!(freeze(FreezeReason::SignedOut).await, 1);
    assert_eq!(freeze(FreezeReason::SignedOut).await, 0, "it is no news");
    assert_eq!(thaw().await, 1);
    let session = session_of(&store, river.id).await.expect("a session");
    assert_eq!((session.frozen, session.frozen_at), (None, None));

    freeze(FreezeReason::SignedOut).await;
    assert_eq!(freeze(FreezeReason::Operator).await, 1, "it weighs more");
    assert_eq!(freeze(FreezeReason::SignedOut).await, 0);
    assert_eq!(freeze(FreezeReason::Owner).await, 0, "the first one stays");
    assert_eq!(thaw().await, 0);
    let session = session_of(&store, river.id).await.expect("a session");
    assert_eq!(session.frozen, Some(FreezeReason::Operator));
    let other = session_of(&store, wash.id).await.expect("a session");
    assert_eq!(other.frozen, None);
}

async fn an_agent_that_comes_in_after_the_sign_out_is_frozen(store: TestStore) {
    let server = starting(&store, "river").await;
    ticket(&store, &server, "first").await;
    let agents = Agents::OfUser(server.user_id);
    let frozen = store
        .freeze_agents(agents, FreezeReason::SignedOut, at(1))
        .await;
    assert_eq!(frozen.expect("the database answers"), []);

    let Enrolment::Began(session) = enroll(&store, "first", at(2)).await else {
        panic!("the ticket is good");
    };

    assert_eq!(session.frozen, Some(FreezeReason::SignedOut));
    assert_eq!(session.frozen_at, Some(at(2)));
    let thawed = store.thaw_agents(server.user_id, at(3)).await;
    assert_eq!(thawed.expect("the database answers").len(), 1);
}

async fn every_freeze_is_announced_once(store: TestStore) {
    let server = starting(&store, "river").await;
    ticket(&store, &server, "ticket").await;
    enroll(&store, "ticket", at(1)).await;
    let before = store.last_change().await.expect("the database answers");
    let agents = Agents::OfServer(server.id);

    for _ in 0..2 {
        let frozen = store
            .freeze_agents(agents, FreezeReason::Owner, at(2))
            .await;
        frozen.expect("the database answers");
    }

    let changes = store.changes_after(before, 10).await;
    let changes = changes.expect("the database answers");
    let keys: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, [server.user_id.0.to_string()]);
}
