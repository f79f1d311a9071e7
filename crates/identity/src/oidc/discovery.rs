//! Finding out about a provider, whenever it happens to be up.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use jansky_model::{Clock, Timestamp};
use reqwest::Client;
use tokio::sync::Mutex;

use super::http::send;
use super::metadata::{Metadata, MetadataProblem, discovery_url};
use super::settings::OidcSettings;
use crate::{IdentityError, ProviderStatus};

const ENDPOINT: &str = "discovery";
/// The pause after the first failure; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long metadata are used before they are read again.
const LONGEST_USE: Duration = Duration::from_mins(5);

/// What is known about a provider. Starts empty, so that the hub starts without it.
pub(crate) struct Discovery {
    known: RwLock<Known>,
    /// Held during a request, so that there is one at a time.
    asking: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    /// The last good metadata; kept when the provider is down, as what it said is still true.
    metadata: Option<Arc<Metadata>>,
    status: ProviderStatus,
    failures: u32,
    /// When to ask again; `None` before the first time.
    due: Option<Timestamp>,
}

impl Discovery {
    pub(crate) fn new() -> Self {
        Self::starting_from(Known {
            metadata: None,
            status: ProviderStatus::Unknown,
            failures: 0,
            due: None,
        })
    }

    /// For endpoints given by hand: there is nothing to find out.
    pub(crate) fn settled(metadata: Metadata) -> Self {
        Self::starting_from(Known {
            metadata: Some(Arc::new(metadata)),
            status: ProviderStatus::Ready,
            failures: 0,
            due: Some(Timestamp::from_micros(i64::MAX)),
        })
    }

    fn starting_from(known: Known) -> Self {
        Self {
            known: RwLock::new(known),
            asking: Mutex::new(()),
        }
    }

    fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn status(&self) -> ProviderStatus {
        self.known().status
    }

    /// The metadata if there are any, without asking.
    pub(crate) fn kept(&self) -> Option<Arc<Metadata>> {
        self.known().metadata
    }

    /// The time until the provider should be asked again.
    pub(crate) fn due_in(&self, clock: &dyn Clock) -> Duration {
        self.known()
            .due
            .map_or(Duration::ZERO, |due| due.since(clock.now()))
    }

    /// The metadata, asking the provider if it is time to.
    ///
    /// # Errors
    /// [`IdentityError::Unavailable`] at once while the provider rests after a failure and nothing
    /// is known from before; [`IdentityError::IssuerMismatch`].
    pub(crate) async fn metadata(
        &self,
        settings: &OidcSettings,
        http: &Client,
        clock: &dyn Clock,
    ) -> Result<Arc<Metadata>, IdentityError> {
        if self.due_in(clock).is_zero() {
            // Nobody waits for news about a provider that is known already.
            let turn = match self.kept() {
                Some(_) => self.asking.try_lock().ok(),
                None => Some(self.asking.lock().await),
            };
            if turn.is_some() && self.due_in(clock).is_zero() {
                let outcome = ask(settings, http).await;
                self.learn(settings, clock.now(), outcome);
            }
        }
        let known = self.known();
        match (known.metadata, known.status) {
            (Some(metadata), _) => Ok(metadata),
            (None, ProviderStatus::IssuerMismatch { expected, found }) => {
                Err(IdentityError::IssuerMismatch { expected, found })
            }
            (
                None,
                ProviderStatus::Unavailable {
                    reason, retry_at, ..
                },
            ) => {
                let retry = retry_at.since(clock.now()).max(FIRST_PAUSE);
                Err(IdentityError::Unavailable {
                    context: reason,
                    retry,
                    source: None,
                })
            }
            (None, ProviderStatus::Unknown | ProviderStatus::Ready) => {
                Err(IdentityError::Unavailable {
                    context: "nothing is known about it yet".to_owned(),
                    retry: FIRST_PAUSE,
                    source: None,
                })
            }
        }
    }

    fn learn(&self, settings: &OidcSettings, now: Timestamp, outcome: Result<Metadata, Failure>) {
        let mut known = self
            .known
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = known.status.code();
        match outcome {
            Ok(metadata) => {
                known.failures = 0;
                known.due = Some(now.plus(LONGEST_USE));
                known.status = ProviderStatus::Ready;
                known.metadata = Some(Arc::new(metadata));
                if before != known.status.code() {
                    tracing::info!(provider = %settings.id, "identity provider is ready");
                }
            }
            Err(failure) => {
                let pause = FIRST_PAUSE
                    .saturating_mul(1 << known.failures.min(10))
                    .min(LONGEST_PAUSE);
                let retry_at = now.plus(pause);
                known.failures = known.failures.saturating_add(1);
                known.due = Some(retry_at);
                known.status = failure.status(settings, &known.status, now, retry_at);
                if matches!(failure, Failure::Issuer(_)) {
                    known.metadata = None;
                }
                if before != known.status.code() {
                    let reason = failure.reason(settings);
                    tracing::warn!(provider = %settings.id, reason, "identity provider cannot be used");
                }
            }
        }
    }
}

enum Failure {
    Issuer(String),
    Other(String),
}

impl Failure {
    /// What an operator reads about it.
    fn reason(&self, settings: &OidcSettings) -> String {
        match self {
            Self::Issuer(found) => {
                let (expected, found) = (settings.issuer().to_owned(), found.clone());
                IdentityError::IssuerMismatch { expected, found }.to_string()
            }
            Self::Other(reason) => reason.clone(),
        }
    }

    fn status(
        &self,
        settings: &OidcSettings,
        before: &ProviderStatus,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> ProviderStatus {
        match self {
            Self::Issuer(found) => ProviderStatus::IssuerMismatch {
                expected: settings.issuer().to_owned(),
                found: found.clone(),
            },
            Self::Other(reason) => ProviderStatus::Unavailable {
                reason: reason.clone(),
                since: match before {
                    ProviderStatus::Unavailable { since, .. } => *since,
                    _ => now,
                },
                retry_at,
            },
        }
    }
}

async fn ask(settings: &OidcSettings, http: &Client) -> Result<Metadata, Failure> {
    let url = discovery_url(settings.issuer())
        .ok_or_else(|| Failure::Other("the issuer is not a URL".to_owned()))?;
    let answer = match send(ENDPOINT, http.get(url), *settings.http_timeout).await {
        Ok(answer) => answer,
        Err(error) => return Err(Failure::Other(with_causes(&error))),
    };
    answer
        .expect_success(ENDPOINT)
        .map_err(|error| Failure::Other(error.to_string()))?;
    Metadata::parse(&answer.body, settings).map_err(|problem| match problem {
        MetadataProblem::Issuer(found) => Failure::Issuer(crate::error::clean_url(&found)),
        other => Failure::Other(other.to_string()),
    })
}

/// The message with all its causes, as a status outlives the error.
fn with_causes(error: &IdentityError) -> String {
    let mut text = match error {
        // The caller reports the provider as unavailable.
        IdentityError::Unavailable { context, .. } => context.clone(),
        other => other.to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
