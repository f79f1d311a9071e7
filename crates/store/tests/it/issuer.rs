//! What the hub keeps as an issuer of tokens: keys, tokens taken back, waiting command lines.

use std::time::Duration;

use jansky_model::Timestamp;
use jansky_store::{DeviceRequest, DeviceState, NewIssuerKey, Sealed, StoreError};

use crate::harness::{TestStore, at, digest, on_both};

on_both! {
    a_key_of_the_issuer_is_made_by_one_process,
    keys_are_there_until_nobody_needs_them,
    a_token_that_was_taken_back_is_remembered_until_its_end,
    a_command_line_gets_one_answer,
    asking_too_soon_makes_the_pause_longer,
    a_request_that_nobody_answered_in_time_is_over,
    a_code_is_never_given_twice,
}

fn key(number: i64, published_until: Timestamp) -> NewIssuerKey {
    NewIssuerKey {
        number,
        key_id: format!("key {number}"),
        algorithm: "ES256".to_owned(),
        public_jwk: "{}".to_owned(),
        signs_from: at(0),
        signs_until: at(100),
        published_until,
    }
}

async fn a_key_of_the_issuer_is_made_by_one_process(store: TestStore) {
    let seal = |row: i64| Sealed(format!("sealed for {row}").into_bytes());

    let first = store.add_issuer_key(&key(1, at(200)), seal).await;
    let other = NewIssuerKey {
        key_id: "another".to_owned(),
        ..key(1, at(200))
    };
    let second = store.add_issuer_key(&other, seal).await;

    assert!(first.expect("an answer"));
    assert!(!second.expect("an answer"), "the number is taken");
    let kept = store.issuer_keys(at(0)).await.expect("an answer");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].key_id, "key 1");
    let sealed = format!("sealed for {}", kept[0].id).into_bytes();
    assert_eq!(kept[0].private_key, Some(Sealed(sealed)));
}

async fn keys_are_there_until_nobody_needs_them(store: TestStore) {
    for (number, end) in [(1, 150), (2, 250)] {
        let made = store
            .add_issuer_key(&key(number, at(end)), |_| Sealed(vec![1]))
            .await;
        assert!(made.expect("an answer"));
    }

    let numbers = async |now| {
        let keys = store.issuer_keys(now).await.expect("an answer");
        keys.iter().map(|key| key.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(at(149)).await, [2, 1]);
    assert_eq!(numbers(at(150)).await, [2]);
    store.purge_expired(at(200)).await.expect("an answer");
    assert_eq!(numbers(at(0)).await, [2], "its private half is gone, too");
    assert_eq!(store.last_issuer_key().await.expect("an answer"), 2);
}

async fn a_token_that_was_taken_back_is_remembered_until_its_end(store: TestStore) {
    let jti = digest("jti");
    let is_revoked = async || store.is_token_id_revoked(&jti).await.expect("an answer");

    assert!(!is_revoked().await);
    for _ in 0..2 {
        store
            .revoke_token_id(&jti, at(60))
            .await
            .expect("taken back, also twice");
    }
    assert!(is_revoked().await);
    store.purge_expired(at(60)).await.expect("an answer");
    assert!(!is_revoked().await);
}

fn request() -> DeviceRequest {
    DeviceRequest {
        client_id: "cli".to_owned(),
        audience: "archive".to_owned(),
        scope: "read".to_owned(),
        challenge: None,
        state: DeviceState::Pending,
        user_id: None,
        pause: Duration::from_secs(5),
        asked_at: None,
        expires_at: at(600),
    }
}

impl TestStore {
    async fn add_request(&self) {
        self.add_device_request(&digest("device"), &digest("user"), &request())
            .await
            .expect("the codes are free");
    }

    async fn ask(&self, now: Timestamp) -> Option<DeviceRequest> {
        let more = Duration::from_secs(5);
        let asked = self.ask_device_request(&digest("device"), now, more).await;
        asked.expect("an answer")
    }
}

async fn a_command_line_gets_one_answer(store: TestStore) {
    let river = store.add_user("river").await.id;
    store.add_request().await;
    let user_code = digest("user");

    let waiting = store.pending_device_request(&user_code, at(1)).await;
    let wrong = store.pending_device_request(&digest("other"), at(1)).await;
    let mut answers = Vec::new();
    for state in [DeviceState::Allowed, DeviceState::Denied] {
        let answered = store.answer_device_request(&user_code, river, state, at(2));
        answers.push(answered.await.expect("an answer"));
    }
    let asked = store.ask(at(3)).await.expect("it is there");
    let taken = store.take_device_request(&digest("device")).await;
    let again = store.take_device_request(&digest("device")).await;

    assert_eq!(waiting.expect("an answer"), Some(request()));
    assert_eq!(wrong.expect("an answer"), None);
    assert_eq!(answers, [true, false], "the first answer counts");
    assert_eq!(
        (asked.state, asked.user_id),
        (DeviceState::Allowed, Some(river))
    );
    assert!(taken.expect("an answer"));
    assert!(!again.expect("an answer"));
}

async fn asking_too_soon_makes_the_pause_longer(store: TestStore) {
    store.add_request().await;
    let pauses = [0, 5, 6, 8, 20].map(|second| (second, at(second)));

    let mut seen = Vec::new();
    for (second, now) in pauses {
        let asked = store.ask(now).await.expect("it is there");
        seen.push((second, asked.pause.as_secs(), asked.asked_at));
    }

    assert_eq!(
        seen,
        [
            (0, 5, None),
            (5, 5, Some(at(0))),
            (6, 5, Some(at(5))),
            (8, 10, Some(at(6))),
            (20, 15, Some(at(8))),
        ]
    );
}

async fn a_request_that_nobody_answered_in_time_is_over(store: TestStore) {
    let river = store.add_user("river").await.id;
    store.add_request().await;
    let user_code = digest("user");

    let late = store.pending_device_request(&user_code, at(600)).await;
    let answered = store
        .answer_device_request(&user_code, river, DeviceState::Allowed, at(600))
        .await;

    assert_eq!(late.expect("an answer"), None);
    assert!(!answered.expect("an answer"));
    assert!(store.ask(at(601)).await.is_some(), "it can be told so");
}

async fn a_code_is_never_given_twice(store: TestStore) {
    store.add_request().await;

    let same = store
        .add_device_request(&digest("another"), &digest("user"), &request())
        .await;

    assert!(
        matches!(same, Err(StoreError::AlreadyExists { .. })),
        "{same:?}"
    );
}
