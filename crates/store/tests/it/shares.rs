//! Shares of servers.

use jansky_store::{Share, ShareWith, StoreError, USER_CHANGED};

use crate::harness::{TestStore, at, on_both, user_name};

on_both! {
    a_share_grows_and_shrinks_scope_by_scope,
    a_share_with_a_group_is_one_with_its_members,
    nothing_is_shared_with_somebody_who_does_not_exist,
    all_shares_of_a_server_end_together_and_with_it,
    a_share_is_news_for_whoever_it_is_about,
    shares_made_at_the_same_time_are_one,
}

fn scopes(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| format!("{name}!server=river/"))
        .collect()
}

async fn changed_users(store: &TestStore, after: i64) -> Vec<i64> {
    let changes = store.changes_after(after, 100).await.expect("read");
    let users = changes.iter().filter(|change| change.topic == USER_CHANGED);
    users
        .map(|change| change.key.parse().expect("an id"))
        .collect()
}

async fn a_share_grows_and_shrinks_scope_by_scope(store: TestStore) {
    let server = store.add_server("river").await.id;
    let wash = store.add_user("wash").await;
    let with = ShareWith::User(&wash.name);

    let first = store
        .share(server, with, &scopes(&["access:servers"]), at(5))
        .await;
    let more = store
        .share(server, with, &scopes(&["start:servers"]), at(6))
        .await;

    assert_eq!(
        first.expect("made"),
        Share {
            server_id: server,
            user: Some(wash.name.clone()),
            group: None,
            scopes: scopes(&["access:servers"]),
            created_at: at(5),
        }
    );
    let more = more.expect("added to");
    assert_eq!(more.scopes, scopes(&["access:servers", "start:servers"]));
    assert_eq!(more.created_at, at(5));
    assert_eq!(
        store.share_with(server, with).await.expect("read"),
        Some(more.clone())
    );
    assert_eq!(store.shares_with_user(wash.id).await.expect("read"), [more]);

    let gone = scopes(&["access:servers"]);
    let left = store
        .unshare(server, with, Some(&gone), at(7))
        .await
        .expect("done");
    assert_eq!(
        left.expect("a part is left").scopes,
        scopes(&["start:servers"])
    );
    assert!(store.is_shared(server).await.expect("read"));
    let left = store
        .unshare(server, with, None, at(8))
        .await
        .expect("done");
    assert_eq!(left, None);
    assert!(!store.is_shared(server).await.expect("read"));
    let again = store
        .unshare(server, with, None, at(9))
        .await
        .expect("nothing to do");
    assert_eq!(again, None);
}

async fn a_share_with_a_group_is_one_with_its_members(store: TestStore) {
    let server = store.add_server("river").await;
    let wash = store.add_user("wash").await;
    let zoe = store.add_user("zoe").await;
    let crew = ["/crew".to_owned()];
    store.set_groups(wash.id, &crew, at(1)).await.expect("made");

    let share = store
        .share(
            server.id,
            ShareWith::Group("/crew"),
            &scopes(&["access:servers"]),
            at(2),
        )
        .await
        .expect("made");

    assert_eq!(
        (share.user.as_ref(), share.group.as_deref()),
        (None, Some("/crew"))
    );
    let with_wash = store.shares_with_user(wash.id).await.expect("read");
    assert_eq!(with_wash, std::slice::from_ref(&share));
    assert_eq!(store.shares_with_user(zoe.id).await.expect("read"), []);
    let with_crew = store.shares_with_group("/crew").await.expect("read");
    assert_eq!(with_crew, std::slice::from_ref(&share));
    let of_owner = store.shares_of_owner(server.user_id).await.expect("read");
    assert_eq!(of_owner, std::slice::from_ref(&share));
    let of_server = store.shares_of_server(server.id).await.expect("read");
    assert_eq!(of_server, [share]);
}

async fn nothing_is_shared_with_somebody_who_does_not_exist(store: TestStore) {
    let server = store.add_server("river").await.id;
    let wanted = scopes(&["access:servers"]);

    let user = store
        .share(server, ShareWith::User(&user_name("mal")), &wanted, at(1))
        .await;
    let group = store
        .share(server, ShareWith::Group("/none"), &wanted, at(1))
        .await;

    for refused in [user, group] {
        assert!(
            matches!(refused, Err(StoreError::NotFound { .. })),
            "{refused:?}"
        );
    }
    assert!(!store.is_shared(server).await.expect("read"));
}

async fn all_shares_of_a_server_end_together_and_with_it(store: TestStore) {
    let server = store.add_server("river").await;
    let other = store.add_server("zoe").await;
    let wash = store.add_user("wash").await;
    let with = ShareWith::User(&wash.name);
    let wanted = scopes(&["access:servers"]);
    for id in [server.id, other.id] {
        store.share(id, with, &wanted, at(1)).await.expect("made");
    }

    let gone = store.unshare_all(server.id, at(2)).await.expect("done");
    let nothing = store.unshare_all(server.id, at(3)).await.expect("done");

    assert_eq!((gone, nothing), (1, 0));
    assert!(store.is_shared(other.id).await.expect("read"));
    store
        .delete_user(other.user_id, at(4))
        .await
        .expect("deleted");
    assert_eq!(store.shares_with_user(wash.id).await.expect("read"), []);
}

async fn a_share_is_news_for_whoever_it_is_about(store: TestStore) {
    let server = store.add_server("river").await;
    let wash = store.add_user("wash").await;
    let zoe = store.add_user("zoe").await;
    store
        .set_groups(zoe.id, &["/crew".to_owned()], at(1))
        .await
        .expect("made");
    let wanted = scopes(&["access:servers"]);
    let expected = |others: &[i64]| {
        let mut ids = others.to_vec();
        ids.push(server.user_id.0);
        ids.sort_unstable();
        ids
    };

    let before = store.last_change().await.expect("read");
    store
        .share(server.id, ShareWith::User(&wash.name), &wanted, at(2))
        .await
        .expect("made");
    assert_eq!(changed_users(&store, before).await, expected(&[wash.id.0]));

    let before = store.last_change().await.expect("read");
    store
        .share(server.id, ShareWith::Group("/crew"), &wanted, at(3))
        .await
        .expect("made");
    assert_eq!(changed_users(&store, before).await, expected(&[zoe.id.0]));

    let before = store.last_change().await.expect("read");
    store.unshare_all(server.id, at(4)).await.expect("done");
    assert_eq!(
        changed_users(&store, before).await,
        expected(&[wash.id.0, zoe.id.0])
    );
}

async fn shares_made_at_the_same_time_are_one(store: TestStore) {
    let server = store.add_server("river").await.id;
    let wash = store.add_user("wash").await;
    let wanted = ["access:servers", "start:servers", "delete:servers"].map(|name| scopes(&[name]));
    let with = ShareWith::User(&wash.name);

    let made = tokio::join!(
        store.share(server, with, &wanted[0], at(1)),
        store.share(server, with, &wanted[1], at(1)),
        store.share(server, with, &wanted[2], at(1)),
    );

    let made = <[_; 3]>::from(made);
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let shares = store.shares_of_server(server).await.expect("read");
    assert_eq!(shares.len(), 1);
    assert_eq!(shares[0].scopes.len(), 3);
}
