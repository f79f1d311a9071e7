//! Doubt about connections to PostgreSQL: they lead to a server that is no longer the right one.
//!
//! After a failover the old server may live on and answer what is only read, while it refuses every
//! change. Its connections look healthy, and would be kept. So once one of them is refused like that,
//! all that were made before are given up, and the next ones are made anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Remedy, remedy};

/// Since when connections are doubted; clones share it.
#[derive(Clone, Default)]
pub(crate) struct StaleConnections(Arc<Mutex<Option<Instant>>>);

/// For how long a new connection is not doubted again: where there is only this one server, each
/// refused change would otherwise cost everybody a new connection.
const CALM: Duration = Duration::from_secs(1);

impl StaleConnections {
    /// Looks at what went wrong on a connection.
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

    /// Whether a connection that was made so long ago should be used on.
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
