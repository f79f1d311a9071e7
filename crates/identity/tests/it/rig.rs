//! A scripted provider, our side of it, and a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{
    CallbackQuery, ExternalIdentity, IdentityError, IdentityProvider as _, LoginAttempt,
    OidcProvider, OidcSettings, RedirectLogin as _, http_client,
};
use jansky_model::{Clock as _, ManualClock, Secret, Timestamp};
use serde_json::{Value, json};

use jansky_testing::provider::{CLIENT_ID, CLIENT_SECRET, ScriptedProvider};
use jansky_testing::signing::encode;

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:8000/hub/oauth_callback";

pub(crate) struct Rig {
    pub(crate) op: ScriptedProvider,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: OidcProvider,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than the usual ones.
    pub(crate) async fn with(change: impl FnOnce(&mut OidcSettings)) -> Self {
        let clock = manual_clock();
        let op = ScriptedProvider::start(clock.clone()).await;
        let mut settings = settings(&op.issuer);
        change(&mut settings);
        let provider = relying_party(settings, &clock);
        Self {
            op,
            clock,
            provider,
        }
    }

    /// A whole sign-in.
    pub(crate) async fn login(&self) -> Result<ExternalIdentity, IdentityError> {
        let attempt = attempt();
        let url = self.provider.begin(&attempt).await?;
        let callback = self.op.sign_in(&url);
        self.provider.finish(attempt, query(&callback)).await
    }

    /// The provider's time, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// Lets the provider take sign-ins beforehand (RFC 9126).
    pub(crate) fn offer_pushed_authorization(&self, required: bool) {
        let endpoint = format!("{}/par", self.op.issuer);
        let mut script = self.op.script();
        script
            .metadata
            .insert("pushed_authorization_request_endpoint", json!(endpoint));
        script
            .metadata
            .insert("require_pushed_authorization_requests", json!(required));
    }

    pub(crate) fn status(&self) -> &'static str {
        self.provider.status().code()
    }
}

/// A token as a provider makes it for a service, with a signature that nobody checks.
pub(crate) fn made_token(claims: &Value) -> String {
    format!("e30.{}.canary", encode(claims.to_string()))
}

pub(crate) fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000)))
}

pub(crate) fn settings(issuer: &str) -> OidcSettings {
    let id = "op".parse().expect("it is a provider id");
    let mut settings = OidcSettings::new(id, &issuer.parse().expect("a URL"), CLIENT_ID);
    settings.claims_source = ClaimsSource::Both;
    settings.client_secrets = vec![Secret::new(CLIENT_SECRET)];
    settings.http_timeout.0 = Duration::from_secs(5);
    settings
}

pub(crate) fn relying_party(settings: OidcSettings, clock: &Arc<ManualClock>) -> OidcProvider {
    let clock = Arc::clone(clock);
    let http = http_client().expect("the client is made");
    OidcProvider::new(settings, http, clock).expect("the settings are right")
}

pub(crate) fn attempt() -> LoginAttempt {
    LoginAttempt {
        state: "state-0123456789abcdef0123456789abcdef".to_owned(),
        nonce: "nonce-0123456789abcdef0123456789abcdef".to_owned(),
        verifier: Secret::new("canary-verifier-0123456789abcdef0123456789abcdef"),
        redirect_uri: REDIRECT_URI.to_owned(),
        extra: BTreeMap::new(),
        reauthenticate: false,
    }
}

pub(crate) fn query(text: &str) -> CallbackQuery {
    CallbackQuery::parse(text).expect("the callback is well formed")
}
