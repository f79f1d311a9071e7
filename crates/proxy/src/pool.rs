//! Unused connections to the servers behind routes, kept for the next request.

use std::sync::{Arc, Mutex, PoisonError};

use fnv::FnvHashMap;

use crate::upstream::Upstream;

/// The connections that one worker keeps, by `host:port`.
pub(crate) struct Pool {
    /// How many per server are kept.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The hub chooses the addresses of servers, so nobody can make them collide.
    idle: FnvHashMap<Arc<str>, Vec<Idle>>,
    /// Sweeps so far: the clock by which connections grow old.
    sweeps: u64,
}

struct Idle {
    upstream: Box<Upstream>,
    since: u64,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
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
        if idle.len() < self.limit {
            idle.push(Idle { upstream, since });
        }
    }

    /// Drops connections that were unused for two sweeps, and those that the server closed.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        state.sweeps += 1;
        let oldest = state.sweeps - 1;
        state.idle.retain(|_, idle| {
            idle.retain_mut(|one| one.since >= oldest && one.upstream.is_open());
            !idle.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
