//! Tokens for the API, from their making to their end.

use std::time::Duration;

use jansky_crypto::token::digest_text;
use jansky_model::Clock as _;
use jansky_store::{NewToken, TokenKind};
use serde_json::json;

use crate::support::{PASSWORD, TestWeb};

const TOKENS: &str = "/hub/api/users/river/tokens";

#[tokio::test]
async fn a_token_is_made_listed_used_and_revoked() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    let body = json!({ "note": "laptop", "expires_in": 3600, "scopes": ["read:users!user"] });
    let made = browser
        .api("POST", TOKENS, Some(body))
        .await
        .must_be(201)
        .json();

    let id = made["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with('a'), "{id}");
    assert_eq!(made["kind"], "api_token");
    assert_eq!(made["user"], "river");
    assert_eq!(made["note"], "laptop");
    assert_eq!(made["oauth_client"], "JupyterHub");
    assert_eq!(made["roles"], json!([]));
    assert_eq!(made["created"], "2027-01-15T08:00:00Z");
    assert_eq!(made["expires_at"], "2027-01-15T09:00:00Z");
    let secret = made["token"]
        .as_str()
        .expect("the secret, this once")
        .to_owned();
    let program = hub.bearer(&secret);
    assert_eq!(
        program
            .api("GET", "/hub/api/user", None)
            .await
            .must_be(200)
            .json()["name"],
        "river"
    );
    program.api("GET", TOKENS, None).await.must_be(403);

    let listed = browser.api("GET", TOKENS, None).await.must_be(200);
    assert!(!listed.text().contains(&secret));
    let mut expected = made.clone();
    expected.as_object_mut().expect("an object").remove("token");
    assert_eq!(listed.json(), json!({ "api_tokens": [expected] }));
    let one = format!("{TOKENS}/{id}");
    assert_eq!(
        browser.api("GET", &one, None).await.must_be(200).json(),
        expected
    );

    browser.api("DELETE", &one, None).await.must_be(204);
    program.api("GET", "/hub/api/user", None).await.must_be(403);
    browser.api("GET", &one, None).await.must_be(404);
    browser.api("DELETE", &one, None).await.must_be(404);
}

#[tokio::test]
async fn a_token_ends_in_its_time() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let body = json!({ "expires_in": 60 });
    let made = browser
        .api("POST", TOKENS, Some(body))
        .await
        .must_be(201)
        .json();
    let program = hub.bearer(made["token"].as_str().expect("the secret"));
    program.api("GET", "/hub/api/user", None).await.must_be(200);

    hub.clock.advance(Duration::from_mins(1));

    program.api("GET", "/hub/api/user", None).await.must_be(403);
    let listed = browser.api("GET", TOKENS, None).await.json();
    assert_eq!(listed, json!({ "api_tokens": [] }));
}

#[tokio::test]
async fn wishes_that_cannot_be_met_are_refused() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    for (body, word) in [
        (json!({ "scopes": ["admin:users"] }), "admin:users"),
        (json!({ "scopes": ["read:users"] }), "read:users"),
        (json!({ "scopes": ["rule:sky"] }), "rule:sky"),
        (json!({ "scopes": ["self"], "roles": ["user"] }), "not both"),
        (json!({ "roles": ["captain"] }), "captain"),
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": -1 }), "does not fit at `expires_in`"),
        (
            json!({ "expires_in": "soon" }),
            "does not fit at `expires_in`",
        ),
        (json!(["note"]), "object"),
    ] {
        let answer = browser.api("POST", TOKENS, Some(body)).await.must_be(400);
        assert!(answer.text().contains(word), "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_wish_a_token_inherits() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    for body in [
        None,
        Some(json!(null)),
        Some(json!({})),
        Some(json!({ "roles": ["token"] })),
    ] {
        let made = browser.api("POST", TOKENS, body).await.must_be(201).json();
        assert_eq!(made["note"], "Requested via api");
        assert_eq!(made["expires_at"], json!(null));
        let scopes = made["scopes"].as_array().expect("a list").clone();
        assert!(scopes.contains(&json!("servers!user=river")), "{scopes:?}");
    }
}

#[tokio::test]
async fn inherited_rights_follow_their_owner_at_once() {
    let hub = TestWeb::new().await;
    let zoe = hub.admin("zoe").await;
    let program = hub.token("zoe", &["inherit"]).await;
    program
        .api("GET", "/hub/api/users", None)
        .await
        .must_be(200);

    let changed = hub
        .hub
        .people
        .change_user(&hub.hub.permit_of(zoe.clone()), None, Some(false))
        .await;
    changed.expect("the user exists");

    program
        .api("GET", "/hub/api/users", None)
        .await
        .must_be(403);
    program.api("GET", "/hub/api/user", None).await.must_be(200);
}

#[tokio::test]
async fn an_admin_makes_tokens_for_others_with_the_rights_of_those() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    hub.user("river").await;
    let zoe = hub.session("zoe").await;

    let made = zoe.api("POST", TOKENS, None).await.must_be(201).json();
    assert_eq!(made["note"], "Requested via api by user zoe");
    let program = hub.bearer(made["token"].as_str().expect("the secret"));
    program
        .api("GET", "/hub/api/users", None)
        .await
        .must_be(403);
    let body = json!({ "scopes": ["admin:users"] });
    zoe.api("POST", TOKENS, Some(body)).await.must_be(400);

    for path in ["/hub/api/users/ghost/tokens", "/hub/api/users/zoe/tokens"] {
        let river = hub.session("river").await;
        river.api("POST", path, None).await.must_be(403);
    }
    zoe.api("POST", "/hub/api/users/ghost/tokens", None)
        .await
        .must_be(403);
}

#[tokio::test]
async fn a_password_in_the_body_makes_a_token() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let stranger = hub.anonymous();
    let ask = async |user: &str, name: &str, password: &str| {
        let auth = json!({ "auth": { "username": name, "password": password } });
        let path = format!("/hub/api/users/{user}/tokens");
        stranger.call("POST", &path).json(&auth).send().await
    };

    let made = ask("river", "river", PASSWORD).await.must_be(201).json();
    let program = hub.bearer(made["token"].as_str().expect("the secret"));
    program.api("GET", "/hub/api/user", None).await.must_be(200);
    ask("river", "river", "wrong").await.must_be(403);
    ask("wash", "river", PASSWORD).await.must_be(403);
    ask("ghost", "ghost", PASSWORD).await.must_be(403);
    hub.admin("zoe").await;
    let zoe = hub.token("zoe", &["inherit"]).await;
    let trail = zoe.api("GET", "/hub/api/audit?limit=100", None).await;
    let trail = trail.must_be(200).json();
    let events = trail["events"].as_array().expect("events").iter();
    let mut of_river =
        events.filter(|event| event["event"] == "api_token_made" && event["user"] == "river");
    assert_eq!(of_river.next().expect("it is on record")["actor"], "river");
}

#[tokio::test]
async fn the_page_makes_shows_once_and_revokes() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    let fields = [("note", "for <laptop>"), ("expires_in", "3600")];
    let page = browser
        .post("/hub/token", &fields)
        .await
        .must_be(200)
        .text();

    let start = page.find("jky_").expect("the new token is shown");
    let secret: String = page[start..].chars().take(47).collect();
    let program = hub.bearer(&secret);
    program.api("GET", "/hub/api/user", None).await.must_be(200);
    let later = browser.get("/hub/token").await.must_be(200);
    assert!(!later.text().contains(&secret));
    assert!(
        later.text().contains("for &lt;laptop&gt;"),
        "{}",
        later.text()
    );
    let page = later.html();
    let mut actions = page.all("form").filter_map(|(_, form)| form.get("action"));
    let revoke = actions.find(|action| action.ends_with("/revoke"));

    let answer = browser
        .post(revoke.expect("a button"), &[])
        .await
        .must_be(302);
    assert_eq!(answer.location(), "/hub/token");
    program.api("GET", "/hub/api/user", None).await.must_be(403);
    browser.post("/hub/token/a1/revoke", &[]).await.must_be(404);
    browser.post("/hub/token/1/revoke", &[]).await.must_be(404);
    let long = "x".repeat(1_024);
    browser
        .post("/hub/token", &[("note", &long)])
        .await
        .must_be(422);
    browser
        .post("/hub/token", &[("expires_in", "soon")])
        .await
        .must_be(422);
}

#[tokio::test]
async fn what_is_kept_of_a_token_has_its_bounds() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let path = "/hub/api/users/river/tokens";

    for (body, words) in [
        (
            json!({ "note": "n".repeat(1_024) }),
            "at most 1023 characters; this one has 1024",
        ),
        (
            json!({ "expires_in": 0 }),
            "`expires_in` must be 1 to 3153600000 seconds",
        ),
        (
            json!({ "expires_in": 1_u64 << 63 }),
            "`expires_in` must be 1 to 3153600000 seconds",
        ),
    ] {
        let answer = river.api("POST", path, Some(body)).await.must_be(400);
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let longest = json!({ "note": "ü".repeat(1_023), "expires_in": 3_153_600_000_u64 });
    river.api("POST", path, Some(longest)).await.must_be(201);
}

#[tokio::test]
async fn nobody_has_more_than_a_thousand_tokens_at_once() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let owner = hub.hub.people.user("river").await.expect("it reads");
    let owner = owner.expect("river is there");
    let now = hub.clock.now();
    for number in 1..1_000 {
        let new = NewToken {
            digest: digest_text(&format!("token {number}")),
            kind: TokenKind::Api,
            user_id: owner.id,
            server_id: None,
            client_id: None,
            session_id: None,
            scopes: Vec::new(),
            note: String::new(),
            created_at: now,
            // One of them makes room in its time.
            expires_at: (number == 1).then(|| now.plus(Duration::from_hours(1))),
        };
        hub.hub.store().create_token(new).await.expect("it is made");
    }
    let path = "/hub/api/users/river/tokens";
    let make = || river.api("POST", path, Some(json!({})));

    let refused = make().await.must_be(400);
    assert!(refused.text().contains("1000 tokens"), "{}", refused.text());
    hub.clock.advance(Duration::from_hours(1));
    make().await.must_be(201);
    make().await.must_be(400);
}
