//! Who else may enter a server, and who has: the one answer for the broker, which gives its tokens to
//! whoever is inside, and for everybody who asks.
//!
//! An owner decides about shares, so a server that is shared has others in it from the moment on in
//! which it is. That an operator or somebody with a role may enter any server says nothing yet about
//! this one; that they do is recorded before they are in, and holds until the next start, because what
//! they began in there may still run.

use jansky_store::{Server, ServerVisit, User};
use serde_json::json;
use tracing::info;

use crate::broker::Broker;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};

/// Others than its owner at a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVisitors {
    /// Its owner shares it.
    pub is_shared: bool,
    /// Who has entered it since it was started, by whatever right.
    pub entered: Vec<ServerVisit>,
}

impl ServerVisitors {
    /// Whether the server is its owner's alone.
    pub const fn are_none(&self) -> bool {
        !self.is_shared && self.entered.is_empty()
    }
}

impl Broker {
    /// Who else than its owner may be in a server. This is the only place that decides it.
    pub(crate) async fn visitors_of(&self, server: &Server) -> Result<ServerVisitors, HubError> {
        let entered = match server.state.start() {
            Some(start) => self.store.entries(server.id, start).await?,
            None => Vec::new(),
        };
        Ok(ServerVisitors {
            is_shared: self.store.is_shared(server.id).await?,
            entered,
        })
    }

    /// Records that somebody enters a server, before they do. Where servers get no tokens, nothing
    /// depends on it.
    pub(crate) async fn record_visit(&self, server: &Server, who: &User) -> Result<(), HubError> {
        if !self.settings.broker.gives_tokens() {
            return Ok(());
        }
        let Some(start) = server.state.start().filter(|_| server.user_id != who.id) else {
            return Ok(());
        };
        let now = self.clock.now();
        if !self
            .store
            .record_server_visit(server, start, who, now)
            .await?
        {
            return Ok(());
        }
        self.access.forget(server.user_id);
        info!(user.name = %who.name, server.id = %server.id, "entered the server of `{}`", server.user);
        let owner = self.store.user(server.user_id).await?;
        self.audit
            .write_audit(AuditEntry {
                event: Event::ServerEntered,
                actor: who.name.to_string(),
                user: owner.as_ref(),
                server: Some(server),
                outcome: "ok",
                detail: json!({}),
            })
            .await
    }
}
