//! Finds connections to a PostgreSQL server that is no longer the primary.
//!
//! After a failover the old server may stay up and answer reads, while it refuses every write. Its
//! connections look healthy to the pool. So once a write is refused for that reason, every connection
//! that was opened before is closed, and the pool opens new ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Remedy, remedy};

/// Connections that were opened before this instant are not used again; clones share it.
#[derive(Clone, Default)]
pub(crate) struct StaleConnections(Arc<Mutex<Option<Instant>>>);

/// How long after one such refusal the next one counts: where there is no other server, every refused
/// write would otherwise close all connections.
const CALM: Duration = Duration::from_secs(1);

impl StaleConnections {
    /// Looks at an error of a connection.
    pub(crate) fn note_error(&self, error: &sqlx::Error) {
        if remedy(error) != Some(Remedy::Reconnect) {
            return;
        }
        let now = Instant::now();
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|since| now.duration_since(since) > CALM) {
            *since = Some(now);
        }
    }

    /// Whether a connection of this age may be used.
    pub(crate) fn is_fresh(&self, age: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| since.elapsed() > age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_made_before_the_doubt_is_given_up_and_what_came_after_is_kept() {
        let doubt = StaleConnections::default();
        assert!(doubt.is_fresh(Duration::from_hours(1)));

        *doubt.0.lock().expect("nobody panics") = Some(Instant::now());
        tokio::time::advance(Duration::from_secs(5)).await;

        assert!(!doubt.is_fresh(Duration::from_secs(6)));
        assert!(doubt.is_fresh(Duration::from_secs(4)));
    }
}
