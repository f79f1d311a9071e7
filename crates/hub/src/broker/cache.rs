//! What is remembered so that a token from the cache costs no query: callers and tokens.
//!
//! Everything is kept by user. When anything about a user changes, in this process or another, all
//! of it is dropped and the agents of that user are told to look again. What was being read at that
//! moment is not kept: it may be from before the change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jansky_access::Listener;
use jansky_crypto::Digest;
use jansky_model::{Secret, ServerId, Timestamp, UserId};
use jansky_store::{Grant, GrantId, GrantState};
use tokio::sync::watch;

use super::caller::Caller;
use super::source::NotObtained;

/// How many slots for tokens are kept before those are dropped that hold nothing of use.
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

#[derive(Default)]
struct OfUser {
    generation: u64,
    slots: HashMap<Key, Arc<Slot>>,
    signal: Option<watch::Sender<()>>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<UserId, OfUser>,
    callers: HashMap<Digest, Arc<Caller>>,
    grants: HashMap<GrantId, CachedGrant>,
    /// Counts the times at which everything was forgotten.
    epoch: u64,
    slots: usize,
}

/// What was last seen of a grant: enough to tell a mere refresh from more.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CachedGrant {
    user: UserId,
    is_dead: bool,
    session: Option<String>,
}

/// A moment, to find out whether anything about a user has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheStamp {
    generation: u64,
    epoch: u64,
}

/// The memory.
#[derive(Default)]
pub(crate) struct BrokerCache(Mutex<Inner>);

impl Listener for BrokerCache {
    /// Drops everything about a user and tells their agents.
    fn forget(&self, user: UserId) {
        let mut inner = self.inner();
        let Inner {
            users,
            callers,
            slots,
            ..
        } = &mut *inner;
        let of_user = users.entry(user).or_default();
        of_user.generation += 1;
        *slots = slots.saturating_sub(of_user.slots.len());
        of_user.slots.clear();
        if let Some(signal) = &of_user.signal {
            if signal.receiver_count() == 0 {
                of_user.signal = None;
            } else {
                signal.send_replace(());
            }
        }
        callers.retain(|_, caller| caller.user.id != user);
    }

    /// Drops who callers are, of everybody.
    fn forget_everyone(&self) {
        let mut inner = self.inner();
        inner.epoch += 1;
        inner.callers.clear();
    }
}

impl BrokerCache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops everything and tells all agents: what has changed is not known.
    pub(crate) fn forget_everything(&self) {
        let mut inner = self.inner();
        inner.epoch += 1;
        inner.callers.clear();
        inner.slots = 0;
        for of_user in inner.users.values_mut() {
            of_user.generation += 1;
            of_user.slots.clear();
            if let Some(signal) = &of_user.signal {
                signal.send_replace(());
            }
        }
    }

    /// The present moment of a user.
    pub(crate) fn stamp(&self, user: UserId) -> CacheStamp {
        let inner = self.inner();
        CacheStamp {
            generation: inner.users.get(&user).map_or(0, |of| of.generation),
            epoch: inner.epoch,
        }
    }

    /// The caller with this digest.
    pub(super) fn caller(&self, digest: &Digest) -> Option<Arc<Caller>> {
        self.inner().callers.get(digest).cloned()
    }

    /// Remembers a caller, unless something has changed since `stamp`.
    pub(super) fn remember(&self, digest: Digest, caller: &Arc<Caller>, stamp: CacheStamp) {
        let mut inner = self.inner();
        let generation = inner
            .users
            .get(&caller.user.id)
            .map_or(0, |of| of.generation);
        if generation == stamp.generation && inner.epoch == stamp.epoch {
            inner.callers.insert(digest, Arc::clone(caller));
        }
    }

    /// Notes a grant as it is; says whether it is another one than before, and not only refreshed.
    pub(crate) fn note_grant(&self, grant: &Grant) -> bool {
        let seen = CachedGrant {
            user: grant.user_id,
            is_dead: grant.state == GrantState::Reauth,
            session: grant.session_id.clone(),
        };
        self.inner().grants.insert(grant.id, seen.clone()) != Some(seen)
    }

    /// Notes that a grant is gone; whose it was, if that is known.
    pub(crate) fn forget_grant(&self, id: GrantId) -> Option<UserId> {
        self.inner().grants.remove(&id).map(|seen| seen.user)
    }

    /// The place of a token.
    pub(super) fn slot(&self, user: UserId, key: Key, now: Timestamp) -> Arc<Slot> {
        let mut inner = self.inner();
        if inner.slots > MANY {
            inner.drop_useless(now);
        }
        let Inner { users, slots, .. } = &mut *inner;
        let of_user = users.entry(user).or_default();
        let slot = of_user.slots.entry(key).or_insert_with(|| {
            *slots += 1;
            Arc::default()
        });
        Arc::clone(slot)
    }

    /// Hears of each change of a user from now on.
    pub(crate) fn listen(&self, user: UserId) -> watch::Receiver<()> {
        let mut inner = self.inner();
        let of_user = inner.users.entry(user).or_default();
        of_user
            .signal
            .get_or_insert_with(|| watch::channel(()).0)
            .subscribe()
    }
}

impl Inner {
    fn drop_useless(&mut self, now: Timestamp) {
        let mut left = 0;
        for of_user in self.users.values_mut() {
            of_user.slots.retain(|_, slot| {
                let is_held = slot
                    .state()
                    .held
                    .as_ref()
                    .is_some_and(|h| h.expires_at > now);
                is_held || Arc::strong_count(slot) > 1
            });
            left += of_user.slots.len();
        }
        self.slots = left;
    }
}
