//! An identity provider that says what a test tells it to say.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jansky_hub::{AdmissionRules, ConfiguredProvider, SignOutAtProvider};
use jansky_identity::{
    CallbackQuery, Claims, ExternalIdentity, IdentityError, IdentityProvider, LoginAttempt,
    LoginMethod, ProviderStatus, RedirectLogin, UpstreamTokens,
};
use jansky_model::{ProviderId, Secret};
use serde_json::Value;
use url::Url;

/// The id of the provider.
pub(crate) const PROVIDER: &str = "observatory";

/// A provider with a page of its own, in which `code` decides who signs in: `subject` or
/// `subject:user name`. The code `refused` makes it fail.
pub(crate) struct Observatory {
    id: ProviderId,
    claims: Claims,
    status: Mutex<ProviderStatus>,
}

impl Observatory {
    /// A provider that sends these claims about everybody.
    pub(crate) fn new(claims: &Value) -> Arc<Self> {
        Arc::new(Self {
            id: PROVIDER.parse().expect("a valid id"),
            claims: claims.as_object().expect("an object").clone(),
            status: Mutex::new(ProviderStatus::Ready),
        })
    }

    /// Changes whether it can be used.
    pub(crate) fn set_status(&self, status: ProviderStatus) {
        *self.status.lock().expect("no test panicked here") = status;
    }

    /// The provider with its rules, as the hub takes it.
    pub(crate) fn with_rules(self: &Arc<Self>, rules: AdmissionRules) -> ConfiguredProvider {
        ConfiguredProvider {
            hint_parameters: vec!["login_hint".to_owned()],
            client_id: "jansky".to_owned(),
            sign_out: SignOutAtProvider::Provider,
            ..ConfiguredProvider::new(Arc::clone(self) as _, rules)
        }
    }
}

#[async_trait]
impl IdentityProvider for Observatory {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn title(&self) -> &'static str {
        "the Observatory"
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Redirect(self)
    }

    fn status(&self) -> ProviderStatus {
        self.status.lock().expect("no test panicked here").clone()
    }
}

#[async_trait]
impl RedirectLogin for Observatory {
    async fn begin(&self, attempt: &LoginAttempt) -> Result<Url, IdentityError> {
        let mut url = Url::parse("https://idp.test/authorize").expect("a constant URL");
        url.query_pairs_mut()
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("redirect_uri", &attempt.redirect_uri)
            .extend_pairs(&attempt.extra);
        Ok(url)
    }

    async fn finish(
        &self,
        _attempt: LoginAttempt,
        query: CallbackQuery,
    ) -> Result<ExternalIdentity, IdentityError> {
        let code = query.code.expect("the tests send a code");
        if code.expose() == "refused" {
            return Err(IdentityError::InvalidClient);
        }
        let (subject, username) = match code.expose().split_once(':') {
            Some((subject, username)) => (subject, Some(username)),
            None => (code.expose(), None),
        };
        let mut claims = self.claims.clone();
        claims.insert("preferred_username".to_owned(), username.into());
        Ok(ExternalIdentity {
            provider: self.id.clone(),
            issuer: "https://idp.test".to_owned(),
            subject: subject.to_owned(),
            claims,
            tokens: UpstreamTokens {
                access: Secret::new("upstream"),
                ..UpstreamTokens::none()
            },
        })
    }
}
