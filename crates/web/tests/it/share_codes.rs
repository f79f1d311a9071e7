//! Links that share a server with whoever accepts them.

use serde_json::{Value, json};

use crate::support::{Client, TestWeb};

const CODES: &str = "/hub/api/share-codes/river/";
const USE: &str = "access:servers!server=river/";

/// A hub where `river` has a ready server and `zoe` is an admin, and zoe's client.
async fn house() -> (TestWeb, Client) {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    hub.start("river").await;
    hub.user("wash").await;
    let zoe = hub.token("zoe", &["inherit"]).await;
    (hub, zoe)
}

async fn make(client: &Client, body: Option<Value>) -> Value {
    client.api("POST", CODES, body).await.must_be(200).json()
}

fn text<'a>(model: &'a Value, key: &str) -> &'a str {
    let found = model[key].as_str();
    found.unwrap_or_else(|| panic!("no text `{key}` in {model}"))
}

/// The status with which a server's sign-in meets a visitor.
async fn visit(browser: &Client) -> u16 {
    let query = "client_id=jupyterhub-user-river&response_type=code";
    let path = format!("/hub/api/oauth2/authorize?{query}");
    browser.get(&path).await.status.as_u16()
}

#[tokio::test]
async fn a_link_lets_whoever_accepts_it_use_the_server() {
    let (hub, zoe) = house().await;
    let wash = hub.session("wash").await;
    let made = make(&zoe, None).await;
    assert_eq!(made["scopes"], json!([USE]));
    assert_eq!(made["server"]["user"], json!({ "name": "river" }));
    assert_eq!(made["exchange_count"], 0);
    assert_eq!(visit(&wash).await, 403);

    let page = wash.get(text(&made, "accept_url")).await.must_be(200);
    assert!(page.text().contains("river shares a server with you"));
    assert!(page.text().contains("open and use"), "{}", page.text());
    assert_eq!(visit(&wash).await, 403, "looking is not accepting");
    let code = text(&made, "code");
    let accepted = wash
        .post("/hub/accept-share", &[("code", code)])
        .await
        .must_be(302);

    assert_eq!(accepted.location(), "/user/river/");
    assert_eq!(visit(&wash).await, 200);
    let shares = zoe.get("/hub/api/shares/river").await.must_be(200).json();
    assert_eq!(shares["items"][0]["user"], json!({ "name": "wash" }));
    let codes = zoe.get(CODES).await.must_be(200).json();
    assert_eq!(codes["items"][0]["exchange_count"], 1);
    assert_eq!(codes["items"][0]["id"], made["id"]);
    assert_eq!(codes["items"][0]["code"], Value::Null, "it is told once");
    assert!(!codes.to_string().contains(code));
}

#[tokio::test]
async fn a_link_is_found_again_after_signing_in() {
    let (hub, zoe) = house().await;
    let made = make(&zoe, None).await;
    let link = text(&made, "accept_url");

    let answer = hub.anonymous().get(link).await.must_be(302);

    let hub = url::Url::parse("http://hub/").expect("an address");
    let login = hub.join(answer.location()).expect("an address");
    assert_eq!(login.path(), "/hub/login");
    let next = login.query_pairs().find(|(name, _)| name == "next");
    assert_eq!(next.expect("it is handed on").1, link);
}

#[tokio::test]
async fn whoever_accepts_goes_on_to_an_address_on_this_host_only() {
    let (hub, zoe) = house().await;
    let wash = hub.session("wash").await;
    let made = make(&zoe, None).await;
    let accept = async |next: &str| {
        let fields = [("code", text(&made, "code")), ("next", next)];
        let answer = wash.post("/hub/accept-share", &fields).await.must_be(302);
        answer.location().to_owned()
    };

    assert_eq!(accept("/user/river/lab").await, "/user/river/lab");
    assert_eq!(accept("https://evil.example/").await, "/user/river/");
    assert_eq!(accept("//evil.example/").await, "/user/river/");
}

#[tokio::test]
async fn a_link_that_ended_or_never_was_shares_nothing() {
    let (hub, zoe) = house().await;
    let wash = hub.session("wash").await;
    let by_id = make(&zoe, None).await;
    let by_code = make(&zoe, None).await;
    let late = make(&zoe, Some(json!({ "expires_in": 60 }))).await;
    let end = async |query: &str| {
        let path = format!("{CODES}?{query}");
        zoe.api("DELETE", &path, None).await.status.as_u16()
    };

    assert_eq!(end(&format!("id={}", text(&by_id, "id"))).await, 204);
    assert_eq!(end(&format!("id={}", text(&by_id, "id"))).await, 404);
    assert_eq!(end(&format!("code={}", text(&by_code, "code"))).await, 204);
    for unknown in ["id=sc_999", "id=7", "id=sc_x", "code=nothing"] {
        assert_eq!(end(unknown).await, 404, "{unknown}");
    }
    hub.clock.advance(std::time::Duration::from_mins(1));

    for made in [&by_id, &by_code, &late] {
        wash.get(text(made, "accept_url")).await.must_be(404);
        let fields = [("code", text(made, "code"))];
        wash.post("/hub/accept-share", &fields).await.must_be(404);
    }
    wash.get("/hub/accept-share").await.must_be(400);
    assert_eq!(visit(&wash).await, 403);
    assert_eq!(zoe.get(CODES).await.must_be(200).json()["items"], json!([]));
}

#[tokio::test]
async fn nobody_accepts_their_own_server() {
    let (hub, zoe) = house().await;
    let river = hub.session("river").await;
    let made = make(&zoe, None).await;

    river.get(text(&made, "accept_url")).await.must_be(403);
    let fields = [("code", text(&made, "code"))];
    river.post("/hub/accept-share", &fields).await.must_be(403);

    let shares = zoe.get("/hub/api/shares/river").await.must_be(200).json();
    assert_eq!(shares["items"], json!([]));
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_by_name() {
    let (_hub, zoe) = house().await;
    for (body, word) in [
        (json!({ "expires_in": 59 }), "expires_in"),
        (json!({ "expires_in": 31_536_001 }), "expires_in"),
        (json!({ "expires_in": "soon" }), "soon"),
        (json!({ "scopes": [] }), "scopes"),
        (json!({ "scopes": ["admin:users"] }), "admin:users"),
        (json!({ "scopes": ["shares!user=river"] }), "shares!user"),
        (json!({ "user": "wash" }), "user"),
        (json!([1]), "object"),
    ] {
        let answer = zoe
            .api("POST", CODES, Some(body.clone()))
            .await
            .must_be(400);
        assert!(answer.text().contains(word), "{body}: {}", answer.text());
    }
    assert_eq!(zoe.get(CODES).await.must_be(200).json()["items"], json!([]));
}

/// What docs/how-to/sharing.md says about letting people share.
#[tokio::test]
async fn people_share_their_own_servers_once_their_role_lets_them() {
    let shares = |scopes: &[&str]| {
        let role = jansky_hub::Role {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..jansky_hub::Role::default()
        };
        async move {
            let hub = TestWeb::with(|hub| {
                hub.settings.roles.0.insert("user".to_owned(), role);
            })
            .await;
            hub.start("river").await;
            hub.start("wash").await;
            let river = hub.token("river", &["inherit"]).await;
            let own = river.api("POST", CODES, None).await.status.as_u16();
            let other = "/hub/api/share-codes/wash/";
            let other = river.api("POST", other, None).await.status.as_u16();
            (own, other)
        }
    };

    assert_eq!(shares(&["self"]).await, (403, 403));
    assert_eq!(shares(&["self", "shares!user"]).await, (200, 404));
}
