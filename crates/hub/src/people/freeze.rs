//! With the sign-in of a person the tokens for their servers end: the sessions of their agents are
//! frozen, and thawed by the next one.

use jansky_store::{AgentSession, Agents, FreezeReason, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::AuditEntry;

impl People {
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

    /// Thaws what the sign-out of a user froze, because they have signed in.
    pub(crate) async fn thaw_user(&self, user: &User) -> Result<(), HubError> {
        let thawed = self.store.thaw_agents(user.id, self.clock.now()).await?;
        self.access.forget(user.id);
        for session in thawed {
            let server = self.store.server(session.server).await?;
            self.audit
                .write_audit(AuditEntry {
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

    pub(crate) async fn note_frozen(
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
            self.audit
                .write_audit(AuditEntry {
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
}
