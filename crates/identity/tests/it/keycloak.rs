//! What only a real Keycloak can show: brokering, rotation, logout, a key in place of a secret.

use std::sync::Arc;
use std::time::Duration;

use jansky_identity::oidc::{ClaimsSource, ClientKey, OidcKind, OidcSettings};
use jansky_identity::{
    ExternalIdentity, IdentityError, IdentityProvider as _, LogoutNotice, OidcProvider,
    RedirectLogin as _, RefreshOutcome,
};
use jansky_model::Secret;
use serde_json::json;

use crate::real::{CALLBACK, attempt, random, relying_party};
use crate::rig::{manual_clock, query};
use jansky_testing::MachineRandom;
use jansky_testing::browser::Browser;
use jansky_testing::keycloak::{Administrator, variable};
use jansky_testing::provider::{Instead, ScriptedProvider};
use jansky_testing::signing::Key;

/// A client of the realm `jive` that has the secret of the tests.
pub(crate) fn client(id: &str) -> OidcSettings {
    let issuer = variable("JANSKY_TEST_KEYCLOAK_ISSUER");
    let name = "kc".parse().expect("it is a provider id");
    let mut settings = OidcSettings::new(name, &issuer.parse().expect("a URL"), id);
    settings.kind = OidcKind::Keycloak;
    settings.claims_source = ClaimsSource::Both;
    settings.hint_parameters = vec!["kc_idp_hint".to_owned()];
    let secret = variable("JANSKY_TEST_KEYCLOAK_CLIENT_SECRET");
    settings.client_secrets = vec![Secret::new(secret)];
    settings
}

pub(crate) async fn login(
    provider: &OidcProvider,
    browser: &Browser,
    name: &str,
    hint: Option<&str>,
) -> Result<ExternalIdentity, IdentityError> {
    let mut attempt = attempt();
    if let Some(hint) = hint {
        attempt
            .extra
            .insert("kc_idp_hint".to_owned(), hint.to_owned());
    }
    let url = provider.begin(&attempt).await?;
    let password = format!("{name}-password");
    let values = [("username", name), ("password", password.as_str())];
    let back = browser.sign_in(&url, CALLBACK, &values).await;
    let callback = back.query().expect("a callback has a query").to_owned();
    provider.finish(attempt, query(&callback)).await
}

#[tokio::test]
async fn a_hint_leads_straight_to_the_realm_behind_and_back() {
    let provider = relying_party(client("jansky"));
    let mut hinted = attempt();
    hinted
        .extra
        .insert("kc_idp_hint".to_owned(), "ext".to_owned());
    let url = provider.begin(&hinted).await.expect("Keycloak is up");

    let page = Browser::new().land(&url).await;
    let kaylee = login(&provider, &Browser::new(), "kaylee", Some("ext")).await;
    let kaylee = kaylee.expect("kaylee has an account behind");

    assert!(
        page.path().starts_with("/realms/ext/"),
        "no page of `jive` between: {page}"
    );
    assert_eq!(kaylee.claims["preferred_username"], "kaylee");
    assert_eq!(
        kaylee.issuer,
        variable("JANSKY_TEST_KEYCLOAK_ISSUER"),
        "`jive` vouches"
    );
}

#[tokio::test]
async fn a_refresh_token_is_good_for_one_refresh() {
    let provider = relying_party(client("jansky"));
    let identity = login(&provider, &Browser::new(), "river", None).await;
    let identity = identity.expect("river has an account");
    let session = provider.upstream_session().expect("it has sessions");
    let first = identity.tokens.refresh.expect("Keycloak gave one");

    let renewed = session.renew(&identity.subject, &first).await;
    let RefreshOutcome::Renewed(tokens) = renewed else {
        panic!("not renewed: {renewed:?}");
    };
    let second = tokens.refresh.expect("Keycloak rotates");
    let reused = session.renew(&identity.subject, &first).await;
    let after = session.renew(&identity.subject, &second).await;

    assert_ne!(first.expose(), second.expose());
    for outcome in [reused, after] {
        let RefreshOutcome::SignInAgain(error) = &outcome else {
            panic!("the session outlived the reuse: {outcome:?}");
        };
        assert_eq!(error.code(), "invalid_grant");
    }
}

#[tokio::test]
async fn keycloak_sends_a_logout_token_when_a_session_ends() {
    let listener = ScriptedProvider::start(manual_clock()).await;
    let heard = Instead::Status(200, String::new());
    listener.script().instead.insert("/logout", heard);
    let url = format!("{}/logout", listener.issuer);
    Administrator::sign_in()
        .await
        .set_attributes("jansky-logout", &[("backchannel.logout.url", &url)])
        .await;
    let provider = relying_party(client("jansky-logout"));
    let browser = Browser::new();
    let identity = login(&provider, &browser, "wash", None).await;
    let identity = identity.expect("wash has an account");

    let session = provider.upstream_session().expect("it has sessions");
    let hint = identity.tokens.id_token.as_ref();
    let end = session
        .end_session_url(hint, Some(CALLBACK), Some("state-1"))
        .expect("Keycloak has one");
    let back = browser.sign_in(&end, CALLBACK, &[]).await;
    let token = logout_token(&listener).await;
    let notice = receive(&provider, &token).await.expect("it is genuine");
    let elsewhere = receive(&relying_party(client("jansky")), &token).await;

    assert_eq!(back.query(), Some("state=state-1"));
    assert_eq!(notice.issuer, identity.issuer);
    assert_eq!(
        notice.provider_session.as_deref(),
        identity.claims["sid"].as_str()
    );
    if let Some(subject) = notice.subject {
        assert_eq!(subject, identity.subject);
    }
    let error = elsewhere.expect_err("it is for another client");
    assert_eq!(error.code(), "invalid_token", "{error:?}");
}

/// Waits for the logout token that Keycloak sends.
async fn logout_token(listener: &ScriptedProvider) -> Secret {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let sent = listener
            .script()
            .calls
            .iter()
            .find_map(|call| call.form.get("logout_token").cloned());
        if let Some(token) = sent {
            return Secret::new(token);
        }
        assert!(tokio::time::Instant::now() < deadline, "Keycloak sent none");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn receive(provider: &OidcProvider, token: &Secret) -> Result<LogoutNotice, IdentityError> {
    let receiver = provider.logout_receiver().expect("it takes them");
    receiver.receive(token).await
}

#[tokio::test]
async fn a_key_signs_in_at_a_client_that_takes_only_pushed_sign_ins() {
    let kid = format!("key-{}", &random()[..8]);
    let key = Arc::new(Key::rsa(&kid));
    let published = json!({ "keys": [key.jwk()] }).to_string();
    Administrator::sign_in()
        .await
        .set_attributes("jansky-key", &[("jwks.string", &published)])
        .await;
    let mut settings = client("jansky-key");
    settings.client_secrets.clear();
    settings.client_key =
        ClientKey::from_pem(&key.pem(), Some(kid.clone()), Arc::new(MachineRandom)).ok();
    let provider = relying_party(settings.clone());

    let url = provider.begin(&attempt()).await.expect("Keycloak takes it");
    let river = login(&provider, &Browser::new(), "river", None).await;
    let river = river.expect("river has an account");
    let session = provider.upstream_session().expect("it has sessions");
    let refresh = river.tokens.refresh.as_ref().expect("Keycloak gave one");
    let renewed = session.renew(&river.subject, refresh).await;
    let stranger = Key::rsa(&kid);
    settings.client_key =
        ClientKey::from_pem(&stranger.pem(), Some(kid), Arc::new(MachineRandom)).ok();
    let refused = relying_party(settings).begin(&attempt()).await;

    let mut names: Vec<_> = url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["client_id", "request_uri"],
        "nothing else is in the browser's URL"
    );
    assert!(matches!(renewed, RefreshOutcome::Renewed(_)), "{renewed:?}");
    let error = refused.expect_err("Keycloak does not know that key");
    assert_eq!(error.code(), "invalid_client", "{error:?}");
}
