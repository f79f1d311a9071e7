//! Servers as people and programs ask for them: listed, stopped, renamed, removed. How one starts is in `start`.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::name::server_client_id;
use jansky_model::scope::Target;
use jansky_model::{Scope, ServerEvent, ServerId, ServerName, ServerState, UserId};
use jansky_store::{Server, StoreError, User};
use serde_json::Value;
use tracing::{info, warn};

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::action::{StartServer, StopServer};
use jansky_access::{Actor, Authority, OnBehalfOf, Permit};

/// How long a server that is to be removed may take to stop. Spawners give up sooner.
const PATIENCE_OF_REMOVAL: Duration = Duration::from_mins(10);

impl Servers {
    /// The default server of the caller, if they ever started it.
    pub async fn own_default_server(&self, actor: &Actor) -> Result<Option<Server>, HubError> {
        let name = ServerName::default_server();
        Ok(self.store.server_by_name(actor.user.id, &name).await?)
    }

    /// The servers of a user that the caller may see, also stopped ones.
    pub async fn servers_of(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        user: &User,
    ) -> Result<Vec<Server>, HubError> {
        let mut servers = self.store.servers_of(user.id).await?;
        let by = by.into();
        servers.retain(|server| sees(by, server));
        Ok(servers)
    }

    /// Stops a server. When this returns, the stop is recorded and goes on by itself.
    pub async fn stop_server(
        self: &Arc<Self>,
        permit: &Permit<'_, StopServer>,
    ) -> Result<(), HubError> {
        self.stop(permit.on().existing()?).await
    }

    pub(crate) async fn stop(self: &Arc<Self>, server: &Server) -> Result<(), HubError> {
        let mut current = server.clone();
        loop {
            match current.state {
                ServerState::Stopped | ServerState::Failed { .. } => return Ok(()),
                ServerState::Stopping { .. } => break,
                ServerState::Starting { .. } | ServerState::Ready { .. } => {}
            }
            let now = self.clock.now();
            match self
                .store
                .apply_event(current.id, current.version, ServerEvent::Stop, now)
                .await
            {
                Ok(stopping) => {
                    current = stopping;
                    info!(server.id = %current.id, user.name = %current.user, "stopping");
                    break;
                }
                Err(StoreError::Conflict { .. }) => {
                    let reread = self.store.server(current.id).await?;
                    current = reread.ok_or_else(|| HubError::not_found("No such server."))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        // The database first: a stop that was not recorded must not cut a server off that runs on.
        self.carry_out_stop(current);
        Ok(())
    }

    /// Does what a recorded stop asks for; asking twice is no harm.
    pub(crate) fn carry_out_stop(self: &Arc<Self>, server: Server) {
        self.routes.remove(&self.server_route(&server));
        self.access.forget(server.user_id);
        self.operations.cancel(server.id);
        self.spawn_shut_down(server);
    }

    /// Stops every server and waits for it, at most for `patience`.
    pub async fn stop_all_servers(
        self: &Arc<Self>,
        _: &Authority,
        patience: Duration,
    ) -> Result<(), HubError> {
        let servers = self.store.active_servers().await?;
        for server in &servers {
            self.stop(server).await?;
        }
        let all_gone = async {
            for server in &servers {
                self.operations.finished(server.id).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_gone).await;
        Ok(())
    }

    /// Gives a stopped server another name, title or options; what is `None` stays.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] for a name for which the caller holds more than for this server.
    pub async fn change_server(
        &self,
        permit: &Permit<'_, StartServer>,
        name: Option<&ServerName>,
        display_name: Option<&str>,
        options: Option<serde_json::Map<String, Value>>,
    ) -> Result<Server, HubError> {
        let (by, place) = permit.parts();
        let server = place.existing()?;
        if server.state.is_active() {
            return Err(HubError::invalid(format!(
                "{} is running; stop it before changing it",
                self.title_of(server)
            )));
        }
        if let Some(name) = name.filter(|name| **name != server.name) {
            self.privileges.may_name_server(by, server, name).await?;
            let client_id = server_client_id(&server.user, name);
            match self.store.rename_server(server.id, name, &client_id).await {
                Err(StoreError::AlreadyExists { .. }) => {
                    return Err(HubError::conflict(format!(
                        "Server `{name}` of `{}` exists.",
                        server.user
                    )));
                }
                other => other?,
            }
        }
        if let Some(title) = display_name {
            self.store.set_display_name(server.id, title).await?;
        }
        if let Some(options) = options {
            self.store
                .set_user_options(server.id, &Value::Object(options))
                .await?;
        }
        self.access.forget(server.user_id);
        // What is remembered of visitors may have the old name.
        self.access.forget_everyone();
        let server = self.store.server(server.id).await?;
        server.ok_or_else(|| HubError::not_found("No such server."))
    }

    /// Removes a stopped named server.
    pub async fn remove_server(&self, permit: &Permit<'_, StopServer>) -> Result<(), HubError> {
        // As it is now: it may have been stopped with this permit.
        let known = permit.on().existing()?;
        match self.store.server(known.id).await? {
            Some(server) => self.remove(&server).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn remove(&self, server: &Server) -> Result<(), HubError> {
        if server.name.is_default() {
            return Err(HubError::invalid("The default server cannot be removed."));
        }
        if server.state.is_active() {
            return Err(HubError::conflict(format!(
                "{} is running",
                self.title_of(server)
            )));
        }
        self.store
            .delete_server(server.id, self.clock.now())
            .await?;
        self.access.forget(server.user_id);
        self.access.forget_everyone();
        self.clear_away(server.id).await;
        Ok(())
    }

    /// Removes a named server once its stop, which is under way, is done. A process that ends in
    /// between leaves it stopped.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when there is no such server.
    pub fn remove_when_stopped(
        self: &Arc<Self>,
        permit: &Permit<'_, StopServer>,
    ) -> Result<(), HubError> {
        let server = permit.on().existing()?.clone();
        let servers = Arc::clone(self);
        self.tasks.spawn(async move {
            let removed = async {
                let stopped = servers.settled(&server, PATIENCE_OF_REMOVAL).await?;
                match stopped {
                    Some(stopped) => servers.remove(&stopped).await,
                    None => Ok(()),
                }
            };
            if let Err(error) = removed.await {
                warn!(server.id = %server.id, error = %error, "could not remove a server after its stop");
            }
        });
        Ok(())
    }

    /// Removes what is left of a server that is gone; what cannot be removed only takes up room.
    pub(crate) async fn clear_away(&self, server: ServerId) {
        if let Err(error) = self.spawner.remove(server).await {
            warn!(server.id = %server, error = %error, "could not clear away after a server");
        }
    }

    /// A server as the database has it now.
    pub async fn reread(&self, server: &Server) -> Result<Option<Server>, HubError> {
        Ok(self.store.server(server.id).await?)
    }

    /// The servers of several users that the caller may see.
    pub async fn servers_of_users(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        users: &[User],
    ) -> Result<Vec<Server>, HubError> {
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        let mut servers = self.store.servers_of_users(&ids).await?;
        let by = by.into();
        servers.retain(|server| sees(by, server));
        Ok(servers)
    }

    /// How many servers are ready.
    pub(crate) async fn count_running(&self) -> Result<u64, HubError> {
        let servers = self.store.active_servers().await?;
        Ok(servers
            .iter()
            .filter(|server| server.state.is_ready())
            .count() as u64)
    }

    /// What people call the server.
    pub fn title_of(&self, server: &Server) -> String {
        if !server.display_name.is_empty() {
            server.display_name.clone()
        } else if server.name.is_default() {
            format!("{}'s server", server.user)
        } else {
            format!("{}'s server `{}`", server.user, server.name)
        }
    }
}

/// Whether somebody sees that a server is there: with its owner, alone, or as its owner.
fn sees(by: OnBehalfOf<'_>, server: &Server) -> bool {
    let (owner, name) = (server.user.as_str(), server.name.as_str());
    by.is_at_own_browser(server.user_id)
        || by.may(&[Scope::READ_SERVERS], Target::Server(owner, name))
        || by.may(&[Scope::READ_USERS], Target::User(owner))
}
