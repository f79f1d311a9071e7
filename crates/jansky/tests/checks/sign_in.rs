//! The way to a provider and back (D1 to D4, D6 to D9, D12).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_model::SystemClock;
use jansky_testing::ScriptedProvider;
use jansky_testing::provider::{CLIENT_ID, CLIENT_SECRET, Tweak};
use jansky_testing::signing::Key;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use url::Url;

use crate::browser::{Body, Browser, form};
use crate::house::House;
use crate::person::PROVIDER;
use crate::site::{EVERYBODY, Site, add_oidc, scripted_provider, within};

const SOON: Duration = Duration::from_secs(20);

fn query(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// D1
#[tokio::test]
async fn a_provider_that_is_down_at_the_start_is_shown_as_that_and_heals_without_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let house = House::new();
    let issuer = format!("http://{address}");
    let client = [issuer.as_str(), CLIENT_ID, CLIENT_SECRET];
    add_oidc(&house, PROVIDER, "oidc", client, EVERYBODY);
    let began = Instant::now();

    let hub = house.start(&[]).await;
    let up_after = began.elapsed();
    let browser = Browser::new(&hub.url);
    within(SOON, "the page shows that it is away", async || {
        let page = browser.get("hub/login").await.must_be(200).text;
        page.contains("aria-disabled") && page.contains("does not answer")
    })
    .await;
    let op = ScriptedProvider::start_at(address, Arc::new(SystemClock)).await;
    within(SOON, "the page offers it", async || {
        let page = browser.get("hub/login").await.must_be(200).text;
        page.contains("oauth_login?idp=op") && !page.contains("aria-disabled")
    })
    .await;
    browser.sign_in(&op, "subject-1").await;

    assert!(up_after < Duration::from_secs(5), "{up_after:?}");
    assert_eq!(browser.whoami().await["name"], "river");
}

/// D2
#[tokio::test]
async fn a_provider_with_another_issuer_than_configured_is_refused_and_others_work() {
    let site = Site::new().await;
    let impostor = scripted_provider().await;
    let evil = json!("https://evil.example");
    impostor.script().metadata.insert("issuer", evil);
    site.add_provider("wrong", &impostor, EVERYBODY);

    let hub = site.start().await;
    let browser = Browser::new(&hub.url);
    within(SOON, "the page says that it is wrong", async || {
        let page = browser.get("hub/login").await.must_be(200).text;
        page.contains("not set up correctly")
    })
    .await;
    let refused = browser.get("hub/oauth_login?idp=wrong").await;
    browser.sign_in(&site.op, "subject-1").await;

    assert!(refused.status >= 400, "{refused:#?}");
    assert!(!refused.text.contains("evil.example"), "{refused:#?}");
    within(SOON, "the operator reads why", async || {
        site.house.said("stderr").contains("https://evil.example")
    })
    .await;
}

/// D3
#[tokio::test]
async fn the_way_to_the_provider_carries_all_that_makes_it_safe_and_no_secret() {
    let site = Site::new().await;
    site.configure("");
    let hub = site
        .house
        .start(&["hub.trusted_proxies=[\"127.0.0.1\"]"])
        .await;
    let browser = Browser::new(&hub.url);

    let headers = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "hub.example.org"),
    ];
    let answer = browser
        .send(http::Method::GET, "hub/oauth_login", &headers, None)
        .await
        .must_be(302);

    let url = Url::parse(answer.location()).expect("an address");
    let query = query(&url);
    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?", site.op.issuer))
    );
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert!(
        query["state"].len() >= 22 && query["nonce"].len() >= 22,
        "{query:?}"
    );
    assert!(
        query["redirect_uri"].ends_with("/hub/oauth_callback"),
        "{query:?}"
    );
    assert!(query["redirect_uri"].starts_with("https://"), "{query:?}");
    let cookies = answer.cookies();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.len() < 1024, "{cookie}");
        for attribute in ["Path=/hub/", "SameSite=Lax", "Secure"] {
            assert!(cookie.contains(attribute), "{attribute}: {cookie}");
        }
        // The token against forgery is for scripts of our pages and ties no sign-in to a browser.
        assert!(
            cookie.contains("HttpOnly") || cookie.starts_with("_xsrf="),
            "{cookie}"
        );
        assert!(!cookie.contains("canary"), "{cookie}");
    }
    // The verifier stays here: what the browser has does not hash to the challenge.
    for value in browser.jar().values() {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, value.as_bytes());
        let challenge = jansky_testing::signing::encode(hash);
        assert_ne!(challenge, query["code_challenge"]);
    }
}

/// D4, with a provider that requires it; Keycloak's part is in `keycloak.rs`.
#[tokio::test]
async fn a_sign_in_is_pushed_where_the_provider_wants_that() {
    let site = Site::new().await;
    let endpoint = json!(format!("{}/par", site.op.issuer));
    {
        let mut script = site.op.script();
        let metadata = &mut script.metadata;
        metadata.insert("pushed_authorization_request_endpoint", endpoint);
        metadata.insert("require_pushed_authorization_requests", json!(true));
    }
    let hub = site.start().await;
    let browser = Browser::new(&hub.url);

    let url = browser.leave(PROVIDER).await;
    browser.come_back(&site.op.sign_in(&url)).await.must_be(302);

    let mut names: Vec<_> = query(&url).into_keys().collect();
    names.sort();
    assert_eq!(names, ["client_id", "request_uri"]);
    let pushed = site.op.calls_of("/par");
    assert_eq!(pushed.len(), 1);
    assert!(pushed[0].authorization.is_some(), "with our credentials");
}

/// D6
#[tokio::test]
async fn a_callback_that_is_not_right_in_everything_asks_the_provider_nothing() {
    let site = Site::new().await;
    let hub = site.start().await;
    let mark = "%3Cscript%3Ealert(1)%3C/script%3E";
    let issuer = &site.op.issuer;

    for wrong in [
        format!("code=c&state=other&iss={issuer}"),
        format!("code=c&state=STATE&iss=https://evil.example/{mark}"),
        "code=c&state=STATE".to_owned(),
        format!("error=access_denied&error_description={mark}&state=STATE&iss={issuer}"),
        format!("error={mark}&state=STATE&iss={issuer}"),
    ] {
        let browser = Browser::new(&hub.url);
        let authorize = browser.leave(PROVIDER).await;
        let callback = wrong.replace("STATE", &query(&authorize)["state"]);

        let answer = browser.come_back(&callback).await;

        assert!((400..500).contains(&answer.status), "{wrong}: {answer:#?}");
        assert!(
            !answer.text.contains("<script>alert"),
            "{wrong}: {answer:#?}"
        );
        assert!(browser.cookie("jupyterhub-hub-login").is_empty(), "{wrong}");
    }

    // All of it is right, but it comes from a browser that began another sign-in.
    let callback = site
        .op
        .sign_in(&Browser::new(&hub.url).leave(PROVIDER).await);
    let other = Browser::new(&hub.url);
    other.leave(PROVIDER).await;
    let answer = other.come_back(&callback).await;
    assert!((400..500).contains(&answer.status), "{answer:#?}");
    assert!(other.cookie("jupyterhub-hub-login").is_empty());
    assert_eq!(site.op.calls("/token"), 0);
}

/// D6
#[tokio::test]
async fn a_callback_works_once() {
    let site = Site::new().await;
    let hub = site.start().await;
    let browser = Browser::new(&hub.url);
    let callback = site.op.sign_in(&browser.leave(PROVIDER).await);

    browser.come_back(&callback).await.must_be(302);
    let again = browser.come_back(&callback).await;
    let elsewhere = Browser::new(&hub.url).come_back(&callback).await;

    assert!((400..500).contains(&again.status), "{again:#?}");
    assert!((400..500).contains(&elsewhere.status), "{elsewhere:#?}");
    assert_eq!(site.op.calls("/token"), 1);
}

/// D7
#[tokio::test]
async fn an_id_token_that_must_not_be_believed_lets_nobody_in() {
    let site = Site::new().await;
    let hub = site.house.start(&["hub.admin_users=[\"boss\"]"]).await;
    site.op
        .script()
        .people
        .push(jansky_testing::Person::new("subject-9", "boss"));
    let boss = Browser::new(&hub.url);
    boss.sign_in(&site.op, "subject-9").await;
    let now = || {
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        i64::try_from(since.as_secs()).expect("before the end of time")
    };
    let set = |claim: &'static str, value: Value| -> Tweak {
        Box::new(move |_, claims| claims[claim] = value.clone())
    };
    let algorithm =
        |name: &'static str| -> Tweak { Box::new(move |header, _| header["alg"] = json!(name)) };

    let wrong: Vec<(&str, Tweak)> = vec![
        ("alg none", algorithm("none")),
        ("HS256 with the public key", algorithm("HS256")),
        ("another issuer", set("iss", json!("https://evil.example"))),
        ("another audience", set("aud", json!("other"))),
        (
            "several audiences without azp",
            set("aud", json!([CLIENT_ID, "other"])),
        ),
        ("another nonce", set("nonce", json!("other"))),
        (
            "the hash of another token",
            set("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ),
        ("expired", set("exp", json!(now() - 60))),
        (
            "from the future",
            Box::new(move |_, c| c["iat"] = json!(now() + 120)),
        ),
    ];
    for (what, tweak) in wrong {
        site.op.script().tweak = Some(tweak);
        let browser = Browser::new(&hub.url);

        let answer = browser.sign_in_at(PROVIDER, &site.op, "subject-1").await;

        assert_eq!(answer.status, 403, "{what}: {answer:#?}");
        assert!(browser.get("hub/home").await.asks_to_sign_in(), "{what}");
    }
    let nobody = boss.api("GET", "hub/api/users/river", None).await;
    assert_eq!(nobody.status, 404, "a user was made: {nobody:#?}");

    // Clocks differ a little.
    site.op.script().tweak = Some(Box::new(move |_, c| c["iat"] = json!(now() + 8)));
    Browser::new(&hub.url).sign_in(&site.op, "subject-1").await;
}

/// D8
#[tokio::test]
async fn a_new_key_of_the_provider_costs_one_request_and_unknown_keys_next_to_none() {
    let site = Site::new().await;
    let hub = site.start().await;
    Browser::new(&hub.url).sign_in(&site.op, "subject-1").await;
    assert_eq!(site.op.calls("/jwks"), 1);

    site.op.script().keys.insert(0, Key::p256("key-2"));
    Browser::new(&hub.url).sign_in(&site.op, "subject-1").await;
    assert_eq!(site.op.calls("/jwks"), 2);

    site.op.script().tweak = Some(Box::new(|header, _| header["kid"] = json!("unknown")));
    let stranger = Key::rsa("nobody");
    for _ in 0..20 {
        let browser = Browser::new(&hub.url);
        let answer = browser.sign_in_at(PROVIDER, &site.op, "subject-1").await;
        assert_eq!(answer.status, 403, "{answer:#?}");
    }
    for _ in 0..80 {
        let header = json!({ "alg": "RS256", "kid": "nobody", "typ": "logout+jwt" });
        let claims = json!({ "iss": site.op.issuer, "aud": CLIENT_ID });
        let token = stranger.sign(&header, &claims);
        let body = Body::Form(form(&[("logout_token", &token)]));
        let path = "hub/oidc/backchannel-logout";
        let answer = Browser::new(&hub.url)
            .send(http::Method::POST, path, &[], Some(body))
            .await;
        // A network that sends nothing good is not heard any more after a while.
        assert!(matches!(answer.status, 400 | 429), "{answer:#?}");
    }
    let more = site.op.calls("/jwks") - 2;
    assert!(more <= 2, "{more} requests for 100 unknown keys");
}

/// D9
#[tokio::test]
async fn the_person_chooses_among_providers_and_hints_stand_in_the_authorize_address() {
    let site = Site::new().await;
    let other = scripted_provider().await;
    site.add_provider("b", &other, EVERYBODY);
    let hinted = "allow_all = true\nidp_hint = \"ext\"\nidp_hint_parameter = \"kc_idp_hint\"\n";
    let behind = scripted_provider().await;
    site.add_provider("hinted", &behind, hinted);
    let hub = site.start().await;
    let browser = Browser::new(&hub.url);

    let to_b = browser.leave("b").await;
    let to_hinted = browser.leave("hinted").await;
    let nobody = browser.get("hub/oauth_login?idp=nobody").await;

    assert!(to_b.as_str().starts_with(&other.issuer), "{to_b}");
    assert_eq!(query(&to_hinted)["kc_idp_hint"], "ext");
    assert_eq!(nobody.status, 404, "{nobody:#?}");
    assert_eq!(nobody.location(), "");
}

/// D12
#[tokio::test]
async fn a_sign_in_leads_nowhere_but_to_this_host() {
    let site = Site::new().await;
    let hub = site.start().await;
    for next in [
        "//evil.org",
        "https:\\\\evil",
        "https://evil.org/hub/",
        "/\\evil.org",
        "/hub/../user/x",
        "/hub/..//evil.org",
        "javascript:alert(1)",
    ] {
        let browser = Browser::new(&hub.url);
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let path = format!("hub/oauth_login?idp=op&next={encoded}");
        let away = browser.get(&path).await.must_be(302);
        let authorize = Url::parse(away.location()).expect("an address");

        let answer = browser.come_back(&site.op.sign_in(&authorize)).await;

        let answer = answer.must_be(302);
        let here = Url::parse(&hub.url).expect("an address");
        let there = here.join(answer.location()).expect("an address");
        assert_eq!(there.origin(), here.origin(), "{next}: {answer:#?}");
        assert!(!answer.location().starts_with("//"), "{next}: {answer:#?}");
    }
}
