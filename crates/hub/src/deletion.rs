//! The end of a user: the one use case that goes through all parts.

use std::time::Duration;

use crate::Hub;
use crate::shared::error::HubError;
use jansky_access::action::DeleteUser;
use jansky_access::{OnBehalfOf, Permit};

/// How long deleting a user waits for each of their servers to stop.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

impl Hub {
    /// Deletes a user after stopping all their servers.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the user holds rights over others that the caller does not hold.
    pub async fn delete_user(&self, permit: &Permit<'_, DeleteUser>) -> Result<(), HubError> {
        let (by, user) = permit.parts();
        if matches!(by, OnBehalfOf::Actor(actor) if actor.user.id == user.id) {
            return Err(HubError::invalid("Cannot delete yourself!"));
        }
        self.privileges.may_act_against(by, user).await?;
        let servers = self.store.servers_of(user.id).await?;
        for server in servers.iter().filter(|server| server.state.is_active()) {
            self.servers.stop(server).await?;
        }
        for server in &servers {
            let left = self.servers.settled(server, STOP_PATIENCE).await?;
            if left.is_some_and(|server| server.state.is_active()) {
                return Err(HubError::conflict(format!(
                    "{} is still stopping; delete the user when it is gone",
                    self.servers.title_of(server)
                )));
            }
        }
        self.people.remove_user(by, user).await?;
        for server in &servers {
            self.servers.clear_away(server.id).await;
        }
        Ok(())
    }
}
