//! People: how they sign in and out, their accounts, what providers gave for them and say about them,
//! their groups, names and tokens, and who is kept out.
//!
//! This part uses none of the others. That somebody signed out, is excluded or is gone is recorded in
//! the database; who has to act on it finds it there.

pub(crate) mod accounts;
pub(crate) mod admission;
pub(crate) mod admitted_user;
pub(crate) mod direct_sign_in;
pub(crate) mod exclusion;
pub(crate) mod grants;
pub(crate) mod groups;
pub(crate) mod hashing;
pub(crate) mod linking;
pub(crate) mod lookups;
pub(crate) mod names;
pub(crate) mod passwords;
pub(crate) mod provider_claims;
pub(crate) mod provider_events;
pub(crate) mod proxy_headers;
pub(crate) mod reauthentication;
pub(crate) mod second_factor;
pub(crate) mod seen;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_ins;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
#[cfg(feature = "testing")]
mod testing;
pub(crate) mod throttle;
pub(crate) mod tokens;
pub(crate) mod users;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use jansky_crypto::sealed::KeyRing;
use jansky_identity::LoginMethod;
use jansky_model::{Clock, ProviderId};
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::shared::error::HubError;
use admitted_user::RecentAdmissions;
use grants::Grants;
use hashing::Hashing;
use proxy_headers::ProxyHeaders;
use second_factor::SecondFactors;
use sign_in::ConfiguredProvider;
use sign_up::SignUps;
use throttle::{InvalidTokenThrottle, Throttle};

/// How many logout and security event tokens are checked at the same time: each costs a signature.
const EVENTS_AT_ONCE: usize = 4;

/// The people. What begins something lasting needs them in an [`Arc`].
pub struct People {
    context: Context,
    providers: Vec<ConfiguredProvider>,
    local_accounts: Option<ProviderId>,
    hashing: Hashing,
    grants: Grants,
    /// Who is known to be let in at the moment.
    confirmed: RecentAdmissions,
    second_factors: SecondFactors,
    sign_ups: SignUps,
    proxy_headers: ProxyHeaders,
    event_permits: Semaphore,
    invalid_tokens: InvalidTokenThrottle,
    throttle: Throttle,
    throttles: BTreeMap<ProviderId, Throttle>,
}

impl Deref for People {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl People {
    pub(crate) fn new(
        context: Context,
        providers: Vec<ConfiguredProvider>,
        local_accounts: Option<ProviderId>,
        keys: &Arc<KeyRing>,
    ) -> Self {
        let Context {
            store,
            clock,
            random,
            settings,
            ..
        } = &context;
        Self {
            hashing: Hashing::new(Arc::clone(random)),
            grants: Grants::new(
                Arc::clone(store),
                Arc::clone(clock),
                Arc::clone(random),
                Arc::clone(keys),
            ),
            confirmed: RecentAdmissions::default(),
            second_factors: SecondFactors::new(
                Arc::clone(store),
                Arc::clone(clock),
                Arc::clone(random),
                Arc::clone(keys),
                settings.sign_in_attempts_per_minute,
            ),
            sign_ups: SignUps::new(clock),
            proxy_headers: ProxyHeaders::default(),
            event_permits: Semaphore::new(EVENTS_AT_ONCE),
            invalid_tokens: InvalidTokenThrottle::new(clock),
            throttle: Throttle::new(settings.sign_in_attempts_per_minute, clock),
            throttles: providers
                .iter()
                .filter_map(|configured| throttle_of(configured, clock))
                .collect(),
            context,
            providers,
            local_accounts,
        }
    }

    /// The id of local accounts, when people can sign in with them.
    pub const fn local_accounts(&self) -> Option<&ProviderId> {
        self.local_accounts.as_ref()
    }

    /// What providers gave.
    pub(crate) const fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Keeps in touch with the providers, until the hub shuts down.
    pub(crate) fn spawn_watching(self: &Arc<Self>) {
        for index in 0..self.providers.len() {
            let people = Arc::clone(self);
            self.tasks.spawn(async move {
                tokio::select! {
                    () = people.providers[index].provider.watch() => {}
                    () = people.stopping.cancelled() => {}
                }
            });
        }
    }

    /// Seals again what older keys sealed; how much that was.
    pub(crate) async fn seal_again(&self) -> Result<u64, HubError> {
        Ok(self.grants.seal_again().await? + self.second_factors.seal_again().await?)
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.throttle.shrink();
        self.second_factors.throttle.shrink();
        self.sign_ups.by_address.shrink();
        self.invalid_tokens.shrink();
        self.throttles.values().for_each(Throttle::shrink);
    }
}

/// The limit of attempts of a provider whose passwords are typed into our own page.
fn throttle_of(
    configured: &ConfiguredProvider,
    clock: &Arc<dyn Clock>,
) -> Option<(ProviderId, Throttle)> {
    let LoginMethod::Form(form) = configured.provider.method() else {
        return None;
    };
    let throttle = Throttle::new(form.attempts_per_minute(), clock);
    Some((configured.provider.id().clone(), throttle))
}
