//! Freezing: an agent's session that gives nothing until it is thawed.

use jansky_store::{AgentSession, Agents, FreezeReason, Server, User};

use crate::broker::Broker;
use crate::shared::error::HubError;
use jansky_access::action::StopServer;
use jansky_access::{OnBehalfOf, Permit};
use jansky_model::Scope;
use jansky_model::scope::Target;

impl Broker {
    /// Freezes the agent of one server: only its next start gets tokens again. Says whether there
    /// was one that was not frozen.
    pub(crate) async fn freeze_server(
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
    pub async fn freeze_tokens(&self, permit: &Permit<'_, StopServer>) -> Result<bool, HubError> {
        let (by, place) = permit.parts();
        let server = place.existing()?;
        let is_owner = matches!(by, OnBehalfOf::Actor(actor) if actor.user.id == server.user_id);
        let reason = if is_owner {
            FreezeReason::Owner
        } else {
            FreezeReason::Operator
        };
        self.freeze_server(server, reason, by.name()).await
    }

    /// The agents of those servers of a user that the caller may see.
    pub async fn agents_of(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        user: &User,
    ) -> Result<Vec<AgentSession>, HubError> {
        let by = by.into();
        let mut agents = self.store.agent_sessions(Agents::OfUser(user.id)).await?;
        if by.is_at_own_browser(user.id)
            || by.may(&[Scope::READ_SERVERS], Target::User(user.name.as_str()))
        {
            return Ok(agents);
        }
        let mut seen = self.store.servers_of(user.id).await?;
        seen.retain(|server| {
            let target = Target::Server(server.user.as_str(), server.name.as_str());
            by.may(&[Scope::READ_SERVERS], target)
        });
        agents.retain(|agent| seen.iter().any(|server| server.id == agent.server));
        Ok(agents)
    }
}
