//! The same sign-in with real providers: Keycloak and the npm `oidc-provider`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{
    ExternalIdentity, IdentityError, IdentityProvider as _, LoginAttempt, OidcProvider,
    OidcSettings, RedirectLogin as _, http_client,
};
use jansky_model::{Random as _, Secret, SystemClock};
use serde_json::{Value, json};
use url::Url;

use crate::rig::query;
use jansky_testing::MachineRandom;
use jansky_testing::browser::Browser;
use jansky_testing::keycloak::variable;

pub(crate) const CALLBACK: &str = "http://127.0.0.1:8000/hub/oauth_callback";

/// One of the real providers, seen from us.
struct Real {
    provider: OidcProvider,
    /// The field names of its login form.
    fields: [&'static str; 2],
}

impl Real {
    fn keycloak() -> Self {
        Self::new("KEYCLOAK", ["username", "password"])
    }

    fn oidc_provider() -> Self {
        Self::new("OIDC_PROVIDER", ["login", "password"])
    }

    fn new(prefix: &str, fields: [&'static str; 2]) -> Self {
        let id = "real".parse().expect("it is a provider id");
        let issuer = variable(&format!("JANSKY_TEST_{prefix}_ISSUER"));
        let client_id = variable(&format!("JANSKY_TEST_{prefix}_CLIENT_ID"));
        let mut settings = OidcSettings::new(id, &issuer.parse().expect("a URL"), client_id);
        let secret = variable(&format!("JANSKY_TEST_{prefix}_CLIENT_SECRET"));
        settings.claims_source = ClaimsSource::Both;
        settings.client_secrets = vec![Secret::new(secret)];
        Self {
            provider: relying_party(settings),
            fields,
        }
    }

    fn with_secrets(self, secrets: &[&str]) -> Self {
        let mut settings = self.provider.settings().clone();
        settings.client_secrets = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Self {
            provider: relying_party(settings),
            ..self
        }
    }

    /// Sends a browser through the provider's pages; returns the query of the callback.
    async fn authorize(&self, attempt: &LoginAttempt, name: &str) -> Result<String, IdentityError> {
        let url = self.provider.begin(attempt).await?;
        let password = format!("{name}-password");
        let [name_field, password_field] = self.fields;
        let values = [(name_field, name), (password_field, password.as_str())];
        let back = Browser::new().sign_in(&url, CALLBACK, &values).await;
        Ok(back.query().expect("a callback has a query").to_owned())
    }

    async fn login(&self, name: &str) -> Result<ExternalIdentity, IdentityError> {
        let attempt = attempt();
        let callback = self.authorize(&attempt, name).await?;
        self.provider.finish(attempt, query(&callback)).await
    }

    async fn refuses_wrong_verifier_and_used_code(&self) {
        let mut other = attempt();
        let attempt = attempt();
        other.state.clone_from(&attempt.state);

        let callback = self.authorize(&attempt, "river").await;
        let callback = callback.expect("the provider is up");
        let error = self.provider.finish(other, query(&callback)).await;
        let error = error.expect_err("the verifier is that of another attempt");
        assert_eq!(error.code(), "invalid_grant", "{error:?}");

        let callback = self.authorize(&attempt, "river").await;
        let callback = callback.expect("the provider is up");
        let first = self
            .provider
            .finish(attempt.clone(), query(&callback))
            .await;
        assert!(first.is_ok(), "{first:?}");
        let again = self.provider.finish(attempt, query(&callback)).await;
        let error = again.expect_err("the code is used");
        assert_eq!(error.code(), "invalid_grant", "{error:?}");
    }

    /// The refresh token works, its tokens are about the same person, and revoking ends it.
    async fn refreshes_and_revokes(&self, identity: &ExternalIdentity) {
        let session = self.provider.upstream_session().expect("it has sessions");
        let old = identity
            .tokens
            .refresh
            .clone()
            .expect("the provider gave one");

        let tokens = session.refresh(&old).await.expect("the token lives");
        let claims = session
            .claims(&identity.subject, &tokens)
            .await
            .expect("they are readable");
        assert_eq!(
            claims.expect("there are some")["sub"],
            json!(identity.subject)
        );

        let newest = tokens.refresh.unwrap_or(old);
        session.revoke(&newest).await.expect("the provider revokes");
        let error = session.refresh(&newest).await.expect_err("it is revoked");
        assert_eq!(error.code(), "invalid_grant", "{error:?}");
    }
}

pub(crate) fn relying_party(settings: OidcSettings) -> OidcProvider {
    let http = http_client().expect("the client is made");
    OidcProvider::new(settings, http, Arc::new(SystemClock)).expect("the settings are right")
}

pub(crate) fn random() -> String {
    MachineRandom.text()
}

pub(crate) fn attempt() -> LoginAttempt {
    LoginAttempt {
        state: random(),
        nonce: random(),
        verifier: Secret::new(random()),
        redirect_uri: CALLBACK.to_owned(),
        extra: BTreeMap::new(),
        reauthenticate: false,
    }
}

#[tokio::test]
async fn keycloak_says_who_it_is() {
    let keycloak = Real::keycloak();

    let river = keycloak.login("river").await.expect("river has an account");
    let wash = keycloak.login("wash").await.expect("wash has an account");

    assert_eq!(river.claims["preferred_username"], "river");
    assert_eq!(river.issuer, variable("JANSKY_TEST_KEYCLOAK_ISSUER"));
    assert_eq!(river.subject.len(), 36, "a UUID: {}", river.subject);
    assert_eq!(river.claims["email"], "river@example.org");
    assert_eq!(river.claims["email_verified"], true);
    let mut groups: Vec<_> = river.claims["groups"]
        .as_array()
        .expect("groups are a list")
        .clone();
    groups.sort_by_key(Value::to_string);
    assert_eq!(groups, ["/radio/evn", "/staff"]);
    assert!(
        river.claims["sid"].is_string(),
        "needed for back-channel logout"
    );
    assert!(river.tokens.refresh.is_some() && river.tokens.expires_at.is_some());
    assert_eq!(wash.claims["preferred_username"], "wash");
    assert_ne!(wash.subject, river.subject);
}

#[tokio::test]
async fn keycloak_refuses_a_wrong_verifier_and_a_used_code() {
    Real::keycloak()
        .refuses_wrong_verifier_and_used_code()
        .await;
}

#[tokio::test]
async fn keycloak_refreshes_and_revokes() {
    let keycloak = Real::keycloak();
    let identity = keycloak.login("river").await.expect("river has an account");

    keycloak.refreshes_and_revokes(&identity).await;
}

#[tokio::test]
async fn keycloak_with_new_keys_needs_no_restart() {
    let keycloak = Real::keycloak();
    let before = keycloak.login("wash").await.expect("wash has an account");

    let key = add_keycloak_key().await;
    let after = keycloak
        .login("wash")
        .await
        .expect("the new key is fetched");

    assert_ne!(kid(&before), kid(&after), "key {key} signs now");
}

#[tokio::test]
async fn keycloak_takes_the_second_secret_after_it_refused_the_first() {
    let right = variable("JANSKY_TEST_KEYCLOAK_CLIENT_SECRET");
    let wrong = Real::keycloak().with_secrets(&["wrong"]);
    let rotated = Real::keycloak().with_secrets(&["old", &right]);

    let refused = wrong.login("wash").await.expect_err("the secret is wrong");
    let accepted = rotated.login("wash").await;

    assert_eq!(refused.code(), "invalid_client", "{refused:?}");
    assert!(
        accepted.is_ok(),
        "the code outlives the refusal: {accepted:?}"
    );
}

#[tokio::test]
async fn oidc_provider_takes_the_second_secret_after_it_refused_the_first() {
    let right = variable("JANSKY_TEST_OIDC_PROVIDER_CLIENT_SECRET");
    let wrong = Real::oidc_provider().with_secrets(&["wrong"]);
    let rotated = Real::oidc_provider().with_secrets(&["old", &right]);

    let refused = wrong.login("wash").await.expect_err("the secret is wrong");
    let accepted = rotated.login("wash").await;

    assert_eq!(refused.code(), "invalid_client", "{refused:?}");
    assert!(
        accepted.is_ok(),
        "the code outlives the refusal: {accepted:?}"
    );
}

#[tokio::test]
async fn oidc_provider_says_who_it_is() {
    let provider = Real::oidc_provider();

    let river = provider.login("river").await.expect("river has an account");

    assert_eq!(
        river.subject, "river",
        "it uses the account's name as the subject"
    );
    assert_eq!(
        river.claims["preferred_username"], "river",
        "from userinfo: {:?}",
        river.claims
    );
    assert_eq!(river.claims["groups"], json!(["radio", "staff"]));
    assert_eq!(river.claims["email"], "river@example.org");
}

#[tokio::test]
async fn oidc_provider_refuses_a_wrong_verifier_and_a_used_code() {
    Real::oidc_provider()
        .refuses_wrong_verifier_and_used_code()
        .await;
}

#[tokio::test]
async fn oidc_provider_refreshes_and_revokes() {
    let provider = Real::oidc_provider();
    let identity = provider.login("river").await.expect("river has an account");

    provider.refreshes_and_revokes(&identity).await;
}

/// The id of the key that signed an identity's ID token.
fn kid(identity: &ExternalIdentity) -> Option<String> {
    use base64::Engine as _;
    let token = identity.tokens.id_token.as_ref()?.expose();
    let header = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').next()?)
        .ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    Some(header["kid"].as_str()?.to_owned())
}

/// Gives the realm a new signing key that comes before the others; returns its name.
async fn add_keycloak_key() -> String {
    let base = variable("JANSKY_TEST_KEYCLOAK_ADMIN_URL");
    let issuer = variable("JANSKY_TEST_KEYCLOAK_ISSUER");
    let realm = issuer
        .rsplit('/')
        .next()
        .expect("an issuer has a path")
        .to_owned();
    let http = http_client().expect("the client is made");
    let user = variable("JANSKY_TEST_KEYCLOAK_ADMIN_USER");
    let password = variable("JANSKY_TEST_KEYCLOAK_ADMIN_PASSWORD");
    let form = [
        ("grant_type", "password"),
        ("client_id", "admin-cli"),
        ("username", user.as_str()),
        ("password", password.as_str()),
    ];
    let url = Url::parse(&format!(
        "{base}/realms/master/protocol/openid-connect/token"
    ));
    let answer = http
        .post(url.expect("it is a URL"))
        .form(&form)
        .send()
        .await;
    let tokens: Value = answer
        .expect("Keycloak answers")
        .json()
        .await
        .expect("it is JSON");
    let token = tokens["access_token"]
        .as_str()
        .expect("the administrator signs in");
    let name = format!("rotated-{}", &random()[..8]);
    // Later keys must win over those of earlier runs against the same server.
    let priority = std::time::UNIX_EPOCH
        .elapsed()
        .expect("it is after 1970")
        .as_secs();
    let component = json!({
        "name": name,
        "providerId": "rsa-generated",
        "providerType": "org.keycloak.keys.KeyProvider",
        "config": { "priority": [priority.to_string()], "algorithm": ["RS256"] },
    });
    let answer = http
        .post(format!("{base}/admin/realms/{realm}/components"))
        .bearer_auth(token)
        .json(&component)
        .send()
        .await
        .expect("Keycloak answers");
    assert_eq!(answer.status(), 201, "the key is made");
    name
}
