//! Identities at providers.

use jansky_model::{ProviderId, UserId};
use jansky_store::{Adoption, NewIdentity, NewSession, Store, StoreError};

use crate::harness::{TestStore, at, digest, on_both, provider, user_name};

on_both! {
    an_identity_leads_to_its_user,
    an_identity_is_bound_once,
    a_user_and_an_identity_are_made_together_or_not_at_all,
    who_comes_first_is_the_user_whom_somebody_made_beforehand,
    a_user_who_was_here_already_is_nobody_elses,
    whose_people_take_over_an_account_is_what_was_said,
    names_that_somebody_had_stay_known,
    names_that_look_alike_are_found,
    sign_ins_of_an_identity_only_move_forward,
}

const ISSUER: &str = "https://login.example";

async fn an_identity_leads_to_its_user(store: TestStore) {
    let campus = provider("campus");
    let river = store.add_user("river").await;
    let new = NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject: "42",
    };

    let bound = store
        .bind_identity(river.id, new, at(3))
        .await
        .expect("it is free");

    assert_eq!(
        store.identity(ISSUER, "42").await.expect("an answer"),
        Some((bound.clone(), river.clone()))
    );
    assert_eq!(bound.provider, campus);
    assert_eq!((bound.created_at, bound.last_login_at), (at(3), at(3)));
    assert_eq!(store.identities_of(river.id).await.expect("read"), [bound]);
    let other_issuer = store.identity("https://other.example", "42").await;
    assert_eq!(other_issuer.expect("an answer"), None);
}

async fn an_identity_is_bound_once(store: TestStore) {
    let campus = provider("campus");
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let new = NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject: "42",
    };
    store
        .bind_identity(river.id, new, at(0))
        .await
        .expect("free");

    let again = store.bind_identity(wash.id, new, at(1)).await;
    let nobody = NewIdentity {
        subject: "43",
        ..new
    };
    let missing = store.bind_identity(UserId(999), nobody, at(1)).await;

    let error = again.expect_err("it is bound").to_string();
    assert_eq!(
        error,
        "identity `42` of `https://login.example` already exists"
    );
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

async fn a_user_and_an_identity_are_made_together_or_not_at_all(store: TestStore) {
    let campus = provider("campus");
    let new = NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject: "42",
    };
    let (river, identity) = store
        .create_user_with_identity(&user_name("river"), true, new, at(2))
        .await
        .expect("both are free");

    let name_taken = store
        .create_user_with_identity(
            &user_name("river"),
            false,
            NewIdentity {
                subject: "43",
                ..new
            },
            at(3),
        )
        .await;
    let identity_taken = store
        .create_user_with_identity(&user_name("wash"), false, new, at(3))
        .await;

    assert!(matches!(name_taken, Err(StoreError::AlreadyExists { what }) if what.contains("user")));
    assert!(
        matches!(identity_taken, Err(StoreError::AlreadyExists { what }) if what.contains("42"))
    );
    assert_eq!(store.identity(ISSUER, "43").await.expect("none"), None);
    let wash = store.user_by_name(&user_name("wash")).await.expect("none");
    assert_eq!(wash, None, "the user of the refused identity is not left");
    let found = store.identity(ISSUER, "42").await.expect("an answer");
    assert_eq!(found, Some((identity, river)));
}

async fn who_comes_first_is_the_user_whom_somebody_made_beforehand(store: TestStore) {
    let campus = provider("campus");
    let river = store.add_user("river").await;
    let who = |subject| NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject,
    };

    let came = tokio::join!(
        store.bind_first_identity(&river.name, who("1"), true, at(3)),
        store.bind_first_identity(&river.name, who("2"), true, at(3)),
        store.bind_first_identity(&river.name, who("3"), true, at(3)),
    );

    let came = <[_; 3]>::from(came);
    let found = came.map(|user| user.expect("an answer"));
    let done = Adoption::Done(river.clone());
    let first = found.iter().filter(|came| **came == done);
    assert_eq!(first.count(), 1, "one of them is river");
    let others = found.iter().filter(|came| **came == Adoption::OfSomebody);
    assert_eq!(others.count(), 2);
    let bound = store.identities_of(river.id).await.expect("read");
    assert_eq!(bound.len(), 1);
    let nobody = user_name("nobody");
    let nobody = store
        .bind_first_identity(&nobody, who("4"), true, at(4))
        .await;
    assert_eq!(nobody.expect("an answer"), Adoption::OfNobody);
}

async fn whose_people_take_over_an_account_is_what_was_said(store: TestStore) {
    let (campus, other) = (provider("campus"), provider("other"));
    // What programs do in somebody's name is no trace of a person.
    let server = store.add_server("river").await;
    let river = store.user(server.user_id).await.expect("read");
    let river = river.expect("the owner");
    let come = async |provider: &ProviderId, by_default: bool| {
        let new = NewIdentity {
            provider,
            issuer: ISSUER,
            subject: "1",
        };
        let came = store.bind_first_identity(&river.name, new, by_default, at(2));
        came.await.expect("an answer")
    };

    assert_eq!(come(&campus, false).await, Adoption::NotFromHere);
    let said = store.set_adopt_from(river.id, Some(&other)).await;
    said.expect("river is there");
    assert_eq!(come(&campus, true).await, Adoption::NotFromHere);
    assert_eq!(
        store.adopt_from(river.id).await.expect("read"),
        Some(other.clone())
    );
    assert_eq!(come(&other, false).await, Adoption::Done(river.clone()));
    assert_eq!(come(&other, true).await, Adoption::OfSomebody);
}

async fn names_that_somebody_had_stay_known(store: TestStore) {
    let campus = provider("campus");
    let mallory = store.add_user("mallory").await;
    let new = NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject: "1",
    };
    store
        .bind_identity(mallory.id, new, at(1))
        .await
        .expect("free");
    store
        .note_identity_name(ISSUER, "1", "mal")
        .await
        .expect("noted");
    store
        .note_identity_name(ISSUER, "1", "mal")
        .await
        .expect("known");
    let renamed = store
        .rename_user(mallory.id, &user_name("mary"), at(2))
        .await;
    renamed.expect("the name is free");

    let all = ["mal", "mallory", "mary"].map(str::to_owned).into();
    assert_eq!(
        store.names_of_identity(ISSUER, "1").await.expect("read"),
        all
    );
    assert_eq!(store.names_of_user(mallory.id).await.expect("read"), all);
    store.delete_user(mallory.id, at(3)).await.expect("deleted");
    let left = store.names_of_identity(ISSUER, "1").await.expect("read");
    assert_eq!(left, ["mal".to_owned()].into());
}

async fn names_that_look_alike_are_found(store: TestStore) {
    let river = store.add_user("scope").await;
    let alike = user_name("ѕсоре");
    let found = store.users_looking_like(&alike).await.expect("read");
    assert_eq!(found, std::slice::from_ref(&river.name));
    let same = store.users_looking_like(&river.name).await.expect("read");
    assert_eq!(same, []);
    store.meddle("UPDATE users SET look = NULL").await;
    store.close().await;

    let again = Store::open(&store.url).await.expect("it opens");
    let found = again.users_looking_like(&alike).await.expect("read");
    assert_eq!(
        found,
        [river.name],
        "what earlier versions left out is filled in"
    );
}

async fn a_user_who_was_here_already_is_nobody_elses(store: TestStore) {
    let campus = provider("campus");
    let who = |subject| NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject,
    };
    let with_password = store.add_user("wash").await;
    let hash = store.set_password(with_password.id, "hash", at(1)).await;
    hash.expect("done");

    let name = &with_password.name;
    let bound = store.bind_first_identity(name, who("1"), true, at(2)).await;
    assert_eq!(bound.expect("an answer"), Adoption::OfSomebody);
    let identities = store.identities_of(with_password.id).await.expect("read");
    assert_eq!(identities, []);
}

async fn sign_ins_of_an_identity_only_move_forward(store: TestStore) {
    let campus = provider("campus");
    let river = store.add_user("river").await;
    let new = NewIdentity {
        provider: &campus,
        issuer: ISSUER,
        subject: "42",
    };
    let bound = store.bind_identity(river.id, new, at(5)).await;
    bound.expect("free");

    for (seen, expected) in [(3, 5), (9, 9)] {
        store
            .touch_identity(ISSUER, "42", at(seen))
            .await
            .expect("touched");
        let identities = store.identities_of(river.id).await.expect("read");
        assert_eq!(identities[0].last_login_at, at(expected));
    }

    // So does a session, for the identity by whose word it began.
    for (subject, expected) in [("somebody else", 9), ("42", 12)] {
        let session = NewSession {
            session_id: subject.to_owned(),
            digest: digest(subject),
            user_id: river.id,
            identity: Some((ISSUER.to_owned(), subject.to_owned())),
            provider: campus.clone(),
            created_at: at(12),
            expires_at: at(1000),
            provider_session: None,
            grant_id: None,
            id_token: None,
            browser: None,
        };
        store.create_session(session, None).await.expect("made");
        let identities = store.identities_of(river.id).await.expect("read");
        assert_eq!(identities[0].last_login_at, at(expected));
    }
}
