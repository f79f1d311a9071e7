//! Counters of the proxy, for the metrics page of the program it runs in.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use jansky_model::Timestamp;

/// Counts since the start. Every field may be read at any time; they are not one snapshot.
#[derive(Debug, Default)]
pub struct ProxyStats {
    /// Open connections of clients, without those that were upgraded.
    pub connections: Gauge,
    /// Open upgraded connections (`WebSocket`s).
    pub upgrades: Gauge,
    /// Answers with a status of 100 to 199, 200 to 299, … 500 to 599.
    pub responses: [Counter; 5],
    /// What is held of requests that have not come as a whole, where it is more than a little.
    pub unfinished_bytes: Gauge,
    /// Connections for which there was no place.
    pub turned_away: Counter,
    /// Requests for which no connection to the server behind the route could be used.
    pub upstream_errors: Counter,
    /// Connections made to servers behind routes.
    pub upstream_connects: Counter,
    /// Requests sent again on a fresh connection because a kept one had been closed.
    pub upstream_retries: Counter,
    /// Body and upgraded bytes from clients.
    pub received_bytes: Counter,
    /// Body and upgraded bytes to clients.
    pub sent_bytes: Counter,
}

impl ProxyStats {
    pub(crate) fn count_response(&self, status: StatusCode) {
        if let Some(class) = self.responses.get(usize::from(status.as_u16() / 100) - 1) {
            class.add(1);
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count until now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that exist now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Counts one more until the returned value is dropped.
    pub(crate) fn enter(&self) -> Counted<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of the things that a [`Gauge`] counts.
pub(crate) struct Counted<'a>(&'a Gauge);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets something be said once in a while.
#[derive(Debug)]
pub(crate) struct LogLimit(AtomicI64);

impl Default for LogLimit {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl LogLimit {
    /// Whether it was not said for so long; then it is about to be.
    pub(crate) fn is_due(&self, now: Timestamp, interval: Duration) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let is_due = now.micros().saturating_sub(last) >= interval;
        let swap = || {
            let order = Ordering::Relaxed;
            self.0.compare_exchange(last, now.micros(), order, order)
        };
        is_due && swap().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_once_a_minute_is_not_said_again_before() {
        let seldom = LogLimit::default();
        let is_due = |seconds| {
            let now = Timestamp::from_seconds(seconds);
            seldom.is_due(now, Duration::from_mins(1))
        };

        let said: Vec<_> = (1000..1130).filter(|now| is_due(*now)).collect();

        assert_eq!(said, [1000, 1060, 1120]);
    }
}
