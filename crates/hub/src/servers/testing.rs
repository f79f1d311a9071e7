//! Servers, for tests: made, started and stopped without a question.

use std::sync::Arc;

use jansky_model::ServerName;
use jansky_store::{Server, User};
use serde_json::Value;

use crate::servers::Servers;
use crate::shared::error::HubError;

impl Servers {
    /// A server of a user by name.
    pub async fn server(&self, user: &User, name: &ServerName) -> Result<Option<Server>, HubError> {
        Ok(self.store.server_by_name(user.id, name).await?)
    }

    /// Makes a server that nobody asked for.
    pub async fn make_unasked(
        &self,
        user: &User,
        name: &ServerName,
        title: &str,
    ) -> Result<Server, HubError> {
        self.make(user, name, title, None).await
    }

    /// Starts a server without a question.
    pub async fn start_unasked(
        self: &Arc<Self>,
        user: &User,
        name: &ServerName,
        options: Option<Value>,
    ) -> Result<Server, HubError> {
        self.start(user, name, options).await
    }

    /// Stops a server without a question.
    pub async fn stop_unasked(self: &Arc<Self>, server: &Server) -> Result<(), HubError> {
        self.stop(server).await
    }

    /// Removes a server without a question.
    pub async fn remove_unasked(&self, server: &Server) -> Result<(), HubError> {
        self.remove(server).await
    }
}
