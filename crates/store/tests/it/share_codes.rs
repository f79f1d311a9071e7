//! Codes that share servers with whoever accepts them.

use jansky_model::ServerId;
use jansky_store::{NewShareCode, ShareCode, ShareCodes, ShareWith, USER_CHANGED};

use crate::harness::{TestStore, at, on_both};

on_both! {
    a_code_is_accepted_by_several_and_counts_them,
    a_code_ends_by_itself_and_with_its_server,
    codes_are_ended_one_by_one_or_all_at_once,
}

const USE: &str = "access:servers!server=river/";

async fn code(store: &TestStore, server: ServerId, digest: u8, until: i64) -> ShareCode {
    let new = NewShareCode {
        digest: &[digest; 32],
        server,
        scopes: &[USE.to_owned()],
        created_at: at(1),
        expires_at: at(until),
    };
    store.create_share_code(new).await.expect("made")
}

async fn a_code_is_accepted_by_several_and_counts_them(store: TestStore) {
    let server = store.add_server("river").await;
    let wash = store.add_user("wash").await;
    let zoe = store.add_user("zoe").await;
    let made = code(&store, server.id, 1, 100).await;
    let before = store.last_change().await.expect("read");

    for (user, seconds) in [(&wash, 5), (&zoe, 6), (&zoe, 7)] {
        let share = store
            .accept_share_code(&[1; 32], &user.name, at(seconds))
            .await;
        let share = share.expect("done").expect("there is a code");
        assert_eq!(share.user.as_ref(), Some(&user.name));
        assert_eq!(share.scopes, [USE]);
    }

    let counted = store.share_code(&[1; 32], at(8)).await.expect("read");
    let expected = ShareCode {
        exchange_count: 3,
        last_exchanged_at: Some(at(7)),
        ..made
    };
    assert_eq!(counted, Some(expected));
    let shares = store.shares_of_server(server.id).await.expect("read");
    assert_eq!(shares.len(), 2);
    let changes = store.changes_after(before, 100).await.expect("read");
    for user in [wash.id, zoe.id, server.user_id] {
        let key = user.0.to_string();
        let told = changes
            .iter()
            .any(|change| change.topic == USER_CHANGED && change.key == key);
        assert!(told, "nobody heard that user {key} has other rights");
    }
}

async fn a_code_ends_by_itself_and_with_its_server(store: TestStore) {
    let server = store.add_server("river").await;
    let wash = store.add_user("wash").await;
    code(&store, server.id, 1, 100).await;
    code(&store, server.id, 2, 200).await;

    let late = store
        .accept_share_code(&[1; 32], &wash.name, at(100))
        .await
        .expect("done");
    assert_eq!(late, None);
    assert_eq!(
        store.share_code(&[1; 32], at(100)).await.expect("read"),
        None
    );
    let left = store.share_codes_of_server(server.id, at(100)).await;
    assert_eq!(left.expect("read").len(), 1);
    assert_eq!(store.purge_expired(at(100)).await.expect("done"), 1);

    store
        .delete_server(server.id, at(2))
        .await
        .expect("deleted");
    assert_eq!(store.share_code(&[2; 32], at(1)).await.expect("read"), None);
    let gone = store.accept_share_code(&[2; 32], &wash.name, at(1)).await;
    assert_eq!(gone.expect("done"), None);
    assert_eq!(store.shares_with_user(wash.id).await.expect("read"), []);
}

async fn codes_are_ended_one_by_one_or_all_at_once(store: TestStore) {
    let server = store.add_server("river").await;
    let other = store.add_server("wash").await;
    let wash = store.add_user("zoe").await;
    let first = code(&store, server.id, 1, 100).await;
    let second = code(&store, server.id, 2, 100).await;
    let third = code(&store, server.id, 3, 100).await;
    let foreign = code(&store, other.id, 4, 100).await;
    let accepted = store.accept_share_code(&[1; 32], &wash.name, at(5)).await;
    accepted.expect("done").expect("there is a code");
    let end = async |which: ShareCodes<'_>| {
        let ended = store.delete_share_codes(server.id, which).await;
        ended.expect("done")
    };
    let of_owner = async || {
        let codes = store.share_codes_of_owner(server.user_id, at(6)).await;
        let ids = codes.expect("read").iter().map(|code| code.id).collect();
        let ids: Vec<i64> = ids;
        ids
    };

    assert_eq!(of_owner().await, [first.id, second.id, third.id]);
    assert_eq!(end(ShareCodes::Id(foreign.id)).await, 0);
    assert_eq!(end(ShareCodes::Digest(&[4; 32])).await, 0);
    assert_eq!(end(ShareCodes::Id(second.id)).await, 1);
    assert_eq!(of_owner().await, [first.id, third.id]);
    assert_eq!(end(ShareCodes::Digest(&[3; 32])).await, 1);
    assert_eq!(end(ShareCodes::All).await, 1);
    assert_eq!(of_owner().await, [0; 0]);

    // Who accepted one keeps what they have.
    let with = ShareWith::User(&wash.name);
    let kept = store.share_with(server.id, with).await.expect("read");
    assert!(kept.is_some());
    let left = store.share_codes_of_server(other.id, at(6)).await;
    assert_eq!(left.expect("read"), [foreign]);
}
