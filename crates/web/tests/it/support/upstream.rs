//! An identity provider that gives tokens, and refreshes them as a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jansky_hub::{AdmissionRules, ConfiguredProvider, ExternalIdentity};
use jansky_identity::{
    CallbackQuery, Claims, IdentityError, IdentityProvider, LoginAttempt, LoginMethod,
    ProviderStatus, RedirectLogin, UpstreamSession, UpstreamTokens,
};
use jansky_model::{Clock, ManualClock, ProviderId, Secret};
use serde_json::json;
use url::Url;

/// How it answers when it is asked to refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With new tokens.
    #[default]
    Gives,
    /// Not at all.
    IsDown,
    /// That the grant is over.
    Refuses,
}

/// The provider. Its access tokens are `access-<subject>-<number>`.
pub(crate) struct Upstream {
    id: ProviderId,
    clock: Arc<ManualClock>,
    lifetime: Duration,
    mood: Mutex<Mood>,
    claims: Mutex<Claims>,
    refreshes: AtomicUsize,
    delay: Mutex<Duration>,
    padding: AtomicUsize,
}

impl Upstream {
    pub(crate) fn new(clock: &Arc<ManualClock>, lifetime: Duration) -> Arc<Self> {
        Arc::new(Self {
            id: "upstream".parse().expect("a valid id"),
            clock: Arc::clone(clock),
            lifetime,
            mood: Mutex::default(),
            claims: Mutex::default(),
            refreshes: AtomicUsize::new(0),
            delay: Mutex::default(),
            padding: AtomicUsize::new(0),
        })
    }

    pub(crate) fn id(&self) -> &ProviderId {
        &self.id
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood() = mood;
    }

    /// Says from now on that somebody is in these groups.
    pub(crate) fn set_groups(&self, groups: &[&str]) {
        let mut claims = self.claims.lock().expect("no test panicked here");
        claims.insert("groups".to_owned(), json!(groups));
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    /// Takes so long for every refresh from now on.
    pub(crate) fn be_slow(&self, delay: Duration) {
        *self.delay.lock().expect("no test panicked here") = delay;
    }

    /// Makes access tokens longer by so many characters.
    #[cfg_attr(test, expect(dead_code, reason = "only the bench wants it"))]
    pub(crate) fn pad_tokens(&self, length: usize) {
        self.padding.store(length, Ordering::SeqCst);
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().expect("no test panicked here")
    }

    /// The provider with rules, as the hub takes it.
    pub(crate) fn with_rules(self: &Arc<Self>, rules: AdmissionRules) -> ConfiguredProvider {
        ConfiguredProvider {
            client_id: "jansky".to_owned(),
            ..ConfiguredProvider::new(Arc::clone(self) as _, rules)
        }
    }

    /// What it says about somebody who signs in.
    pub(crate) fn identity(&self, name: &str) -> ExternalIdentity {
        ExternalIdentity {
            provider: self.id.clone(),
            issuer: "https://upstream.test".to_owned(),
            subject: name.to_owned(),
            claims: self.claims_of(name),
            tokens: self.tokens(name, 0),
        }
    }

    fn claims_of(&self, name: &str) -> Claims {
        let mut claims = self.claims.lock().expect("no test panicked here").clone();
        claims.insert("sub".to_owned(), json!(name));
        claims.insert("preferred_username".to_owned(), json!(name));
        claims
    }

    fn tokens(&self, subject: &str, number: usize) -> UpstreamTokens {
        let padding = "x".repeat(self.padding.load(Ordering::SeqCst));
        UpstreamTokens {
            access: Secret::new(format!("access-{subject}-{number}{padding}")),
            refresh: Some(Secret::new(format!("refresh-{subject}"))),
            // A refresh brings none, so that there is nothing in it to be checked.
            id_token: (number == 0).then(|| Secret::new("an-id-token")),
            expires_at: Some(self.clock.now().plus(self.lifetime)),
            scope: Some("openid".to_owned()),
            other: Vec::new(),
        }
    }
}

#[async_trait]
impl IdentityProvider for Upstream {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn title(&self) -> &'static str {
        "the Upstream"
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Redirect(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }

    fn upstream_session(&self) -> Option<&dyn UpstreamSession> {
        Some(self)
    }
}

#[async_trait]
impl RedirectLogin for Upstream {
    async fn begin(&self, _attempt: &LoginAttempt) -> Result<Url, IdentityError> {
        Err(IdentityError::InvalidClient)
    }

    async fn finish(
        &self,
        _attempt: LoginAttempt,
        _query: CallbackQuery,
    ) -> Result<ExternalIdentity, IdentityError> {
        Err(IdentityError::InvalidClient)
    }
}

#[async_trait]
impl UpstreamSession for Upstream {
    async fn refresh(&self, token: &Secret) -> Result<UpstreamTokens, IdentityError> {
        let number = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
        let delay = *self.delay.lock().expect("no test panicked here");
        tokio::time::sleep(delay).await;
        let subject = token.expose().trim_start_matches("refresh-").to_owned();
        match *self.mood() {
            Mood::Gives => Ok(self.tokens(&subject, number)),
            Mood::IsDown => Err(IdentityError::Unavailable {
                context: "down".to_owned(),
                retry: Duration::from_secs(7),
                source: None,
            }),
            Mood::Refuses => Err(IdentityError::InvalidGrant {
                context: String::new(),
            }),
        }
    }

    async fn claims(
        &self,
        subject: &str,
        _tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        Ok(Some(self.claims_of(subject)))
    }

    async fn revoke(&self, _token: &Secret) -> Result<(), IdentityError> {
        Ok(())
    }

    fn end_session_url(
        &self,
        _hint: Option<&Secret>,
        _back_to: Option<&str>,
        _state: Option<&str>,
    ) -> Option<Url> {
        None
    }
}
