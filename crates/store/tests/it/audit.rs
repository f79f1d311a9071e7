//! The audit trail: in order, chained, and only ever longer.

use std::sync::Arc;

use jansky_model::UserId;
use jansky_store::testing::Failing;
use jansky_store::{
    AuditEvent, AuditQuery, Digest, EventAddress, NewAuditEvent, NewToken, Record, Store,
    StoreError, TokenId, TokenKind,
};
use serde_json::json;

use crate::harness::{TestStore, at, digest, on_both};

on_both! {
    events_are_chained_in_the_order_in_which_they_came,
    several_writers_make_one_chain,
    a_person_sees_their_own_and_pages_are_newest_first,
    what_a_hash_covers_is_everything_in_the_row,
    whoever_tampers_with_the_trail_is_found_out,
    a_trail_can_be_read_while_it_is_written,
    addresses_can_be_forgotten_and_the_trail_holds,
    a_change_and_its_record_are_there_together_or_not_at_all,
    what_was_not_there_to_be_ended_is_not_on_record,
}

/// Not a hash that is good for anything, but one that differs.
fn hash(bytes: &[u8]) -> Digest {
    let mut digest: Digest = [0; 32];
    for (index, byte) in bytes.iter().enumerate() {
        let place = &mut digest[index % 32];
        *place = place.wrapping_mul(31).wrapping_add(*byte);
    }
    digest
}

fn event(number: i64, user: i64) -> NewAuditEvent {
    NewAuditEvent {
        at: at(number),
        event: "token",
        actor: "agent".to_owned(),
        user_id: Some(UserId(user)),
        user_name: format!("user {user}"),
        server: String::new(),
        outcome: "ok".to_owned(),
        detail: json!({ "number": number, "text": "with \0 and \"" }),
        address: None,
    }
}

async fn all(store: &Store) -> Vec<AuditEvent> {
    let events = store.audit_after(0, 10_000).await;
    events.expect("the database answers")
}

fn is_chained(events: &[AuditEvent]) -> bool {
    let mut previous = [0; 32];
    (1..).zip(events).all(|(seq, event)| {
        let fits =
            event.seq == seq && event.previous == previous && event.hash == hash(&event.covered());
        previous = event.hash;
        fits
    })
}

async fn events_are_chained_in_the_order_in_which_they_came(store: TestStore) {
    assert_eq!(store.audit_head().await.expect("the database"), None);
    let first: Vec<_> = (0..150).map(|number| event(number, 1)).collect();
    store.append_audit(first, hash).await.expect("written");
    store.append_audit(vec![], hash).await.expect("nothing");
    let more = vec![event(150, 2)];
    store.append_audit(more, hash).await.expect("written");

    let events = all(&store).await;

    assert!(is_chained(&events));
    let times: Vec<_> = events.iter().map(|event| event.at).collect();
    assert_eq!(times, (0..151).map(at).collect::<Vec<_>>());
    let head = store.audit_head().await.expect("the database");
    let head = head.expect("there are events");
    assert_eq!((head.seq, head.hash), (151, events[150].hash));
}

async fn several_writers_make_one_chain(store: TestStore) {
    let store = Arc::new(store);
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..10 {
                let events = (0..=number % 3).map(|_| event(number, writer)).collect();
                store.append_audit(events, hash).await.expect("written");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it does not panic");
    }

    let events = all(&store).await;

    assert_eq!(events.len(), 8 * 19);
    assert!(is_chained(&events));
}

async fn a_person_sees_their_own_and_pages_are_newest_first(store: TestStore) {
    let events = (0..10).map(|number| event(number, number % 2)).collect();
    store.append_audit(events, hash).await.expect("written");
    let query = async |user, before, limit| {
        let query = AuditQuery {
            user,
            before,
            limit,
        };
        let events = store.audit_events(&query).await;
        let events = events.expect("the database answers");
        events.iter().map(|event| event.seq).collect::<Vec<_>>()
    };

    assert_eq!(query(None, None, 3).await, [10, 9, 8]);
    assert_eq!(query(None, Some(8), 2).await, [7, 6]);
    assert_eq!(query(Some(UserId(1)), None, 2).await, [10, 8]);
    assert_eq!(query(Some(UserId(1)), Some(4), 9).await, [2]);
    assert_eq!(query(Some(UserId(7)), None, 9).await, Vec::<i64>::new());
}

async fn what_a_hash_covers_is_everything_in_the_row(store: TestStore) {
    let written = vec![event(0, 1)];
    store.append_audit(written, hash).await.expect("written");
    let whole = all(&store).await.remove(0);

    let changes: [fn(&mut AuditEvent); 10] = [
        |event| event.seq = 2,
        |event| event.at = at(1),
        |event| event.event = "enroll".into(),
        |event| event.actor = "zoe".into(),
        |event| event.user_id = None,
        |event| event.user_name = "zoe".into(),
        |event| event.server = "gpu".into(),
        |event| event.outcome = "refused".into(),
        |event| event.detail = "{}".into(),
        |event| event.previous = [1; 32],
    ];
    for change in changes {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed.covered(), whole.covered(), "{changed:?}");
    }
}

async fn whoever_tampers_with_the_trail_is_found_out(store: TestStore) {
    let check = async || store.check_audit(hash).await.expect("the database answers");
    assert_eq!(check().await.broken, None);
    let events = (0..1500).map(|number| event(number, 1)).collect();
    store.append_audit(events, hash).await.expect("written");
    let whole = check().await;
    assert_eq!((whole.events, whole.broken), (1500, None));
    assert_eq!(whole.last.len(), 64);

    store
        .meddle("CREATE TABLE kept AS SELECT * FROM audit_events")
        .await;
    store
        .meddle("CREATE TABLE kept_head AS SELECT * FROM audit_head")
        .await;
    for (tampering, broken) in [
        ("UPDATE audit_events SET detail = '{}' WHERE seq = 700", 700),
        ("UPDATE audit_events SET user_name = 'zoe' WHERE seq = 1", 1),
        ("UPDATE audit_events SET at = at + 1 WHERE seq = 1500", 1500),
        ("UPDATE audit_events SET hash = previous WHERE seq = 2", 2),
        ("DELETE FROM audit_events WHERE seq = 700", 701),
        ("DELETE FROM audit_events WHERE seq <= 3", 4),
        ("DELETE FROM audit_events WHERE seq > 1400", 1401),
        ("DELETE FROM audit_events", 1),
        ("DELETE FROM audit_head", 1500),
        (
            "UPDATE audit_head SET hash = (SELECT previous FROM audit_events WHERE seq = 9)",
            1500,
        ),
        (
            "INSERT INTO audit_events SELECT 1501, at, event, actor, user_id, user_name, server,
                 outcome, detail, previous, hash FROM audit_events WHERE seq = 1500",
            1501,
        ),
        (
            "UPDATE audit_events SET seq = 9000 WHERE seq = 5;
             UPDATE audit_events SET seq = 5 WHERE seq = 6;
             UPDATE audit_events SET seq = 6 WHERE seq = 9000",
            5,
        ),
    ] {
        store.meddle(tampering).await;
        let found = check().await.broken.expect(tampering);
        assert_eq!(found.0, broken, "{tampering}: {}", found.1);
        store
            .meddle(
                "DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept;
                 DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept_head",
            )
            .await;
        assert_eq!(check().await, whole, "it is whole again");
    }
}

async fn a_trail_can_be_read_while_it_is_written(store: TestStore) {
    let events = (0..10).map(|number| event(number, 1)).collect();
    store.append_audit(events, hash).await.expect("written");

    let reader = Store::open_to_read(&store.url).expect("it is there");
    let check = reader.check_audit(hash).await.expect("it can be read");

    assert_eq!((check.events, check.broken), (10, None));
    let refused = reader.append_audit(vec![event(11, 1)], hash).await;
    assert!(refused.is_err(), "nothing can be written");
    reader.close().await;
    let more = vec![event(10, 1)];
    store.append_audit(more, hash).await.expect("written");
}

/// An event with an address, whose seal stands in what the chain covers.
fn event_from(number: i64, text: &str) -> NewAuditEvent {
    let address = EventAddress {
        salt: format!("salt {number}"),
        text: text.to_owned(),
    };
    NewAuditEvent {
        detail: json!({ EventAddress::SEAL: address.seal(hash) }),
        address: Some(address),
        ..event(number, 1)
    }
}

async fn addresses_can_be_forgotten_and_the_trail_holds(store: TestStore) {
    let events = vec![
        event_from(1, "192.0.2.1"),
        event(2, 1),
        event_from(3, "2001:db8::1"),
    ];
    store.append_audit(events, hash).await.expect("written");
    let addresses = async || {
        let query = AuditQuery {
            limit: 10,
            ..AuditQuery::default()
        };
        let events = store.audit_events(&query).await.expect("the database");
        let texts = events
            .into_iter()
            .map(|event| event.address.map(|kept| kept.text));
        texts.collect::<Vec<_>>()
    };
    let both = [
        Some("2001:db8::1".to_owned()),
        None,
        Some("192.0.2.1".to_owned()),
    ];
    assert_eq!(addresses().await, both);

    let forgotten = store.forget_audit_addresses(at(3)).await;

    assert_eq!(forgotten.expect("the database"), 1);
    assert_eq!(addresses().await, [both[0].clone(), None, None]);
    let check = store.check_audit(hash).await.expect("the database");
    assert_eq!((check.events, check.broken), (3, None));
}

fn record(user: UserId) -> Record {
    Record::new(event(1, user.0), hash)
}

/// What goes on record with what it is about.
#[derive(Clone, Copy, Debug)]
enum Change {
    TokenMade,
    TokenRevoked,
    SessionEnded,
    AllSessionsEnded,
    PasswordLinkMade,
    PasswordChosen,
    PasswordChanged,
}

impl Change {
    const ALL: [Self; 7] = [
        Self::TokenMade,
        Self::TokenRevoked,
        Self::SessionEnded,
        Self::AllSessionsEnded,
        Self::PasswordLinkMade,
        Self::PasswordChosen,
        Self::PasswordChanged,
    ];

    /// Makes what is there before it.
    async fn prepare(self, store: &TestStore, user: UserId) -> TokenId {
        store.add_session(user, "s").await;
        let password = store.set_password(user, "one", at(0)).await;
        password.expect("set");
        let link = digest("link");
        let made = store.create_user_link(&link, "new", user, at(100), None);
        made.await.expect("made");
        let made = store.create_token(token("before", user)).await;
        made.expect("made").id
    }

    async fn make(self, store: &Store, user: UserId, before: TokenId) -> Result<(), StoreError> {
        let about = record(user);
        let link = digest("link");
        match self {
            Self::TokenMade => {
                let made = store.create_token_on_record(token("made", user), |_| about);
                made.await.map(drop)
            }
            Self::TokenRevoked => {
                let revoked = store.delete_token(user, before, at(1), Some(about));
                revoked.await.map(drop)
            }
            Self::SessionEnded => {
                let ended = store.delete_session("s", at(1), Some(about));
                ended.await.map(drop)
            }
            Self::AllSessionsEnded => {
                let ended = store.delete_sessions_of(user, at(1), Some(about));
                ended.await.map(drop)
            }
            Self::PasswordLinkMade => {
                let digest = digest("made");
                let made = store.create_user_link(&digest, "new", user, at(100), Some(about));
                made.await
            }
            Self::PasswordChosen => {
                let link = (&link, "new");
                let chosen = store.set_password_with_link(link, user, "two", at(1), Some(about));
                chosen.await.map(drop)
            }
            Self::PasswordChanged => {
                let changed = store.replace_password(user, "one", "two", at(1), Some(about));
                changed.await.map(drop)
            }
        }
    }

    async fn is_made(self, store: &Store, user: UserId, before: TokenId) -> bool {
        let tokens = store.tokens_of(user, at(0)).await.expect("they are read");
        match self {
            Self::TokenMade => tokens.len() == 2,
            Self::TokenRevoked => tokens.iter().all(|token| token.id != before),
            Self::SessionEnded | Self::AllSessionsEnded => {
                store.sessions_of(user).await.expect("read").is_empty()
            }
            Self::PasswordLinkMade => {
                let there = store.link_exists(&digest("made"), "new", at(1)).await;
                there.expect("read")
            }
            Self::PasswordChosen | Self::PasswordChanged => {
                let accounts = store.local_accounts(&[user]).await.expect("read");
                accounts[&user].changed_at == at(1)
            }
        }
    }
}

fn token(seed: &str, user: UserId) -> NewToken {
    NewToken {
        digest: digest(seed),
        kind: TokenKind::Api,
        user_id: user,
        server_id: None,
        client_id: None,
        session_id: None,
        scopes: Vec::new(),
        note: String::new(),
        created_at: at(0),
        expires_at: None,
    }
}

async fn a_change_and_its_record_are_there_together_or_not_at_all(store: TestStore) {
    for change in Change::ALL {
        for failing in [Failing::Everything, Failing::Changes, Failing::Answers] {
            for works in 0.. {
                let user = store.add_user("river").await;
                let before = change.prepare(&store, user.id).await;
                store.faults().begin(failing, works);
                let made = change.make(&store, user.id, before).await;
                let failed = store.faults().end();

                let query = AuditQuery {
                    user: Some(user.id),
                    limit: 10,
                    ..AuditQuery::default()
                };
                let events = store.audit_events(&query).await.expect("they are read");
                let is_made = change.is_made(&store, user.id, before).await;
                let case = format!("{change:?}, {failing:?} after {works}");
                assert_eq!(events.len(), usize::from(is_made), "{case}");
                assert_eq!(made.is_ok(), failed == 0, "{case}");
                store.delete_user(user.id, at(2)).await.expect("deleted");
                if failed == 0 {
                    assert!(is_made, "{case}");
                    break;
                }
            }
        }
    }
    assert!(is_chained(&all(&store).await));
}

async fn what_was_not_there_to_be_ended_is_not_on_record(store: TestStore) {
    let user = store.add_user("river").await.id;
    let ended = store.delete_session("s", at(1), Some(record(user))).await;
    assert!(!ended.expect("an answer"));
    let revoked = store.delete_token(user, TokenId(7), at(1), Some(record(user)));
    assert!(!revoked.await.expect("an answer"));
    let changed = store.replace_password(user, "one", "two", at(1), Some(record(user)));
    assert!(!changed.await.expect("an answer"));
    let link = digest("link");
    let chosen = store.set_password_with_link((&link, "new"), user, "x", at(1), Some(record(user)));
    assert!(!chosen.await.expect("an answer"));

    assert_eq!(all(&store).await, []);
}
