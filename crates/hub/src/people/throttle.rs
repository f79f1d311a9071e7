//! How often somebody may try to sign in.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;
use jansky_crypto::token::{Digest, digest_text};
use jansky_model::Clock;

use crate::shared::error::HubError;
use crate::shared::rate_limit::RateLimit;
use crate::shared::request_context::network_of;

/// One address may try this many times more than one name: a whole institute can sit behind it.
const ADDRESS_FACTOR: u32 = 20;

/// So many times more than one address may try with a name, all addresses together may try with it at
/// once. After that they all together may try as often as one.
const EVERYWHERE_FACTOR: u32 = 10;

/// Counts sign-in attempts.
///
/// Strangers are counted by name and network together, so that wrong passwords from one
/// network hold up nobody who comes from elsewhere; then by name alone, so that many networks
/// together get no further in guessing; and by network alone. Browsers that have signed in with the
/// name before are counted each for itself, so they pass when all strangers have to wait.
pub(crate) struct Throttle {
    attempts: NonZeroU32,
    /// By digest, as anybody can type a name of any length.
    by_name_and_network: RateLimit<Digest>,
    by_name: RateLimit<Digest>,
    by_browser: RateLimit<Digest>,
    by_network: RateLimit<String>,
}

impl Throttle {
    pub(crate) fn new(attempts_per_minute: u32, clock: &Arc<dyn Clock>) -> Self {
        let attempts = NonZeroU32::new(attempts_per_minute).unwrap_or(NonZeroU32::MIN);
        let each = Quota::per_minute(attempts);
        Self {
            attempts,
            by_name_and_network: RateLimit::new(each, clock),
            by_name: RateLimit::new(each.allow_burst(times(attempts, EVERYWHERE_FACTOR)), clock),
            by_browser: RateLimit::new(each, clock),
            by_network: RateLimit::new(Quota::per_minute(times(attempts, ADDRESS_FACTOR)), clock),
        }
    }

    /// Lets an attempt pass or says when to come back. `browser` names a browser in which somebody has
    /// signed in with this name before.
    pub(crate) fn check(
        &self,
        name: &str,
        address: &str,
        browser: Option<&str>,
    ) -> Result<(), HubError> {
        let network = network_of(address);
        let attempts = self.attempts;
        if let Some(browser) = browser {
            let counted = self.by_browser.check(&digest_text(browser));
            return counted.map_err(|wait| {
                too_many(wait, &format!("with this name: {attempts} in a minute"))
            });
        }
        // An attempt that is refused must not use up the attempts of others, so the narrowest count comes
        // first and the one that all strangers share last.
        let here = digest_text(&format!("{network}\n{name}"));
        self.by_name_and_network.check(&here).map_err(|wait| {
            let words = format!("with this name from your network: {attempts} in a minute");
            too_many(wait, &words)
        })?;
        self.by_network.check(&network).map_err(|wait| {
            let most = times(attempts, ADDRESS_FACTOR);
            too_many(wait, &format!("from your network: {most} in a minute"))
        })?;
        self.by_name.check(&digest_text(name)).map_err(|wait| {
            let most = times(attempts, EVERYWHERE_FACTOR);
            let words = format!(
                "with this name from everywhere: {most}, and then {attempts} in a minute. A browser \
                 that has signed in with it before does not have to wait"
            );
            too_many(wait, &words)
        })
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.by_name_and_network.shrink();
        self.by_name.shrink();
        self.by_browser.shrink();
        self.by_network.shrink();
    }
}

fn too_many(wait: Duration, limit: &str) -> HubError {
    let seconds = wait.as_secs() + 1;
    HubError::Busy {
        message: format!("Too many attempts to sign in {limit}. Try again in {seconds} seconds."),
        retry_after: Duration::from_secs(seconds),
    }
}

fn times(attempts: NonZeroU32, factor: u32) -> NonZeroU32 {
    attempts.saturating_mul(NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN))
}

/// Sign-ups of one address: a course behind one address can sign up together, and then it goes
/// slowly.
const SIGN_UPS_PER_HOUR: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Counts something by network address alone.
pub(crate) struct PerAddress {
    counts: RateLimit<String>,
}

impl PerAddress {
    /// Counts sign-ups.
    pub(crate) fn sign_ups(clock: &Arc<dyn Clock>) -> Self {
        Self {
            counts: RateLimit::new(Quota::per_hour(SIGN_UPS_PER_HOUR), clock),
        }
    }

    /// Lets a sign-up pass or says when to come back.
    pub(crate) fn check(&self, address: &str) -> Result<(), HubError> {
        let Err(wait) = self.counts.check(&network_of(address)) else {
            return Ok(());
        };
        let seconds = wait.as_secs() + 1;
        Err(HubError::Busy {
            message: format!(
                "Too many accounts were asked for from your network: {SIGN_UPS_PER_HOUR} in an hour. \
                 Try again in {seconds} seconds."
            ),
            retry_after: Duration::from_secs(seconds),
        })
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.counts.shrink();
    }
}

/// Tokens of providers from one network that were none, in a minute.
const INVALID_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Counts invalid tokens, by network. Valid ones are not counted, so a provider may send any number.
pub(crate) struct InvalidTokenThrottle {
    counts: RateLimit<String>,
    /// Until when a network is refused, in the time of `counts`.
    shut: Mutex<HashMap<String, Duration>>,
}

impl InvalidTokenThrottle {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            counts: RateLimit::new(Quota::per_minute(INVALID_PER_MINUTE), clock),
            shut: Mutex::default(),
        }
    }

    fn shut(&self) -> MutexGuard<'_, HashMap<String, Duration>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a network that has sent too many invalid tokens.
    pub(crate) fn check(&self, network: &str) -> Result<(), HubError> {
        let until = self.shut().get(network).copied();
        let left = until.and_then(|until| until.checked_sub(self.counts.elapsed()));
        let Some(left) = left else {
            return Ok(());
        };
        Err(HubError::Busy {
            message: format!(
                "too many tokens from your network were not valid: {INVALID_PER_MINUTE} in a minute"
            ),
            retry_after: left + Duration::from_secs(1),
        })
    }

    /// Counts an invalid token.
    pub(crate) fn count(&self, network: String) {
        if let Err(wait) = self.counts.check(&network) {
            self.shut().insert(network, self.counts.elapsed() + wait);
        }
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.counts.shrink();
        let now = self.counts.elapsed();
        self.shut().retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use jansky_model::{ManualClock, Timestamp};

    use super::*;

    fn throttle(attempts_per_minute: u32) -> Throttle {
        Throttle::new(attempts_per_minute, &clock())
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::new(Timestamp::from_seconds(0)))
    }

    /// The default.
    const ATTEMPTS: u32 = 10;

    fn passed(throttle: &Throttle, name: &str, address: &str, tries: u32) -> u32 {
        let passed = |_: &u32| throttle.check(name, address, None).is_ok();
        let count = (0..tries).filter(passed).count();
        u32::try_from(count).expect("it is not many")
    }

    #[test]
    fn who_tries_many_names_holds_none_of_them_up_for_others() {
        let throttle = throttle(1);
        for number in 0..ADDRESS_FACTOR {
            let name = format!("name {number}");
            assert!(throttle.check(&name, "192.0.2.1", None).is_ok(), "{name}");
        }

        assert!(throttle.check("river", "192.0.2.1", None).is_err());

        assert!(throttle.check("river", "192.0.2.2", None).is_ok());
    }

    #[test]
    fn wrong_passwords_from_one_network_lock_nobody_out_elsewhere() {
        let throttle = throttle(ATTEMPTS);

        let guessed = passed(&throttle, "river", "192.0.2.1", 1000);

        assert_eq!(guessed, 10, "so many a minute and no more");
        assert!(throttle.check("river", "192.0.2.2", None).is_ok());
        assert!(throttle.check("wash", "192.0.2.1", None).is_ok());
    }

    #[test]
    fn many_networks_together_guess_a_hundred_times_and_then_ten_times_a_minute() {
        let throttle = throttle(ATTEMPTS);

        let guessed: u32 = (0..1000)
            .map(|n| {
                passed(
                    &throttle,
                    "river",
                    &format!("198.51.{}.{}", n / 250, n % 250),
                    1,
                )
            })
            .sum();

        assert_eq!(guessed, 100);
        assert_eq!(passed(&throttle, "river", "203.0.113.1", 1), 0);
        let known = throttle.check("river", "203.0.113.1", Some("river's own browser"));
        assert!(known.is_ok(), "whoever was here before is not locked out");
    }

    #[test]
    fn a_known_browser_has_no_more_attempts_than_a_stranger() {
        let throttle = throttle(ATTEMPTS);

        let tries = (0..1000).filter(|_| throttle.check("river", "192.0.2.1", Some("b")).is_ok());

        let tries = tries.count();
        assert_eq!(tries, 10);
        assert!(
            throttle
                .check("river", "192.0.2.1", Some("another"))
                .is_ok()
        );
    }

    #[test]
    fn a_refusal_says_which_limit_it_was_and_when_to_come_back() {
        let throttle = throttle(ATTEMPTS);
        passed(&throttle, "river", "192.0.2.1", 50);

        let refused = throttle.check("river", "192.0.2.1", None);

        let Err(HubError::Busy {
            message,
            retry_after,
        }) = refused
        else {
            panic!("{refused:?}");
        };
        let limit = "with this name from your network: 10 in a minute";
        assert!(message.contains(limit), "{message}");
        assert!(retry_after <= Duration::from_secs(7), "{retry_after:?}");
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let throttle = throttle(1);
        for number in 0..ADDRESS_FACTOR {
            let address = format!("2001:db8:0:7::{number:x}");
            assert!(
                throttle.check(&address, &address, None).is_ok(),
                "{address}"
            );
        }

        let refused = throttle.check("river", "2001:db8:0:7:ffff::1", None);

        assert!(refused.is_err(), "it has so many that none counts");
        assert!(throttle.check("river", "2001:db8:0:8::1", None).is_ok());
        assert_eq!(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"));
        assert_ne!(network_of("192.0.2.1"), network_of("192.0.2.2"));
        let sign_ups = PerAddress::sign_ups(&clock());
        for number in 0..SIGN_UPS_PER_HOUR.get() {
            let address = format!("2001:db8:0:7::{number:x}");
            assert!(sign_ups.check(&address).is_ok(), "{address}");
        }
        assert!(sign_ups.check("2001:db8:0:7:ffff::1").is_err());
    }
}
