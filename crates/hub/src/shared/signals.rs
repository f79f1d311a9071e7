//! What changed about users, told inside of this process: one signal for everybody who remembers what
//! they read.
//!
//! A cache takes a [`Stamp`] before it reads and stores the value with that stamp: the value is valid as
//! long as the stamp is the present one. So a value that was read while it changed is never taken for the
//! new one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jansky_access::Listener;
use jansky_model::UserId;
use tokio::sync::watch;

#[derive(Default)]
struct OfUser {
    generation: u64,
    listeners: Option<watch::Sender<()>>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<UserId, OfUser>,
    /// Counts what may concern what is known of anybody.
    epoch: u64,
    /// Counts the times at which it was not known what had changed.
    gaps: u64,
}

/// A moment, to find out whether anything about a user has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    generation: u64,
    epoch: u64,
}

impl Stamp {
    /// Counts the changes of the user alone: without those of others that may concern them.
    pub(crate) const fn generation(self) -> u64 {
        self.generation
    }
}

/// The signal.
#[derive(Default)]
pub(crate) struct Signals(Mutex<Inner>);

impl Listener for Signals {
    /// Something about a user changed.
    fn forget(&self, user: UserId) {
        let mut inner = self.inner();
        let of_user = inner.users.entry(user).or_default();
        of_user.generation += 1;
        if let Some(listeners) = &of_user.listeners {
            if listeners.receiver_count() == 0 {
                of_user.listeners = None;
            } else {
                listeners.send_replace(());
            }
        }
    }

    /// Something changed that may concern who callers are, whoever they are.
    fn forget_everyone(&self) {
        self.inner().epoch += 1;
    }
}

impl Signals {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has changed is not known, so everything may have.
    pub(crate) fn forget_everything(&self) {
        let mut inner = self.inner();
        inner.epoch += 1;
        inner.gaps += 1;
        for listeners in inner.users.values().filter_map(|of| of.listeners.as_ref()) {
            listeners.send_replace(());
        }
    }

    /// The present moment of a user.
    pub(crate) fn stamp(&self, user: UserId) -> Stamp {
        let inner = self.inner();
        let generation = inner.users.get(&user).map_or(0, |of| of.generation);
        Stamp {
            generation: generation + inner.gaps,
            epoch: inner.epoch,
        }
    }

    /// Hears of each change of a user from now on.
    pub(crate) fn listen(&self, user: UserId) -> watch::Receiver<()> {
        let mut inner = self.inner();
        let of_user = inner.users.entry(user).or_default();
        of_user
            .listeners
            .get_or_insert_with(|| watch::channel(()).0)
            .subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIVER: UserId = UserId(1);
    const OTHER: UserId = UserId(2);

    #[test]
    fn a_stamp_is_good_until_something_about_its_user_changes() {
        let signals = Signals::default();
        let (river, other) = (signals.stamp(RIVER), signals.stamp(OTHER));

        signals.forget(RIVER);

        assert_ne!(signals.stamp(RIVER), river);
        assert_eq!(signals.stamp(OTHER), other);
    }

    #[test]
    fn what_concerns_callers_leaves_what_is_known_of_a_user_alone() {
        let signals = Signals::default();
        let before = signals.stamp(RIVER);

        signals.forget_everyone();

        let after = signals.stamp(RIVER);
        assert_ne!(after, before);
        assert_eq!(after.generation(), before.generation());
    }

    #[test]
    fn after_a_gap_no_stamp_is_good_and_everybody_hears_of_it() {
        let signals = Signals::default();
        signals.forget(RIVER);
        let before = [signals.stamp(RIVER), signals.stamp(OTHER)];
        let heard = signals.listen(RIVER);

        signals.forget_everything();

        for (user, before) in [RIVER, OTHER].into_iter().zip(before) {
            assert_ne!(signals.stamp(user).generation(), before.generation());
        }
        assert!(heard.has_changed().expect("the signals are there"));
    }
}
