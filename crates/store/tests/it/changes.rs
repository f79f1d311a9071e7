//! The change feed.

use std::pin::Pin;
use std::time::Duration;

use jansky_model::{ServerEvent, UserId};
use jansky_store::{
    Change, GRANT_CHANGED, GrantId, GrantState, NewGrant, NewToken, RefreshFailure, SESSION_ENDED,
    Store, StoreError, TokenKind, USER_CHANGED,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::grants::{sign_in, tokens};
use crate::harness::{TestStore, at, digest, on_both, token, user_name};
use crate::servers::{begin, make_ready};

on_both! {
    whatever_takes_a_right_away_is_a_change_of_the_user,
    the_end_of_a_server_is_a_change_of_its_visitors,
    what_changes_nothing_is_no_change,
    every_turn_of_a_grant_is_a_change,
    a_reader_never_misses_a_change_of_parallel_writers,
    purged_changes_leave_a_gap_that_shows,
    a_waiting_reader_is_woken_by_a_change,
    a_reader_waits_in_vain_when_nothing_changes,
    all_waiting_readers_are_woken,
    an_abandoned_wait_does_not_disturb_the_next,
    the_end_of_a_store_ends_the_wait,
}

/// Longer than any notification takes, shorter than the time after which a reader looks by itself.
const BOUND: Duration = Duration::from_secs(1);

/// Topics and keys.
type Changes = Vec<(String, String)>;

/// The topics and keys of the changes that `action` makes.
fn changes_of<'a, T>(
    store: &'a TestStore,
    action: impl Future<Output = Result<T, StoreError>> + 'a,
) -> Pin<Box<dyn Future<Output = Changes> + 'a>> {
    Box::pin(async move {
        let last = store.last_change().await.expect("an answer");
        action.await.expect("it works");
        let changes = store.changes_after(last, 100).await.expect("an answer");
        assert!(changes.iter().all(|change| change.at == at(5)));
        let changes = changes.into_iter();
        changes.map(|change| (change.topic, change.key)).collect()
    })
}

fn users(ids: &[UserId]) -> Changes {
    let name = |id: &UserId| (USER_CHANGED.to_owned(), id.to_string());
    ids.iter().map(name).collect()
}

fn grants(ids: &[GrantId]) -> Changes {
    let name = |id: &GrantId| (GRANT_CHANGED.to_owned(), id.to_string());
    ids.iter().map(name).collect()
}

async fn whatever_takes_a_right_away_is_a_change_of_the_user(store: TestStore) {
    let river = store.add_user("river").await.id;
    for session in ["s1", "s2", "s3"] {
        store.add_session(river, session).await;
    }
    let new = token("a", TokenKind::Api, river);
    let a = store.create_token(new).await.expect("created").id;
    let crew = ["crew".to_owned()];
    let owner = store.user(river).await.expect("read").expect("there");
    let server = store.add_server_of(&owner, "").await;
    let fresh = NewToken {
        created_at: at(5),
        ..token("b", TokenKind::Server, river)
    };
    let one = users(&[river]);

    let ended = |ids: &[&str]| {
        let sessions = ids
            .iter()
            .map(|id| (SESSION_ENDED.to_owned(), (*id).to_owned()));
        one.iter().cloned().chain(sessions).collect::<Changes>()
    };
    let change = changes_of(&store, store.delete_session("s1", at(5), None)).await;
    assert_eq!(change, ended(&["s1"]));
    let mut change = changes_of(&store, store.delete_sessions_of(river, at(5), None)).await;
    change[1..].sort();
    assert_eq!(
        change,
        ended(&["s2", "s3"]),
        "one for the user, and one for each"
    );
    let change = changes_of(&store, store.delete_token(river, a, at(5), None)).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.set_admin(river, true, at(5))).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.set_groups(river, &crew, at(5))).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.set_groups(river, &[], at(5))).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.rename_user(river, &user_name("lake"), at(5))).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.replace_server_token(server.id, fresh)).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.delete_server(server.id, at(5))).await;
    assert_eq!(change, one);
    let change = changes_of(&store, store.delete_user(river, at(5))).await;
    assert_eq!(change, one);
}

async fn the_end_of_a_server_is_a_change_of_its_visitors(store: TestStore) {
    let wash = store.add_user("wash").await.id;
    let server = make_ready(&store, &store.add_server("river").await).await;
    let visit = async |seed: &str| {
        let visitor = NewToken {
            client_id: Some(server.client_id.clone()),
            ..token(seed, TokenKind::OAuth, wash)
        };
        store.create_token(visitor).await.expect("created");
    };
    visit("first").await;
    visit("second").await;
    let both = users(&[wash, server.user_id]);

    let stop = store.apply_event(server.id, server.version, ServerEvent::Stop, at(5));
    assert_eq!(changes_of(&store, stop).await, []);
    let gone = store.apply_event(server.id, server.version + 1, ServerEvent::Gone, at(5));
    assert_eq!(changes_of(&store, gone).await, both);
    visit("third").await;
    let deleted = store.delete_user(server.user_id, at(5));
    assert_eq!(changes_of(&store, deleted).await, both);
}

async fn what_changes_nothing_is_no_change(store: TestStore) {
    let river = store.add_user("river").await.id;
    let crew = ["pilots".to_owned(), "crew".to_owned()];
    store.set_admin(river, true, at(0)).await.expect("set");
    store.set_groups(river, &crew, at(0)).await.expect("set");
    let server = store.add_server("wash").await;
    let last = store.last_change().await.expect("an answer");

    store.set_admin(river, true, at(5)).await.expect("set");
    store.set_groups(river, &crew, at(5)).await.expect("set");
    store.delete_session("s1", at(5), None).await.expect("none");
    store
        .delete_sessions_of(river, at(5), None)
        .await
        .expect("none");
    store.delete_user(UserId(999), at(5)).await.expect("none");
    store.forget_grants_of(river, at(5)).await.expect("none");
    begin(&store, &server).await;
    store
        .rename_user(river, &user_name("wash"), at(5))
        .await
        .expect_err("the name is taken");

    assert_eq!(store.last_change().await.expect("an answer"), last);
    assert_eq!(store.changes_after(last, 10).await.expect("read"), []);
    let groups = store.groups_of(river).await.expect("read");
    assert_eq!(groups, ["crew", "pilots"]);
}

async fn every_turn_of_a_grant_is_a_change(store: TestStore) {
    let river = store.add_user("river").await.id;
    let new = NewGrant {
        at: at(5),
        ..sign_in(river)
    };

    let change = changes_of(&store, store.keep_grant(&new, tokens)).await;

    let found = store.grants_of(river).await.expect("read");
    let id = found[0].id;
    let one = grants(&[id]);
    assert_eq!(change, one);
    let claim = store.claim_grant(id, "a", at(5), at(20));
    assert_eq!(changes_of(&store, claim).await, []);
    let failure = RefreshFailure {
        state: GrantState::Backoff,
        outcome: "down",
        next_try_at: None,
        at: at(5),
    };
    let failed = store.record_failure(id, "a", failure);
    assert_eq!(changes_of(&store, failed).await, one);
    let forgotten = store.forget_grant(id, at(5));
    assert_eq!(changes_of(&store, forgotten).await, one);
}

async fn a_reader_never_misses_a_change_of_parallel_writers(store: TestStore) {
    const WRITERS: i64 = 8;
    const EACH: i64 = 40;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = (*store).clone();
        writers.spawn(async move {
            let topic = format!("writer {writer}");
            for number in 0..EACH {
                let recorded = store.record_change(&topic, number, at(5)).await;
                recorded.expect("recorded");
            }
        });
    }

    let mut seen = Vec::<Change>::new();
    let mut last = 0;
    let reading = async {
        while last < WRITERS * EACH {
            // A small page makes many looks, each of which could come between two commits.
            seen.extend(store.wait_for_changes(last, 3, BOUND).await.expect("read"));
            last = seen.last().map_or(0, |change| change.seq);
        }
    };
    let in_time = timeout(Duration::from_mins(1), reading).await;
    writers.join_all().await;

    in_time.expect("every change is seen");
    let numbers = seen.iter().map(|change| change.seq);
    assert!(numbers.eq(1..=WRITERS * EACH), "none is missing");
    for writer in 0..WRITERS {
        let topic = format!("writer {writer}");
        let keys = seen.iter().filter(|change| change.topic == topic);
        let keys = keys.map(|change| change.key.clone());
        assert!(
            keys.eq((0..EACH).map(|number| number.to_string())),
            "in order"
        );
    }
}

async fn purged_changes_leave_a_gap_that_shows(store: TestStore) {
    for second in 1..=4 {
        let recorded = store.record_change("topic", second, at(second)).await;
        recorded.expect("recorded");
    }

    assert_eq!(store.purge_changes(at(3)).await.expect("purged"), 2);

    let left = store.changes_after(0, 10).await.expect("read");
    assert_eq!(
        left.iter().map(|change| change.seq).collect::<Vec<_>>(),
        [3, 4]
    );
    assert_eq!(store.purge_changes(at(9)).await.expect("purged"), 2);
    assert_eq!(store.last_change().await.expect("read"), 4);
    store.record_change("topic", 5, at(5)).await.expect("done");
    assert_eq!(store.last_change().await.expect("read"), 5);
}

/// Gives readers the time to listen. One that does not yet finds the change by looking: no test
/// fails by that, it only tests less.
async fn let_them_listen() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// How long it takes `reader` to learn of a change that `writer` makes while it waits.
async fn delay(reader: &Store, writer: &Store) -> Duration {
    let last = reader.last_change().await.expect("an answer");
    let waiting = {
        let reader = reader.clone();
        tokio::spawn(async move {
            let found = reader
                .wait_for_changes(last, 10, Duration::from_secs(30))
                .await;
            assert_eq!(found.expect("it waits").len(), 1);
            Instant::now()
        })
    };
    let_them_listen().await;
    assert!(!waiting.is_finished());
    let begun = Instant::now();
    let written = writer.record_change("topic", 1, at(5)).await;
    written.expect("recorded");
    waiting.await.expect("it is woken").duration_since(begun)
}

async fn a_waiting_reader_is_woken_by_a_change(store: TestStore) {
    for _ in 0..5 {
        assert!(delay(&store, &store).await < BOUND);
    }
    let begun = Instant::now();
    let found = store.wait_for_changes(0, 3, Duration::from_secs(30)).await;
    assert_eq!(found.expect("an answer").len(), 3, "they are there already");
    assert!(begun.elapsed() < BOUND);
}

async fn a_reader_waits_in_vain_when_nothing_changes(store: TestStore) {
    let last = store.last_change().await.expect("an answer");
    store.add_user("river").await;

    let found = store
        .wait_for_changes(last, 10, Duration::from_millis(100))
        .await;

    assert_eq!(found.expect("it waits"), []);
}

async fn all_waiting_readers_are_woken(store: TestStore) {
    let last = store.last_change().await.expect("an answer");
    let mut readers = JoinSet::new();
    for _ in 0..5 {
        let store = (*store).clone();
        readers.spawn(async move {
            store
                .wait_for_changes(last, 10, Duration::from_secs(30))
                .await
        });
    }
    let_them_listen().await;

    store.record_change("topic", 1, at(5)).await.expect("done");

    let woken = timeout(BOUND, readers.join_all()).await.expect("in time");
    assert!(
        woken
            .into_iter()
            .all(|found| found.expect("it waits").len() == 1)
    );
}

async fn an_abandoned_wait_does_not_disturb_the_next(store: TestStore) {
    for round in 0..100_u64 {
        let patience = Duration::from_micros(round * 50);
        let last = store.last_change().await.expect("an answer");
        let waiting = store.wait_for_changes(last, 10, Duration::from_secs(30));
        // Whether it ends in time does not matter.
        let _ = tokio::join!(
            timeout(patience, waiting),
            store.record_change("topic", 1, at(5))
        );
    }

    assert!(delay(&store, &store).await < BOUND);
}

async fn the_end_of_a_store_ends_the_wait(store: TestStore) {
    let last = store.last_change().await.expect("an answer");
    let waiting = {
        let store = (*store).clone();
        tokio::spawn(async move {
            store
                .wait_for_changes(last, 10, Duration::from_secs(30))
                .await
        })
    };
    let_them_listen().await;

    store.close().await;

    let ended = timeout(Duration::from_secs(10), waiting).await;
    let ended = ended.expect("in time").expect("no panic");
    assert!(
        matches!(ended, Err(StoreError::Unavailable { .. })),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_see_the_changes_of_each_other_at_once() {
    let one = TestStore::postgres().await;
    let other = Store::open(&one.url).await.expect("a second process");

    for _ in 0..10 {
        assert!(delay(&one, &other).await < BOUND);
        assert!(delay(&other, &one).await < BOUND);
    }
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_connection_is_cut_listens_again() {
    let store = TestStore::postgres().await;
    assert!(delay(&store, &store).await < BOUND);

    for _ in 0..3 {
        store
            .meddle(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND query LIKE 'LISTEN%'",
            )
            .await;

        assert!(delay(&store, &store).await < BOUND);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_in_one_process_is_a_change_in_the_other() {
    let one = TestStore::postgres().await;
    let other = Store::open(&one.url).await.expect("a second process");
    let river = one.add_user("river").await.id;
    one.add_session(river, "s1").await;
    let last = other.last_change().await.expect("an answer");

    one.delete_session("s1", at(5), None)
        .await
        .expect("deleted");

    let found = other.wait_for_changes(last, 10, BOUND).await;
    let changes = found.expect("it waits");
    assert_eq!(changes[0].key, river.to_string());
    let session = other.session_by_digest(&digest("s1"), at(5)).await;
    assert_eq!(session.expect("an answer"), None);
    other.close().await;
}
