//! Shares over the API, and what they open.

use serde_json::json;

use crate::support::{Answer, Client, TestWeb};

const USE: &str = "access:servers!server=river/";

async fn share(client: &Client, body: serde_json::Value) -> Answer {
    client
        .api("POST", "/hub/api/shares/river/", Some(body))
        .await
}

/// A hub where `river` has a ready server and `zoe` is an admin, and zoe's client.
async fn house() -> (TestWeb, Client) {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    hub.start("river").await;
    hub.user("wash").await;
    let zoe = hub.token("zoe", &["inherit"]).await;
    (hub, zoe)
}

/// The page that a server sends a visitor to who wants to use it.
async fn visit(browser: &Client) -> Answer {
    let query = "client_id=jupyterhub-user-river&response_type=code";
    browser
        .get(&format!("/hub/api/oauth2/authorize?{query}"))
        .await
}

#[tokio::test]
async fn a_share_opens_a_server_and_its_end_closes_it_at_once() {
    let (hub, zoe) = house().await;
    let wash = hub.session("wash").await;
    let script = hub.token("wash", &["inherit"]).await;
    visit(&wash).await.must_be(403);

    let made = share(&zoe, json!({ "user": "wash" }))
        .await
        .must_be(200)
        .json();

    assert_eq!(made["scopes"], json!([USE]));
    assert_eq!(made["user"], json!({ "name": "wash" }));
    assert_eq!(
        (&made["group"], &made["kind"]),
        (&json!(null), &json!("user"))
    );
    assert_eq!(made["server"]["user"], json!({ "name": "river" }));
    assert_eq!(made["server"]["url"], "/user/river/");
    visit(&wash).await.must_be(200);
    let whoami = script.get("/hub/api/user").await.must_be(200).json();
    assert!(whoami["scopes"].to_string().contains(USE), "{whoami}");

    zoe.api("DELETE", "/hub/api/shares/river/", None)
        .await
        .must_be(204);
    visit(&wash).await.must_be(403);
    let whoami = script.get("/hub/api/user").await.must_be(200).json();
    assert!(!whoami["scopes"].to_string().contains(USE), "{whoami}");
}

#[tokio::test]
async fn a_share_with_a_group_is_honoured_for_browsers_and_for_tokens() {
    let (hub, zoe) = house().await;
    let wash = hub.user("wash").await;
    let crew = ["/crew".to_owned()];
    let at = hub.hub.clock().now();
    let groups = hub.hub.store().set_groups(wash.id, &crew, at).await;
    groups.expect("the group is made");

    share(&zoe, json!({ "group": "/crew" })).await.must_be(200);

    visit(&hub.session("wash").await).await.must_be(200);
    let script = hub.token("wash", &["inherit"]).await;
    let whoami = script.get("/hub/api/user").await.must_be(200).json();
    assert!(whoami["scopes"].to_string().contains(USE), "{whoami}");
    let list = script
        .get("/hub/api/users/wash/shared")
        .await
        .must_be(200)
        .json();
    assert_eq!(list["items"][0]["group"], json!({ "name": "/crew" }));
    // What came through the group is not theirs to give back.
    let one = "/hub/api/users/wash/shared/river/";
    script.get(one).await.must_be(404);
    script.api("DELETE", one, None).await.must_be(404);
}

#[tokio::test]
async fn a_share_is_given_back_by_whoever_has_it() {
    let (hub, zoe) = house().await;
    share(&zoe, json!({ "user": "wash" })).await.must_be(200);
    let script = hub.token("wash", &["inherit"]).await;
    let one = "/hub/api/users/wash/shared/river/";

    script.get(one).await.must_be(200);
    script.api("DELETE", one, None).await.must_be(204);

    script.get(one).await.must_be(404);
    let list = zoe.get("/hub/api/shares/river").await.must_be(200).json();
    assert_eq!(list["items"], json!([]));
    assert_eq!(list["_pagination"]["total"], 0);
}

#[tokio::test]
async fn scopes_are_added_and_taken_one_by_one() {
    let (_hub, zoe) = house().await;
    let start = "start:servers!server=river/";

    share(&zoe, json!({ "user": "wash" })).await.must_be(200);
    let more = json!({ "user": "wash", "scopes": ["start:servers"] });
    let grown = share(&zoe, more.clone()).await.must_be(200).json();
    assert_eq!(grown["scopes"], json!([USE, start]));

    let path = "/hub/api/shares/river/";
    let left = zoe.api("PATCH", path, Some(more)).await.must_be(200).json();
    assert_eq!(left["scopes"], json!([USE]));
    let all = json!({ "user": "wash" });
    let left = zoe
        .api("PATCH", path, Some(all.clone()))
        .await
        .must_be(200)
        .json();
    assert_eq!(left, json!({}));
    let nobody = zoe.api("PATCH", path, Some(all)).await.must_be(200).json();
    assert_eq!(nobody, json!({}));
}

#[tokio::test]
async fn a_share_that_cannot_be_is_refused_with_its_reason() {
    let (hub, zoe) = house().await;
    let cases = [
        (json!({ "user": "mal" }), "There is no user `mal`."),
        (json!({ "user": "no/name" }), "There is no user `no/name`."),
        (json!({ "group": "/none" }), "There is no group `/none`."),
        (json!({}), "give `user` or `group`"),
        (
            json!({ "user": "wash", "group": "/crew" }),
            "give `user` or `group`",
        ),
        (json!({ "user": "wash", "scopes": [] }), "`scopes` is empty"),
        (
            json!({ "user": "wash", "scopes": ["rule"] }),
            "`rule` cannot be shared",
        ),
        (
            json!({ "user": "wash", "scopes": ["admin:users"] }),
            "`admin:users` cannot be shared",
        ),
        (
            json!({ "user": "wash", "scopes": ["servers!server=zoe/"] }),
            "`servers!server=zoe/` cannot be shared",
        ),
        (json!({ "user": "wash", "colour": "blue" }), "colour"),
    ];

    for (body, reason) in cases {
        let answer = share(&zoe, body.clone()).await.must_be(400);
        assert!(answer.text().contains(reason), "{body}: {}", answer.text());
    }
    // Nobody may share by default, also not their own server.
    let river = hub.token("river", &["inherit"]).await;
    share(&river, json!({ "user": "wash" })).await.must_be(403);
    let other = "/hub/api/shares/river/gpu";
    zoe.api("POST", other, Some(json!({ "user": "wash" })))
        .await
        .must_be(404);
}
