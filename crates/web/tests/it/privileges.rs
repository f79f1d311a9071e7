//! Attacks over the API by people who may change users, groups and tokens, and who try to become more
//! than that.

use jansky_hub::Role;
use jansky_spawn::fake::FakeBehaviour;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWeb};

/// A hub in which `mallory` holds these scopes by a role, `boss` would be an administrator, `wash` has
/// the role `pilots` by name and the group `/pilots` has it, too.
async fn hub_of(scopes: &[&str]) -> (TestWeb, Client) {
    let hub = TestWeb::with(|recipe| {
        let mallorys = Role {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            users: ["mallory".to_owned()].into(),
            ..Role::default()
        };
        let pilots = Role {
            scopes: vec!["access:servers".to_owned()],
            users: ["pilot".to_owned()].into(),
            groups: ["/pilots".to_owned()].into(),
        };
        let roles = &mut recipe.settings.roles.0;
        roles.insert("mallorys".to_owned(), mallorys);
        roles.insert("pilots".to_owned(), pilots);
        recipe.settings.admin_users = ["boss".to_owned(), "j\u{fc}rgen".to_owned()].into();
    })
    .await;
    hub.admin("zoe").await;
    hub.user("river").await;
    let mallory = hub.token("mallory", &["inherit"]).await;
    (hub, mallory)
}

fn refusal(answer: &Answer) -> String {
    answer.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_name_that_the_configuration_makes_an_administrator_is_given_by_administrators_only() {
    let (hub, mallory) = hub_of(&["admin:users", "list:users"]).await;

    for (method, path, body) in [
        ("POST", "/hub/api/users/boss", json!({})),
        ("POST", "/hub/api/users", json!({ "usernames": ["boss"] })),
        ("PATCH", "/hub/api/users/mallory", json!({ "name": "boss" })),
        ("PATCH", "/hub/api/users/river", json!({ "name": "boss" })),
        // The same names in another spelling, which accounts do not keep.
        ("POST", "/hub/api/users/ju%CC%88rgen", json!({})),
        (
            "PATCH",
            "/hub/api/users/mallory",
            json!({ "name": "ju\u{308}rgen" }),
        ),
        ("POST", "/hub/api/users/pilot", json!({})),
        (
            "PATCH",
            "/hub/api/users/mallory",
            json!({ "name": "pilot" }),
        ),
    ] {
        let refused = mallory.api(method, path, Some(body)).await.must_be(403);
        let words = refusal(&refused);
        assert!(words.contains("which you do not hold"), "{path}: {words}");
    }
    for name in ["boss", "j\u{fc}rgen", "pilot"] {
        assert!(
            hub.hub.people.user(name).await.expect("read").is_none(),
            "{name}"
        );
    }
    // What gives nothing is theirs to give.
    let renamed = mallory.api(
        "PATCH",
        "/hub/api/users/river",
        Some(json!({ "name": "tam" })),
    );
    renamed.await.must_be(200);
    let zoe = hub.token("zoe", &["inherit"]).await;
    zoe.api("POST", "/hub/api/users/boss", None)
        .await
        .must_be(201);
}

/// With an account of the machine, a directory or a volume comes what is in it.
#[tokio::test]
async fn a_name_to_which_something_belongs_is_given_by_administrators_only() {
    let (hub, mallory) = hub_of(&["admin:users", "list:users", "delete:users", "servers"]).await;
    let taken = ["river", "machine", "gone", "tam"].map(str::to_owned);
    hub.spawner.behave(FakeBehaviour {
        taken_names: taken.into(),
        ..FakeBehaviour::default()
    });
    // Who had the name is out of the way.
    mallory
        .api(
            "PATCH",
            "/hub/api/users/river",
            Some(json!({ "name": "away" })),
        )
        .await
        .must_be(200);

    for (method, path, body) in [
        (
            "PATCH",
            "/hub/api/users/mallory",
            json!({ "name": "river" }),
        ),
        ("PATCH", "/hub/api/users/away", json!({ "name": "machine" })),
        ("POST", "/hub/api/users/gone", json!({})),
        (
            "POST",
            "/hub/api/users",
            json!({ "usernames": ["new", "tam"] }),
        ),
    ] {
        let refused = mallory.api(method, path, Some(body)).await.must_be(403);
        let words = refusal(&refused);
        assert!(words.contains("only administrators may"), "{path}: {words}");
    }
    for name in ["river", "machine", "gone", "tam"] {
        let user = hub.hub.people.user(name).await.expect("read");
        assert!(user.is_none(), "{name}");
    }
    // A token of an administrator for this alone is one for this alone.
    let narrow = hub.token("zoe", &["admin:users"]).await;
    narrow
        .api("POST", "/hub/api/users/gone", None)
        .await
        .must_be(403);
    let zoe = hub.token("zoe", &["inherit"]).await;
    zoe.api("POST", "/hub/api/users/gone", None)
        .await
        .must_be(201);
    // A name that nobody had is everybody's.
    mallory
        .api("POST", "/hub/api/users/fresh", None)
        .await
        .must_be(201);
}

#[tokio::test]
async fn nobody_acts_against_somebody_who_holds_more() {
    let (hub, mallory) = hub_of(&[
        "admin:users",
        "tokens",
        "servers",
        "groups",
        "access:servers!user=river",
    ])
    .await;
    hub.user("pilot").await;

    for (method, path, body) in [
        ("DELETE", "/hub/api/users/zoe", Value::Null),
        ("DELETE", "/hub/api/users/pilot", Value::Null),
        ("PATCH", "/hub/api/users/zoe", json!({ "admin": false })),
        ("PATCH", "/hub/api/users/pilot", json!({ "name": "plot" })),
        ("DELETE", "/hub/api/users/zoe/sessions", Value::Null),
        ("POST", "/hub/api/users/zoe/reauthenticate", Value::Null),
        ("POST", "/hub/api/users/zoe/tokens", json!({})),
        (
            "POST",
            "/hub/api/users/pilot/tokens",
            json!({ "scopes": ["access:servers"] }),
        ),
        ("PATCH", "/hub/api/users/mallory", json!({ "admin": true })),
    ] {
        mallory.api(method, path, Some(body)).await.must_be(403);
    }
    let token = json!({ "scopes": ["servers!user=river"] });
    let made = mallory.api("POST", "/hub/api/users/river/tokens", Some(token));
    made.await.must_be(201);
    mallory
        .api("DELETE", "/hub/api/users/river", None)
        .await
        .must_be(204);
}

#[tokio::test]
async fn a_token_for_one_thing_makes_no_token_for_everything() {
    let (hub, _) = hub_of(&[]).await;
    let narrow = hub.token("zoe", &["tokens!user", "admin:users"]).await;

    let path = "/hub/api/users/zoe/tokens";
    narrow.api("POST", path, None).await.must_be(403);
    let body = json!({ "scopes": ["admin:servers"] });
    narrow.api("POST", path, Some(body)).await.must_be(403);
    let body = json!({ "scopes": ["read:tokens!user"] });
    narrow.api("POST", path, Some(body)).await.must_be(201);
    let body = json!({ "admin": true });
    narrow
        .api("PATCH", "/hub/api/users/river", Some(body))
        .await
        .must_be(403);
}

#[tokio::test]
async fn a_group_that_gives_more_than_its_manager_holds_takes_nobody_in() {
    let (hub, mallory) = hub_of(&["admin:groups", "groups", "servers!group=/crew"]).await;
    for group in ["/crew", "/readers"] {
        let made = hub
            .hub
            .people
            .create_groups(
                &hub.hub.permit_of(jansky_hub::TheHub),
                &[group.to_owned()],
                &[],
            )
            .await;
        made.expect("the name is free");
    }
    let join = async |group: &str, user: &str| {
        let path = format!("/hub/api/groups/{}/users", group.replace('/', "%2F"));
        mallory
            .api("POST", &path, Some(json!({ "users": [user] })))
            .await
    };

    let made = mallory.api("POST", "/hub/api/groups/%2Fpilots", Some(json!({})));
    assert!(refusal(&made.await.must_be(403)).contains("`access:servers`"));
    let made = json!({ "groups": ["/x", "/pilots"], "users": ["mallory"] });
    mallory
        .api("POST", "/hub/api/groups", Some(made))
        .await
        .must_be(403);
    assert!(hub.hub.people.group("/x").await.expect("read").is_none());
    // The manager's own right over the members of a group is no way to get at people.
    let words = refusal(&join("/crew", "river").await.must_be(403));
    assert!(
        words.contains("for its members and not for this user"),
        "{words}"
    );
    join("/crew", "mallory").await.must_be(200);
    join("/readers", "river").await.must_be(200);
    // A token for less would do it for the person who has the rest.
    let less = hub.token("mallory", &["admin:groups", "groups"]).await;
    let body = json!({ "users": ["river"] });
    let path = "/hub/api/groups/%2Fcrew/users";
    let words = refusal(
        &less
            .api("POST", path, Some(body.clone()))
            .await
            .must_be(403),
    );
    assert!(
        words.contains("for its members and not for this user"),
        "{words}"
    );
    let path = "/hub/api/groups/%2Fcrew";
    less.api("DELETE", path, None).await.must_be(204);
    less.api("POST", path, Some(body)).await.must_be(403);
}
