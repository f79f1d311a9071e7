//! Tokens.

use jansky_model::UserId;
use jansky_store::{NewToken, StoreError, TokenId, TokenKind};

use crate::harness::{TestStore, at, digest, on_both, token};

on_both! {
    a_token_is_found_by_its_digest_with_its_user,
    an_expired_token_is_not_found,
    tokens_are_listed_by_last_use_without_expired_ones,
    use_of_tokens_only_moves_forward,
    a_token_is_deleted_by_its_owner_only,
    deleting_an_oauth_token_takes_all_of_its_client,
    tokens_of_a_client_are_listed,
    tokens_of_nobody_are_refused,
    a_digest_stands_for_one_token,
}

async fn a_token_is_found_by_its_digest_with_its_user(store: TestStore) {
    let river = store.add_user("river").await;
    let server = store.add_server_of(&river, "gpu").await;
    store.add_session(river.id, "session").await;
    let river = store
        .user(river.id)
        .await
        .expect("an answer")
        .expect("there");
    let new = NewToken {
        server_id: Some(server.id),
        client_id: Some("client".to_owned()),
        session_id: Some("session".to_owned()),
        expires_at: Some(at(10)),
        ..token("a", TokenKind::OAuth, river.id)
    };

    let created = store.create_token(new.clone()).await.expect("created");

    let found = store.token_by_digest(&digest("a"), at(9)).await;
    assert_eq!(
        found.expect("an answer"),
        Some((created.clone(), river.clone()))
    );
    assert_eq!(created.kind, TokenKind::OAuth);
    assert_eq!(created.scopes, ["self", "read:hub"]);
    assert_eq!(created.server_id, Some(server.id));
    assert_eq!(created.session_id, new.session_id);
    assert_eq!(created.last_used_at, None);
    let by_id = store.token(river.id, created.id).await.expect("an answer");
    assert_eq!(by_id, Some(created));
    let other = store.token_by_digest(&digest("b"), at(9)).await;
    assert_eq!(other.expect("an answer"), None);
}

async fn an_expired_token_is_not_found(store: TestStore) {
    let river = store.add_user("river").await;
    let new = NewToken {
        expires_at: Some(at(10)),
        ..token("a", TokenKind::Api, river.id)
    };
    let expired = store.create_token(new).await.expect("created");
    store
        .create_token(token("b", TokenKind::Api, river.id))
        .await
        .expect("created");

    let at_the_end = store.token_by_digest(&digest("a"), at(10)).await;
    let endless = store.token_by_digest(&digest("b"), at(1_000_000)).await;

    assert_eq!(at_the_end.expect("an answer"), None);
    assert!(endless.expect("an answer").is_some());
    assert_eq!(store.purge_expired(at(10)).await.expect("purged"), 1);
    let gone = store.token(river.id, expired.id).await;
    assert_eq!(gone.expect("an answer"), None);
}

async fn tokens_are_listed_by_last_use_without_expired_ones(store: TestStore) {
    let river = store.add_user("river").await;
    let mut ids = Vec::new();
    for (seed, expires_at) in [
        ("early", None),
        ("never", None),
        ("late", None),
        ("gone", Some(at(5))),
        ("also never", None),
    ] {
        let new = NewToken {
            expires_at,
            ..token(seed, TokenKind::Api, river.id)
        };
        ids.push(store.create_token(new).await.expect("created").id);
    }
    store
        .touch_tokens(&[(ids[2], at(4)), (ids[0], at(2))])
        .await
        .expect("touched");

    let listed = store.tokens_of(river.id, at(5)).await.expect("listed");

    let notes = listed
        .iter()
        .map(|token| token.note.as_str())
        .collect::<Vec<_>>();
    assert_eq!(
        notes,
        [
            "note of late",
            "note of early",
            "note of also never",
            "note of never"
        ]
    );
    let deleted = store.token(river.id, ids[3]).await.expect("an answer");
    assert_eq!(deleted, None, "the expired one is deleted on the way");
}

async fn use_of_tokens_only_moves_forward(store: TestStore) {
    let river = store.add_user("river").await;
    let a = store.create_token(token("a", TokenKind::Api, river.id));
    let a = a.await.expect("created").id;

    store
        .touch_tokens(&[(a, at(3)), (TokenId(999), at(3)), (a, at(7)), (a, at(5))])
        .await
        .expect("touched");
    store.touch_tokens(&[(a, at(1))]).await.expect("touched");
    store.touch_tokens(&[]).await.expect("nothing to do");

    let found = store.token(river.id, a).await.expect("an answer");
    assert_eq!(found.expect("there").last_used_at, Some(at(7)));
}

async fn a_token_is_deleted_by_its_owner_only(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let a = store.create_token(token("a", TokenKind::Api, river.id));
    let a = a.await.expect("created").id;
    let b = store.create_token(token("b", TokenKind::Api, river.id));
    let b = b.await.expect("created").id;

    assert!(
        !store
            .delete_token(wash.id, a, at(5), None)
            .await
            .expect("an answer")
    );
    assert!(
        store
            .delete_token(river.id, a, at(5), None)
            .await
            .expect("an answer")
    );
    assert!(
        !store
            .delete_token(river.id, a, at(5), None)
            .await
            .expect("an answer")
    );

    assert_eq!(store.token(wash.id, b).await.expect("an answer"), None);
    let left = store.token(river.id, b).await.expect("an answer");
    assert!(left.is_some(), "other tokens stay");
}

async fn deleting_an_oauth_token_takes_all_of_its_client(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let create = async |seed: &str, kind, client: &str, user: UserId| {
        let new = NewToken {
            client_id: Some(client.to_owned()),
            ..token(seed, kind, user)
        };
        store.create_token(new).await.expect("created").id
    };
    let first = create("1", TokenKind::OAuth, "lab", river.id).await;
    let second = create("2", TokenKind::OAuth, "lab", river.id).await;
    let other_client = create("3", TokenKind::OAuth, "docs", river.id).await;
    let other_user = create("4", TokenKind::OAuth, "lab", wash.id).await;

    assert!(
        store
            .delete_token(river.id, first, at(5), None)
            .await
            .expect("deleted")
    );

    let left = async |user, id| store.token(user, id).await.expect("an answer").is_some();
    assert!(!left(river.id, second).await);
    assert!(left(river.id, other_client).await);
    assert!(left(wash.id, other_user).await);
}

async fn tokens_of_a_client_are_listed(store: TestStore) {
    let river = store.add_user("river").await;
    for (seed, client, expires_at) in [
        ("1", "lab", None),
        ("2", "docs", None),
        ("3", "lab", Some(at(5))),
        ("4", "lab", Some(at(6))),
    ] {
        let new = NewToken {
            client_id: Some(client.to_owned()),
            expires_at,
            ..token(seed, TokenKind::OAuth, river.id)
        };
        store.create_token(new).await.expect("created");
    }

    let listed = store.client_tokens(river.id, "lab", at(5)).await;

    let notes = listed.expect("listed").into_iter().map(|token| token.note);
    assert!(notes.eq(["note of 4", "note of 1"]));
}

async fn tokens_of_nobody_are_refused(store: TestStore) {
    let river = store.add_user("river").await;
    let of_nobody = token("a", TokenKind::Api, UserId(999));
    let of_no_session = NewToken {
        session_id: Some("gone".to_owned()),
        ..token("b", TokenKind::OAuth, river.id)
    };

    for new in [of_nobody, of_no_session] {
        let refused = store.create_token(new).await;
        assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    }
}

async fn a_digest_stands_for_one_token(store: TestStore) {
    let river = store.add_user("river").await;
    let new = token("a", TokenKind::Api, river.id);
    store.create_token(new.clone()).await.expect("created");

    let again = store.create_token(new).await;

    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
}
