//! How often something may happen, counted by key, with the time handed in.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use jansky_model::{Clock, Timestamp};

/// The time that has passed since counting began. A clock that is set back stands still for it, so
/// that nobody has to wait for that much longer.
#[derive(Clone)]
struct Elapsed {
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<(Timestamp, Duration)>>,
}

impl governor::clock::Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let elapsed = seen.1 + now.since(seen.0);
        *seen = (now, elapsed);
        elapsed
    }
}

type Counts<K> = RateLimiter<K, DashMapStateStore<K>, Elapsed, NoOpMiddleware<Duration>>;

/// Counts how often something happens for each key.
pub(crate) struct RateLimit<K: Hash + Eq + Clone> {
    counts: Counts<K>,
    elapsed: Elapsed,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    pub(crate) fn new(quota: Quota, clock: &Arc<dyn Clock>) -> Self {
        let elapsed = Elapsed {
            clock: Arc::clone(clock),
            seen: Arc::new(Mutex::new((clock.now(), Duration::ZERO))),
        };
        Self {
            counts: RateLimiter::dashmap_with_clock(quota, elapsed.clone()),
            elapsed,
        }
    }

    /// Counts one more, unless that is too much.
    ///
    /// # Errors
    /// How long to wait until there may be another one.
    pub(crate) fn check(&self, key: &K) -> Result<(), Duration> {
        self.counts
            .check_key(key)
            .map_err(|refused| refused.wait_time_from(self.elapsed.now()))
    }

    /// Drops the counts that no longer matter.
    pub(crate) fn shrink(&self) {
        self.counts.retain_recent();
    }

    /// The time since counting began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed.now()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// A clock that is set by hand, also back.
    struct Hands(Mutex<Timestamp>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            *self.0.lock().expect("nobody panics")
        }
    }

    #[test]
    fn counts_follow_the_clock_that_is_handed_in_and_none_that_is_set_back() {
        let hands = Arc::new(Hands(Mutex::new(Timestamp::from_seconds(10_000))));
        let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&hands);
        let set =
            |seconds| *hands.0.lock().expect("nobody panics") = Timestamp::from_seconds(seconds);
        let limit = RateLimit::new(Quota::per_minute(NonZeroU32::MIN), &clock);
        assert_eq!(limit.check(&"river"), Ok(()));
        assert_eq!(limit.check(&"river"), Err(Duration::from_mins(1)));
        assert_eq!(
            limit.check(&"zoe"),
            Ok(()),
            "each key is counted for itself"
        );

        set(10_045);
        assert_eq!(limit.check(&"river"), Err(Duration::from_secs(15)));

        set(6_000);
        assert_eq!(limit.check(&"river"), Err(Duration::from_secs(15)));
        set(6_015);
        assert_eq!(limit.check(&"river"), Ok(()));
    }
}
