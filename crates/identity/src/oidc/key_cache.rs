//! A provider's keys, kept until they no longer fit.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use jansky_model::{Clock, Timestamp};
use reqwest::Client;
use tokio::sync::Mutex;
use url::Url;

use super::http::send;
use super::keys::Jwks;
use crate::IdentityError;
use crate::error::TokenProblem;

/// Tokens with unknown keys cause at most one request in this time, from all senders together.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);
/// After this time keys are read again, so that a key that the provider withdrew is forgotten.
const LONGEST_USE: Duration = Duration::from_hours(1);
/// The pause after a failed request while there are keys to go on with.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// The keys of one provider.
#[derive(Default)]
pub(crate) struct KeyCache {
    keys: RwLock<Option<Fetched>>,
    /// Held during a request, so that there is one at a time; remembers the last ones.
    fetching: Mutex<Attempts>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<Jwks>,
    at: Timestamp,
}

#[derive(Default)]
struct Attempts {
    for_unknown_key: Option<Timestamp>,
    failed: Option<Timestamp>,
}

/// Where keys come from.
pub(crate) struct KeySource<'a> {
    pub(crate) http: &'a Client,
    pub(crate) url: &'a Url,
    pub(crate) timeout: Duration,
    pub(crate) clock: &'a dyn Clock,
}

impl KeyCache {
    /// Runs `check` with the provider's keys, and once more with fresh keys if none of the kept
    /// ones fits.
    pub(crate) async fn with_keys<T>(
        &self,
        source: &KeySource<'_>,
        check: impl Fn(&Jwks) -> Result<T, TokenProblem>,
    ) -> Result<T, IdentityError> {
        let keys = self.current(source).await?;
        match check(&keys) {
            Err(problem @ (TokenProblem::UnknownKey | TokenProblem::OtherKey { .. })) => {
                match self.fresher_than(&keys, source).await? {
                    Some(fresh) => Ok(check(&fresh)?),
                    None => Err(problem.into()),
                }
            }
            other => Ok(other?),
        }
    }

    fn kept(&self) -> Option<Fetched> {
        self.keys.read().ok()?.clone()
    }

    async fn current(&self, source: &KeySource<'_>) -> Result<Arc<Jwks>, IdentityError> {
        let usable = |kept: &Fetched| source.clock.now().since(kept.at) < LONGEST_USE;
        if let Some(kept) = self.kept().filter(usable) {
            return Ok(kept.keys);
        }
        let mut attempts = self.fetching.lock().await;
        let kept = self.kept();
        if let Some(kept) = kept.clone().filter(usable) {
            return Ok(kept.keys);
        }
        let now = source.clock.now();
        let failed_lately = attempts
            .failed
            .is_some_and(|at| now.since(at) < FAILURE_PAUSE);
        match kept {
            Some(kept) if failed_lately => Ok(kept.keys),
            // Old keys are better than none: without them nobody could sign in while only the
            // endpoint with the keys is in trouble.
            Some(kept) => Ok(self.fetch(source, &mut attempts).await.unwrap_or(kept.keys)),
            None => self.fetch(source, &mut attempts).await,
        }
    }

    /// Keys that are newer than those seen; `None` if they were asked for just now.
    async fn fresher_than(
        &self,
        seen: &Arc<Jwks>,
        source: &KeySource<'_>,
    ) -> Result<Option<Arc<Jwks>>, IdentityError> {
        let mut attempts = self.fetching.lock().await;
        if let Some(kept) = self.kept()
            && !Arc::ptr_eq(&kept.keys, seen)
        {
            return Ok(Some(kept.keys));
        }
        let now = source.clock.now();
        if attempts
            .for_unknown_key
            .is_some_and(|at| now.since(at) < UNKNOWN_KEY_PAUSE)
        {
            return Ok(None);
        }
        attempts.for_unknown_key = Some(now);
        self.fetch(source, &mut attempts).await.map(Some)
    }

    async fn fetch(
        &self,
        source: &KeySource<'_>,
        attempts: &mut Attempts,
    ) -> Result<Arc<Jwks>, IdentityError> {
        const ENDPOINT: &str = "jwks";
        let at = source.clock.now();
        let outcome = async {
            let answer = send(
                ENDPOINT,
                source.http.get(source.url.clone()),
                source.timeout,
            )
            .await?;
            answer.expect_success(ENDPOINT)?;
            let keys = Jwks::parse(&answer.body).map_err(|reason| IdentityError::BadAnswer {
                endpoint: ENDPOINT,
                reason,
            })?;
            Ok(Arc::new(keys))
        }
        .await;
        match outcome {
            Ok(keys) => {
                attempts.failed = None;
                if let Ok(mut kept) = self.keys.write() {
                    *kept = Some(Fetched {
                        keys: Arc::clone(&keys),
                        at,
                    });
                }
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(%error, "could not read the keys of an identity provider");
                attempts.failed = Some(at);
                Err(error)
            }
        }
    }
}
