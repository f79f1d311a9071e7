//! Sparing a provider that does not answer: one breaker for each issuer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jansky_crypto::Random;
use jansky_model::Timestamp;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The pause after the first failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    closed_until: Option<Timestamp>,
}

/// The breakers of all issuers that failed lately.
#[derive(Default)]
pub(crate) struct Breakers(Mutex<HashMap<String, Failures>>);

impl Breakers {
    /// Lets a request to `issuer` pass, or says how long to wait.
    ///
    /// When a pause is over one request passes and the next pause begins, so that a provider that
    /// comes back meets one request and not all that have waited.
    pub(crate) fn pass(
        &self,
        issuer: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(), Duration> {
        let mut breakers = self.lock();
        let Some(failures) = breakers.get_mut(issuer) else {
            return Ok(());
        };
        match failures.closed_until {
            Some(until) if until > now => Err(until.since(now)),
            _ => {
                failures.closed_until = Some(now.plus(pause(failures.count, random)));
                Ok(())
            }
        }
    }

    /// Notes that the issuer answered.
    pub(crate) fn answered(&self, issuer: &str) {
        self.lock().remove(issuer);
    }

    /// Notes that the issuer did not answer; returns how long it is left alone, which is `at_least`
    /// what it asked for itself.
    pub(crate) fn failed(
        &self,
        issuer: &str,
        now: Timestamp,
        at_least: Duration,
        random: &dyn Random,
    ) -> Duration {
        let mut breakers = self.lock();
        let failures = breakers.entry(issuer.to_owned()).or_default();
        failures.count = failures.count.saturating_add(1);
        let pause = pause(failures.count, random).max(at_least);
        failures.closed_until = Some(now.plus(pause));
        pause
    }

    /// The issuers that are left alone at the moment.
    pub(crate) fn open_at(&self, now: Timestamp) -> Vec<String> {
        let breakers = self.lock();
        let open = |failures: &Failures| failures.closed_until.is_some_and(|until| until > now);
        breakers
            .iter()
            .filter(|(_, failures)| open(failures))
            .map(|(issuer, _)| issuer.clone())
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doubles with each failure, up to the longest, and is shortened by up to a quarter at random, so
/// that several processes do not come back in step.
fn pause(failures: u32, random: &dyn Random) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    let mut byte = [0];
    random.fill(&mut byte);
    doubled
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 - f64::from(byte[0]) / 1024.0)
}

#[cfg(test)]
mod tests {
    use jansky_crypto::SystemRandom;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    #[test]
    fn ten_minutes_of_failures_cost_fewer_than_thirty_requests() {
        let breakers = Breakers::default();
        let mut asked = 0;

        for second in 0..600 {
            let now = NOW.plus(Duration::from_secs(second));
            if breakers.pass("a", now, &SystemRandom).is_ok() {
                asked += 1;
                breakers.failed("a", now, Duration::ZERO, &SystemRandom);
            }
        }

        assert!((10..30).contains(&asked), "{asked} requests");
    }

    #[test]
    fn one_issuer_does_not_hold_up_another_and_heals_at_once() {
        let breakers = Breakers::default();
        breakers.failed("a", NOW, Duration::ZERO, &SystemRandom);

        assert!(breakers.pass("a", NOW, &SystemRandom).is_err());
        assert!(breakers.pass("b", NOW, &SystemRandom).is_ok());
        assert_eq!(breakers.open_at(NOW).len(), 1);

        breakers.answered("a");
        assert!(breakers.pass("a", NOW, &SystemRandom).is_ok());
    }

    #[test]
    fn an_issuer_that_says_when_to_come_back_is_left_alone_until_then() {
        let breakers = Breakers::default();
        let asked = Duration::from_mins(2);
        assert_eq!(breakers.failed("a", NOW, asked, &SystemRandom), asked);

        let almost = NOW.plus(Duration::from_secs(119));
        assert!(breakers.pass("a", almost, &SystemRandom).is_err());
        assert!(breakers.pass("a", NOW.plus(asked), &SystemRandom).is_ok());
    }

    #[test]
    fn only_one_request_passes_when_a_pause_is_over() {
        let breakers = Breakers::default();
        let pause = breakers.failed("a", NOW, Duration::ZERO, &SystemRandom);
        let after = NOW.plus(pause);

        assert!(breakers.pass("a", after, &SystemRandom).is_ok());
        assert!(breakers.pass("a", after, &SystemRandom).is_err());
    }
}
