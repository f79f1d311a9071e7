//! Sessions that have ended a short while ago.
//!
//! A single-user server of JupyterHub asks the hub who a visitor is and believes the answer for five
//! minutes as long as the visitor's session id stays the same. Whoever has copied the cookies of a
//! browser could go on that long after it signed out. So whatever carries requests to servers takes
//! ids that are found here out of them, and the server asks again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use jansky_model::Timestamp;

/// How long an id is kept: longer than the `cache_max_age` of single-user servers (300 s).
pub(crate) const KEPT_FOR: Duration = Duration::from_mins(10);

/// The ids of sessions that ended a short while ago, in this process or in another one.
#[derive(Debug, Default)]
pub struct EndedSessions {
    /// Until when each is kept.
    ended: RwLock<HashMap<String, Timestamp>>,
    /// Spares every request the lock while there is nothing to find.
    any: AtomicBool,
}

impl EndedSessions {
    /// Whether the session with this id has ended a short while ago.
    pub fn contains(&self, session_id: &str) -> bool {
        !self.is_empty() && {
            let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
            ended.contains_key(session_id)
        }
    }

    /// Whether no session has ended lately, which can be told without waiting.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    pub(crate) fn insert(&self, session_id: &str, now: Timestamp) {
        let mut ended = self.write();
        ended.retain(|_, until| *until > now);
        ended.insert(session_id.to_owned(), now.plus(KEPT_FOR));
        self.any.store(true, Ordering::Release);
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Timestamp>> {
        self.ended.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_remembered_until_no_server_believes_it_any_more() {
        let ended = EndedSessions::default();
        let start = Timestamp::from_micros(0);

        ended.insert("first", start);
        ended.insert("second", start.plus(Duration::from_mins(9)));
        assert!(ended.contains("first") && ended.contains("second"));
        assert!(!ended.contains("third"));

        ended.insert("third", start.plus(Duration::from_mins(11)));
        assert!(!ended.contains("first"));
        assert!(ended.contains("second"));
    }
}
