//! Users over the API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, TestWeb};

const PAGED: &str = "application/jupyterhub-pagination+json";

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|user| user["name"].as_str().expect("a name"))
        .collect()
}

async fn admin(hub: &TestWeb) -> Client {
    hub.admin("zoe").await;
    hub.token("zoe", &["inherit"]).await
}

#[tokio::test]
async fn without_the_header_a_list_is_plain() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    for name in ["river", "wash"] {
        hub.user(name).await;
    }

    let answer = zoe.get("/hub/api/users").await.must_be(200);

    assert_eq!(names(&answer.json()), ["zoe", "river", "wash"]);
    let answer = zoe.get("/hub/api/users?limit=2&offset=1").await;
    assert_eq!(names(&answer.json()), ["river", "wash"]);
}

#[tokio::test]
async fn pages_lead_to_the_next_one_over_the_way_the_caller_came() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.public_url = Some("https://public.test/".parse().expect("a URL"));
    })
    .await;
    let zoe = admin(&hub).await;
    for number in 0..4 {
        hub.user(&format!("user-{number}")).await;
    }
    let ask = async |path: &str| {
        let call = zoe.call("GET", path).header("accept", PAGED);
        call.header("host", "10.0.0.1:8081")
            .send()
            .await
            .must_be(200)
            .json()
    };

    let mut seen = Vec::new();
    let mut page = ask("/hub/api/users?limit=2&sort=-name&name_filter=USER").await;
    assert_eq!(
        page["_pagination"],
        json!({ "offset": 0, "limit": 2, "total": 4, "next": {
            "offset": 2, "limit": 2,
            "url": "http://10.0.0.1:8081/hub/api/users?sort=-name&name_filter=USER&offset=2&limit=2",
        }})
    );
    loop {
        seen.extend(names(&page["items"]).into_iter().map(str::to_owned));
        let Some(next) = page["_pagination"]["next"]["url"].as_str() else {
            break;
        };
        let path = next
            .strip_prefix("http://10.0.0.1:8081")
            .expect("the same way")
            .to_owned();
        page = ask(&path).await;
    }
    assert_eq!(seen, ["user-3", "user-2", "user-1", "user-0"]);
    let page = ask("/hub/api/users").await;
    assert_eq!(page["_pagination"]["limit"], 50);
    let page = ask("/hub/api/users?limit=1000&offset=-1").await;
    assert_eq!(page["_pagination"]["limit"], 200);
    assert_eq!(page["_pagination"]["offset"], 1);
}

#[tokio::test]
async fn users_are_filtered_by_what_their_servers_do() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    hub.user("wash").await;
    hub.start("river").await;

    for (state, expected) in [
        ("ready", vec!["river"]),
        ("active", vec!["river"]),
        ("inactive", vec!["zoe", "wash"]),
    ] {
        let answer = zoe
            .get(&format!("/hub/api/users?state={state}"))
            .await
            .must_be(200);
        assert_eq!(names(&answer.json()), expected, "{state}");
    }
    for query in [
        "state=asleep",
        "sort=height",
        "limit=many",
        "offset=x",
        "limit=99999999999999",
    ] {
        zoe.get(&format!("/hub/api/users?{query}"))
            .await
            .must_be(400);
    }
}

#[tokio::test]
async fn a_filtered_scope_lists_whom_it_names() {
    let hub = TestWeb::new().await;
    admin(&hub).await;
    hub.user("river").await;
    let some = hub.token("zoe", &["list:users!user=river"]).await;

    let answer = some.get("/hub/api/users").await.must_be(200);

    assert_eq!(names(&answer.json()), ["river"]);
    assert!(answer.json()[0].get("created").is_none(), "only names");
    hub.token("river", &["inherit"])
        .await
        .get("/hub/api/users")
        .await
        .must_be(403);
}

#[tokio::test]
async fn many_users_are_made_at_once_and_known_ones_passed_over() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    let make = async |body: Value| zoe.api("POST", "/hub/api/users", Some(body)).await;

    let made = make(json!({ "usernames": ["River", " wash "] }))
        .await
        .must_be(201);
    assert_eq!(names(&made.json()), ["river", "wash"]);
    let made = make(json!({ "usernames": ["river", "inara", "inara"], "admin": true })).await;
    let made = made.must_be(201).json();
    assert_eq!(names(&made), ["inara"]);
    assert_eq!(made[0]["admin"], true);
    assert_eq!(made[0]["roles"], json!(["user", "admin"]));

    make(json!({ "usernames": ["river", "wash"] }))
        .await
        .must_be(409);
    for body in [
        json!({}),
        json!({ "usernames": [] }),
        json!({ "usernames": ["a/b"] }),
        json!({ "usernames": [""] }),
        json!({ "usernames": [1] }),
        json!({ "usernames": "river" }),
        json!({ "usernames": ["x\u{0}"] }),
        json!(["river"]),
    ] {
        make(body).await.must_be(400);
    }
}

#[tokio::test]
async fn one_user_is_made_with_the_name_as_it_stands() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    let made = zoe
        .api("POST", "/hub/api/users/Eve%20X", None)
        .await
        .must_be(201);
    assert_eq!(made.json()["name"], "Eve X");
    zoe.api("POST", "/hub/api/users/Eve%20X", None)
        .await
        .must_be(409);
    zoe.api("GET", "/hub/api/users/Eve%20X", None)
        .await
        .must_be(200);

    zoe.api("POST", "/hub/api/users/a%2Fb", None)
        .await
        .must_be(400);
    let body = json!({ "admin": true, "height": 2 });
    zoe.api("POST", "/hub/api/users/kaylee", Some(body))
        .await
        .must_be(400);
    zoe.api("GET", "/hub/api/users/kaylee", None)
        .await
        .must_be(404);
}

#[tokio::test]
async fn only_an_admin_makes_admins_whatever_the_token_says() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    hub.user("river").await;

    let body = json!({ "admin": true });
    zoe.api("PATCH", "/hub/api/users/river", Some(body))
        .await
        .must_be(200);
    let river = hub.token("river", &["admin:users"]).await;
    let user = hub.user("river").await;
    hub.hub
        .people
        .change_user(&hub.hub.permit_of(user.clone()), None, Some(false))
        .await
        .expect("river exists");
    let body = json!({ "admin": true });
    river
        .api("PATCH", "/hub/api/users/river", Some(body))
        .await
        .must_be(403);
}

#[tokio::test]
async fn an_unchanged_name_changes_nothing_and_a_new_one_keeps_everything() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    let program = hub.token("river", &["inherit"]).await;
    hub.user("wash").await;
    let change = async |name: &str, body: Value| {
        let path = format!("/hub/api/users/{name}");
        zoe.api("PATCH", &path, Some(body)).await
    };

    let same = change("river", json!({ "name": "river", "admin": false })).await;
    assert_eq!(same.must_be(200).json()["name"], "river");
    let renamed = change("river", json!({ "name": "tam" })).await.must_be(200);
    assert_eq!(renamed.json()["name"], "tam");
    let model = program.get("/hub/api/user").await.must_be(200).json();
    assert_eq!(model["name"], "tam", "the token is still theirs");

    change("tam", json!({ "name": "wash" })).await.must_be(400);
    change("tam", json!({ "name": "" })).await.must_be(400);
    change("tam", json!({ "shoes": 2 })).await.must_be(400);
    change("river", json!({ "admin": true })).await.must_be(404);
    zoe.api("PATCH", "/hub/api/users/tam", None)
        .await
        .must_be(400);
}

#[tokio::test]
async fn a_user_with_a_running_server_is_not_renamed() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    hub.start("river").await;
    let body = json!({ "name": "tam" });

    let answer = zoe
        .api("PATCH", "/hub/api/users/river", Some(body.clone()))
        .await;
    assert!(answer.must_be(400).text().contains("running servers"));
    zoe.api("DELETE", "/hub/api/users/river/server", None)
        .await
        .must_be(204);
    zoe.api("PATCH", "/hub/api/users/river", Some(body))
        .await
        .must_be(200);

    let started = zoe.api("POST", "/hub/api/users/tam/server", None).await;
    started.must_be(201);
    assert_eq!(hub.routes.paths(), ["/user/tam/"]);
    let starts = hub.spawner.starts();
    let environment = &starts.last().expect("a start").environment;
    assert_eq!(
        environment["JUPYTERHUB_CLIENT_ID"].expose(),
        "jupyterhub-user-tam"
    );
}

#[tokio::test]
async fn deleting_a_user_stops_all_their_servers_first() {
    let hub = TestWeb::new().await;
    let zoe = admin(&hub).await;
    hub.start("river").await;
    zoe.api("POST", "/hub/api/users/river/servers/gpu", None)
        .await
        .must_be(201);
    let program = hub.token("river", &["inherit"]).await;
    program.get("/hub/api/user").await.must_be(200);
    assert_eq!(hub.spawner.running(), 2);

    zoe.api("DELETE", "/hub/api/users/river", None)
        .await
        .must_be(204);

    assert_eq!(hub.spawner.running(), 0);
    assert!(hub.routes.paths().is_empty());
    program.get("/hub/api/user").await.must_be(403);
    zoe.api("GET", "/hub/api/users/river", None)
        .await
        .must_be(404);
    zoe.api("DELETE", "/hub/api/users/river", None)
        .await
        .must_be(404);
    zoe.api("DELETE", "/hub/api/users/zoe", None)
        .await
        .must_be(400);
}

#[tokio::test]
async fn activity_only_moves_forward_and_not_into_the_future() {
    let hub = TestWeb::new().await;
    hub.start("river").await;
    hub.start("wash").await;
    let zoe = admin(&hub).await;
    let own = hub.server_token();
    let server = hub.bearer(&own);
    let report = async |body: Value| {
        server
            .api("POST", "/hub/api/users/wash/activity", Some(body))
            .await
    };
    hub.clock.advance(Duration::from_hours(1));
    let body =
        |time: &str| json!({ "last_activity": time, "servers": { "": { "last_activity": time } } });

    let answer = report(body("2027-01-15T08:30:00.5Z")).await.must_be(200);
    assert!(answer.body.is_empty());
    report(body("2027-01-15T08:29:00")).await.must_be(200);
    let wash = zoe.get("/hub/api/users/wash").await.json();
    assert_eq!(wash["last_activity"], "2027-01-15T08:30:00.500000Z");
    assert_eq!(
        wash["servers"][""]["last_activity"],
        "2027-01-15T08:30:00.500000Z"
    );
    // A clock that is a little ahead is forgiven.
    report(body("2027-01-15T09:58:59Z")).await.must_be(200);

    for bad in [
        body("2027-01-15T10:00:00Z"),
        body("yesterday"),
        json!({ "servers": { "gpu": {} } }),
        json!({ "servers": { "NO": {} } }),
        json!({}),
        json!([]),
        json!({ "last_activity": 5 }),
    ] {
        report(bad).await.must_be(400);
    }
    let body = json!({ "last_activity": "2027-01-15T08:30:00Z" });
    server
        .api("POST", "/hub/api/users/river/activity", Some(body))
        .await
        .must_be(404);
}
