//! What is remembered so that a token from the cache costs no query: callers and tokens.
//!
//! Everything is kept by user, under the stamp that the user had before it was read. When anything
//! about a user changes, in this process or another, the stamp is another one and nothing of it is
//! used any more (see [`Signals`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jansky_crypto::Digest;
use jansky_model::{Secret, ServerId, Timestamp, UserId};

use super::caller::Caller;
use super::source::NotObtained;
use crate::shared::signals::{Signals, Stamp};

/// How many slots for tokens, or callers, are kept before those are dropped that are of no use.
const MANY: usize = 50_000;

/// Names a token that can be had again: for which server, audience and scopes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) server: ServerId,
    pub(super) audience: String,
    pub(super) scopes: String,
}

/// A token that was obtained.
#[derive(Clone)]
pub(super) struct CachedToken {
    pub(super) token: Arc<Secret>,
    pub(super) obtained_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) scope: Option<String>,
}

/// The place of a token, with the turn of those who obtain it.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) state: Mutex<SlotState>,
}

#[derive(Default)]
pub(super) struct SlotState {
    pub(super) held: Option<CachedToken>,
    /// How often it was tried to obtain one.
    pub(super) attempts: u64,
    /// Why the last try brought nothing.
    pub(super) failure: Option<NotObtained>,
}

impl Slot {
    pub(super) fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of the tokens of one user, and the time from which they are.
#[derive(Default)]
struct OfUser {
    generation: u64,
    slots: HashMap<Key, Arc<Slot>>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<UserId, OfUser>,
    callers: HashMap<Digest, (Arc<Caller>, Stamp)>,
    slots: usize,
}

/// The cache.
pub(crate) struct BrokerCache {
    signals: Arc<Signals>,
    inner: Mutex<Inner>,
}

impl BrokerCache {
    pub(crate) fn new(signals: Arc<Signals>) -> Self {
        Self {
            signals,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller with this digest, if nothing about them has changed since they were read.
    pub(super) fn caller(&self, digest: &Digest) -> Option<Arc<Caller>> {
        let (caller, stamp) = self.inner().callers.get(digest).cloned()?;
        (self.signals.stamp(caller.user.id) == stamp).then_some(caller)
    }

    /// Remembers a caller who was read after `stamp`.
    pub(super) fn remember(&self, digest: Digest, caller: &Arc<Caller>, stamp: Stamp) {
        let mut inner = self.inner();
        if inner.callers.len() > MANY {
            inner.drop_changed_callers(&self.signals);
        }
        inner.callers.insert(digest, (Arc::clone(caller), stamp));
    }

    /// The place of a token.
    pub(super) fn slot(&self, user: UserId, key: Key, now: Timestamp) -> Arc<Slot> {
        let generation = self.signals.stamp(user).generation();
        let mut inner = self.inner();
        if inner.slots > MANY {
            inner.drop_useless_slots(now);
        }
        let Inner { users, slots, .. } = &mut *inner;
        let of_user = users.entry(user).or_default();
        if generation < of_user.generation {
            // Something changed on the way here: this place is for one question and not kept.
            return Arc::default();
        }
        if generation > of_user.generation {
            *slots -= of_user.slots.len();
            of_user.slots.clear();
            of_user.generation = generation;
        }
        let slot = of_user.slots.entry(key).or_insert_with(|| {
            *slots += 1;
            Arc::default()
        });
        Arc::clone(slot)
    }

    /// Drops what nobody would be given any more.
    pub(super) fn shrink(&self, now: Timestamp) {
        let mut inner = self.inner();
        inner.drop_changed_callers(&self.signals);
        for (user, of_user) in &mut inner.users {
            if self.signals.stamp(*user).generation() != of_user.generation {
                of_user.slots.clear();
            }
        }
        inner.drop_useless_slots(now);
    }
}

impl Inner {
    fn drop_changed_callers(&mut self, signals: &Signals) {
        self.callers
            .retain(|_, (caller, stamp)| signals.stamp(caller.user.id) == *stamp);
    }

    fn drop_useless_slots(&mut self, now: Timestamp) {
        self.slots = 0;
        for of_user in self.users.values_mut() {
            of_user.slots.retain(|_, slot| {
                let is_held = slot
                    .state()
                    .held
                    .as_ref()
                    .is_some_and(|h| h.expires_at > now);
                is_held || Arc::strong_count(slot) > 1
            });
            self.slots += of_user.slots.len();
        }
    }
}
