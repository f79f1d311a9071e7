//! The hub as OAuth provider of its servers.

use std::time::Duration;

use serde_json::json;
use url::Url;

use crate::support::{Answer, Client, TestWeb};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const RIVER: [(&str, &str); 4] = [
    ("client_id", "jupyterhub-user-river"),
    ("redirect_uri", "/user/river/oauth_callback"),
    ("response_type", "code"),
    ("state", "the state"),
];

const PKCE: [(&str, &str); 2] = [
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

fn authorize(pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("/hub/api/oauth2/authorize?{query}")
}

/// One parameter of the address that the browser is sent to.
fn sent(answer: &Answer, name: &str) -> Option<String> {
    let base = Url::parse("http://hub.test/").expect("a URL");
    let url = base.join(answer.location()).expect("an address");
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A code for the server of `river`.
async fn code(browser: &Client, more: &[(&str, &str)]) -> String {
    let pairs = [&RIVER, more].concat();
    let answer = browser.get(&authorize(&pairs)).await.must_be(302);
    assert!(
        answer
            .location()
            .starts_with("/user/river/oauth_callback?code="),
        "{}",
        answer.location()
    );
    assert_eq!(sent(&answer, "state").as_deref(), Some("the state"));
    sent(&answer, "code").expect("a code")
}

/// What a server sends to get a token; `None` leaves a field out.
async fn exchange(hub: &TestWeb, changes: &[(&str, Option<&str>)]) -> Answer {
    let secret = hub.server_token();
    let usual = [
        ("client_id", "jupyterhub-user-river"),
        ("client_secret", secret.as_str()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", "/user/river/oauth_callback"),
    ];
    let kept = usual
        .into_iter()
        .filter(|(name, _)| !changes.iter().any(|(key, _)| key == name));
    let changed = changes
        .iter()
        .filter_map(|(name, value)| Some((*name, (*value)?)));
    let fields: Vec<_> = kept.chain(changed).collect();
    let server = hub.anonymous();
    server
        .call("POST", "/hub/api/oauth2/token")
        .form(&fields)
        .send()
        .await
}

#[tokio::test]
async fn a_visitor_gets_a_token_with_pkce() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let code = code(&browser, &PKCE).await;

    let fields = [
        ("code", Some(code.as_str())),
        ("code_verifier", Some(VERIFIER)),
    ];
    let granted = exchange(&hub, &fields).await.must_be(200);

    assert_eq!(granted.header("cache-control"), "no-store");
    let granted = granted.json();
    assert_eq!(granted["token_type"], "Bearer");
    assert_eq!(granted["expires_in"], 1_209_600);
    let scope = granted["scope"].as_str().expect("a scope");
    assert!(
        scope
            .split(' ')
            .any(|scope| scope == "access:servers!server=river/"),
        "{scope}"
    );
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    let model = visitor.get("/hub/api/user").await.must_be(200).json();
    assert_eq!(model["name"], "river");
    assert_eq!(
        model["scopes"],
        json!([
            "access:servers!server=river/",
            "read:users:groups!user=river",
            "read:users:name!user=river",
        ])
    );
    let session_id = browser.cookie("jupyterhub-session-id").expect("a cookie");
    assert_eq!(model["session_id"], json!(session_id));
    assert!(
        model
            .get("servers")
            .is_none_or(|servers| servers == &json!({}))
    );
}

#[tokio::test]
async fn older_servers_send_no_challenge() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;

    let plain = code(&browser, &[]).await;
    exchange(&hub, &[("code", Some(&plain))]).await.must_be(200);
    // A verifier that was not announced does no harm.
    let other = code(&browser, &[]).await;
    let fields = [("code", Some(other.as_str())), ("code_verifier", Some("x"))];
    exchange(&hub, &fields).await.must_be(200);
    let spoken = code(
        &browser,
        &[
            ("code_challenge", "words"),
            ("code_challenge_method", "plain"),
        ],
    )
    .await;
    let fields = [
        ("code", Some(spoken.as_str())),
        ("code_verifier", Some("words")),
    ];
    exchange(&hub, &fields).await.must_be(200);
}

#[tokio::test]
async fn requests_that_cannot_be_trusted_get_a_page_and_no_redirect() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;

    for (change, words) in [
        (("client_id", None), "Missing client_id parameter."),
        (
            ("client_id", Some("jupyterhub-user-ghost")),
            "Invalid client_id parameter value.",
        ),
        (
            ("redirect_uri", Some("https://evil.test/")),
            "Mismatching redirect URI.",
        ),
        (
            ("redirect_uri", Some("/user/wash/oauth_callback")),
            "Mismatching redirect URI.",
        ),
        (
            (
                "redirect_uri",
                Some("//evil.test/user/river/oauth_callback"),
            ),
            "Mismatching redirect URI.",
        ),
    ] {
        let (name, value) = change;
        let kept = RIVER.into_iter().filter(|(key, _)| *key != name);
        let pairs: Vec<_> = kept.chain(value.map(|value| (name, value))).collect();
        let answer = browser.get(&authorize(&pairs)).await.must_be(400);
        assert!(answer.text().contains(words), "{}", answer.text());
        assert_eq!(answer.location(), "");
    }
}

#[tokio::test]
async fn other_mistakes_are_sent_back_to_the_server() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;

    for (change, error) in [
        (("response_type", None), "invalid_request"),
        (
            ("response_type", Some("token")),
            "unsupported_response_type",
        ),
        (("scope", Some("admin:users")), "invalid_scope"),
        (("code_challenge_method", Some("S512")), "invalid_request"),
    ] {
        let (name, value) = change;
        let usual = [&RIVER[..], &PKCE].concat();
        let kept = usual.into_iter().filter(|(key, _)| *key != name);
        let pairs: Vec<_> = kept.chain(value.map(|value| (name, value))).collect();
        let answer = browser.get(&authorize(&pairs)).await.must_be(302);
        assert!(answer.location().starts_with("/user/river/oauth_callback?"));
        assert_eq!(sent(&answer, "error").as_deref(), Some(error));
        assert_eq!(sent(&answer, "state").as_deref(), Some("the state"));
    }
    for scope in ["identify", "access:servers!server=river/", ""] {
        code(&browser, &[("scope", scope)]).await;
    }
    // Without an address the registered one is meant.
    let pairs: Vec<_> = RIVER
        .into_iter()
        .filter(|(key, _)| *key != "redirect_uri")
        .collect();
    let answer = browser.get(&authorize(&pairs)).await.must_be(302);
    assert!(
        answer
            .location()
            .starts_with("/user/river/oauth_callback?code=")
    );
}

#[tokio::test]
async fn a_code_is_good_for_one_token_and_what_does_not_try_it_leaves_it_alone() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let code = code(&browser, &PKCE).await;
    let code = ("code", Some(code.as_str()));
    let verifier = ("code_verifier", Some(VERIFIER));

    for (fields, status, error) in [
        (
            vec![("code", Some("unknown")), verifier],
            400,
            "invalid_grant",
        ),
        (vec![("code", None), verifier], 400, "invalid_request"),
        (
            vec![code, verifier, ("grant_type", Some("password"))],
            400,
            "unsupported_grant_type",
        ),
        (
            vec![code, verifier, ("grant_type", None)],
            400,
            "invalid_request",
        ),
        (
            vec![code, verifier, ("client_id", Some("ghost"))],
            401,
            "invalid_client",
        ),
        (
            vec![code, verifier, ("client_id", None)],
            401,
            "invalid_client",
        ),
        (
            vec![code, verifier, ("client_secret", Some("wrong"))],
            401,
            "invalid_client",
        ),
        (
            vec![code, verifier, ("client_secret", None)],
            401,
            "invalid_client",
        ),
    ] {
        let answer = exchange(&hub, &fields).await.must_be(status);
        assert_eq!(answer.json()["error"], error, "{fields:?}");
        assert!(answer.json()["error_description"].is_string());
        if status == 401 {
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, "Bearer error=\"invalid_client\"");
        }
    }
    let granted = exchange(&hub, &[code, verifier]).await.must_be(200).json();
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    visitor.get("/hub/api/user").await.must_be(200);

    let again = exchange(&hub, &[code, verifier]).await.must_be(400);

    assert_eq!(again.json()["error"], "invalid_grant");
    // Who has the code may have the token, too (RFC 6749 section 4.1.2).
    visitor.get("/hub/api/user").await.must_be(403);
}

#[tokio::test]
async fn a_code_that_is_tried_wrongly_is_good_for_nothing() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let verifier = ("code_verifier", Some(VERIFIER));

    for (fields, error) in [
        (vec![], "invalid_request"),
        (vec![("code_verifier", Some("wrong"))], "invalid_grant"),
        (
            vec![verifier, ("redirect_uri", Some("/other"))],
            "invalid_request",
        ),
    ] {
        let code = code(&browser, &PKCE).await;
        let code = ("code", Some(code.as_str()));
        let wrong = [vec![code], fields.clone()].concat();
        let answer = exchange(&hub, &wrong).await.must_be(400);
        assert_eq!(answer.json()["error"], error, "{fields:?}");

        let late = exchange(&hub, &[code, verifier]).await.must_be(400);

        assert_eq!(late.json()["error"], "invalid_grant", "{fields:?}");
    }
}

#[tokio::test]
async fn a_code_ends_after_five_minutes() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let code = code(&browser, &[]).await;

    hub.clock.advance(Duration::from_mins(5));

    exchange(&hub, &[("code", Some(&code))]).await.must_be(400);
}

#[tokio::test]
async fn another_server_cannot_redeem_a_code_or_use_the_secret() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let river_secret = hub.server_token();
    let code = code(&browser, &[]).await;
    hub.start("wash").await;

    let code = ("code", Some(code.as_str()));
    let with_wash_secret = exchange(&hub, &[code]).await.must_be(401);
    assert_eq!(with_wash_secret.json()["error"], "invalid_client");
    let api_token = hub.new_token("river", &["inherit"]).await;
    exchange(&hub, &[code, ("client_secret", Some(&api_token))])
        .await
        .must_be(401);
    let as_river = ("client_secret", Some(river_secret.as_str()));
    exchange(&hub, &[code, as_river]).await.must_be(200);

    // One that another server has come by is good for neither.
    let stolen = self::code(&browser, &[]).await;
    let stolen = ("code", Some(stolen.as_str()));
    let as_wash = [stolen, ("client_id", Some("jupyterhub-user-wash"))];
    let answer = exchange(&hub, &as_wash).await.must_be(400);
    assert_eq!(answer.json()["error"], "invalid_grant");
    exchange(&hub, &[stolen, as_river]).await.must_be(400);
}

#[tokio::test]
async fn signing_out_ends_the_tokens_and_codes_of_the_session_at_once() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let elsewhere = hub.session("river").await;
    hub.start("river").await;
    let mut tokens = Vec::new();
    for client in [&browser, &elsewhere] {
        let code = code(client, &[]).await;
        let granted = exchange(&hub, &[("code", Some(&code))])
            .await
            .must_be(200)
            .json();
        tokens.push(
            granted["access_token"]
                .as_str()
                .expect("a token")
                .to_owned(),
        );
    }
    let left_over = code(&browser, &[]).await;
    for token in &tokens {
        hub.bearer(token).get("/hub/api/user").await.must_be(200);
    }

    browser.post("/hub/logout", &[]).await.must_be(200);

    hub.bearer(&tokens[0])
        .get("/hub/api/user")
        .await
        .must_be(403);
    hub.bearer(&tokens[1])
        .get("/hub/api/user")
        .await
        .must_be(200);
    exchange(&hub, &[("code", Some(&left_over))])
        .await
        .must_be(400);
}

#[tokio::test]
async fn stopping_a_server_ends_all_tokens_that_it_got() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let code = code(&browser, &[]).await;
    let granted = exchange(&hub, &[("code", Some(&code))])
        .await
        .must_be(200)
        .json();
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    visitor.get("/hub/api/user").await.must_be(200);
    let server = hub.bearer(&hub.server_token());
    server.get("/hub/api/user").await.must_be(200);

    browser
        .api("DELETE", "/hub/api/users/river/server", None)
        .await
        .must_be(204);

    visitor.get("/hub/api/user").await.must_be(403);
    server.get("/hub/api/user").await.must_be(403);
    browser.get(&authorize(&RIVER)).await.must_be(400);
}

#[tokio::test]
async fn others_are_told_that_they_may_not() {
    let hub = TestWeb::new().await;
    let wash = hub.browser("wash").await;
    hub.start("river").await;

    let answer = wash.get(&authorize(&RIVER)).await.must_be(403);
    assert!(answer.text().contains("do not have permission to access"));
    wash.post(&authorize(&RIVER), &[]).await.must_be(403);
    let anonymous = hub.anonymous().get(&authorize(&RIVER)).await.must_be(302);
    let next = sent(&anonymous, "next").expect("it comes back");
    assert!(
        next.starts_with("/hub/api/oauth2/authorize?client_id="),
        "{next}"
    );
    assert!(
        next.contains("redirect_uri=%2Fuser%2Friver"),
        "it stays as it was: {next}"
    );
}

#[tokio::test]
async fn an_admin_is_asked_once_before_another_persons_server_learns_who_they_are() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    hub.start("river").await;

    let page = zoe.get(&authorize(&RIVER)).await.must_be(200);
    assert!(page.text().contains("river"), "it says whose server it is");
    let html = page.html();
    let (_, form) = html.all("form").next().expect("a form");
    let action = form.get("action").expect("it goes somewhere").to_owned();
    assert_eq!(action, authorize(&RIVER));
    let scopes = html
        .all("input")
        .filter(|(_, tag)| tag.get("name") == Some("scopes"));
    let scopes: Vec<_> = scopes.filter_map(|(_, tag)| tag.get("value")).collect();
    assert!(
        scopes.contains(&"access:servers!server=river/"),
        "{scopes:?}"
    );
    let without = zoe.call("POST", &action).form(&[]).send().await;
    without.must_be(403);

    let answer = zoe
        .post(&action, &[("scopes", scopes[0])])
        .await
        .must_be(302);
    let code = sent(&answer, "code").expect("a code");
    let granted = exchange(&hub, &[("code", Some(&code))])
        .await
        .must_be(200)
        .json();
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    assert_eq!(visitor.get("/hub/api/user").await.json()["name"], "zoe");
    visitor.get("/hub/api/users").await.must_be(403);

    let again = zoe.get(&authorize(&RIVER)).await.must_be(302);
    assert!(sent(&again, "code").is_some(), "no second question");
}

#[tokio::test]
async fn revoking_one_token_of_a_server_revokes_all_of_them() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let mut visitors = Vec::new();
    for _ in 0..2 {
        let code = code(&browser, &[]).await;
        let granted = exchange(&hub, &[("code", Some(&code))])
            .await
            .must_be(200)
            .json();
        visitors.push(hub.bearer(granted["access_token"].as_str().expect("a token")));
    }
    let id = visitors[0].get("/hub/api/user").await.json()["token_id"].clone();
    let path = format!(
        "/hub/api/users/river/tokens/{}",
        id.as_str().expect("an id")
    );

    browser.api("DELETE", &path, None).await.must_be(204);

    for visitor in visitors {
        visitor.get("/hub/api/user").await.must_be(403);
    }
}

#[tokio::test]
async fn an_absolute_redirect_address_must_be_on_the_public_host() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.public_url = Some("https://hub.test/".parse().expect("a URL"));
    })
    .await;
    let browser = hub.session("river").await;
    hub.start("river").await;
    let ask = async |address: &str| {
        let pairs = [RIVER[0], ("redirect_uri", address), RIVER[2]];
        browser.get(&authorize(&pairs)).await
    };

    let answer = ask("https://hub.test/user/river/oauth_callback")
        .await
        .must_be(302);
    assert!(
        answer
            .location()
            .starts_with("https://hub.test/user/river/oauth_callback?code=")
    );
    ask("http://hub.test/user/river/oauth_callback")
        .await
        .must_be(400);
    ask("https://hub.test.evil.test/user/river/oauth_callback")
        .await
        .must_be(400);
}

#[tokio::test]
async fn rights_that_are_lost_are_lost_for_tokens_too() {
    let hub = TestWeb::new().await;
    let zoe_user = hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    hub.start("river").await;
    let answer = zoe.post(&authorize(&RIVER), &[]).await.must_be(302);
    let code = sent(&answer, "code").expect("a code");
    let granted = exchange(&hub, &[("code", Some(&code))])
        .await
        .must_be(200)
        .json();
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    let scopes = async || visitor.get("/hub/api/user").await.must_be(200).json()["scopes"].clone();
    assert_eq!(scopes().await[0], "access:servers!server=river/");

    let changed = hub
        .hub
        .people
        .change_user(&hub.hub.permit_of(zoe_user.clone()), None, Some(false))
        .await;
    changed.expect("zoe exists");

    assert_eq!(
        scopes().await,
        json!(["read:users:groups!user=zoe", "read:users:name!user=zoe"])
    );
}
