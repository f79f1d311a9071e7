//! Freezing: an agent's session that gives nothing until it is thawed.

use jansky_store::{AgentSession, Agents, FreezeReason, Server, User};

use crate::broker::Broker;
use crate::shared::error::HubError;
use jansky_access::Actor;

impl Broker {
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
            self.people
                .note_frozen(&owner, &frozen, reason, actor)
                .await?;
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

    /// The agents of a user's servers.
    pub async fn agents_of(&self, user: &User) -> Result<Vec<AgentSession>, HubError> {
        Ok(self.store.agent_sessions(Agents::OfUser(user.id)).await?)
    }
}
