//! Sessions, codes, sign-ins under way, one-time links and settings.

use jansky_model::{Secret, UserId};
use jansky_store::{
    Challenge, Code, LoginAttemptRow, NewSession, NewToken, Sealed, StoreError, TokenKind,
};
use tokio::task::JoinSet;

use crate::harness::{TestStore, at, digest, on_both, provider, token, user_name};

on_both! {
    a_session_is_found_by_the_digest_of_its_cookie,
    the_end_of_a_session_ends_its_tokens_and_codes,
    all_sessions_of_a_user_end_together,
    the_id_token_of_a_session_is_its_own_and_goes_with_it,
    an_expired_session_is_not_found_and_purged_with_its_tokens,
    a_code_can_be_looked_at_until_it_expires,
    a_code_is_redeemed_exactly_once,
    a_code_that_is_burnt_ends_what_was_given_for_it,
    a_code_cannot_be_redeemed_after_its_session,
    a_session_that_ends_during_a_redemption_leaves_no_token,
    a_sign_in_is_taken_exactly_once,
    an_expired_sign_in_is_worthless,
    one_network_cannot_fill_the_table_of_sign_ins_that_begin,
    a_link_works_once_and_for_its_purpose_only,
    the_first_setting_wins,
    purging_deletes_what_is_expired_and_nothing_else,
    a_text_with_a_nul_character_is_kept,
}

fn code(user: UserId, session_id: &str) -> Code {
    Code {
        client_id: "lab".to_owned(),
        user_id: user,
        session_id: session_id.to_owned(),
        redirect_uri: "/user/river/oauth_callback".to_owned(),
        scopes: vec!["access:servers!server=river/".to_owned()],
        challenge: None,
        expires_at: at(600),
    }
}

fn attempt() -> LoginAttemptRow {
    LoginAttemptRow {
        provider: provider("campus"),
        nonce: "nonce".to_owned(),
        verifier: Secret::new("verifier"),
        redirect_uri: "https://hub.example/hub/login/callback".to_owned(),
        next: Some("/hub/spawn".to_owned()),
        browser_digest: digest("browser"),
        link_session: None,
        reauthenticates: true,
        created_at: at(0),
        expires_at: at(600),
    }
}

fn oauth_token(seed: &str, user: UserId, session_id: &str) -> NewToken {
    NewToken {
        client_id: Some("lab".to_owned()),
        session_id: Some(session_id.to_owned()),
        created_at: at(1),
        ..token(seed, TokenKind::OAuth, user)
    }
}

async fn a_session_is_found_by_the_digest_of_its_cookie(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;

    let found = store.session_by_digest(&digest("s1"), at(1)).await;
    let (session, user) = found.expect("an answer").expect("there");

    let active = Some(at(0));
    assert_eq!((user.id, user.last_activity_at), (river.id, active));
    assert_eq!(session.session_id, "s1");
    assert_eq!(session.provider, provider("local"));
    assert_eq!((session.created_at, session.expires_at), (at(0), at(1000)));
    assert_eq!(store.sessions_of(river.id).await.expect("read"), [session]);
    let other = store.session_by_digest(&digest("s2"), at(1)).await;
    assert_eq!(other.expect("an answer"), None);
}

async fn the_end_of_a_session_ends_its_tokens_and_codes(store: TestStore) {
    let river = store.add_user("river").await;
    for session in ["s1", "s2"] {
        store.add_session(river.id, session).await;
        let new = oauth_token(session, river.id, session);
        store.create_token(new).await.expect("created");
        store.add_code(session, &code(river.id, session)).await;
    }

    assert!(
        store
            .delete_session("s1", at(1), None)
            .await
            .expect("deleted")
    );
    assert!(
        !store
            .delete_session("s1", at(1), None)
            .await
            .expect("nothing left")
    );

    for (session, left) in [("s1", false), ("s2", true)] {
        let digest = digest(session);
        let found = store.session_by_digest(&digest, at(1)).await;
        assert_eq!(found.expect("an answer").is_some(), left);
        let found = store.token_by_digest(&digest, at(1)).await;
        assert_eq!(found.expect("an answer").is_some(), left);
        let found = store.code(&digest, at(1)).await;
        assert_eq!(found.expect("an answer").is_some(), left);
    }
}

async fn the_id_token_of_a_session_is_its_own_and_goes_with_it(store: TestStore) {
    let river = store.add_user("river").await.id;
    let sealed = |text: &str| Sealed(text.as_bytes().to_vec());
    for (id, token) in [("s1", Some("old-1")), ("s2", Some("old-2")), ("s3", None)] {
        let new = NewSession {
            session_id: id.to_owned(),
            digest: digest(id),
            user_id: river,
            identity: None,
            provider: provider("campus"),
            created_at: at(0),
            expires_at: at(1000),
            provider_session: None,
            grant_id: None,
            id_token: token.map(sealed),
            browser: None,
        };
        store.create_session(new, None).await.expect("made");
    }
    let read = async |id: &str| store.id_token_of_session(id).await.expect("an answer");

    assert_eq!(read("s2").await, Some(sealed("old-2")));
    assert_eq!(read("s3").await, None);
    let find = async |prefix: &str, after: &str| {
        let found = store.session_tokens_not_sealed_with(prefix.as_bytes(), after, 10);
        let found = found.await.expect("an answer").into_iter();
        found.map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(find("new", "").await, ["s1", "s2"]);
    assert_eq!(find("new", "s1").await, ["s2"]);
    assert!(find("old", "").await.is_empty());
    let new = sealed("new-1");
    let replaced = store.replace_session_token_seal("s1", &new).await;
    assert!(replaced.expect("replaced"));
    assert_eq!(find("new", "").await, ["s2"]);

    store
        .delete_session("s1", at(1), None)
        .await
        .expect("deleted");
    assert_eq!(read("s1").await, None);
    let gone = store.replace_session_token_seal("s1", &new).await;
    assert!(!gone.expect("nothing to replace"));
}

async fn all_sessions_of_a_user_end_together(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    store.add_session(river.id, "s1").await;
    store.add_session(river.id, "s2").await;
    store.add_session(wash.id, "s3").await;
    let created = store.create_token(oauth_token("s1", river.id, "s1"));
    created.await.expect("created");

    let ended = store.delete_sessions_of(river.id, at(1), None).await;
    let mut ended = ended.expect("done");
    ended.sort();
    assert_eq!(ended, ["s1", "s2"]);

    assert_eq!(store.tokens_of(river.id, at(1)).await.expect("read"), []);
    assert_eq!(store.sessions_of(wash.id).await.expect("read").len(), 1);
}

async fn an_expired_session_is_not_found_and_purged_with_its_tokens(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    let created = store.create_token(oauth_token("s1", river.id, "s1"));
    let id = created.await.expect("created").id;

    let found = store.session_by_digest(&digest("s1"), at(1000)).await;
    assert_eq!(found.expect("an answer"), None);
    store.purge_expired(at(1000)).await.expect("purged");

    assert_eq!(store.sessions_of(river.id).await.expect("read"), []);
    assert_eq!(store.token(river.id, id).await.expect("an answer"), None);
}

async fn a_code_can_be_looked_at_until_it_expires(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    let plain = code(river.id, "s1");
    let challenged = Code {
        challenge: Some(Challenge {
            challenge: "E9Melhoa2Ow".to_owned(),
            method: "S256".to_owned(),
        }),
        ..plain.clone()
    };
    for (seed, code) in [("plain", &plain), ("challenged", &challenged)] {
        store.add_code(seed, code).await;
    }

    for (seed, code) in [("plain", plain), ("challenged", challenged)] {
        let early = store.code(&digest(seed), at(599)).await;
        assert_eq!(early.expect("an answer"), Some(code));
        let late = store.code(&digest(seed), at(600)).await;
        assert_eq!(late.expect("an answer"), None);
    }
    let late = NewToken {
        created_at: at(600),
        ..oauth_token("late", river.id, "s1")
    };
    let redeemed = store.redeem_code(&digest("plain"), late).await;
    assert_eq!(redeemed.expect("an answer"), None);
}

async fn a_code_is_redeemed_exactly_once(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    store.add_code("code", &code(river.id, "s1")).await;

    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let store = (*store).clone();
        let token = oauth_token(&format!("token {number}"), river.id, "s1");
        tasks.spawn(async move { store.redeem_code(&digest("code"), token).await });
    }
    let outcomes = tasks.join_all().await;

    let winners = outcomes
        .into_iter()
        .filter_map(|outcome| outcome.expect("an answer"))
        .collect::<Vec<_>>();
    assert_eq!(winners.len(), 1);
    assert_eq!(
        store.tokens_of(river.id, at(1)).await.expect("read"),
        winners
    );
}

async fn a_code_that_is_burnt_ends_what_was_given_for_it(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    for seed in ["used", "unused"] {
        store.add_code(seed, &code(river.id, "s1")).await;
    }
    let other = store
        .create_token(oauth_token("other", river.id, "s1"))
        .await
        .expect("a token");
    let token = oauth_token("token", river.id, "s1");
    let redeemed = store.redeem_code(&digest("used"), token).await;
    assert!(redeemed.expect("an answer").is_some());
    let used = store.code(&digest("used"), at(1)).await;
    assert_eq!(used.expect("an answer"), None);

    for (seed, owner) in [("unused", None), ("used", Some(river.id)), ("used", None)] {
        let burnt = store.burn_code(&digest(seed), at(1)).await;

        assert_eq!(burnt.expect("an answer"), owner, "{seed}");
        let token = oauth_token("late", river.id, "s1");
        let late = store.redeem_code(&digest(seed), token).await;
        assert_eq!(late.expect("an answer"), None);
    }
    let left = store.tokens_of(river.id, at(1)).await.expect("read");
    assert_eq!(left, [other]);
}

async fn a_code_cannot_be_redeemed_after_its_session(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    store.add_code("code", &code(river.id, "s1")).await;

    store
        .delete_session("s1", at(1), None)
        .await
        .expect("deleted");

    let token = oauth_token("token", river.id, "s1");
    let redeemed = store.redeem_code(&digest("code"), token).await;
    assert_eq!(redeemed.expect("an answer"), None);
    let created = store
        .create_code(&digest("other"), &code(river.id, "s1"))
        .await;
    assert!(matches!(created, Err(StoreError::NotFound { .. })));
}

async fn a_session_that_ends_during_a_redemption_leaves_no_token(store: TestStore) {
    let river = store.add_user("river").await;
    for round in 0..20 {
        let session = format!("session {round}");
        store.add_session(river.id, &session).await;
        store.add_code(&session, &code(river.id, &session)).await;

        let token = oauth_token(&session, river.id, &session);
        let redeemer = (*store).clone();
        let key = digest(&session);
        let redeeming = tokio::spawn(async move { redeemer.redeem_code(&key, token).await });
        let deleted = store.delete_session(&session, at(1), None).await;
        let redeemed = redeeming.await.expect("no panic");

        assert!(deleted.expect("deleted"));
        redeemed.expect("they do not wait for each other");
        let left = store.tokens_of(river.id, at(1)).await.expect("read");
        assert_eq!(left, [], "round {round}");
    }
}

async fn a_sign_in_is_taken_exactly_once(store: TestStore) {
    let without_next = LoginAttemptRow {
        next: None,
        ..attempt()
    };
    for (seed, row) in [("state", attempt()), ("other", without_next.clone())] {
        store.add_attempt(seed, &row).await;
    }

    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = (*store).clone();
        tasks.spawn(async move { store.take_login_attempt(&digest("state"), at(1)).await });
    }
    let outcomes = tasks.join_all().await;

    let taken = outcomes
        .into_iter()
        .filter_map(|outcome| outcome.expect("an answer"))
        .collect::<Vec<_>>();
    assert_eq!(taken, [attempt()]);
    let other = store.take_login_attempt(&digest("other"), at(1)).await;
    assert_eq!(other.expect("an answer"), Some(without_next));
}

async fn an_expired_sign_in_is_worthless(store: TestStore) {
    store.add_attempt("state", &attempt()).await;

    let late = store.take_login_attempt(&digest("state"), at(600)).await;

    assert_eq!(late.expect("an answer"), None);
}

async fn a_link_works_once_and_for_its_purpose_only(store: TestStore) {
    let key = digest("link");
    store
        .create_link(&key, "first-admin", at(10))
        .await
        .expect("created");
    let take = async |purpose, now| {
        let link = (&key, purpose);
        let made = store
            .create_admin_with_link(link, &user_name("grote"), "hash", now)
            .await;
        made.expect("an answer").is_some()
    };
    let exists = async |purpose, now| {
        let answer = store.link_exists(&key, purpose, now).await;
        answer.expect("an answer")
    };

    assert!(!take("reset", at(1)).await);
    assert!(!take("first-admin", at(10)).await);
    assert!(exists("first-admin", at(9)).await);
    assert!(!exists("first-admin", at(10)).await);
    assert!(!exists("reset", at(9)).await);
    assert!(take("first-admin", at(9)).await);
    assert!(!take("first-admin", at(9)).await);
    assert!(!exists("first-admin", at(9)).await);
}

async fn the_first_setting_wins(store: TestStore) {
    assert_eq!(store.setting("key").await.expect("an answer"), None);

    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let store = (*store).clone();
        tasks.spawn(async move {
            let value = format!("value {number}");
            store.put_setting_if_absent("key", &value).await
        });
    }
    let outcomes = tasks.join_all().await;

    let kept = store.setting("key").await.expect("an answer");
    let kept = kept.expect("there is one now");
    for outcome in outcomes {
        assert_eq!(outcome.expect("an answer"), kept);
    }
}

async fn purging_deletes_what_is_expired_and_nothing_else(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_session(river.id, "s1").await;
    for (seed, end) in [("early", at(5)), ("late", at(50))] {
        let token = NewToken {
            expires_at: Some(end),
            ..token(seed, TokenKind::Api, river.id)
        };
        store.create_token(token).await.expect("created");
        let code = Code {
            expires_at: end,
            ..code(river.id, "s1")
        };
        store.add_code(seed, &code).await;
        let attempt = LoginAttemptRow {
            expires_at: end,
            ..attempt()
        };
        store.add_attempt(seed, &attempt).await;
        store
            .create_link(&digest(seed), "x", end)
            .await
            .expect("created");
    }

    assert_eq!(store.purge_expired(at(5)).await.expect("purged"), 4);
    assert_eq!(store.purge_expired(at(5)).await.expect("purged"), 0);

    let late = digest("late");
    let token = store.token_by_digest(&late, at(6)).await;
    assert!(token.expect("an answer").is_some());
    assert!(store.code(&late, at(6)).await.expect("answer").is_some());
    assert!(store.link_exists(&late, "x", at(6)).await.expect("answer"));
    let attempt = store.take_login_attempt(&late, at(6)).await;
    assert!(attempt.expect("an answer").is_some());
}

async fn a_text_with_a_nul_character_is_kept(store: TestStore) {
    let kept = store.put_setting_if_absent("log", "before\0after").await;

    assert_eq!(kept.expect("an answer"), "before\u{fffd}after");
}

async fn one_network_cannot_fill_the_table_of_sign_ins_that_begin(store: TestStore) {
    const FLOOD: i64 = 2010;
    let begun = |second: i64| LoginAttemptRow {
        created_at: at(second),
        expires_at: at(10_000),
        ..attempt()
    };
    let begin = async |seed: &str, second: i64, network: &str| {
        let (digest, attempt) = (digest(seed), begun(second));
        let kept = store.create_login_attempt(&digest, &attempt, network);
        kept.await.expect("the state is new");
    };
    let is_there = async |seed: &str| {
        let taken = store.take_login_attempt(&digest(seed), at(5000)).await;
        taken.expect("the database answers").is_some()
    };

    begin("of somebody", 0, "198.51.100.1").await;
    for number in 0..FLOOD {
        begin(&format!("flood {number}"), 1 + number, "192.0.2.1").await;
    }

    assert!(is_there("of somebody").await, "others are not touched");
    assert!(!is_there("flood 9").await, "the oldest went");
    assert!(is_there("flood 10").await);
    assert!(is_there("flood 2009").await);
}
