//! Grants: signing in, finding and forgetting them.

use jansky_model::{ServerEvent, UserId};
use jansky_store::{
    Grant, GrantId, GrantKind, GrantState, NewGrant, NewSession, Sealed, SealedTokens, StoreError,
};

use crate::harness::{TestStore, at, digest, on_both, provider};
use crate::servers::{begin, make_ready};

on_both! {
    a_grant_is_found_in_every_way,
    a_second_sign_in_replaces_the_grant_in_place,
    each_provider_has_a_grant_of_its_own,
    each_service_has_a_grant_of_its_own,
    a_grant_of_nobody_is_refused,
    a_grant_outlives_its_session_and_a_session_its_grant,
    a_forgotten_grant_is_gone,
    a_deleted_user_leaves_no_grants,
    only_grants_that_are_in_use_and_need_it_are_due,
    the_most_urgent_grants_are_due_first,
    a_grant_that_was_put_off_is_due_later,
    grants_that_another_key_sealed_are_found,
    a_new_seal_changes_nothing_else,
    a_new_seal_never_replaces_newer_tokens,
    sessions_are_found_by_the_session_at_the_provider,
    a_logout_token_is_seen_once,
}

pub(crate) fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

/// The tokens of a first sign-in, sealed by the key `k1` for their row.
pub(crate) fn tokens(id: GrantId) -> SealedTokens {
    SealedTokens {
        access: Some(sealed(&format!("k1 access {id}"))),
        refresh: Some(sealed(&format!("k1 refresh {id}"))),
        id: Some(sealed(&format!("k1 id {id}"))),
    }
}

/// A sign-in at second 0 whose access token ends at second 300.
pub(crate) fn sign_in(user: UserId) -> NewGrant {
    NewGrant {
        user_id: user,
        session_id: Some("s1".to_owned()),
        provider: provider("campus"),
        issuer: "https://campus.example".to_owned(),
        subject: format!("subject {user}"),
        provider_session: Some("sid 1".to_owned()),
        client_id: "jansky".to_owned(),
        kind: GrantKind::Login,
        service: None,
        scope: "openid offline_access".to_owned(),
        access_expires_at: Some(at(300)),
        refresh_expires_at: Some(at(3600)),
        rights_hash: Some("rights".to_owned()),
        at: at(0),
    }
}

impl TestStore {
    pub(crate) async fn add_grant(&self, user: UserId) -> Grant {
        let kept = self.keep_grant(&sign_in(user), tokens).await;
        kept.expect("the user is there")
    }

    pub(crate) async fn read_grant(&self, id: GrantId) -> Grant {
        let found = self.grant(id).await.expect("an answer");
        found.expect("it is there")
    }
}

async fn a_grant_is_found_in_every_way(store: TestStore) {
    let river = store.add_user("river").await.id;

    let grant = store.add_grant(river).await;

    assert_eq!(grant.tokens, tokens(grant.id), "sealed for their row");
    assert_eq!((grant.version, grant.state), (0, GrantState::Ok));
    assert_eq!((grant.created_at, grant.refreshed_at), (at(0), at(0)));
    assert_eq!((grant.lease.as_ref(), grant.failures), (None, 0));
    let new = sign_in(river);
    assert_eq!(grant.scope, new.scope);
    assert_eq!(grant.client_id, new.client_id);
    assert_eq!(grant.session_id, new.session_id);
    assert_eq!(grant.rights_hash, new.rights_hash);
    assert_eq!(grant.access_expires_at, new.access_expires_at);
    assert_eq!(grant.refresh_expires_at, new.refresh_expires_at);
    assert_eq!(store.read_grant(grant.id).await, grant);
    let found = store.login_grant(river, &provider("campus")).await;
    assert_eq!(found.expect("an answer").as_ref(), Some(&grant));
    let found = [
        store.grants_of(river).await,
        store.grants_by_subject(&new.issuer, &new.subject).await,
        store.grants_by_provider_session(&new.issuer, "sid 1").await,
    ];
    for found in found {
        assert_eq!(found.expect("an answer"), std::slice::from_ref(&grant));
    }
    let others = [
        store.grants_of(UserId(999)).await,
        store.grants_by_subject(&new.issuer, "sid 1").await,
        store.grants_by_provider_session("", "sid 1").await,
    ];
    for others in others {
        assert_eq!(others.expect("an answer"), []);
    }
}

async fn a_second_sign_in_replaces_the_grant_in_place(store: TestStore) {
    let river = store.add_user("river").await.id;
    let first = store.add_grant(river).await;
    store
        .claim_grant(first.id, "a", at(1), at(16))
        .await
        .expect("claimed");

    let new = NewGrant {
        subject: "another".to_owned(),
        provider_session: None,
        at: at(10),
        ..sign_in(river)
    };
    let only_access = |id| SealedTokens {
        refresh: None,
        id: None,
        ..tokens(id)
    };
    let second = store.keep_grant(&new, only_access).await.expect("kept");

    assert_eq!(second.id, first.id);
    assert_eq!((second.version, second.state), (1, GrantState::Ok));
    assert_eq!((second.created_at, second.refreshed_at), (at(0), at(10)));
    assert_eq!(second.lease, None, "whoever refreshed it lost its turn");
    assert_eq!(second.tokens, only_access(first.id), "all are replaced");
    assert_eq!(
        (second.subject.as_str(), second.provider_session),
        ("another", None)
    );
    assert_eq!(store.grants_of(river).await.expect("read").len(), 1);
}

async fn each_provider_has_a_grant_of_its_own(store: TestStore) {
    let river = store.add_user("river").await.id;
    let campus = store.add_grant(river).await;
    let new = NewGrant {
        provider: provider("globus"),
        ..sign_in(river)
    };

    let globus = store.keep_grant(&new, tokens).await.expect("kept");

    assert!(globus.id > campus.id);
    let all = store.grants_of(river).await.expect("read");
    assert_eq!(all, [campus, globus]);
}

async fn each_service_has_a_grant_of_its_own(store: TestStore) {
    let river = store.add_user("river").await;
    let login = store.add_grant(river.id).await;
    let of = |service: &str, at_seconds| NewGrant {
        kind: GrantKind::Service,
        service: Some(service.to_owned()),
        at: at(at_seconds),
        ..sign_in(river.id)
    };
    let keep = async |new: &NewGrant| {
        let kept = store.keep_grant(new, tokens).await;
        kept.expect("the user is there")
    };

    let transfer = keep(&of("transfer", 0)).await;
    let groups = keep(&of("groups", 0)).await;
    let again = keep(&of("transfer", 10)).await;
    let campus = provider("campus");
    let found = store.service_grant(river.id, &campus, "transfer").await;
    let all = store.service_grants(river.id, &campus).await;
    let still = store.login_grant(river.id, &campus).await;

    assert_eq!(again.id, transfer.id, "in place of the earlier one");
    assert_eq!(again.version, 1);
    assert_eq!(found.expect("an answer"), Some(again.clone()));
    assert_eq!(all.expect("an answer"), [again, groups]);
    assert_eq!(still.expect("an answer"), Some(login));
}

async fn a_grant_of_nobody_is_refused(store: TestStore) {
    let refused = store.keep_grant(&sign_in(UserId(999)), tokens).await;

    assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    let missing = store.set_rights_hash(GrantId(999), "x").await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

async fn a_grant_outlives_its_session_and_a_session_its_grant(store: TestStore) {
    let river = store.add_user("river").await.id;
    let grant = store.add_grant(river).await;
    let session = |session_id: &str, grant_id| NewSession {
        session_id: session_id.to_owned(),
        digest: digest(session_id),
        user_id: river,
        identity: None,
        provider: provider("campus"),
        created_at: at(0),
        expires_at: at(1000),
        provider_session: None,
        grant_id: Some(grant_id),
        id_token: None,
        browser: None,
    };
    for session_id in ["s1", "s2"] {
        let made = store
            .create_session(session(session_id, grant.id), None)
            .await;
        assert_eq!(made.expect("made").grant_id, Some(grant.id));
    }
    let of_nothing = store
        .create_session(session("s3", GrantId(999)), None)
        .await;
    assert!(matches!(of_nothing, Err(StoreError::NotFound { .. })));

    store
        .delete_session("s1", at(1), None)
        .await
        .expect("deleted");
    assert_eq!(store.read_grant(grant.id).await, grant);

    store
        .forget_grant(grant.id, at(1))
        .await
        .expect("forgotten");
    let found = store.session_by_digest(&digest("s2"), at(1)).await;
    let (session, _) = found.expect("an answer").expect("still there");
    assert_eq!(session.grant_id, None);
}

async fn a_forgotten_grant_is_gone(store: TestStore) {
    let river = store.add_user("river").await.id;
    let grant = store.add_grant(river).await;

    assert!(store.forget_grant(grant.id, at(1)).await.expect("done"));
    assert!(!store.forget_grant(grant.id, at(1)).await.expect("gone"));

    assert_eq!(store.grant(grant.id).await.expect("an answer"), None);
    let again = store.add_grant(river).await;
    assert!(again.id > grant.id, "an id is never used twice");
    let other = NewGrant {
        provider: provider("globus"),
        ..sign_in(river)
    };
    store.keep_grant(&other, tokens).await.expect("kept");
    assert_eq!(store.forget_grants_of(river, at(1)).await.expect("done"), 2);
    assert_eq!(store.grants_of(river).await.expect("read"), []);
}

async fn a_deleted_user_leaves_no_grants(store: TestStore) {
    let river = store.add_user("river").await.id;
    let grant = store.add_grant(river).await;

    store.delete_user(river, at(1)).await.expect("deleted");

    assert_eq!(store.grant(grant.id).await.expect("an answer"), None);
}

/// The users of the grants that are due at second 100, when they end before second 400.
async fn due(store: &TestStore) -> Vec<UserId> {
    let due = store.due_grants(at(100), at(400), 100).await;
    let users = due
        .expect("an answer")
        .into_iter()
        .map(|grant| grant.user_id);
    users.collect()
}

async fn only_grants_that_are_in_use_and_need_it_are_due(store: TestStore) {
    let idle = store.add_server("idle").await;
    let starting = begin(&store, &store.add_server("starting").await).await;
    let ready = make_ready(&store, &store.add_server("ready").await).await;
    let two = make_ready(&store, &store.add_server("two").await).await;
    let owner = store.user(two.user_id).await.expect("read").expect("there");
    make_ready(&store, &store.add_server_of(&owner, "gpu").await).await;
    let stopped = make_ready(&store, &store.add_server("stopped").await).await;
    store
        .apply_event(stopped.id, stopped.version, ServerEvent::Gone, at(20))
        .await
        .expect("it stopped");
    for server in [&idle, &starting, &ready, &two, &stopped] {
        store.add_grant(server.user_id).await;
    }
    assert_eq!(due(&store).await, [starting, ready, two].map(|s| s.user_id));
}

async fn the_most_urgent_grants_are_due_first(store: TestStore) {
    struct Case {
        name: &'static str,
        column: &'static str,
        value: String,
        due: bool,
    }
    let case = |name, column, value: &str, due| Case {
        name,
        column,
        value: value.to_owned(),
        due,
    };
    let micros = |seconds| at(seconds).micros().to_string();
    let cases = [
        case("late", "access_expires_at", &micros(399), true),
        case("early", "access_expires_at", &micros(50), true),
        case("fresh", "access_expires_at", &micros(400), false),
        case("endless", "access_expires_at", "NULL", false),
        case("bare", "refresh_token", "NULL", false),
        case("refused", "state", "'reauth'", false),
        case("waiting", "next_try_at", &micros(101), false),
        case("waited", "next_try_at", &micros(100), true),
        case("leased", "lease_until", &micros(101), false),
        case("lapsed", "lease_until", &micros(100), true),
        case("uncertain", "state", "'uncertain'", true),
    ];
    let mut expected = Vec::new();
    for case in &cases {
        let server = begin(&store, &store.add_server(case.name).await).await;
        let grant = store.add_grant(server.user_id).await;
        let (column, value, id) = (case.column, &case.value, grant.id);
        store
            .meddle(&format!(
                "UPDATE grants SET {column} = {value} WHERE id = {id}"
            ))
            .await;
        if case.due {
            let grant = store.read_grant(grant.id).await;
            expected.push((grant.access_expires_at, grant.id, grant.user_id));
        }
    }
    expected.sort_unstable();

    let users = expected.iter().map(|entry| entry.2).collect::<Vec<_>>();
    assert_eq!(due(&store).await, users);
    let first = store.due_grants(at(100), at(400), 1).await.expect("read");
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].user_id, users[0]);
}

async fn a_grant_that_was_put_off_is_due_later(store: TestStore) {
    let server = begin(&store, &store.add_server("river").await).await;
    let grant = store.add_grant(server.user_id).await;
    let until = async |seconds| {
        let put_off = store.put_off(grant.id, grant.version, at(seconds)).await;
        put_off.expect("an answer");
        store.read_grant(grant.id).await.next_try_at
    };
    assert_eq!(due(&store).await, [server.user_id]);

    assert_eq!(until(500).await, Some(at(500)));
    assert_eq!(until(200).await, Some(at(500)), "it does not come sooner");
    assert_eq!(due(&store).await, []);
    store.add_grant(server.user_id).await;
    assert_eq!(due(&store).await, [server.user_id], "after a sign-in");
    assert_eq!(until(600).await, None, "those tokens are gone");
}

async fn grants_that_another_key_sealed_are_found(store: TestStore) {
    let mut grants = Vec::new();
    for name in ["new", "old", "mixed", "empty"] {
        let user = store.add_user(name).await.id;
        let seal = |id: GrantId| match name {
            "new" => SealedTokens {
                access: Some(sealed(&format!("k2 access {id}"))),
                ..SealedTokens::default()
            },
            "old" => tokens(id),
            "mixed" => SealedTokens {
                access: Some(sealed("k2 access")),
                id: Some(sealed("k1 id")),
                ..SealedTokens::default()
            },
            _ => SealedTokens::default(),
        };
        let kept = store.keep_grant(&sign_in(user), seal).await;
        grants.push(kept.expect("kept").id);
    }
    let found = async |after, limit| {
        let found = store.grants_not_sealed_with(b"k2 ", after, limit).await;
        let ids = found.expect("an answer").into_iter().map(|grant| grant.id);
        ids.collect::<Vec<_>>()
    };

    assert_eq!(found(GrantId(0), 10).await, [grants[1], grants[2]]);
    assert_eq!(found(GrantId(0), 1).await, [grants[1]]);
    assert_eq!(found(grants[1], 10).await, [grants[2]]);
    assert_eq!(found(grants[2], 10).await, []);
}

async fn a_new_seal_changes_nothing_else(store: TestStore) {
    let river = store.add_user("river").await.id;
    let grant = store.add_grant(river).await;
    let claimed = store.claim_grant(grant.id, "a", at(1), at(16)).await;
    let claimed = claimed.expect("an answer").expect("it is free");
    let new_seal = SealedTokens {
        access: Some(sealed("k2 access")),
        refresh: Some(sealed("k2 refresh")),
        id: None,
    };

    let replaced = store.replace_sealed(grant.id, grant.version, &new_seal);
    replaced.await.expect("the version is the same");

    let expected = Grant {
        tokens: new_seal,
        ..claimed
    };
    assert_eq!(store.read_grant(grant.id).await, expected);
}

async fn a_new_seal_never_replaces_newer_tokens(store: TestStore) {
    let river = store.add_user("river").await.id;
    let old = store.add_grant(river).await;
    let new = store.add_grant(river).await;

    let replaced = store
        .replace_sealed(old.id, old.version, &SealedTokens::default())
        .await;

    assert!(matches!(replaced, Err(StoreError::Conflict { .. })));
    assert_eq!(store.read_grant(new.id).await, new);
}

async fn sessions_are_found_by_the_session_at_the_provider(store: TestStore) {
    let river = store.add_user("river").await.id;
    for (id, name, provider_session) in [
        ("s1", "campus", Some("sid 1")),
        ("s2", "campus", Some("sid 1")),
        ("s3", "campus", Some("sid 2")),
        ("s4", "globus", Some("sid 1")),
        ("s5", "campus", None),
    ] {
        let new = NewSession {
            session_id: id.to_owned(),
            digest: digest(id),
            user_id: river,
            identity: None,
            provider: provider(name),
            created_at: at(0),
            expires_at: at(1000),
            provider_session: provider_session.map(str::to_owned),
            grant_id: None,
            id_token: None,
            browser: None,
        };
        let made = store.create_session(new, None).await.expect("made");
        let found = store.session_by_digest(&digest(id), at(1)).await;
        let found = found.expect("an answer").map(|(session, _)| session);
        assert_eq!(found, Some(made));
    }

    let campus = provider("campus");
    let found = store.sessions_by_provider_session(&campus, "sid 1").await;

    let found = found.expect("an answer").into_iter();
    let ids = found.map(|session| session.session_id).collect::<Vec<_>>();
    assert_eq!(ids, ["s1", "s2"]);
}

async fn a_logout_token_is_seen_once(store: TestStore) {
    let seen = async |seed: &str, now| {
        let jti = digest(seed);
        let seen = store.has_seen_jti(&jti, at(now)).await.expect("read");
        let first = store.remember_jti(&jti, at(now + 100), at(now)).await;
        assert_eq!(first.expect("an answer"), !seen);
        seen
    };

    assert!(!seen("a", 0).await);
    assert!(!seen("b", 0).await);
    assert!(seen("a", 99).await);
    assert!(!seen("a", 100).await, "it ended by itself");
    assert!(seen("a", 101).await);
    assert_eq!(store.purge_expired(at(100)).await.expect("purged"), 1);
    assert!(seen("a", 199).await, "the later end counts");
}
