//! What an agent is told as it happens.

use std::sync::Arc;

use jansky_store::{AgentSessionId, FreezeReason, Store};
use tokio::sync::watch;
use tracing::warn;

use super::caller::Agent;
use crate::broker::Broker;

/// News for an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentNotice {
    /// It gets tokens.
    Active,
    /// It gets none any more and must drop those that it has.
    Frozen(FreezeReason),
    /// Something has changed: what it keeps may no longer be right.
    Changed,
}

/// What an agent was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastNotice {
    Nothing,
    Active,
    Frozen,
}

/// Watches one session for changes.
pub struct AgentWatch {
    store: Arc<Store>,
    session: AgentSessionId,
    changes: watch::Receiver<()>,
    told: LastNotice,
    /// There was a change, and the row has not been read since.
    is_behind: bool,
    is_over: bool,
}

impl Broker {
    /// Watches the session of an agent. The first news is how it stands.
    pub fn watch_agent(self: &Arc<Self>, agent: &Agent) -> AgentWatch {
        AgentWatch {
            store: Arc::clone(&self.store),
            session: agent.session.id,
            changes: self.signals.listen(agent.user.id),
            told: LastNotice::Nothing,
            is_behind: true,
            is_over: false,
        }
    }
}

impl AgentWatch {
    /// The next news; `None` when there will be none any more.
    ///
    /// It can be dropped and asked again.
    pub async fn next(&mut self) -> Option<AgentNotice> {
        if self.is_over {
            return None;
        }
        if !self.is_behind {
            self.changes.changed().await.ok()?;
        }
        // If this future is dropped while the row is read, the next call reads it again.
        self.is_behind = true;
        // A change while the row is read is reported by the next call.
        self.changes.borrow_and_update();
        let session = self.store.agent_session(self.session).await;
        self.is_behind = false;
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                warn!(error = %error, "could not look at the session of an agent");
                return Some(AgentNotice::Changed);
            }
        };
        let frozen = match session {
            Some(session) => session.frozen,
            None => Some(FreezeReason::Stopped),
        };
        self.is_over = frozen == Some(FreezeReason::Stopped);
        let now = frozen.map_or(LastNotice::Active, |_| LastNotice::Frozen);
        let before = std::mem::replace(&mut self.told, now);
        Some(match frozen {
            Some(reason) => AgentNotice::Frozen(reason),
            None if before == LastNotice::Active => AgentNotice::Changed,
            None => AgentNotice::Active,
        })
    }
}
