//! The change feed of an SQLite database. It is in memory: no other process reads the database, and after
//! a restart there is no cache that a missed change could leave stale.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jansky_model::Timestamp;
use tokio::sync::watch;

use crate::{Change, StoreError};

/// How many changes are kept for a slow reader. One that is further behind sees a gap in the numbers.
const KEPT: usize = 10_000;

/// The changes of a transaction, published when it commits.
#[derive(Default)]
pub(crate) struct PendingChanges(Vec<(String, String, Timestamp)>);

impl PendingChanges {
    pub(crate) fn push(&mut self, topic: &str, key: &str, at: Timestamp) {
        self.0.push((topic.to_owned(), key.to_owned(), at));
    }
}

/// The changes since the process began.
#[derive(Default)]
pub(crate) struct MemoryFeed {
    state: Mutex<FeedState>,
    /// Told of each commit with a change in it, and of the end.
    commits: watch::Sender<()>,
}

#[derive(Default)]
struct FeedState {
    last_seq: i64,
    kept: VecDeque<Change>,
    is_closed: bool,
}

impl MemoryFeed {
    fn state(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the changes of a commit. The caller still holds the write lock, so they are in the order
    /// of the commits.
    pub(crate) fn publish(&self, pending: PendingChanges) {
        if pending.0.is_empty() {
            return;
        }
        let mut state = self.state();
        for (topic, key, at) in pending.0 {
            state.last_seq += 1;
            let seq = state.last_seq;
            state.kept.push_back(Change {
                seq,
                topic,
                key,
                at,
            });
        }
        let surplus = state.kept.len().saturating_sub(KEPT);
        state.kept.drain(..surplus);
        drop(state);
        self.commits.send_replace(());
    }

    /// As [`Store::changes_after`](crate::Store::changes_after).
    pub(crate) fn after(&self, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let state = self.state();
        if state.is_closed {
            return Err(StoreError::closed());
        }
        let begin = state.kept.partition_point(|change| change.seq <= seq);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(state.kept.range(begin..).take(limit).cloned().collect())
    }

    /// The number of the last change; zero before the first.
    pub(crate) fn last_seq(&self) -> i64 {
        self.state().last_seq
    }

    /// Forgets the changes before a time; says how many that were.
    pub(crate) fn purge(&self, before: Timestamp) -> u64 {
        let mut state = self.state();
        let count = state.kept.len();
        state.kept.retain(|change| change.at >= before);
        (count - state.kept.len()) as u64
    }

    /// Hears of each commit from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    /// Ends the wait of all who listen.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.commits.send_replace(());
    }
}
