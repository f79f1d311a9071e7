//! How often somebody may try to sign in.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::HubError;

/// One address may try this many times more than one name: a whole institute can sit behind it.
const ADDRESS_FACTOR: u32 = 20;

/// Counts sign-in attempts by name and by network address.
pub(crate) struct Throttle {
    by_name: DefaultKeyedRateLimiter<String>,
    by_address: DefaultKeyedRateLimiter<String>,
    clock: governor::clock::DefaultClock,
}

impl Throttle {
    pub(crate) fn new(attempts_per_minute: u32) -> Self {
        let attempts = NonZeroU32::new(attempts_per_minute).unwrap_or(NonZeroU32::MIN);
        let per_address =
            attempts.saturating_mul(NonZeroU32::new(ADDRESS_FACTOR).unwrap_or(attempts));
        Self {
            by_name: RateLimiter::keyed(Quota::per_minute(attempts)),
            by_address: RateLimiter::keyed(Quota::per_minute(per_address)),
            clock: governor::clock::DefaultClock::default(),
        }
    }

    /// Lets an attempt pass or says when to come back.
    pub(crate) fn check(&self, name: &str, address: &str) -> Result<(), HubError> {
        let by_address = self.by_address.check_key(&address.to_owned());
        let by_name = self.by_name.check_key(&name.to_owned());
        let Err(refused) = by_address.and(by_name) else {
            return Ok(());
        };
        let wait = refused.wait_time_from(self.clock.now());
        let seconds = wait.as_secs() + 1;
        Err(HubError::Busy {
            message: format!("Too many attempts to sign in. Try again in {seconds} seconds."),
            retry_after: Duration::from_secs(seconds),
        })
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.by_name.retain_recent();
        self.by_address.retain_recent();
    }
}

/// Sign-ups of one address: a course behind one address can sign up together, and then it goes
/// slowly.
const SIGN_UPS_PER_HOUR: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Counts something by network address alone.
pub(crate) struct PerAddress {
    counts: DefaultKeyedRateLimiter<String>,
    clock: governor::clock::DefaultClock,
}

impl PerAddress {
    /// Counts sign-ups.
    pub(crate) fn sign_ups() -> Self {
        Self {
            counts: RateLimiter::keyed(Quota::per_hour(SIGN_UPS_PER_HOUR)),
            clock: governor::clock::DefaultClock::default(),
        }
    }

    /// Lets a sign-up pass or says when to come back.
    pub(crate) fn check(&self, address: &str) -> Result<(), HubError> {
        let Err(refused) = self.counts.check_key(&address.to_owned()) else {
            return Ok(());
        };
        let seconds = refused.wait_time_from(self.clock.now()).as_secs() + 1;
        Err(HubError::Busy {
            message: format!(
                "Too many accounts were asked for from your network. Try again in {seconds} seconds."
            ),
            retry_after: Duration::from_secs(seconds),
        })
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.counts.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attempt_after_the_last_allowed_one_has_to_wait() {
        let throttle = Throttle::new(3);

        for _ in 0..3 {
            assert!(throttle.check("river", "127.0.0.1").is_ok());
        }
        let refused = throttle.check("river", "127.0.0.1");

        assert!(matches!(refused, Err(HubError::Busy { .. })), "{refused:?}");
        assert!(
            throttle.check("wash", "127.0.0.1").is_ok(),
            "another name is not held up"
        );
    }
}
