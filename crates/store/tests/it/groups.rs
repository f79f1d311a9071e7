//! Groups and their members.

use std::collections::HashMap;

use jansky_model::UserId;
use jansky_store::{
    Group, GroupId, GroupQuery, Rights, ShareWith, Store, StoreError, USER_CHANGED,
};
use serde_json::json;

use crate::harness::{TestStore, at, on_both, user_name};

on_both! {
    groups_are_made_with_their_members_or_not_at_all,
    members_come_and_go_and_only_those_count_who_did,
    groups_are_listed_page_by_page,
    properties_are_replaced_as_a_whole,
    the_end_of_a_group_is_news_for_members_and_for_owners_who_shared_with_it,
    a_change_of_members_is_news_for_those_whom_it_is_about,
    what_is_gone_is_not_changed,
    many_members_are_joined_and_named_at_once,
    members_and_groups_of_users_can_be_changed_at_the_same_time,
    groups_of_earlier_versions_get_the_names_that_are_compared_now,
}

async fn make(store: &TestStore, names: &[&str], members: &[UserId]) -> Vec<Group> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = store.create_groups(&names, members, at(1)).await;
    made.expect("the names are free")
}

async fn make_one(store: &TestStore, name: &str, members: &[UserId]) -> Group {
    make(store, &[name], members).await.remove(0)
}

/// The users of whom somebody said after a change that they are no longer as they were.
async fn changed_users(store: &TestStore, after: i64) -> Vec<UserId> {
    let changes = store.changes_after(after, 100).await.expect("read");
    let users = changes.iter().filter(|change| change.topic == USER_CHANGED);
    users
        .map(|change| UserId(change.key.parse().expect("an id")))
        .collect()
}

async fn groups_are_made_with_their_members_or_not_at_all(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;

    let made = make(
        &store,
        &["/radio/evn", "/crew"],
        &[wash.id, river.id, wash.id],
    )
    .await;

    let names: Vec<&str> = made.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["/radio/evn", "/crew"]);
    assert!(made.iter().all(|group| group.properties == json!({})));
    let found = store.group("/crew").await.expect("read");
    assert_eq!(found.as_ref(), Some(&made[1]));
    for group in ["/radio/evn", "/crew"] {
        let members = store.members_of(group).await.expect("read");
        assert_eq!(members, ["river", "wash"]);
    }

    let taken = ["/new".to_owned(), "/crew".to_owned()];
    let refused = store.create_groups(&taken, &[river.id], at(2)).await;
    assert!(
        matches!(&refused, Err(StoreError::AlreadyExists { what }) if what == "group `/crew`"),
        "{refused:?}"
    );
    assert_eq!(store.group("/new").await.expect("read"), None);
    assert_eq!(store.group("/CREW").await.expect("read"), None);
}

async fn members_come_and_go_and_only_those_count_who_did(store: TestStore) {
    let river = store.add_user("river").await.id;
    let wash = store.add_user("wash").await.id;
    let crew = make_one(&store, "crew", &[river]).await.id;
    let empty = make_one(&store, "empty", &[]).await.id;

    let added = store.add_members(crew, &[river, wash, wash], at(2)).await;
    assert_eq!(added.expect("added"), [wash]);
    let added = store.add_members(crew, &[river, wash], at(3)).await;
    assert_eq!(added.expect("nobody is new"), []);
    let of_both = store.members_of_groups(&[crew, empty, GroupId(999)]).await;
    let both = vec!["river".to_owned(), "wash".to_owned()];
    assert_eq!(of_both.expect("read"), HashMap::from([(crew, both)]));

    let removed = store
        .remove_members(crew, &[wash, UserId(999)], at(4))
        .await;
    assert_eq!(removed.expect("removed"), [wash]);
    let removed = store.remove_members(crew, &[wash], at(5)).await;
    assert_eq!(removed.expect("nobody is left"), []);
    let nobody = store.remove_members(crew, &[], at(6)).await;
    assert_eq!(nobody.expect("nothing to do"), []);
    assert_eq!(store.members_of("crew").await.expect("read"), ["river"]);
}

async fn groups_are_listed_page_by_page(store: TestStore) {
    // Sorted, since those that are made together are made in this order.
    make(&store, &["a", "b", "c", "d"], &[]).await;
    let listed = async |query: GroupQuery| {
        let (groups, total) = store.list_groups(&query).await.expect("listed");
        let names: Vec<String> = groups.into_iter().map(|group| group.name).collect();
        (names.join(" "), total)
    };
    let page = |offset, limit, only: Option<&[&str]>| GroupQuery {
        offset,
        limit,
        only: only.map(|names| names.iter().map(ToString::to_string).collect()),
    };

    assert_eq!(listed(page(0, 10, None)).await, ("a b c d".to_owned(), 4));
    assert_eq!(listed(page(1, 2, None)).await, ("b c".to_owned(), 4));
    assert_eq!(listed(page(9, 2, None)).await, (String::new(), 4));
    let some: &[&str] = &["d", "b", "none"];
    assert_eq!(listed(page(0, 1, Some(some))).await, ("b".to_owned(), 2));
    assert_eq!(listed(page(0, 9, Some(&[]))).await, (String::new(), 0));
}

async fn properties_are_replaced_as_a_whole(store: TestStore) {
    let crew = make_one(&store, "crew", &[]).await;
    let river = store.add_user("river").await;
    // One that came with a sign-in is like any other.
    let radio = ["radio".to_owned()];
    store
        .set_groups(river.id, &radio, at(1))
        .await
        .expect("made");
    let radio = store.group("radio").await.expect("read").expect("there");
    assert_eq!(radio.properties, json!({}));

    for properties in [
        json!({ "quota": 3, "nul": "\u{0}" }),
        json!({ "other": { "deep": [null, "ä"] } }),
        json!({}),
    ] {
        store
            .set_properties(crew.id, &properties)
            .await
            .expect("kept");
        let found = store.group("crew").await.expect("read").expect("there");
        assert_eq!(found.properties, properties);
    }
}

async fn the_end_of_a_group_is_news_for_members_and_for_owners_who_shared_with_it(
    store: TestStore,
) {
    let server = store.add_server("river").await;
    let wash = store.add_user("wash").await.id;
    let zoe = store.add_user("zoe").await.id;
    let crew = make_one(&store, "crew", &[wash]).await;
    make_one(&store, "others", &[zoe]).await;
    let scopes = ["access:servers!server=river/".to_owned()];
    store
        .share(server.id, ShareWith::Group("crew"), &scopes, at(2))
        .await
        .expect("shared");
    let before = store.last_change().await.expect("read");

    let mut concerned = store.delete_group(crew.id, at(3)).await.expect("deleted");

    concerned.sort_unstable();
    let mut expected = vec![wash, server.user_id];
    expected.sort_unstable();
    assert_eq!(concerned, expected);
    assert_eq!(changed_users(&store, before).await, expected);
    assert_eq!(store.group("crew").await.expect("read"), None);
    assert!(!store.is_shared(server.id).await.expect("read"));
    assert_eq!(store.shares_with_user(wash).await.expect("read"), []);
    assert_eq!(store.members_of("others").await.expect("read"), ["zoe"]);
}

async fn a_change_of_members_is_news_for_those_whom_it_is_about(store: TestStore) {
    let river = store.add_user("river").await.id;
    let wash = store.add_user("wash").await.id;

    let before = store.last_change().await.expect("read");
    let crew = make_one(&store, "crew", &[river]).await.id;
    assert_eq!(changed_users(&store, before).await, [river]);

    let before = store.last_change().await.expect("read");
    let both = [wash, river];
    store.add_members(crew, &both, at(2)).await.expect("added");
    assert_eq!(changed_users(&store, before).await, [wash]);

    let before = store.last_change().await.expect("read");
    store
        .add_members(crew, &both, at(3))
        .await
        .expect("the same");
    store
        .set_properties(crew, &json!({ "a": 1 }))
        .await
        .expect("kept");
    assert_eq!(changed_users(&store, before).await, []);

    store
        .remove_members(crew, &both, at(4))
        .await
        .expect("removed");
    let mut gone = vec![river, wash];
    gone.sort_unstable();
    assert_eq!(changed_users(&store, before).await, gone);
}

async fn what_is_gone_is_not_changed(store: TestStore) {
    let river = store.add_user("river").await.id;
    let crew = make_one(&store, "crew", &[river]).await.id;
    store.delete_group(crew, at(2)).await.expect("deleted");

    let join = store.add_members(crew, &[river], at(3)).await;
    assert!(
        matches!(&join, Err(StoreError::NotFound { .. })),
        "{join:?}"
    );
    let keep = store.set_properties(crew, &json!({})).await;
    assert!(
        matches!(&keep, Err(StoreError::NotFound { .. })),
        "{keep:?}"
    );
    let again = store
        .delete_group(crew, at(4))
        .await
        .expect("nothing to do");
    assert_eq!(again, []);
    let removed = store.remove_members(crew, &[river], at(5)).await;
    assert_eq!(removed.expect("nobody"), []);
}

async fn many_members_are_joined_and_named_at_once(store: TestStore) {
    let mut names = Vec::new();
    for number in 0..1005 {
        names.push(user_name(&format!("user-{number:04}")));
    }
    for name in &names {
        store.create_user(name, false, at(0)).await.expect("made");
    }
    names.push(user_name("nobody"));

    let users = store.users_by_names(&names).await.expect("read");
    assert_eq!(users.len(), 1005);
    let members: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let crew = make_one(&store, "crew", &members).await.id;

    let found = store.members_of("crew").await.expect("read");
    assert_eq!((found.len(), found[1004].as_str()), (1005, "user-1004"));
    let removed = store.remove_members(crew, &members, at(2)).await;
    assert_eq!(removed.expect("removed").len(), 1005);
}

async fn members_and_groups_of_users_can_be_changed_at_the_same_time(store: TestStore) {
    let river = store.add_user("river").await.id;
    let wash = store.add_user("wash").await.id;
    for round in 0..10 {
        let crew = make_one(&store, "crew", &[river]).await.id;
        let pilots = make_one(&store, "pilots", &[wash]).await.id;
        let said = ["pilots".to_owned(), "crew".to_owned()];
        let said = Rights {
            admin: None,
            groups: Some(&said),
        };

        let both = [wash, river];
        let (of_river, of_wash, added, deleted) = tokio::join!(
            store.set_rights(river, said, at(round)),
            store.set_rights(wash, said, at(round)),
            store.add_members(pilots, &both, at(round)),
            store.delete_group(crew, at(round)),
        );

        for outcome in [
            of_river.map(|_| ()),
            of_wash.map(|_| ()),
            deleted.map(|_| ()),
        ] {
            outcome.expect("nobody waits for somebody who waits for them");
        }
        added.expect("the group is there");
        assert_eq!(store.members_of("pilots").await.expect("read").len(), 2);
        for name in ["crew", "pilots"] {
            if let Some(group) = store.group(name).await.expect("read") {
                store.delete_group(group.id, at(99)).await.expect("deleted");
            }
        }
    }
}

async fn groups_of_earlier_versions_get_the_names_that_are_compared_now(store: TestStore) {
    let river = store.add_user("river").await;
    make_one(&store, "CN=Crew, O=Firefly", &[river.id]).await;
    make_one(&store, "cn=crew,O=firefly", &[]).await;
    make_one(&store, "/radio", &[river.id]).await;
    let again = "DELETE FROM settings WHERE name = 'group_names_have_one_form'";
    store.meddle(again).await;
    store.close().await;

    let store = Store::open(&store.url).await.expect("it opens");

    let groups = store.groups_of(river.id).await.expect("read");
    assert_eq!(groups, ["/radio", "cn=crew,o=firefly"]);
    let other = store.group("cn=crew,O=firefly").await.expect("read");
    assert!(other.is_some(), "nothing is lost");
}
