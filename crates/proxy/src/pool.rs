//! Unused connections to the servers behind routes, kept for the next request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fnv::FnvHashMap;

use crate::upstream::Upstream;

/// How often connections that nobody needed are looked for. One that was not needed from one look to the
/// look after next is closed.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// So many connections to each server are kept for the whole idle timeout, for one person who clicks now
/// and then.
const KEPT_LONG: usize = 4;

/// The connections that one worker keeps, by `host:port`.
///
/// There is no number of connections that suits every server, so the demand decides: the connection that was
/// used last is taken first, and so those that have waited for some seconds were not needed by the most
/// requests that there were at once in that time.
pub(crate) struct Pool {
    /// How many sweeps an idle connection outlives, where it is one of the few that are kept long.
    patience: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The hub chooses the addresses of servers, so nobody can make them collide.
    idle: FnvHashMap<Arc<str>, Vec<Idle>>,
    /// Sweeps so far: the clock by which connections grow old.
    sweeps: u64,
}

/// The connections to one server are in the order in which they became idle.
struct Idle {
    upstream: Box<Upstream>,
    since: u64,
}

impl Pool {
    /// A pool that is swept every `interval` and keeps a few connections for `idle_timeout`.
    pub(crate) fn new(idle_timeout: Duration, interval: Duration) -> Self {
        let sweeps = idle_timeout.as_nanos().div_ceil(interval.as_nanos().max(1));
        Self {
            patience: u64::try_from(sweeps).unwrap_or(u64::MAX).max(1),
            state: Mutex::default(),
        }
    }

    /// Takes the connection to `authority` that was used last. The server may have closed it since;
    /// it gives the request back unsent then.
    pub(crate) fn take(&self, authority: &str) -> Option<Box<Upstream>> {
        let mut state = self.lock();
        let idle = state.idle.get_mut(authority)?.pop()?;
        Some(idle.upstream)
    }

    /// Keeps a connection that can take another request.
    pub(crate) fn keep(&self, authority: &Arc<str>, upstream: Box<Upstream>) {
        let mut state = self.lock();
        let since = state.sweeps;
        let idle = match state.idle.get_mut(authority) {
            Some(idle) => idle,
            None => state.idle.entry(Arc::clone(authority)).or_default(),
        };
        idle.push(Idle { upstream, since });
    }

    /// Drops connections that were not needed lately, and those that the server closed.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        state.sweeps += 1;
        let needed = state.sweeps - 1;
        let oldest = state.sweeps.saturating_sub(self.patience);
        state.idle.retain(|_, idle| {
            idle.retain_mut(|one| one.since >= oldest && one.upstream.is_open());
            let surplus = idle.len().saturating_sub(KEPT_LONG);
            let unneeded = idle.partition_point(|one| one.since < needed);
            idle.drain(..surplus.min(unneeded));
            idle.shrink_to(idle.len() * 2);
            !idle.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
