//! The way to the provider and a sign-in that works (D3).

use std::collections::HashMap;

use jansky_identity::{IdentityProvider as _, LoginMethod, RedirectLogin as _};
use jansky_model::Timestamp;
use serde_json::json;

use crate::rig::{REDIRECT_URI, Rig, attempt};
use jansky_testing::signing::Key;

#[tokio::test]
async fn authorize_url_holds_all_that_makes_the_sign_in_safe() {
    let rig = Rig::new().await;
    let attempt = attempt();

    let url = rig
        .provider
        .begin(&attempt)
        .await
        .expect("the provider is up");

    assert!(
        url.as_str()
            .starts_with(&format!("{}/authorize?", rig.op.issuer))
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], "jansky");
    assert_eq!(query["redirect_uri"], REDIRECT_URI);
    assert_eq!(query["scope"], "openid profile email");
    assert_eq!(query["state"], attempt.state);
    assert_eq!(query["nonce"], attempt.nonce);
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert_eq!(query.len(), 8, "nothing else is told: {url}");
    assert!(
        !url.as_str().contains("canary"),
        "no verifier and no secret: {url}"
    );
}

#[tokio::test]
async fn only_hints_that_the_settings_name_reach_the_provider() {
    let rig = Rig::with(|settings| {
        settings.hint_parameters = vec!["kc_idp_hint".to_owned()];
        settings.extra_authorize_parameters = [
            ("kc_idp_hint".to_owned(), "default".to_owned()),
            ("prompt".to_owned(), "login".to_owned()),
        ]
        .into();
    })
    .await;
    let mut attempt = attempt();
    attempt.extra = [
        ("kc_idp_hint".to_owned(), "github".to_owned()),
        ("scope".to_owned(), "all".to_owned()),
    ]
    .into();

    let url = rig
        .provider
        .begin(&attempt)
        .await
        .expect("the provider is up");

    let hints: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| name == "kc_idp_hint")
        .collect();
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].1, "github");
    assert!(
        url.query_pairs()
            .any(|pair| pair == ("prompt".into(), "login".into()))
    );
    assert!(
        !url.query_pairs()
            .any(|(name, value)| name == "scope" && value == "all")
    );
}

#[tokio::test]
async fn a_provider_is_told_to_ask_again_who_is_there() {
    let rig = Rig::with(|settings| {
        settings.extra_authorize_parameters =
            [("prompt".to_owned(), "select_account".to_owned())].into();
    })
    .await;
    let mut attempt = attempt();
    attempt.reauthenticate = true;

    let url = rig.provider.begin(&attempt).await;

    let url = url.expect("the provider is up");
    let sent = |wanted: &str| {
        let pairs = url.query_pairs().filter(|(name, _)| name == wanted);
        pairs
            .map(|(_, value)| value.into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(sent("prompt"), ["login"], "in place of what is configured");
    assert_eq!(sent("max_age"), ["0"]);
    assert!(rig.provider.can_ask_again());
}

#[tokio::test]
async fn sign_in_yields_the_identity_and_its_tokens() {
    let rig = Rig::new().await;

    let identity = rig.login().await.expect("everything is right");

    assert_eq!(identity.provider.as_str(), "op");
    assert_eq!(identity.issuer, rig.op.issuer);
    assert_eq!(identity.subject, "subject-1");
    assert_eq!(identity.claims["preferred_username"], "river");
    let given = |kind| rig.op.script().records.latest(kind);
    assert_eq!(identity.tokens.access.expose(), given("access"));
    let refresh = identity
        .tokens
        .refresh
        .as_ref()
        .expect("the provider gave one");
    assert_eq!(refresh.expose(), given("refresh"));
    assert_eq!(
        identity.tokens.expires_at,
        Some(Timestamp::from_seconds(1_800_000_300))
    );
    assert_eq!(identity.tokens.scope.as_deref(), Some("openid profile"));
    assert!(identity.tokens.id_token.is_some());
    assert!(
        !format!("{identity:?}").contains("canary"),
        "tokens stay out of debug output"
    );
    assert_eq!(rig.status(), "ready");
    assert!(matches!(rig.provider.method(), LoginMethod::Redirect(_)));
}

#[tokio::test]
async fn elliptic_and_edwards_keys_sign_in_too() {
    for key in [
        Key::p256("key-e"),
        Key::p521("key-f"),
        Key::ed25519("key-d"),
    ] {
        let rig = Rig::new().await;
        let algorithm = key.algorithm();
        rig.op.script().keys = vec![key];

        let outcome = rig.login().await;

        assert!(outcome.is_ok(), "{algorithm}: {outcome:?}");
    }
}

#[tokio::test]
async fn other_rsa_algorithms_sign_in_too() {
    for algorithm in ["PS256", "RS384"] {
        let rig = Rig::new().await;
        rig.op.script().tweak = Some(Box::new(move |header, _| header["alg"] = json!(algorithm)));

        let outcome = rig.login().await;

        assert!(outcome.is_ok(), "{algorithm}: {outcome:?}");
    }
}
