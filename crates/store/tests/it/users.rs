//! Users, their groups and their passwords.

use jansky_model::UserId;
use jansky_store::{ActivityFilter, StoreError, User, UserQuery, UserSort};

use crate::harness::{TestStore, at, digest, on_both, token, user_name};
use crate::servers::{begin, make_ready};

on_both! {
    a_user_is_found_by_id_and_by_name,
    a_name_is_given_once,
    a_renamed_user_keeps_the_id,
    changes_of_a_missing_user_are_refused,
    admins_are_known,
    activity_of_a_user_only_moves_forward,
    users_are_listed_page_by_page,
    a_name_filter_ignores_case_and_takes_wildcards_literally,
    a_list_of_names_limits_the_users,
    never_seen_users_count_as_the_longest_gone,
    names_sort_byte_by_byte,
    users_are_listed_by_what_their_servers_do,
    deleting_a_user_deletes_everything_of_theirs,
    groups_are_replaced_as_a_whole,
    a_password_can_be_set_and_changed,
    ten_thousand_users_are_listed_by_the_page,
}

fn page() -> UserQuery {
    UserQuery {
        limit: 100,
        ..UserQuery::default()
    }
}

async fn listed(store: &TestStore, query: &UserQuery) -> Vec<String> {
    let (users, _) = store.list_users(query).await.expect("users are listed");
    users.iter().map(|user| user.name.to_string()).collect()
}

async fn a_user_is_found_by_id_and_by_name(store: TestStore) {
    let river = store
        .create_user(&user_name("river"), true, at(7))
        .await
        .expect("the name is free");

    let expected = User {
        id: river.id,
        name: user_name("river"),
        admin: true,
        created_at: at(7),
        last_activity_at: None,
    };
    assert_eq!(river, expected);
    assert_eq!(
        store.user(river.id).await.expect("found"),
        Some(expected.clone())
    );
    assert_eq!(
        store
            .user_by_name(&user_name("river"))
            .await
            .expect("found"),
        Some(expected)
    );
    assert_eq!(
        store.user_by_name(&user_name("River")).await.expect("none"),
        None
    );
    assert_eq!(store.user(UserId(999)).await.expect("none"), None);
}

async fn a_name_is_given_once(store: TestStore) {
    store.add_user("river").await;
    let wash = store.add_user("wash").await;

    let created = store.create_user(&user_name("river"), false, at(1)).await;
    let renamed = store.rename_user(wash.id, &user_name("river"), at(5)).await;

    for refused in [created.map(|_| ()), renamed] {
        let error = refused.expect_err("the name is taken");
        assert_eq!(error.to_string(), "user `river` already exists");
    }
}

async fn a_renamed_user_keeps_the_id(store: TestStore) {
    let river = store.add_user("river").await;

    store
        .rename_user(river.id, &user_name("Lake"), at(5))
        .await
        .expect("the name is free");

    let lake = store.user(river.id).await.expect("found").expect("there");
    assert_eq!(lake.name, user_name("Lake"));
    let query = UserQuery {
        name_filter: Some("lake".to_owned()),
        ..page()
    };
    assert_eq!(listed(&store, &query).await, ["Lake"]);
}

async fn changes_of_a_missing_user_are_refused(store: TestStore) {
    let nobody = UserId(999);

    let outcomes = [
        store.rename_user(nobody, &user_name("x"), at(5)).await,
        store.set_admin(nobody, true, at(5)).await,
        store.set_password(nobody, "hash", at(0)).await,
        store
            .set_groups(nobody, &["crew".to_owned()], at(5))
            .await
            .map(|_| ()),
    ];

    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::NotFound { .. })));
    }
    assert!(
        !store
            .delete_user(nobody, at(5))
            .await
            .expect("nothing to delete")
    );
}

async fn admins_are_known(store: TestStore) {
    let river = store.add_user("river").await;
    assert!(!store.has_admin().await.expect("an answer"));

    store.set_admin(river.id, true, at(5)).await.expect("set");
    assert!(store.has_admin().await.expect("an answer"));

    store.set_admin(river.id, false, at(5)).await.expect("set");
    assert!(!store.has_admin().await.expect("an answer"));
}

async fn activity_of_a_user_only_moves_forward(store: TestStore) {
    let river = store.add_user("river").await;

    for (seen, expected) in [(5, 5), (3, 5), (9, 9)] {
        store.touch_user(river.id, at(seen)).await.expect("touched");
        let user = store.user(river.id).await.expect("found").expect("there");
        assert_eq!(user.last_activity_at, Some(at(expected)));
    }
}

async fn users_are_listed_page_by_page(store: TestStore) {
    for name in ["c", "a", "d", "b", "e"] {
        store.add_user(name).await;
    }
    let query = UserQuery {
        offset: 1,
        limit: 2,
        ..page()
    };

    let (by_id, total) = store.list_users(&query).await.expect("listed");

    assert_eq!(total, 5);
    let names = by_id.iter().map(|user| user.name.as_str());
    assert!(names.eq(["a", "d"]));
    let by_name = UserQuery {
        sort: UserSort::Name,
        descending: true,
        ..query
    };
    assert_eq!(listed(&store, &by_name).await, ["d", "c"]);
    let beyond = UserQuery {
        offset: 10,
        ..page()
    };
    assert_eq!(
        store.list_users(&beyond).await.expect("listed"),
        (vec![], 5)
    );
}

async fn a_name_filter_ignores_case_and_takes_wildcards_literally(store: TestStore) {
    for name in ["Zoë_1", "ZOË%2", "zo\\3", "ärger"] {
        store.add_user(name).await;
    }
    let filtered = async |text: &str| {
        let query = UserQuery {
            name_filter: Some(text.to_owned()),
            ..page()
        };
        let (users, total) = store.list_users(&query).await.expect("listed");
        assert_eq!(users.len() as u64, total);
        users
            .iter()
            .map(|user| user.name.to_string())
            .collect::<Vec<_>>()
    };

    assert_eq!(filtered("zoË").await, ["Zoë_1", "ZOË%2"]);
    assert_eq!(filtered("_").await, ["Zoë_1"]);
    assert_eq!(filtered("%").await, ["ZOË%2"]);
    assert_eq!(filtered("\\").await, ["zo\\3"]);
    assert_eq!(filtered("Ä").await, ["ärger"]);
    assert_eq!(filtered("\0' OR 1=1").await, [""; 0]);
}

async fn a_list_of_names_limits_the_users(store: TestStore) {
    for name in ["a", "b", "c"] {
        store.add_user(name).await;
    }
    let only = |names: &[&str]| UserQuery {
        only: Some(names.iter().map(ToString::to_string).collect()),
        ..page()
    };

    assert_eq!(
        listed(&store, &only(&["c", "a", "nobody", "'"])).await,
        ["a", "c"]
    );
    assert_eq!(
        store.list_users(&only(&[])).await.expect("listed"),
        (vec![], 0)
    );
}

async fn never_seen_users_count_as_the_longest_gone(store: TestStore) {
    let mut ids = Vec::new();
    for name in ["late", "never", "early"] {
        ids.push(store.add_user(name).await.id);
    }
    store.touch_user(ids[0], at(9)).await.expect("touched");
    store.touch_user(ids[2], at(1)).await.expect("touched");
    let by_activity = |descending| UserQuery {
        sort: UserSort::LastActivity,
        descending,
        ..page()
    };

    assert_eq!(
        listed(&store, &by_activity(false)).await,
        ["never", "early", "late"]
    );
    assert_eq!(
        listed(&store, &by_activity(true)).await,
        ["late", "early", "never"]
    );
}

async fn names_sort_byte_by_byte(store: TestStore) {
    for name in ["b", "é", "A", "a-b", "ab"] {
        store.add_user(name).await;
    }
    let query = UserQuery {
        sort: UserSort::Name,
        ..page()
    };

    assert_eq!(listed(&store, &query).await, ["A", "a-b", "ab", "b", "é"]);
}

async fn users_are_listed_by_what_their_servers_do(store: TestStore) {
    store.add_user("none").await;
    store.add_server("stopped").await;
    let starting = store.add_server("starting").await;
    begin(&store, &starting).await;
    let ready = store.add_server("ready").await;
    make_ready(&store, &ready).await;
    let in_state = |state| UserQuery {
        state: Some(state),
        ..page()
    };

    assert_eq!(
        listed(&store, &in_state(ActivityFilter::Active)).await,
        ["starting", "ready"]
    );
    assert_eq!(
        listed(&store, &in_state(ActivityFilter::Ready)).await,
        ["ready"]
    );
    assert_eq!(
        listed(&store, &in_state(ActivityFilter::Inactive)).await,
        ["none", "stopped"]
    );
}

async fn deleting_a_user_deletes_everything_of_theirs(store: TestStore) {
    use jansky_store::TokenKind;
    let server = store.add_server("river").await;
    let river = server.user_id;
    let wash = store.add_user("wash").await;
    begin(&store, &server).await;
    store.add_session(river, "session").await;
    store.set_password(river, "hash", at(0)).await.expect("set");
    store
        .set_groups(river, &["crew".to_owned()], at(5))
        .await
        .expect("set");
    let mut visitor = token("visitor", TokenKind::OAuth, wash.id);
    visitor.client_id = Some(server.client_id.clone());
    store.create_token(visitor).await.expect("created");
    let own = token("own", TokenKind::Api, wash.id);
    store.create_token(own).await.expect("created");

    assert!(store.delete_user(river, at(5)).await.expect("deleted"));

    assert_eq!(store.user(river).await.expect("none"), None);
    assert_eq!(store.server(server.id).await.expect("none"), None);
    assert_eq!(store.sessions_of(river).await.expect("none"), []);
    assert_eq!(store.tokens_of(river, at(1)).await.expect("none"), []);
    assert_eq!(
        store.groups_of(river).await.expect("none"),
        Vec::<String>::new()
    );
    let of_wash = store.tokens_of(wash.id, at(1)).await.expect("listed");
    assert_eq!(
        of_wash.len(),
        1,
        "only what was for the deleted server goes"
    );
    let found = store.token_by_digest(&digest("own"), at(1)).await;
    assert!(found.expect("an answer").is_some());
}

async fn groups_are_replaced_as_a_whole(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let set = async |user: &User, groups: &[&str]| {
        let groups = groups.iter().map(ToString::to_string).collect::<Vec<_>>();
        store
            .set_groups(user.id, &groups, at(5))
            .await
            .expect("set");
    };

    set(&river, &["crew", "doctors", "crew"]).await;
    set(&wash, &["crew", "pilots"]).await;
    set(&river, &["albatross", "crew"]).await;

    assert_eq!(
        store.groups_of(river.id).await.expect("read"),
        ["albatross", "crew"]
    );
    let of_both = store
        .groups_of_users(&[river.id, wash.id, UserId(999)])
        .await
        .expect("read");
    assert_eq!(of_both.len(), 2);
    assert_eq!(of_both[&wash.id], ["crew", "pilots"]);
    set(&river, &[]).await;
    assert_eq!(
        store.groups_of(river.id).await.expect("read"),
        Vec::<String>::new()
    );
}

async fn a_password_can_be_set_and_changed(store: TestStore) {
    let river = store.add_user("river").await;
    let read = async || {
        let found = store.password_hash(&user_name("river")).await;
        found.expect("an answer").map(|(user, hash)| {
            assert_eq!(user, river);
            hash
        })
    };
    assert_eq!(read().await, None);

    for hash in ["$argon2id$1", "$argon2id$2"] {
        store
            .set_password(river.id, hash, at(1))
            .await
            .expect("set");
        assert_eq!(read().await.as_deref(), Some(hash));
    }
}

async fn ten_thousand_users_are_listed_by_the_page(store: TestStore) {
    store
        .meddle(
            "INSERT INTO users (name, name_folded, admin, created_at)
             WITH RECURSIVE numbers (n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
             SELECT 'user-' || n, 'user-' || n, 0, 1 FROM numbers",
        )
        .await;
    let query = UserQuery {
        offset: 5000,
        limit: 50,
        name_filter: Some("USER".to_owned()),
        only: Some((0..10_000).map(|n| format!("user-{n}")).collect()),
        ..page()
    };

    let (users, total) = store.list_users(&query).await.expect("listed");

    assert_eq!((users.len(), total), (50, 9_999));
}
