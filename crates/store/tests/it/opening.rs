//! Opening, closing and what happens when the database is not as it should be.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use jansky_model::ServerEvent;
use jansky_store::{Store, StoreError, UserQuery};
use sqlx::AssertSqlSafe;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::grants::{sign_in, tokens};
use crate::harness::{
    TestStore, at, new_postgres_database, on_both, postgres_connection, sqlite_connection,
    user_name,
};
use crate::servers::begin;

on_both! {
    a_closed_store_opens_again_with_its_data,
    a_newer_schema_is_refused,
    a_closed_store_is_unavailable,
    a_store_says_that_it_is_alive,
    an_abandoned_call_is_whole_or_absent_and_disturbs_no_other,
}

/// An error and all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn a_closed_store_opens_again_with_its_data(store: TestStore) {
    let river = store.add_user("river").await;

    store.close().await;

    let again = Store::open(&store.url).await.expect("it opens again");
    assert_eq!(again.user(river.id).await.expect("read"), Some(river));
    assert_eq!(again.kind(), store.kind());
    again.close().await;
}

async fn a_newer_schema_is_refused(store: TestStore) {
    store.close().await;
    store
        .meddle("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')")
        .await;

    let error = Store::open(&store.url).await.expect_err("it is newer");

    assert!(matches!(error, StoreError::NewerSchema { found: 9999, .. }));
}

async fn a_closed_store_is_unavailable(store: TestStore) {
    store.close().await;

    let error = store.ping().await.expect_err("it is closed");

    assert!(matches!(error, StoreError::Unavailable { .. }));
}

async fn a_store_says_that_it_is_alive(store: TestStore) {
    store.ping().await.expect("it is alive");
}

async fn an_abandoned_call_is_whole_or_absent_and_disturbs_no_other(store: TestStore) {
    let river = store.add_user("river").await;
    let started = async |id| {
        let server = store.server(id).await.expect("an answer");
        server.expect("it is there").starts == 1
    };
    for round in 0..100_u64 {
        let patience = Duration::from_micros(round * 20);
        let name = format!("user-{round}");
        let server = store.add_server(&name).await;
        let all = UserQuery {
            limit: 1000,
            ..UserQuery::default()
        };

        // Whether they end in time does not matter.
        let _ = timeout(patience, store.list_users(&all)).await;
        let _ = timeout(patience, begin(&store, &server)).await;

        let found = store.user(river.id).await;
        assert_eq!(found.expect("an answer"), Some(river.clone()));
        let before = started(server.id).await;
        let tokens = store.tokens_of(server.user_id, at(20)).await;
        let has_token = !tokens.expect("an answer").is_empty();
        // The database may still be at it; then this round tells nothing.
        if before == started(server.id).await {
            assert_eq!(has_token, before, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_second_opener_of_a_file_is_refused() {
    let store = TestStore::sqlite().await;
    let path = store.url.strip_prefix("sqlite://").expect("a file");

    let error = Store::open(&store.url).await.expect_err("it is in use");

    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains(path), "{error}");
}

#[tokio::test]
async fn only_its_owner_can_read_a_database_file() {
    let store = TestStore::sqlite().await;
    store.add_user("river").await;
    let path = store.url.strip_prefix("sqlite://").expect("a file");

    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = std::fs::metadata(format!("{path}{suffix}")).expect("the file is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn replicas_that_start_together_migrate_once() {
    let url = new_postgres_database().await;

    let mut tasks = JoinSet::new();
    for _ in 0..5 {
        let url = url.clone();
        tasks.spawn(async move { Store::open(&url).await });
    }

    for opened in tasks.join_all().await {
        let store = opened.expect("each of them opens");
        store.ping().await.expect("it is alive");
        store.close().await;
    }
}

#[tokio::test]
async fn a_database_out_of_reach_is_unavailable() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let missing = format!("sqlite://{}/missing/x.db", directory.path().display());
    let closed_port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("it has an address").port()
    };
    let away = format!("postgres://river:hunter2@127.0.0.1:{closed_port}/x");
    // A server that is being stopped, or a line that is cut, in the middle of the greeting.
    let hanging_up = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let hanging_up = hanging_up.expect("a free port");
    let port = hanging_up.local_addr().expect("an address").port();
    let curt = format!("postgres://river:hunter2@127.0.0.1:{port}/x");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = hanging_up.accept().await {
            let mut greeting = [0; 8];
            let _ = client.read_exact(&mut greeting).await;
        }
    });

    for url in [missing, away, curt] {
        let error = Store::open(&url).await.expect_err("nothing is there");
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        let text = format!("{} {error:?}", chain(&error));
        assert!(!text.contains("hunter2"), "the password is not repeated");
    }
}

#[tokio::test]
async fn an_unusable_url_is_refused_without_repeating_it() {
    for url in [
        "",
        "river",
        "mysql://river:hunter2@127.0.0.1/x",
        "postgres://river:hunter2@127.0.0.1:port/x",
        "sqlite::memory:",
        "sqlite:///tmp/x.db?color=hunter2",
    ] {
        let error = Store::open(url).await.expect_err("it cannot be used");
        assert!(
            matches!(error, StoreError::BadUrl { .. }),
            "{url}: {error:?}"
        );
        if url.contains('@') {
            assert!(!chain(&error).contains("hunter2"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_only_be_read_is_away_and_its_connections_are_given_up() {
    let store = TestStore::postgres().await;
    let name = store.url.rsplit('/').next().expect("a name").to_owned();
    // What each of these sets holds for new connections only, as after a failover.
    let may_only_be_read = async |so: &str| {
        let set = format!(
            "BEGIN READ WRITE;
             ALTER DATABASE {name} SET default_transaction_read_only = {so};
             COMMIT"
        );
        store.meddle(&set).await;
    };
    let add = async |user: &str| store.create_user(&user_name(user), false, at(0)).await;
    may_only_be_read("on").await;
    store
        .meddle(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    // The first ones may still meet the connections that were ended.
    let refused = async || {
        let error = add("river").await.expect_err("it may only be read");
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        chain(&error).contains("read-only")
    };
    for _ in 0..100 {
        if refused().await {
            break;
        }
    }
    assert!(refused().await, "it says so");
    store.ping().await.expect("it can be read");

    may_only_be_read("off").await;

    let in_time = timeout(Duration::from_secs(20), async {
        while let Err(error) = add("river").await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    in_time.await.expect("new connections are made");
}

/// Ends the connection that holds a PostgreSQL database for its process.
async fn end_holder(url: &str, name: &str) {
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
    );
    let mut connection = postgres_connection(url).await;
    sqlx::raw_sql(AssertSqlSafe(end))
        .execute(&mut connection)
        .await
        .expect("it may be ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_database_has_one_holder_until_that_is_gone() {
    let url = new_postgres_database().await;
    let (store, hold) = Store::open_alone(&url, "first of one").await.expect("free");

    let refused = Store::open_alone(&url, "second of one").await;
    let told = refused.err().expect("it is in use").to_string();
    assert!(told.contains("first of one"), "{told}");
    assert!(
        told.contains(url.rsplit('/').next().expect("a name")),
        "{told}"
    );

    drop(hold);
    Store::open_alone(&url, "second of one")
        .await
        .expect("it is free again");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_whose_connection_breaks_takes_the_database_again() {
    let url = new_postgres_database().await;
    let (_store, mut hold) = Store::open_alone(&url, "first of two").await.expect("free");
    let keeping = tokio::spawn(async move { hold.lost().await });

    end_holder(&url, "first of two").await;

    let again = timeout(Duration::from_secs(30), async {
        while held_by(&url).await.as_deref() != Some("first of two") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    again.await.expect("it is held again");
    let refused = Store::open_alone(&url, "second of two").await;
    assert!(matches!(refused.err(), Some(StoreError::InUse { .. })));
    assert!(!keeping.is_finished(), "it was not lost");
    keeping.abort();
}

/// Who holds a database, if anybody does.
async fn held_by(url: &str) -> Option<String> {
    let mut connection = postgres_connection(url).await;
    sqlx::query_scalar(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND granted AND datname = current_database()",
    )
    .fetch_optional(&mut connection)
    .await
    .expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_comes_too_late_says_who_has_the_database_now() {
    let url = new_postgres_database().await;
    let (_store, mut late) = Store::open_alone(&url, "first of three")
        .await
        .expect("free");
    end_holder(&url, "first of three").await;
    let (_other, _hold) = Store::open_alone(&url, "second of three")
        .await
        .expect("nobody holds it");

    let lost = timeout(Duration::from_secs(30), late.lost()).await;

    let told = lost.expect("it notices").to_string();
    assert!(told.contains("second of three"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_outlasts_somebody_who_only_looks_while_its_connection_is_broken() {
    let url = new_postgres_database().await;
    let (_store, mut hold) = Store::open_alone(&url, "first of four")
        .await
        .expect("free");
    end_holder(&url, "first of four").await;
    let (store, look) = Store::open_alone(&url, "only looks")
        .await
        .expect("nobody holds it");
    let keeping = tokio::spawn(async move { hold.lost().await });
    timeout(
        Duration::from_secs(30),
        until_asked_by(&url, "first of four"),
    )
    .await
    .expect("it tries to take it again");

    drop(look);
    store.close().await;

    let again = timeout(Duration::from_secs(30), async {
        while held_by(&url).await.as_deref() != Some("first of four") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    again.await.expect("it is held again");
    assert!(!keeping.is_finished(), "it was not given up");
    keeping.abort();
}

/// Waits until somebody is just asking for the lock, or who has it.
async fn until_asked_by(url: &str, name: &str) {
    let mut connection = postgres_connection(url).await;
    let question = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = $1
         AND (query LIKE '%pg_try_advisory%' OR query LIKE '%AS activity ON%'))";
    loop {
        let asked = sqlx::query_scalar(question).bind(name);
        if asked.fetch_one(&mut connection).await.expect("an answer") {
            return;
        }
    }
}

const FIRST_SCHEMA: &str = include_str!("../../migrations/0001_initial.sql");

/// What a program of the first version leaves behind: a user who is signed in.
fn first_version(identity: &str, bytes: &str, collation: &str) -> String {
    let schema = FIRST_SCHEMA
        .replace("{{identity}}", identity)
        .replace("{{bytes}}", bytes)
        .replace("{{ordered}}", &format!("TEXT {collation}"));
    format!(
        "{schema}
         CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO schema_migrations (version, name) VALUES (1, 'initial');
         INSERT INTO users (name, name_folded, admin, created_at) VALUES ('river', 'river', 0, 0);
         INSERT INTO sessions (session_id, digest, user_id, provider, created_at, expires_at)
         SELECT 's1', '', id, 'local', 0, 1 FROM users;
         INSERT INTO servers (user_id, name, display_name, state, start_id, spawner, user_options,
             client_id, created_at, starts, version)
         SELECT id, 'gpu', '', 'starting', 1, '', 'null', 'jupyterhub-user-river-gpu', 0, 1, 1 FROM users
         UNION ALL SELECT id, 'my-lab', '', 'stopped', NULL, '', 'null', 'jupyterhub-user-river-my-lab', 0, 1, 1
         FROM users
         UNION ALL SELECT id, '', '', 'stopped', NULL, '', 'null', 'jupyterhub-user-river', 0, 0, 0 FROM users;
         UPDATE servers SET state_since = 0 WHERE name = 'gpu';"
    )
}

async fn is_signed_in(store: &Store) {
    let river = store.user_by_name(&user_name("river")).await.expect("read");
    let river = river.expect("still there").id;
    let sessions = store.sessions_of(river).await.expect("read");
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].session_id, "s1");
    assert_eq!(sessions[0].provider_session, None);
    assert_eq!(sessions[0].grant_id, None);
    assert_eq!(store.last_change().await.expect("an answer"), 0);
    let servers = store.servers_of(river).await.expect("read");
    let clients: Vec<&str> = servers.iter().map(|s| s.client_id.as_str()).collect();
    // What runs keeps the id that it knows.
    assert_eq!(
        clients,
        [
            "jupyterhub-user-river",
            "jupyterhub-user-river-gpu",
            "jupyterhub-user-river!my-lab"
        ]
    );
    let gpu = &servers[1];
    let stopped = store
        .apply_event(gpu.id, gpu.version, ServerEvent::Stop, at(1))
        .await
        .expect("it is to stop");
    let stopped = store
        .apply_event(gpu.id, stopped.version, ServerEvent::Gone, at(2))
        .await
        .expect("it has stopped");
    assert_eq!(stopped.client_id, "jupyterhub-user-river!gpu");
}

#[tokio::test]
async fn an_sqlite_database_of_the_first_version_is_migrated_with_its_data() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite://{}/jansky.db", directory.path().display());
    let text = first_version("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "");
    sqlite_connection(&url)
        .execute_batch(&text)
        .expect("the first schema");

    let store = Store::open(&url).await.expect("it is migrated");

    is_signed_in(&store).await;
}

#[tokio::test]
async fn a_postgresql_database_of_the_first_version_is_migrated_with_its_data() {
    let url = new_postgres_database().await;
    let identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY";
    let text = first_version(identity, "BYTEA", "COLLATE \"C\"");
    let mut connection = postgres_connection(&url).await;
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(&mut connection)
        .await
        .expect("the first schema");

    let store = Store::open(&url).await.expect("it is migrated");

    is_signed_in(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_within_a_transaction_holds_others_up_for_seconds_only() {
    let store = TestStore::postgres().await;
    let river = store.add_user("river").await.id;
    let stopped = Store::open(&store.url).await.expect("it opens");
    let (has_begun, begun) = tokio::sync::oneshot::channel();
    let has_begun = Mutex::new(Some(has_begun));
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    // It runs within the transaction, when the place of the grant is taken.
    let stop = move |id| {
        let has_begun = has_begun.lock().expect("nobody panics").take();
        let told = has_begun.expect("once").send(());
        told.expect("the test waits");
        let word = may_go_on.lock().expect("nobody panics").recv();
        word.expect("the test goes on");
        tokens(id)
    };
    let runtime = tokio::runtime::Handle::current();
    let late = tokio::task::spawn_blocking(move || {
        runtime.block_on(stopped.keep_grant(&sign_in(river), stop))
    });
    begun.await.expect("the transaction has begun");

    let kept = store.keep_grant(&sign_in(river), tokens).await;

    go_on.send(()).expect("it waits");
    let kept = kept.expect("nobody is in the way any more");
    let late = late.await.expect("it ran");
    assert!(
        matches!(late, Err(StoreError::Unavailable { .. })),
        "{late:?}"
    );
    assert_eq!(store.grants_of(river).await.expect("read"), [kept]);
}

/// The test runs itself as the writer that is killed, with the URL in this variable.
const WRITER: &str = "JANSKY_TEST_STORE_WRITER";

#[tokio::test]
async fn what_a_killed_writer_committed_is_there() {
    if let Ok(url) = std::env::var(WRITER) {
        write_until_killed(&url).await;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite://{}/jansky.db", directory.path().display());
    let mut writer = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "opening::what_a_killed_writer_committed_is_there",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(WRITER, &url)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test runs");
    let output = writer.stdout.take().expect("it is a pipe");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);

    let is_name = |line: &String| line.starts_with("user-");
    let mut written = lines.by_ref().filter(is_name).take(200).collect::<Vec<_>>();
    writer.kill().expect("it still runs");
    writer.wait().expect("it is dead");
    written.extend(lines.filter(is_name));

    assert!(written.len() >= 200);
    let store = Store::open(&url).await.expect("the dead hold no lock");
    for name in written {
        let user = store.user_by_name(&user_name(&name)).await;
        assert!(user.expect("read").is_some(), "`{name}` was committed");
    }
}

/// Makes users for ever and writes the name of each after it was committed.
async fn write_until_killed(url: &str) -> ! {
    let store = Store::open(url).await.expect("a new database opens");
    let mut number = 0_u64;
    loop {
        number += 1;
        let name = format!("user-{number}");
        store
            .create_user(&user_name(&name), false, at(0))
            .await
            .expect("the name is free");
        // The write fails when the parent is gone, which ends this process, too.
        let mut output = std::io::stdout().lock();
        writeln!(output, "{name}").expect("the parent listens");
        output.flush().expect("the parent listens");
    }
}

/// Whoever may write to the directory of the database cannot have root make or open other files.
#[tokio::test]
async fn a_database_that_is_a_link_is_not_opened_and_nothing_is_made_where_it_leads() {
    for planted in ["jansky.db", "jansky.db.lock", "jansky.db-wal"] {
        let folder = tempfile::tempdir().expect("a directory");
        let elsewhere = folder.path().join("elsewhere");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("made");
        std::os::unix::fs::symlink(&elsewhere, data.join(planted)).expect("planted");
        let url = format!("sqlite://{}", data.join("jansky.db").display());

        let opened = Store::open(&url).await;

        assert!(
            matches!(opened, Err(StoreError::Unavailable { .. })),
            "{planted}"
        );
        assert!(!elsewhere.exists(), "{planted} was followed");
        if planted != "jansky.db.lock" {
            assert!(Store::open_to_read(&url).is_err(), "{planted}");
        }
    }
}
