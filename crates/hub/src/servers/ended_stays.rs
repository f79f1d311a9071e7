//! The servers of people who signed out or may no longer come in.
//!
//! That their servers are to stop is in the database when it comes here: as servers that are stopping,
//! or as the time until which somebody may still save what is open.

use std::sync::Arc;

use jansky_model::{ServerState, UserId};
use jansky_store::Server;
use tracing::warn;

use crate::servers::Servers;
use crate::shared::error::HubError;

impl Servers {
    /// Stops the servers of a user whose stop was recorded by somebody who cannot stop them.
    pub(crate) async fn take_up_stops_of(self: &Arc<Self>, user: UserId) -> Result<(), HubError> {
        self.carry_out_stops(self.store.servers_of(user).await?);
        Ok(())
    }

    /// The same for everybody, when it is not known whose was recorded.
    pub(crate) async fn take_up_stops(self: &Arc<Self>) -> Result<(), HubError> {
        self.carry_out_stops(self.store.active_servers().await?);
        Ok(())
    }

    fn carry_out_stops(self: &Arc<Self>, servers: Vec<Server>) {
        for server in servers {
            if matches!(server.state, ServerState::Stopping { .. }) {
                self.carry_out_stop(server);
            }
        }
    }

    /// Stops the servers of people whose time is over, and ends their sessions.
    pub async fn finish_exclusions(self: &Arc<Self>) -> Result<(), HubError> {
        for exclusion in self.store.due_exclusions(self.clock.now()).await? {
            let user = exclusion.user_id;
            for server in self.store.servers_of(user).await? {
                self.stop(&server).await?;
            }
            self.people.end_sessions_of(user).await?;
            // Only now: a process that dies in between leaves it to the next one.
            self.store.finish_exclusion(user).await?;
            warn!(
                user.id = user.0,
                "servers stopped: their owner is no longer allowed"
            );
        }
        Ok(())
    }
}
