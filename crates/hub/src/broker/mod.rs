//! The broker: short tokens for the code beside the people, from grants that stay here.
//!
//! Beside each server runs an agent. It comes in once with a ticket, shows with every request that
//! it holds the key it came in with, and asks for an access token for one audience. Nothing here
//! gives out a refresh token or an ID token, so no permission can be set so that it does.
//!
//! What is remembered to be quick (callers, tokens) is dropped whenever the rights or credentials of
//! its user change, in whichever process; see [`cache`].

mod audience;
mod cache;
mod caller;
mod check;
mod error;
mod exposed;
mod freeze;
mod give;
pub(crate) mod issuer;
mod overview;
pub(crate) mod server_visitors;
mod source;
mod ticket;
mod upstream;
mod watch;

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use jansky_crypto::MacKey;
use jansky_crypto::sealed::KeyRing;
use jansky_model::UserId;

pub use caller::{Agent, AgentCredentials, Proofs};
pub use error::{BrokerError, ProofRefusal};
pub use exposed::{ExposedToken, ExposedTokens};
pub use give::{GivenToken, TokenRequest};
pub use overview::{AudienceState, Overview, OverviewAudience, OverviewIdentity};
pub use source::{ExpectedClaims, NotObtained, ObtainedToken, RefusedReason, SourceRequest};
pub use ticket::Enrolled;
pub use watch::{AgentNotice, AgentWatch};

use crate::context::Context;
use crate::people::People;
use crate::people::grants::Breakers;
use crate::shared::error::HubError;
use crate::shared::rate_limit::RateLimit;
use cache::BrokerCache;
use caller::Nonces;
use issuer::Issuer;

/// How many refused requests of one network are written to the audit trail: so many at once, and then
/// two in a minute, because anybody can send nonsense.
const REFUSALS: NonZeroU32 = NonZeroU32::new(20).unwrap();
const REFUSALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// The broker. What begins something lasting needs it in an [`Arc`].
pub struct Broker {
    context: Context,
    people: Arc<People>,
    issuer: Issuer,
    cache: BrokerCache,
    nonces: Nonces,
    /// For each provider and audience: whether it is left alone for a while.
    breakers: Breakers,
    by_user: RateLimit<UserId>,
    refusals: RateLimit<String>,
}

impl Deref for Broker {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Broker {
    pub(crate) fn new(context: Context, people: Arc<People>, keys: Arc<KeyRing>) -> Self {
        let Context {
            store,
            clock,
            random,
            settings,
            signals,
            ..
        } = &context;
        let per_minute =
            NonZeroU32::new(settings.broker.requests_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            issuer: Issuer::new(
                Arc::clone(store),
                Arc::clone(clock),
                Arc::clone(random),
                keys,
                settings.issuer.clone(),
            ),
            cache: BrokerCache::new(Arc::clone(signals)),
            // Made for this process: a proof is good at one process only, which remembers it.
            nonces: Nonces::new(MacKey::generate(&**random)),
            breakers: Breakers::default(),
            by_user: RateLimit::new(Quota::per_minute(per_minute), clock),
            refusals: RateLimit::new(
                Quota::per_minute(REFUSALS_PER_MINUTE).allow_burst(REFUSALS),
                clock,
            ),
            context,
            people,
        }
    }

    /// Seals again what older keys sealed; how much that was.
    pub(crate) async fn seal_again(&self) -> Result<u64, HubError> {
        self.issuer.seal_again().await
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
        self.cache.shrink(self.clock.now());
        self.shrink_device_counts();
        self.by_user.shrink();
        self.refusals.shrink();
    }

    /// The nonce that the next proof must carry.
    pub fn proof_nonce(&self) -> String {
        self.nonces.current(self.clock.now())
    }
}
