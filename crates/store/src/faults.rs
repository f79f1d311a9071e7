//! Failures on demand, for tests: the database goes away at the n-th call and comes back on a word.
//!
//! Without the feature `testing` nothing ever fails here, and this takes no room.

/// What a call asks of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It looks, or does something that a commit has to follow.
    Look,
    /// It changes something for good: a statement that stands alone, or a commit.
    Change,
}

#[cfg(not(feature = "testing"))]
#[derive(Clone, Default)]
pub(crate) struct Faults(());

#[cfg(not(feature = "testing"))]
#[expect(
    clippy::unused_self,
    reason = "with the feature, both look at what a test has planned"
)]
impl Faults {
    pub(crate) const fn before(&self, _call: Call) -> Result<(), crate::StoreError> {
        Ok(())
    }

    pub(crate) const fn after(&self, _call: Call) -> Result<(), crate::StoreError> {
        Ok(())
    }
}

#[cfg(feature = "testing")]
pub use on_demand::{Failing, Faults};

#[cfg(feature = "testing")]
mod on_demand {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use super::Call;
    use crate::StoreError;

    /// Which calls fail.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Failing {
        /// All: the database is away.
        Everything,
        /// Those that change something for good: its disk is full, or it may only be read.
        Changes,
        /// Of those that change something, the answer is lost: the change is made.
        Answers,
    }

    /// Lets calls of a store fail (see [`crate::Store::faults`]). Clones are the same.
    #[derive(Clone, Debug, Default)]
    pub struct Faults(Arc<Mutex<Plan>>);

    #[derive(Debug, Default)]
    struct Plan {
        failing: Option<Failing>,
        /// How many more calls of the kind work.
        left: usize,
        /// How many have failed.
        failed: usize,
    }

    impl Faults {
        /// Lets calls fail as soon as `works` more of their kind have worked.
        pub fn begin(&self, failing: Failing, works: usize) {
            *self.plan() = Plan {
                failing: Some(failing),
                left: works,
                failed: 0,
            };
        }

        /// Lets everything work again and says how many calls have failed.
        pub fn end(&self) -> usize {
            std::mem::take(&mut *self.plan()).failed
        }

        pub(crate) fn before(&self, call: Call) -> Result<(), StoreError> {
            self.plan().pass(call, |failing| match failing {
                Failing::Everything => true,
                Failing::Changes => call == Call::Change,
                Failing::Answers => false,
            })
        }

        pub(crate) fn after(&self, call: Call) -> Result<(), StoreError> {
            self.plan().pass(call, |failing| {
                failing == Failing::Answers && call == Call::Change
            })
        }

        fn plan(&self) -> MutexGuard<'_, Plan> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Plan {
        fn pass(
            &mut self,
            call: Call,
            concerns: impl Fn(Failing) -> bool,
        ) -> Result<(), StoreError> {
            if !self.failing.is_some_and(concerns) {
                return Ok(());
            }
            if self.left > 0 {
                self.left -= 1;
                return Ok(());
            }
            self.failed += 1;
            let text = format!("a test lets this fail: {call:?}");
            Err(StoreError::unavailable(text))
        }
    }
}
