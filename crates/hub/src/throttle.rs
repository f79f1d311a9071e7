//! How often somebody may try to sign in.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jansky_crypto::token::{Digest, digest_text};

use crate::error::HubError;

/// One address may try this many times more than one name: a whole institute can sit behind it.
const ADDRESS_FACTOR: u32 = 20;

/// Counts sign-in attempts by name and by network address.
pub(crate) struct Throttle {
    /// By digest, as anybody can type a name of any length.
    by_name: DefaultKeyedRateLimiter<Digest>,
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
        let by_address = self.by_address.check_key(&network(address));
        // Whoever has tried too much already must not use up what others may try.
        let counted = by_address.and_then(|()| self.by_name.check_key(&digest_text(name)));
        let Err(refused) = counted else {
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

/// What counts as one address. Whoever has an address of IPv6 has all 2^64 of its network.
pub(crate) fn network(address: &str) -> String {
    match address.parse().map(|found: IpAddr| found.to_canonical()) {
        Ok(IpAddr::V6(found)) => {
            let network = found.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).to_string()
        }
        Ok(IpAddr::V4(found)) => found.to_string(),
        Err(_) => address.to_owned(),
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
        let Err(refused) = self.counts.check_key(&network(address)) else {
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
    fn who_tries_many_names_holds_none_of_them_up_for_others() {
        let throttle = Throttle::new(1);
        for number in 0..ADDRESS_FACTOR {
            let name = format!("name {number}");
            assert!(throttle.check(&name, "192.0.2.1").is_ok(), "{name}");
        }

        assert!(throttle.check("river", "192.0.2.1").is_err());

        assert!(throttle.check("river", "192.0.2.2").is_ok());
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let throttle = Throttle::new(1);
        for number in 0..ADDRESS_FACTOR {
            let address = format!("2001:db8:0:7::{number:x}");
            assert!(throttle.check(&address, &address).is_ok(), "{address}");
        }

        let refused = throttle.check("river", "2001:db8:0:7:ffff::1");

        assert!(refused.is_err(), "it has so many that none counts");
        assert!(throttle.check("river", "2001:db8:0:8::1").is_ok());
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        let sign_ups = PerAddress::sign_ups();
        for number in 0..SIGN_UPS_PER_HOUR.get() {
            let address = format!("2001:db8:0:7::{number:x}");
            assert!(sign_ups.check(&address).is_ok(), "{address}");
        }
        assert!(sign_ups.check("2001:db8:0:7:ffff::1").is_err());
    }

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
