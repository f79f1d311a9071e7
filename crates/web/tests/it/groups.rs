//! Groups over the API, and what being in one gives and takes.

use std::time::Duration;

use jansky_hub::Role;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Answer, Client, Database, Recipe, TestWeb};

const PAGED: &str = "application/jupyterhub-pagination+json";

/// The group that most tests are about; its name has slashes, as those of many providers.
const EVN: &str = "/hub/api/groups/%2Fradio%2Fevn";

/// A hub with the users `river` and `wash`, and a program of the admin `zoe`.
async fn house() -> (TestWeb, Client) {
    house_with(|_| {}).await
}

async fn house_with(change: impl FnOnce(&mut Recipe)) -> (TestWeb, Client) {
    let hub = TestWeb::with(change).await;
    let zoe = move_in(&hub).await;
    (hub, zoe)
}

async fn move_in(hub: &TestWeb) -> Client {
    hub.admin("zoe").await;
    for name in ["river", "wash"] {
        hub.user(name).await;
    }
    hub.token("zoe", &["inherit"]).await
}

async fn send(client: &Client, method: &str, path: &str, body: Value) -> Answer {
    client.api(method, path, Some(body)).await
}

async fn add(client: &Client, users: &[&str]) -> Answer {
    let path = format!("{EVN}/users");
    send(client, "POST", &path, json!({ "users": users })).await
}

async fn remove(client: &Client, users: &[&str]) -> Answer {
    let path = format!("{EVN}/users");
    send(client, "DELETE", &path, json!({ "users": users })).await
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|group| group["name"].as_str().expect("a name"))
        .collect()
}

/// Gives the members of `/radio/evn` a role.
fn role(scopes: &'static [&'static str]) -> impl FnOnce(&mut Recipe) {
    move |recipe| {
        let role = Role {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            groups: ["/radio/evn".to_owned()].into(),
            ..Role::default()
        };
        recipe.settings.roles.0.insert("observers".to_owned(), role);
    }
}

#[tokio::test]
async fn a_group_is_made_filled_emptied_and_deleted() {
    let (_hub, zoe) = house_with(role(&["list:users"])).await;
    zoe.get(EVN).await.must_be(404);

    // As some clients send it: what is repeated decides nothing.
    let wanted = json!({ "name": "another", "users": ["wash"], "roles": ["admin"] });
    let made = send(&zoe, "POST", EVN, wanted).await;
    let expected = |users: &[&str]| {
        json!({
            "kind": "group",
            "name": "/radio/evn",
            "users": users,
            "properties": {},
            "roles": ["observers"],
        })
    };
    assert_eq!(made.must_be(201).json(), expected(&["wash"]));
    assert_eq!(zoe.get(EVN).await.must_be(200).json(), expected(&["wash"]));

    let both = expected(&["river", "wash"]);
    let added = add(&zoe, &["river", "wash", "river"]).await;
    assert_eq!(added.must_be(200).json(), both);
    assert_eq!(add(&zoe, &[]).await.must_be(200).json(), both);
    let user = zoe.get("/hub/api/users/river").await.must_be(200).json();
    assert_eq!(user["groups"], json!(["/radio/evn"]));
    assert_eq!(user["roles"], json!(["user", "observers"]));

    let removed = remove(&zoe, &["wash", "zoe"]).await;
    assert_eq!(removed.must_be(200).json(), expected(&["river"]));

    zoe.api("DELETE", EVN, None).await.must_be(204);
    zoe.get(EVN).await.must_be(404);
    zoe.api("DELETE", EVN, None).await.must_be(404);
    add(&zoe, &["river"]).await.must_be(404);
    let user = zoe.get("/hub/api/users/river").await.must_be(200).json();
    assert_eq!(user["groups"], json!([]));
}

#[tokio::test]
async fn names_are_what_is_escaped_in_the_path() {
    let (_hub, zoe) = house().await;
    for (path, name) in [
        ("a%20b", "a b"),
        ("%25%32%46", "%2F"),
        ("vo%3Arole=m", "vo:role=m"),
        ("d%C3%BCne", "düne"),
        ("!group=x", "!group=x"),
        ("users", "users"),
    ] {
        let path = format!("/hub/api/groups/{path}");
        let made = zoe.api("POST", &path, None).await.must_be(201).json();
        assert_eq!(made["name"], name);
        let found = zoe.get(&path).await.must_be(200).json();
        assert_eq!(found["name"], name);
    }
    for bad in ["%20a", "%0A", "%00", "%2E%2E", &"x".repeat(256)] {
        let path = format!("/hub/api/groups/{bad}");
        zoe.api("POST", &path, None).await.must_be(400);
    }
    zoe.api("POST", "/hub/api/groups/", None).await.must_be(404);
}

#[tokio::test]
async fn several_groups_are_made_together_or_none() {
    let (_hub, zoe) = house().await;
    let path = "/hub/api/groups";

    let both = json!({ "groups": ["/b", "/a"], "users": ["river"] });
    let made = send(&zoe, "POST", path, both).await.must_be(201).json();
    assert_eq!(names(&made), ["/b", "/a"]);
    assert_eq!(made[1]["users"], json!(["river"]));

    for body in [
        json!({ "groups": ["/new", "/a"] }),
        json!({ "groups": ["/new", "/new"] }),
    ] {
        let answer = send(&zoe, "POST", path, body).await.must_be(409);
        assert!(answer.text().contains("already exists"), "{answer:?}");
    }
    send(&zoe, "POST", "/hub/api/groups/%2Fa", json!({}))
        .await
        .must_be(409);
    for body in [
        json!({ "groups": ["/new"], "users": ["mal"] }),
        json!({ "groups": ["/new", ""] }),
        json!({ "groups": ["/new"], "colour": "blue" }),
        json!({ "groups": [] }),
        json!({ "groups": "/new" }),
        json!({ "groups": [1] }),
        json!({ "users": ["river"] }),
        json!(["/new"]),
        json!({}),
    ] {
        send(&zoe, "POST", path, body).await.must_be(400);
    }
    zoe.api("POST", path, None).await.must_be(400);
    let list = zoe.get(path).await.must_be(200).json();
    assert_eq!(list.as_array().map(Vec::len), Some(2), "{list}");
}

#[tokio::test]
async fn a_body_that_makes_no_sense_changes_nothing() {
    let (_hub, zoe) = house().await;
    let start = json!({ "users": ["wash"] });
    send(&zoe, "POST", EVN, start).await.must_be(201);
    let users = format!("{EVN}/users");
    let properties = format!("{EVN}/properties");

    for body in [
        json!(["river"]),
        json!({}),
        json!({ "users": "river" }),
        json!({ "users": [1] }),
        json!({ "users": [null] }),
        json!({ "users": ["river", "mal"] }),
        json!({ "users": ["wash", "no/name"] }),
        json!({ "users": ["wash", ""] }),
        json!({ "users": ["wash"], "colour": "blue" }),
        json!("wash"),
        json!(null),
    ] {
        for method in ["POST", "DELETE"] {
            send(&zoe, method, &users, body.clone()).await.must_be(400);
        }
    }
    let unknown = add(&zoe, &["mal"]).await.must_be(400).json();
    assert_eq!(unknown["message"], "No such user: mal");
    for method in ["POST", "DELETE"] {
        zoe.api(method, &users, None).await.must_be(400);
        let call = zoe.call(method, &users).bytes("{");
        call.send().await.must_be(400);
    }
    for body in [json!([]), json!(null), json!("x"), json!(1)] {
        send(&zoe, "PUT", &properties, body).await.must_be(400);
    }
    send(
        &zoe,
        "POST",
        "/hub/api/groups/new",
        json!({ "users": ["mal"] }),
    )
    .await
    .must_be(400);

    let list = zoe.get("/hub/api/groups").await.must_be(200).json();
    assert_eq!(names(&list), ["/radio/evn"]);
    assert_eq!(list[0]["users"], json!(["wash"]));
    assert_eq!(list[0]["properties"], json!({}));
}

#[tokio::test]
async fn users_are_meant_as_they_are_written_or_else_as_they_sign_in() {
    let (hub, zoe) = house().await;
    hub.user("Eve X").await;
    zoe.api("POST", EVN, None).await.must_be(201);

    let added = add(&zoe, &["RIVER", "Eve X"]).await.must_be(200).json();
    assert_eq!(added["users"], json!(["Eve X", "river"]));
    add(&zoe, &["eve x"]).await.must_be(400);
}

#[tokio::test]
async fn properties_are_kept_as_they_are_and_replaced() {
    let (_hub, zoe) = house().await;
    zoe.api("POST", EVN, None).await.must_be(201);
    let path = format!("{EVN}/properties");

    for properties in [
        json!({ "gpu": true, "quota": { "cores": [1, 2.5, null] } }),
        json!({ "dish": "Effelsberg \u{0} ∅" }),
        json!({}),
    ] {
        let answer = send(&zoe, "PUT", &path, properties.clone()).await;
        assert_eq!(answer.must_be(200).json()["properties"], properties);
        let found = zoe.get(EVN).await.must_be(200).json();
        assert_eq!(found["properties"], properties);
    }
    let missing = "/hub/api/groups/none/properties";
    send(&zoe, "PUT", missing, json!({})).await.must_be(404);
}

#[tokio::test]
async fn lists_are_bare_or_in_pages_as_the_caller_wants() {
    let (hub, zoe) = house().await;
    let many: Vec<String> = (0..203)
        .map(|number| format!("group-{number:03}"))
        .collect();
    let made = hub
        .hub
        .people
        .create_groups(
            &hub.hub.permit_of(jansky_hub::TheHub),
            &many,
            &["river".to_owned()],
        )
        .await;
    made.expect("the names are free");

    let bare = zoe.get("/hub/api/groups").await.must_be(200).json();
    assert_eq!(names(&bare).len(), 200);
    let bare = zoe.get("/hub/api/groups?offset=201&limit=9").await.json();
    assert_eq!(names(&bare), ["group-201", "group-202"]);
    assert_eq!(bare[0]["users"], json!(["river"]));

    let page = async |path: &str| {
        let call = zoe.call("GET", path).header("accept", PAGED);
        let call = call.header("host", "10.0.0.1:8081");
        call.send().await.must_be(200).json()
    };
    let first = page("/hub/api/groups").await;
    assert_eq!(names(&first["items"]).len(), 50);
    assert_eq!(
        first["_pagination"],
        json!({
            "offset": 0,
            "limit": 50,
            "total": 203,
            "next": {
                "offset": 50,
                "limit": 50,
                "url": "http://10.0.0.1:8081/hub/api/groups?offset=50&limit=50",
            },
        })
    );
    let last = page("/hub/api/groups?limit=3&offset=200").await;
    assert_eq!(last["_pagination"]["next"], Value::Null);
    assert_eq!(names(&last["items"])[2], "group-202");
    for query in ["limit=many", "offset=x"] {
        let path = format!("/hub/api/groups?{query}");
        zoe.get(&path).await.must_be(400);
    }
}

#[tokio::test]
async fn whoever_is_limited_to_a_group_sees_no_other() {
    let (hub, zoe) = house_with(role(&["read:hub"])).await;
    for path in [EVN, "/hub/api/groups/secret"] {
        send(&zoe, "POST", path, json!({ "users": ["wash"] }))
            .await
            .must_be(201);
    }
    // Whoever puts somebody into a group must hold what it gives.
    let limited = async |scope: &str| {
        let scope = format!("{scope}!group=/radio/evn");
        hub.token("zoe", &[&scope, "read:hub"]).await
    };
    let holds_less = hub.token("zoe", &["groups!group=/radio/evn"]).await;
    add(&holds_less, &["river"]).await.must_be(403);

    let lists = limited("list:groups").await;
    let page = lists.call("GET", "/hub/api/groups").header("accept", PAGED);
    let page = page.send().await.must_be(200).json();
    let name = json!({ "kind": "group", "name": "/radio/evn" });
    assert_eq!(page["items"], json!([name]));
    assert_eq!(page["_pagination"]["total"], 1);
    assert_eq!(lists.get(EVN).await.must_be(200).json(), name);

    let reads = limited("read:groups").await;
    let found = reads.get(EVN).await.must_be(200).json();
    assert_eq!(found["users"], json!(["wash"]));
    assert!(found.get("roles").is_none(), "{found}");
    reads.get("/hub/api/groups").await.must_be(403);
    add(&reads, &["river"]).await.must_be(403);

    let roles = limited("read:roles:groups").await;
    let found = roles.get(EVN).await.must_be(200).json();
    assert_eq!(found["roles"], json!(["observers"]));
    assert!(found.get("users").is_none(), "{found}");

    let changes = limited("groups").await;
    add(&changes, &["river"]).await.must_be(200);
    remove(&changes, &["river"]).await.must_be(200);
    let body = json!({ "users": ["river"] });
    for other in ["secret", "none"] {
        let other = format!("/hub/api/groups/{other}");
        changes.get(&other).await.must_be(404);
        let users = format!("{other}/users");
        send(&changes, "POST", &users, body.clone())
            .await
            .must_be(404);
        let properties = format!("{other}/properties");
        send(&changes, "PUT", &properties, json!({}))
            .await
            .must_be(404);
    }
    changes.api("DELETE", EVN, None).await.must_be(403);
    changes.api("POST", EVN, None).await.must_be(403);

    let deletes = limited("delete:groups").await;
    deletes
        .api("DELETE", "/hub/api/groups/secret", None)
        .await
        .must_be(404);
    let makes = limited("admin:groups").await;
    makes
        .api("POST", "/hub/api/groups/other", None)
        .await
        .must_be(404);
    let many = json!({ "groups": ["/radio/evn"] });
    send(&makes, "POST", "/hub/api/groups", many)
        .await
        .must_be(404);
    deletes.api("DELETE", EVN, None).await.must_be(204);
    // What was for this group has ended with it, and is not for the next one of its name.
    makes.api("POST", EVN, None).await.must_be(403);
    zoe.api("POST", EVN, None).await.must_be(201);
    deletes.api("DELETE", EVN, None).await.must_be(403);
}

#[tokio::test]
async fn rights_of_a_role_come_and_go_with_the_group() {
    let (hub, zoe) = house_with(role(&["list:users"])).await;
    zoe.api("POST", EVN, None).await.must_be(201);
    let program = hub.token("river", &["inherit"]).await;
    let browser = hub.session("river").await;
    let lists = async |status: u16| {
        program.get("/hub/api/users").await.must_be(status);
        let call = browser.api("GET", "/hub/api/users", None).await;
        call.must_be(status);
    };
    lists(403).await;

    add(&zoe, &["river"]).await.must_be(200);
    lists(200).await;
    remove(&zoe, &["river"]).await.must_be(200);
    lists(403).await;
    add(&zoe, &["river"]).await.must_be(200);
    lists(200).await;
    zoe.api("DELETE", EVN, None).await.must_be(204);
    lists(403).await;
    let again = json!({ "users": ["river"] });
    send(&zoe, "POST", EVN, again).await.must_be(201);
    lists(200).await;
}

#[tokio::test]
async fn who_looks_after_a_group_does_so_for_those_who_are_in_it_now() {
    let (hub, zoe) = house().await;
    zoe.api("POST", EVN, None).await.must_be(201);
    let scopes = ["servers!group=/radio/evn", "list:users!group=/radio/evn"];
    let tutor = hub.token("zoe", &scopes).await;
    let server = "/hub/api/users/river/server";
    let listed = async || {
        let users = tutor.get("/hub/api/users").await.must_be(200).json();
        names(&users).join(" ")
    };
    tutor.api("POST", server, None).await.must_be(404);
    assert_eq!(listed().await, "");

    add(&zoe, &["river"]).await.must_be(200);
    tutor.api("POST", server, None).await.must_be(201);
    assert_eq!(listed().await, "river");

    remove(&zoe, &["river"]).await.must_be(200);
    tutor.api("DELETE", server, None).await.must_be(404);
    assert_eq!(listed().await, "");

    // Whatever else changes who is in the group is noticed as well.
    let river = hub.user("river").await;
    add(&zoe, &["river", "wash"]).await.must_be(200);
    assert_eq!(listed().await, "river wash");
    hub.hub
        .servers
        .stop_unasked(&hub.server("river", "").await.expect("a server"))
        .await
        .expect("a stop");
    hub.hub
        .delete_user(&hub.hub.permit_of(river.clone()))
        .await
        .expect("deleted");
    assert_eq!(listed().await, "wash");
}

#[tokio::test]
async fn a_token_for_one_member_can_be_made_by_who_looks_after_the_group() {
    let (hub, zoe) = house_with(role(&["servers!group=/radio/evn"])).await;
    let members = json!({ "users": ["river", "wash"] });
    send(&zoe, "POST", EVN, members).await.must_be(201);
    let one = ["servers!user=river"];
    let program = hub.token("wash", &one).await;
    let path = "/hub/api/users/river/server";
    program.get("/hub/api/users/wash/server").await.must_be(404);
    program.api("POST", path, None).await.must_be(201);
    let wash = hub.token("wash", &["inherit"]).await;
    let tokens = wash.get("/hub/api/users/wash/tokens").await.must_be(200);
    let text = tokens.text();
    assert!(text.contains("\"start:servers!user=river\""), "{text}");

    remove(&zoe, &["river"]).await.must_be(200);

    program.api("DELETE", path, None).await.must_be(403);
    let body = json!({ "scopes": one });
    send(&wash, "POST", "/hub/api/users/wash/tokens", body)
        .await
        .must_be(400);
}

#[tokio::test]
async fn what_is_shared_with_a_group_follows_its_members_and_ends_with_it() {
    let (hub, zoe) = house().await;
    hub.start("river").await;
    zoe.api("POST", EVN, None).await.must_be(201);
    let share = json!({ "group": "/radio/evn" });
    send(&zoe, "POST", "/hub/api/shares/river/", share)
        .await
        .must_be(200);
    let wash = hub.session("wash").await;
    let visit = async |status: u16| {
        let query = "client_id=jupyterhub-user-river&response_type=code";
        let path = format!("/hub/api/oauth2/authorize?{query}");
        wash.get(&path).await.must_be(status);
    };
    visit(403).await;

    add(&zoe, &["wash"]).await.must_be(200);
    visit(200).await;
    remove(&zoe, &["wash"]).await.must_be(200);
    visit(403).await;
    add(&zoe, &["wash"]).await.must_be(200);
    visit(200).await;
    zoe.api("DELETE", EVN, None).await.must_be(204);
    visit(403).await;

    // A new group of the name has nothing of the old one.
    let again = json!({ "users": ["wash"] });
    send(&zoe, "POST", EVN, again).await.must_be(201);
    visit(403).await;
    let list = zoe.get("/hub/api/shares/river").await.must_be(200).json();
    assert_eq!(list["_pagination"]["total"], 0);
}

#[tokio::test]
async fn shares_of_a_group_are_listed_and_given_back() {
    let (hub, zoe) = house().await;
    hub.start("river").await;
    let members = json!({ "users": ["wash"] });
    send(&zoe, "POST", EVN, members).await.must_be(201);
    let list = format!("{EVN}/shared");
    let one = format!("{EVN}/shared/river/");
    let empty = zoe.get(&list).await.must_be(200).json();
    assert_eq!(empty["items"], json!([]));
    zoe.get(&one).await.must_be(404);
    for body in [json!({ "group": "/radio/evn" }), json!({ "user": "wash" })] {
        send(&zoe, "POST", "/hub/api/shares/river/", body)
            .await
            .must_be(200);
    }

    let reader = hub
        .token("zoe", &["read:groups:shares!group=/radio/evn"])
        .await;
    let found = reader.get(&list).await.must_be(200).json();
    assert_eq!(found["_pagination"]["total"], 1);
    let share = &found["items"][0];
    assert_eq!(share["group"], json!({ "name": "/radio/evn" }));
    assert_eq!(share["kind"], "group");
    assert_eq!(&reader.get(&one).await.must_be(200).json(), share);
    reader.api("DELETE", &one, None).await.must_be(403);
    for path in [
        "/hub/api/groups/none/shared",
        "/hub/api/groups/none/shared/river/",
    ] {
        reader.get(path).await.must_be(404);
        zoe.get(path).await.must_be(404);
    }
    zoe.get(&format!("{EVN}/shared/river/gpu"))
        .await
        .must_be(404);
    zoe.get(&format!("{EVN}/shared/mal/")).await.must_be(404);
    hub.token("wash", &["inherit"])
        .await
        .get(&list)
        .await
        .must_be(403);

    zoe.api("DELETE", &one, None).await.must_be(204);
    zoe.api("DELETE", &one, None).await.must_be(404);
    let left = zoe.get("/hub/api/shares/river").await.must_be(200).json();
    assert_eq!(left["items"][0]["user"], json!({ "name": "wash" }));
    assert_eq!(left["_pagination"]["total"], 1);
}

#[tokio::test]
async fn a_change_of_members_holds_in_every_process() {
    let database = Database::postgres().await;
    let again = database.clone();
    let first = TestWeb::on(database, role(&["list:users"])).await;
    let second = TestWeb::on(again, role(&["list:users"])).await;
    second.hub.spawn_listening().await.expect("it listens");
    let zoe = move_in(&first).await;
    zoe.api("POST", EVN, None).await.must_be(201);
    let river = second.token("river", &["inherit"]).await;
    let tutor = second.token("zoe", &["list:users!group=/radio/evn"]).await;
    let holds = async |status: u16, members: &[&str]| {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let of_river = river.get("/hub/api/users").await.status.as_u16();
            let list = tutor.get("/hub/api/users").await;
            // The scope of the tutor's token ends with the group.
            let list = if list.status == 403 {
                json!([])
            } else {
                list.must_be(200).json()
            };
            if of_river == status && names(&list) == members {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the other process still says {of_river} and {list}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    holds(403, &[]).await;

    add(&zoe, &["river"]).await.must_be(200);
    holds(200, &["river"]).await;
    remove(&zoe, &["river"]).await.must_be(200);
    holds(403, &[]).await;
    add(&zoe, &["wash", "river"]).await.must_be(200);
    holds(200, &["river", "wash"]).await;
    zoe.api("DELETE", EVN, None).await.must_be(204);
    holds(403, &[]).await;
}
