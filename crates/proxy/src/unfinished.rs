//! Requests that have not come as a whole, and the memory that they take together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::stats::ProxyStats;

/// What may be held of requests that have not come as a whole, over all clients.
///
/// Honest requests are there within moments, so when there is too much it is the oldest that has to go.
/// Nobody can keep others out by holding much.
pub(crate) struct Unfinished {
    limit: usize,
    stats: Arc<ProxyStats>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: usize,
    begun: u64,
    /// By age, the oldest first.
    held: BTreeMap<u64, Entry>,
}

struct Entry {
    size: usize,
    waker: Waker,
}

/// The request was the oldest when there was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evicted;

impl Unfinished {
    pub(crate) fn new(limit: usize, stats: &Arc<ProxyStats>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            stats: Arc::clone(stats),
            state: Mutex::default(),
        })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Begins to count a request.
    pub(crate) fn hold(self: &Arc<Self>, cx: &Context<'_>) -> Held {
        let mut state = self.lock();
        let number = state.begun;
        state.begun += 1;
        let waker = cx.waker().clone();
        state.held.insert(number, Entry { size: 0, waker });
        Held {
            all: Arc::clone(self),
            number,
        }
    }

    /// Under the lock, so that nothing older is told last.
    fn tell(&self, state: &State) {
        self.stats.unfinished_bytes.set(state.total as u64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of one request, until it is dropped.
pub(crate) struct Held {
    all: Arc<Unfinished>,
    number: u64,
}

impl Held {
    /// Says how much of the request is held now, and whom to wake when it has to go.
    ///
    /// # Errors
    /// [`Evicted`] when it has to go.
    pub(crate) fn set(&self, size: usize, cx: &Context<'_>) -> Result<(), Evicted> {
        let mut state = self.all.lock();
        let Some(entry) = state.held.get_mut(&self.number) else {
            return Err(Evicted);
        };
        let before = std::mem::replace(&mut entry.size, size);
        entry.waker.clone_from(cx.waker());
        state.total = state.total + size - before;
        let mut result = Ok(());
        while state.total > self.all.limit {
            let Some((number, oldest)) = state.held.pop_first() else {
                break;
            };
            state.total -= oldest.size;
            if number == self.number {
                result = Err(Evicted);
            } else {
                oldest.waker.wake();
            }
        }
        self.all.tell(&state);
        result
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.all.lock();
        if let Some(entry) = state.held.remove(&self.number) {
            state.total -= entry.size;
            self.all.tell(&state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_too_much_and_what_ended_counts_no_more() {
        let all = Unfinished::new(100, &Arc::default());
        let cx = Context::from_waker(Waker::noop());
        let (first, second, third) = (all.hold(&cx), all.hold(&cx), all.hold(&cx));

        assert_eq!(first.set(40, &cx), Ok(()));
        assert_eq!(second.set(40, &cx), Ok(()));
        assert_eq!(third.set(20, &cx), Ok(()), "just as much as may be");
        assert_eq!(third.set(21, &cx), Ok(()), "an older one goes");
        assert_eq!(first.set(1, &cx), Err(Evicted));
        drop(second);
        assert_eq!(third.set(100, &cx), Ok(()));
        assert_eq!(third.set(101, &cx), Err(Evicted), "alone too much");
        drop((first, third));
        assert_eq!(all.lock().total, 0);
        assert!(all.lock().held.is_empty());
    }
}
