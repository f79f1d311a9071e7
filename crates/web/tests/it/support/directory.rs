//! A directory: people type a name and a password, and it can be asked about them later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jansky_hub::{AdmissionRules, ConfiguredProvider};
use jansky_identity::{
    Claims, ExternalIdentity, FormLogin, IdentityError, IdentityProvider, LoginMethod,
    PeopleLookup, ProviderStatus, UpstreamTokens,
};
use jansky_model::{ProviderId, Secret};
use serde_json::json;

/// What the directory makes of everybody.
#[derive(Clone)]
pub(crate) enum Entry {
    InGroups(Vec<&'static str>),
    Gone,
    Down,
}

/// The directory `institute`, in which everybody has the password `right`, but the account `old` has
/// expired. It counts how often it is asked.
pub(crate) struct Directory {
    id: ProviderId,
    entry: Mutex<Entry>,
    sign_ins: AtomicUsize,
    lookups: AtomicUsize,
}

impl Directory {
    pub(crate) fn new(groups: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            id: "institute".parse().expect("a valid id"),
            entry: Mutex::new(Entry::InGroups(groups.to_vec())),
            sign_ins: AtomicUsize::new(0),
            lookups: AtomicUsize::new(0),
        })
    }

    /// Says this about everybody from now on.
    pub(crate) fn set(&self, entry: Entry) {
        *self.entry.lock().expect("no test panicked here") = entry;
    }

    /// How often somebody was about to sign in.
    pub(crate) fn sign_ins(&self) -> usize {
        self.sign_ins.load(Ordering::SeqCst)
    }

    /// How often it was asked about people.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    /// The directory with its rules, as the hub takes it.
    pub(crate) fn with_rules(self: &Arc<Self>, rules: AdmissionRules) -> ConfiguredProvider {
        ConfiguredProvider::new(Arc::clone(self) as _, rules)
    }

    fn person(&self, name: &str) -> Result<ExternalIdentity, IdentityError> {
        match self.entry.lock().expect("no test panicked here").clone() {
            Entry::InGroups(groups) => Ok(ExternalIdentity {
                provider: self.id.clone(),
                issuer: format!("directory:{}", self.id),
                subject: name.to_owned(),
                claims: Claims::from_iter([
                    ("preferred_username".to_owned(), json!(name)),
                    ("groups".to_owned(), json!(groups)),
                ]),
                tokens: UpstreamTokens::none(),
            }),
            Entry::Gone => Err(IdentityError::AccountUnusable {
                context: "no entry".to_owned(),
            }),
            Entry::Down => Err(IdentityError::Unavailable {
                context: "no connection".to_owned(),
                retry: Duration::from_secs(1),
                source: None,
            }),
        }
    }
}

impl IdentityProvider for Directory {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn title(&self) -> &'static str {
        "Institute account"
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Form(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }

    fn people(&self) -> Option<&dyn PeopleLookup> {
        Some(self)
    }
}

#[async_trait]
impl FormLogin for Directory {
    fn attempts_per_minute(&self) -> u32 {
        3
    }

    async fn verify(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<ExternalIdentity, IdentityError> {
        self.sign_ins.fetch_add(1, Ordering::SeqCst);
        match (name, password.expose()) {
            ("old", "right") => Err(IdentityError::AccountUnusable {
                context: "expired".to_owned(),
            }),
            (_, "right") => self.person(name),
            _ => Err(IdentityError::InvalidCredentials),
        }
    }
}

#[async_trait]
impl PeopleLookup for Directory {
    async fn look_up(&self, subject: &str) -> Result<ExternalIdentity, IdentityError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        self.person(subject)
    }
}
