//! Freezing: an agent's session that gives nothing until it is thawed.

use jansky_store::{AgentSession, Agents, FreezeReason, Server, User};
use serde_json::json;
use tracing::info;

use super::audit::AuditEntry;
use crate::Hub;
use crate::error::HubError;
use jansky_access::Actor;

impl Hub {
    /// Freezes the agents of all servers of a user; `actor` is who wanted it.
    pub(crate) async fn freeze_user(
        &self,
        user: &User,
        reason: FreezeReason,
        actor: &str,
    ) -> Result<(), HubError> {
        let agents = Agents::OfUser(user.id);
        let now = self.clock.now();
        let frozen = self.store.freeze_agents(agents, reason, now).await?;
        self.access.forget(user.id);
        self.note_frozen(user, &frozen, reason, actor).await
    }

    /// Freezes the agent of one server: only its next start gets tokens again. Says whether there
    /// was one that was not frozen.
    pub async fn freeze_server(
        &self,
        server: &Server,
        reason: FreezeReason,
        actor: &str,
    ) -> Result<bool, HubError> {
        let agents = Agents::OfServer(server.id);
        let now = self.clock.now();
        let frozen = self.store.freeze_agents(agents, reason, now).await?;
        self.access.forget(server.user_id);
        if let Some(owner) = self.store.user(server.user_id).await? {
            self.note_frozen(&owner, &frozen, reason, actor).await?;
        }
        Ok(!frozen.is_empty())
    }

    /// Freezes the agent of a server for somebody who may: its owner, or an operator.
    pub async fn freeze_tokens(&self, actor: &Actor, server: &Server) -> Result<bool, HubError> {
        let reason = if actor.user.id == server.user_id {
            FreezeReason::Owner
        } else {
            FreezeReason::Operator
        };
        self.freeze_server(server, reason, actor.user.name.as_str())
            .await
    }

    async fn note_frozen(
        &self,
        user: &User,
        frozen: &[AgentSession],
        reason: FreezeReason,
        actor: &str,
    ) -> Result<(), HubError> {
        for session in frozen {
            let server = self.store.server(session.server).await?;
            let word = reason.as_str();
            info!(server.id = %session.server, user.name = %user.name, reason = word, "tokens are frozen");
            self.write_audit(AuditEntry {
                event: "freeze",
                actor: actor.to_owned(),
                user: Some(user),
                server: server.as_ref(),
                outcome: "ok",
                detail: json!({ "key": session.thumbprint, "reason": word }),
            })
            .await?;
        }
        Ok(())
    }

    /// Thaws what the sign-out of a user froze, because they have signed in.
    pub(crate) async fn thaw_user(&self, user: &User) -> Result<(), HubError> {
        let thawed = self.store.thaw_agents(user.id, self.clock.now()).await?;
        self.access.forget(user.id);
        for session in thawed {
            let server = self.store.server(session.server).await?;
            self.write_audit(AuditEntry {
                event: "thaw",
                actor: user.name.to_string(),
                user: Some(user),
                server: server.as_ref(),
                outcome: "ok",
                detail: json!({ "key": session.thumbprint }),
            })
            .await?;
        }
        Ok(())
    }

    /// The agents of a user's servers.
    pub async fn agents_of(&self, user: &User) -> Result<Vec<AgentSession>, HubError> {
        Ok(self.store.agent_sessions(Agents::OfUser(user.id)).await?)
    }
}
