//! The broker: short tokens for the code beside the people, from grants that stay here.
//!
//! Beside each server runs an agent. It comes in once with a ticket, shows with every request that
//! it holds the key it came in with, and asks for an access token for one audience. Nothing here
//! gives out a refresh token or an ID token, so no permission can be set so that it does.
//!
//! What is remembered to be quick (callers, tokens) is dropped whenever the rights or credentials of
//! its user change, in whichever process; see [`cache`].

mod audience;
mod audit;
mod cache;
mod caller;
mod check;
mod error;
mod exposed;
mod freeze;
mod give;
mod overview;
mod proofs;
mod source;
mod ticket;
mod tripwire;
mod upstream;
mod watch;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use jansky_crypto::{MacKey, Random};
use jansky_model::{Clock, UserId};
use jansky_store::Store;

pub use audience::{Audience, AudienceRules, BrokerMode, Source};
pub use audit::check_audit;
pub(crate) use audit::{AccountChange, AuditEntry};
pub(crate) use cache::{BrokerCache, CacheStamp};
pub use caller::{Agent, AgentCredentials, Proofs};
pub use error::{BrokerError, ProofRefusal};
pub use exposed::{ExposedToken, ExposedTokens};
pub use give::{GivenToken, TokenRequest};
pub use overview::{AudienceState, Overview, OverviewAudience, OverviewIdentity};
pub use source::{ExpectedClaims, NotObtained, ObtainedToken, RefusedReason, SourceRequest};
pub use ticket::Enrolled;
pub use watch::{AgentNotice, AgentWatch};

use crate::grants::Breakers;
use crate::rate_limit::RateLimit;
use audit::AuditWriter;
use proofs::Nonces;

/// How many refused requests of one network are written to the audit trail: so many at once, and then
/// two in a minute, because anybody can send nonsense.
const REFUSALS: NonZeroU32 = NonZeroU32::new(20).unwrap();
const REFUSALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// What an operator decides about the broker.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// What tokens can be asked for.
    pub audiences: Vec<Audience>,
    /// How many tokens the servers of one person may ask for in a minute.
    pub requests_per_minute: u32,
    /// JupyterHub's `TokenExchangeAuthenticator`: the path below the hub at which a server reads its
    /// user's tokens with its own token; `None` switches it off.
    pub local_user_exposed_path: Option<String>,
    /// Whether `GET /hub/api/users/{name}` shows access tokens in `auth_state` to who holds
    /// `admin:auth_state`.
    pub auth_state: bool,
}

impl BrokerSettings {
    /// Whether servers get tokens at all.
    pub const fn gives_tokens(&self) -> bool {
        !self.audiences.is_empty() || self.local_user_exposed_path.is_some()
    }
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            requests_per_minute: 600,
            local_user_exposed_path: None,
            auth_state: false,
        }
    }
}

/// What the broker is made of.
pub(crate) struct Broker {
    pub(crate) cache: Arc<BrokerCache>,
    pub(crate) audit: Arc<AuditWriter>,
    nonces: Nonces,
    /// For each provider and audience: whether it is left alone for a while.
    breakers: Breakers,
    by_user: RateLimit<UserId>,
    refusals: RateLimit<String>,
}

impl Broker {
    pub(crate) fn new(
        settings: &BrokerSettings,
        store: &Arc<Store>,
        clock: &Arc<dyn Clock>,
        random: &dyn Random,
        cache: Arc<BrokerCache>,
    ) -> Self {
        let per_minute = NonZeroU32::new(settings.requests_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            cache,
            audit: Arc::new(AuditWriter::new(Arc::clone(store))),
            // Made for this process: a proof is good at one process only, which remembers it.
            nonces: Nonces::new(MacKey::generate(random)),
            breakers: Breakers::default(),
            by_user: RateLimit::new(Quota::per_minute(per_minute), clock),
            refusals: RateLimit::new(
                Quota::per_minute(REFUSALS_PER_MINUTE).allow_burst(REFUSALS),
                clock,
            ),
        }
    }

    /// Lets a request of a user pass or says when to come back.
    fn pass(&self, user: UserId) -> Result<(), BrokerError> {
        self.by_user
            .check(&user)
            .map_err(|wait| BrokerError::TooMany {
                retry_after: Duration::from_secs(wait.as_secs() + 1),
            })
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.by_user.shrink();
        self.refusals.shrink();
    }

    /// The nonce that the next proof must carry.
    pub(crate) fn nonce(&self, clock: &dyn Clock) -> String {
        self.nonces.current(clock.now())
    }
}
