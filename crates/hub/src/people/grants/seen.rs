//! What was last seen of each grant: enough to tell a mere refresh from more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jansky_model::UserId;
use jansky_store::{Grant, GrantId, GrantState};

use crate::people::People;
use crate::shared::error::HubError;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    user: UserId,
    is_dead: bool,
    session: Option<String>,
}

/// The grants as they were seen last.
#[derive(Default)]
pub(crate) struct SeenGrants(Mutex<HashMap<GrantId, Seen>>);

impl SeenGrants {
    fn seen(&self) -> MutexGuard<'_, HashMap<GrantId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a grant as it is; says whether it is another one than before, and not only refreshed.
    pub(crate) fn see(&self, grant: &Grant) -> bool {
        let seen = Seen {
            user: grant.user_id,
            is_dead: grant.state == GrantState::Reauth,
            session: grant.session_id.clone(),
        };
        self.seen().insert(grant.id, seen.clone()) != Some(seen)
    }

    /// Notes that a grant is gone; whose it was, if that is known.
    pub(crate) fn lose(&self, id: GrantId) -> Option<UserId> {
        self.seen().remove(&id).map(|seen| seen.user)
    }
}

impl People {
    /// A grant that was only refreshed changes nothing for its user; one that is new, dead or gone
    /// does.
    pub(crate) async fn take_grant_change(&self, id: GrantId) -> Result<(), HubError> {
        let user = match self.store.grant(id).await? {
            Some(grant) => self.grants.seen.see(&grant).then_some(grant.user_id),
            None => self.grants.seen.lose(id),
        };
        if let Some(user) = user {
            self.access.forget(user);
        }
        Ok(())
    }
}
