//! Servers and their lives.

use jansky_model::{ServerEvent, ServerId, ServerState, StartId, UserId};
use jansky_store::{
    BeginStart, Code, NewServer, NewToken, SERVERS_STOPPING, Server, Store, StoreError, TokenKind,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{TestStore, at, digest, on_both, server_name, token};

on_both! {
    a_server_is_found_by_id_name_and_client,
    names_and_clients_of_servers_are_given_once,
    a_start_is_claimed_with_its_token,
    of_twenty_who_start_a_server_one_does,
    of_twenty_who_apply_an_event_one_does,
    a_start_with_the_wrong_id_is_refused,
    an_event_that_makes_no_sense_changes_nothing,
    every_state_is_read_as_it_was_written,
    the_end_of_a_server_revokes_what_was_given_out_for_it,
    a_handle_is_kept_for_the_start_it_belongs_to,
    a_later_start_replaces_the_token_of_an_earlier_one,
    the_servers_of_a_user_that_run_are_to_stop_and_others_hear_of_it,
    active_servers_are_listed,
    activity_of_a_server_only_moves_forward,
    a_server_can_be_renamed_and_described,
    a_deleted_server_leaves_nothing,
    changes_of_a_missing_server_are_refused,
    a_state_that_cannot_be_is_an_error,
}

/// What starts a server for the next time, at second 10.
pub(crate) fn next_start(server: &Server) -> BeginStart {
    let start = server.starts + 1;
    BeginStart {
        start: StartId(start),
        user_options: json!({"profile": "small"}),
        spawner: "process".to_owned(),
        token: token(
            &format!("server {} start {start}", server.id),
            TokenKind::Server,
            server.user_id,
        ),
        at: at(10),
    }
}

/// Starts a server.
pub(crate) async fn begin(store: &Store, server: &Server) -> Server {
    store
        .begin_start(server.id, server.version, next_start(server))
        .await
        .expect("a stopped server starts")
}

/// Starts a server and lets it answer.
pub(crate) async fn make_ready(store: &Store, server: &Server) -> Server {
    let starting = begin(store, server).await;
    apply(store, &starting, answered()).await
}

fn answered() -> ServerEvent {
    ServerEvent::Answered {
        url: "http://127.0.0.1:41234".to_owned(),
    }
}

fn start_failed() -> ServerEvent {
    ServerEvent::StartFailed {
        reason: "it did not answer within 2 minutes".to_owned(),
        log_tail: "Traceback\n\0\u{1b}[31m…".to_owned(),
    }
}

/// Applies an event at second 20.
async fn apply(store: &Store, server: &Server, event: ServerEvent) -> Server {
    store
        .apply_event(server.id, server.version, event, at(20))
        .await
        .expect("the event fits")
}

async fn read(store: &Store, id: ServerId) -> Server {
    let server = store.server(id).await.expect("an answer");
    server.expect("the server is there")
}

async fn a_server_is_found_by_id_name_and_client(store: TestStore) {
    let river = store.add_user("river").await;
    let gpu = store.add_server_of(&river, "gpu").await;
    let default = store.add_server_of(&river, "").await;
    let wash = store.add_server("wash").await;

    assert_eq!(read(&store, gpu.id).await, gpu);
    assert_eq!(gpu.user, river.name);
    assert_eq!(gpu.state, ServerState::Stopped);
    assert_eq!((gpu.starts, gpu.version), (0, 0));
    assert_eq!(gpu.user_options, json!({}));
    assert_eq!((gpu.created_at, gpu.started_at), (at(0), None));
    let by_name = store.server_by_name(river.id, &server_name("gpu")).await;
    assert_eq!(by_name.expect("an answer"), Some(gpu.clone()));
    let by_client = store.server_by_client_id(&gpu.client_id).await;
    assert_eq!(by_client.expect("an answer"), Some(gpu.clone()));
    let of_river = store.servers_of(river.id).await.expect("listed");
    assert_eq!(of_river, [default.clone(), gpu.clone()]);
    let of_both = store.servers_of_users(&[wash.user_id, river.id]).await;
    assert_eq!(of_both.expect("listed"), [default, gpu, wash]);
    assert_eq!(store.servers_of_users(&[]).await.expect("listed"), []);
    let other = store.server_by_name(river.id, &server_name("cpu")).await;
    assert_eq!(other.expect("an answer"), None);
}

async fn names_and_clients_of_servers_are_given_once(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    store.add_server_of(&river, "gpu").await;
    let new = |user_id, name, client_id: &str| NewServer {
        user_id,
        name: server_name(name),
        client_id: client_id.to_owned(),
        display_name: String::new(),
        user_options: serde_json::json!({}),
        created_at: at(0),
    };

    let same_name = store.create_server(&new(river.id, "gpu", "other")).await;
    let same_client = store
        .create_server(&new(wash.id, "gpu", "jupyterhub-user-river!gpu"))
        .await;
    let of_nobody = store.create_server(&new(UserId(999), "", "other")).await;

    assert!(matches!(same_name, Err(StoreError::AlreadyExists { .. })));
    assert!(matches!(same_client, Err(StoreError::AlreadyExists { .. })));
    assert!(matches!(of_nobody, Err(StoreError::NotFound { .. })));
}

async fn a_start_is_claimed_with_its_token(store: TestStore) {
    let server = store.add_server("river").await;

    let starting = begin(&store, &server).await;

    assert_eq!(
        starting.state,
        ServerState::Starting {
            start: StartId(1),
            since: at(10)
        }
    );
    assert_eq!((starting.starts, starting.version), (1, 1));
    assert_eq!(starting.started_at, Some(at(10)));
    assert_eq!(starting.last_activity_at, Some(at(10)));
    assert_eq!(starting.spawner, "process");
    assert_eq!(starting.user_options, json!({"profile": "small"}));
    assert_eq!(read(&store, server.id).await, starting);
    let tokens = store.tokens_of(server.user_id, at(10)).await;
    let tokens = tokens.expect("listed");
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].server_id, Some(server.id));
}

async fn of_twenty_who_start_a_server_one_does(store: TestStore) {
    let server = store.add_server("river").await;

    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (store, server) = ((*store).clone(), server.clone());
        tasks.spawn(async move {
            let begin = BeginStart {
                token: token(&format!("of {number}"), TokenKind::Server, server.user_id),
                ..next_start(&server)
            };
            store.begin_start(server.id, server.version, begin).await
        });
    }
    let outcomes = tasks.join_all().await;

    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        assert!(
            matches!(loser, Err(StoreError::Conflict { .. })),
            "{loser:?}"
        );
    }
    let now = read(&store, server.id).await;
    assert_eq!((now.starts, now.version), (1, 1));
    let tokens = store.tokens_of(server.user_id, at(10)).await;
    assert_eq!(tokens.expect("listed").len(), 1);
}

async fn of_twenty_who_apply_an_event_one_does(store: TestStore) {
    let server = store.add_server("river").await;
    let starting = begin(&store, &server).await;

    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (store, starting) = ((*store).clone(), starting.clone());
        let event = match number % 3 {
            0 => answered(),
            1 => start_failed(),
            _ => ServerEvent::Stop,
        };
        tasks.spawn(async move {
            store
                .apply_event(starting.id, starting.version, event, at(20))
                .await
        });
    }
    let outcomes = tasks.join_all().await;

    let (mut winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        assert!(
            matches!(loser, Err(StoreError::Conflict { .. })),
            "{loser:?}"
        );
    }
    let winner = winners.remove(0).expect("it is a winner");
    assert_eq!(read(&store, server.id).await, winner);
    assert_eq!(winner.version, 2);
}

async fn a_start_with_the_wrong_id_is_refused(store: TestStore) {
    let server = store.add_server("river").await;
    let wrong = BeginStart {
        start: StartId(7),
        ..next_start(&server)
    };

    let refused = store.begin_start(server.id, 0, wrong).await;

    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(read(&store, server.id).await, server);
}

async fn an_event_that_makes_no_sense_changes_nothing(store: TestStore) {
    let server = store.add_server("river").await;
    let gone = store
        .apply_event(server.id, 0, ServerEvent::Gone, at(20))
        .await;
    assert!(matches!(gone, Err(StoreError::InvalidTransition(_))));

    let starting = begin(&store, &server).await;
    let again = store
        .begin_start(server.id, starting.version, next_start(&starting))
        .await;

    assert!(matches!(again, Err(StoreError::InvalidTransition(_))));
    assert_eq!(read(&store, server.id).await, starting);
}

async fn every_state_is_read_as_it_was_written(store: TestStore) {
    let server = store.add_server("river").await;
    let start = StartId(1);

    let ready = make_ready(&store, &server).await;
    assert_eq!(
        ready.state,
        ServerState::Ready {
            start,
            since: at(10),
            url: "http://127.0.0.1:41234".to_owned()
        }
    );
    let stopping = apply(&store, &ready, ServerEvent::Stop).await;
    assert_eq!(
        stopping.state,
        ServerState::Stopping {
            start,
            since: at(20)
        }
    );
    let stopped = apply(&store, &stopping, ServerEvent::Gone).await;
    assert_eq!(stopped.state, ServerState::Stopped);
    let failed = apply(&store, &begin(&store, &stopped).await, start_failed()).await;
    assert_eq!(
        failed.state,
        ServerState::Failed {
            start: StartId(2),
            since: at(20),
            reason: "it did not answer within 2 minutes".to_owned(),
            log_tail: "Traceback\n\u{fffd}\u{1b}[31m…".to_owned(),
        }
    );
    let again = begin(&store, &failed).await;
    assert_eq!(again.state.start(), Some(StartId(3)));
    assert_eq!((again.starts, again.version), (3, 7));
}

async fn the_end_of_a_server_revokes_what_was_given_out_for_it(store: TestStore) {
    let wash = store.add_user("wash").await;
    store.add_session(wash.id, "s1").await;
    for (user, last_event) in [("gone", ServerEvent::Gone), ("failed", start_failed())] {
        let server = store.add_server(user).await;
        let mut server = begin(&store, &server).await;
        store
            .save_handle(server.id, StartId(1), &json!({"pid": 7}))
            .await
            .expect("saved");
        let visitor = NewToken {
            client_id: Some(server.client_id.clone()),
            ..token(user, TokenKind::OAuth, wash.id)
        };
        store.create_token(visitor).await.expect("created");
        let code = Code {
            client_id: server.client_id.clone(),
            user_id: wash.id,
            session_id: "s1".to_owned(),
            redirect_uri: "/".to_owned(),
            scopes: Vec::new(),
            challenge: None,
            expires_at: at(100),
        };
        let created = store.create_code(&digest(user), &code).await;
        created.expect("created");
        if last_event == ServerEvent::Gone {
            server = apply(&store, &server, answered()).await;
        }

        let ended = apply(&store, &server, last_event).await;

        assert_eq!((ended.handle, ended.started_at), (None, None));
        assert_eq!(ended.last_activity_at, Some(at(20)));
        let own = store.tokens_of(server.user_id, at(20)).await;
        assert_eq!(own.expect("listed"), []);
        let visitors = store.tokens_of(wash.id, at(20)).await;
        assert_eq!(visitors.expect("listed"), []);
        let code = store.code(&digest(user), at(20)).await;
        assert_eq!(code.expect("an answer"), None);
    }
}

async fn a_handle_is_kept_for_the_start_it_belongs_to(store: TestStore) {
    let server = store.add_server("river").await;
    let handle = json!({"pid": 7, "began": "…"});
    let save = async |start| store.save_handle(server.id, StartId(start), &handle).await;
    let early = save(1).await;
    assert!(matches!(early, Err(StoreError::Conflict { .. })));

    let starting = begin(&store, &server).await;
    save(1).await.expect("it is this start");
    let wrong = save(2).await;

    assert!(matches!(wrong, Err(StoreError::Conflict { .. })));
    let now = read(&store, server.id).await;
    assert_eq!(now.handle, Some(handle.clone()));
    assert_eq!(now.version, starting.version);
    apply(&store, &starting, start_failed()).await;
    let late = save(1).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
}

async fn a_later_start_replaces_the_token_of_an_earlier_one(store: TestStore) {
    let server = begin(&store, &store.add_server("river").await).await;
    let works = async |seed: &str| {
        let found = store.token_by_digest(&digest(seed), at(20)).await;
        found.expect("an answer").is_some()
    };
    let first = format!("server {} start 1", server.id);
    assert!(works(&first).await);

    let new = token("fresh", TokenKind::Server, server.user_id);
    let replaced = store.replace_server_token(server.id, new).await;

    let replaced = replaced.expect("replaced");
    assert_eq!(replaced.server_id, Some(server.id));
    assert!(!works(&first).await);
    assert!(works("fresh").await);
}

async fn the_servers_of_a_user_that_run_are_to_stop_and_others_hear_of_it(store: TestStore) {
    let user = store.add_user("river").await;
    let starting = begin(&store, &store.add_server_of(&user, "a").await).await;
    let ready = make_ready(&store, &store.add_server_of(&user, "b").await).await;
    let at_rest = store.add_server_of(&user, "c").await;
    let of_another = make_ready(&store, &store.add_server("d").await).await;
    let last = store.last_change().await.expect("an answer");

    for _ in 0..2 {
        let recorded = store.stop_servers_of(user.id, at(30)).await;
        recorded.expect("the servers can stop");
    }

    for server in [&starting, &ready] {
        let now = read(&store, server.id).await;
        let start = StartId(1);
        let since = at(30);
        assert_eq!(now.state, ServerState::Stopping { start, since });
    }
    for server in [&at_rest, &of_another] {
        assert_eq!(read(&store, server.id).await, *server);
    }
    // Once: the second time there was nothing to stop.
    let told = store.changes_after(last, 100).await.expect("an answer");
    let told: Vec<_> = told.into_iter().map(|c| (c.topic, c.key)).collect();
    assert_eq!(told, [(SERVERS_STOPPING.to_owned(), user.id.to_string())]);
}

async fn active_servers_are_listed(store: TestStore) {
    let starting = begin(&store, &store.add_server("a").await).await;
    let ready = make_ready(&store, &store.add_server("b").await).await;
    let stopping = make_ready(&store, &store.add_server("c").await).await;
    let stopping = apply(&store, &stopping, ServerEvent::Stop).await;
    let failed = begin(&store, &store.add_server("d").await).await;
    apply(&store, &failed, start_failed()).await;
    store.add_server("e").await;

    let active = store.active_servers().await.expect("listed");

    assert_eq!(active, [starting, ready, stopping]);
}

async fn activity_of_a_server_only_moves_forward(store: TestStore) {
    let server = store.add_server("river").await;
    let touched = async |seconds| {
        store
            .touch_server(server.id, at(seconds))
            .await
            .expect("touched");
        read(&store, server.id).await.last_activity_at
    };

    assert_eq!(touched(5).await, Some(at(5)));
    assert_eq!(touched(3).await, Some(at(5)));
    assert_eq!(touched(50).await, Some(at(50)));
    let starting = begin(&store, &server).await;
    assert_eq!(starting.last_activity_at, Some(at(50)));
    let failed = apply(&store, &starting, start_failed()).await;
    assert_eq!(failed.last_activity_at, Some(at(50)));
}

async fn a_server_can_be_renamed_and_described(store: TestStore) {
    let river = store.add_user("river").await;
    let server = store.add_server_of(&river, "gpu").await;
    let other = store.add_server_of(&river, "other").await;

    let renamed = store
        .rename_server(server.id, &server_name("tpu"), "tpu-client")
        .await;
    renamed.expect("renamed");
    let described = store.set_display_name(server.id, "Big one").await;
    described.expect("described");
    let options = json!({"memory": "2 GiB"});
    let set = store.set_user_options(server.id, &options).await;
    set.expect("set");

    let now = read(&store, server.id).await;
    assert_eq!(now.name, server_name("tpu"));
    assert_eq!(now.client_id, "tpu-client");
    assert_eq!(now.display_name, "Big one");
    assert_eq!(now.user_options, options);
    let taken = store
        .rename_server(other.id, &server_name("tpu"), "x")
        .await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
}

async fn a_deleted_server_leaves_nothing(store: TestStore) {
    let wash = store.add_user("wash").await;
    let server = begin(&store, &store.add_server("river").await).await;
    let visitor = NewToken {
        client_id: Some(server.client_id.clone()),
        ..token("visitor", TokenKind::OAuth, wash.id)
    };
    store.create_token(visitor).await.expect("created");

    assert!(
        store
            .delete_server(server.id, at(20))
            .await
            .expect("deleted")
    );
    assert!(
        !store
            .delete_server(server.id, at(20))
            .await
            .expect("nothing left")
    );

    assert_eq!(store.server(server.id).await.expect("an answer"), None);
    for user in [wash.id, server.user_id] {
        assert_eq!(store.tokens_of(user, at(20)).await.expect("listed"), []);
    }
    let again = store.add_server("mal").await;
    assert!(again.id > server.id, "an id is never used twice");
}

async fn changes_of_a_missing_server_are_refused(store: TestStore) {
    let river = store.add_user("river").await;
    let nothing = ServerId(999);
    let new = token("a", TokenKind::Server, river.id);
    let begin = BeginStart {
        start: StartId(1),
        user_options: json!({}),
        spawner: String::new(),
        token: new.clone(),
        at: at(10),
    };

    let outcomes = [
        store.begin_start(nothing, 0, begin).await.map(|_| ()),
        store
            .apply_event(nothing, 0, ServerEvent::Stop, at(10))
            .await
            .map(|_| ()),
        store.replace_server_token(nothing, new).await.map(|_| ()),
        store.set_display_name(nothing, "").await,
        store.set_user_options(nothing, &json!({})).await,
        store.rename_server(nothing, &server_name("x"), "x").await,
    ];

    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::NotFound { .. })));
    }
}

async fn a_state_that_cannot_be_is_an_error(store: TestStore) {
    let server = store.add_server("river").await;
    for (change, column) in [
        ("state = 'ready'", "start_id"),
        ("state = 'on fire', start_id = 1, state_since = 1", "state"),
    ] {
        store.meddle(&format!("UPDATE servers SET {change}")).await;

        let error = store.server(server.id).await.expect_err("it cannot be");

        assert!(
            matches!(error, StoreError::InconsistentRow { column: found, .. } if found == column),
            "{error}"
        );
    }
}
