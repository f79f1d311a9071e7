//! Servers as people and programs ask for them: made, started, stopped, renamed, removed.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::digest;
use jansky_model::name::{server_client_id, server_prefix};
use jansky_model::scope::{SERVER_ROLE, Target};
use jansky_model::{
    Scope, ScopeSet, Secret, ServerEvent, ServerId, ServerName, ServerState, StartId, Timestamp,
    UserId,
};
use jansky_store::{BeginStart, NewServer, NewToken, Server, StoreError, TokenKind, User};
use serde_json::Value;
use tracing::{info, warn};

use crate::servers::Servers;
use crate::servers::operations::Progress;
use crate::servers::routes::ServerRoute;
use crate::shared::error::HubError;
use jansky_access::action::{StartServer, StopServer};
use jansky_access::{Actor, Authority, OnBehalfOf, Permit};

/// Between two looks at a row that somebody else works on.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long a server that is to be removed may take to stop. Spawners give up sooner.
const PATIENCE_OF_REMOVAL: Duration = Duration::from_mins(10);

/// How long a caller who was refused for load should wait.
const RETRY_AFTER: Duration = Duration::from_secs(30);

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

    /// The path of a server, for example `/user/river/`.
    pub fn server_path(&self, server: &Server) -> String {
        server_prefix(&self.settings.base, &server.user, &server.name)
    }

    /// Where browsers find a server: its path, or a whole address where it has a host of its own.
    pub fn server_url(&self, server: &Server) -> String {
        self.settings.server_url(&server.user, &server.name)
    }

    /// Sends requests to a server.
    pub(crate) fn add_route(&self, server: &Server, url: &str) {
        self.routes.add(&ServerRoute {
            path: &self.server_route(server),
            url,
            server: server.id,
            user: server.user.as_str(),
            server_name: server.name.as_str(),
        });
    }

    /// The spec of the route to a server.
    pub(crate) fn server_route(&self, server: &Server) -> String {
        self.settings.server_route(&server.user, &server.name)
    }

    /// Makes a server without starting it.
    pub async fn create_server(
        &self,
        permit: &Permit<'_, StartServer>,
        display_name: &str,
        options: Option<serde_json::Map<String, Value>>,
    ) -> Result<Server, HubError> {
        let place = permit.on();
        self.make(&place.owner, &place.name, display_name, options)
            .await
    }

    pub(crate) async fn make(
        &self,
        user: &User,
        name: &ServerName,
        display_name: &str,
        options: Option<serde_json::Map<String, Value>>,
    ) -> Result<Server, HubError> {
        if !name.is_default() {
            self.check_named_servers(user, name).await?;
        }
        let client_id = server_client_id(&user.name, name);
        let new = NewServer {
            user_id: user.id,
            name: name.clone(),
            client_id,
            display_name: display_name.to_owned(),
            user_options: Value::Object(options.unwrap_or_default()),
            created_at: self.clock.now(),
        };
        match self.store.create_server(&new).await {
            Ok(server) => {
                self.access.forget(user.id);
                Ok(server)
            }
            Err(StoreError::AlreadyExists { .. }) => Err(HubError::conflict(format!(
                "Server `{name}` of `{}` exists.",
                user.name
            ))),
            Err(error) => Err(error.into()),
        }
    }

    async fn check_named_servers(&self, user: &User, name: &ServerName) -> Result<(), HubError> {
        if !self.settings.allow_named_servers {
            return Err(HubError::invalid("Named servers are not enabled."));
        }
        let limit = self.settings.named_server_limit_per_user;
        if limit == 0 {
            return Ok(());
        }
        let servers = self.store.servers_of(user.id).await?;
        let named = servers.iter().filter(|server| !server.name.is_default());
        if named.filter(|server| server.name != *name).count() as u64 >= limit {
            return Err(HubError::invalid(format!(
                "User `{}` already has the maximum of {limit} named servers. \
                 Remove one before making another.",
                user.name
            )));
        }
        Ok(())
    }

    /// Starts a server, making it first if needed; `options` are kept and used again next time.
    ///
    /// When this returns, the start is recorded and goes on by itself, whatever happens to the
    /// caller. Use `settled` to wait for it and `progress` to watch it.
    pub async fn start_server(
        self: &Arc<Self>,
        permit: &Permit<'_, StartServer>,
        options: Option<Value>,
    ) -> Result<Server, HubError> {
        let place = permit.on();
        self.start(&place.owner, &place.name, options).await
    }

    pub(crate) async fn start(
        self: &Arc<Self>,
        user: &User,
        name: &ServerName,
        options: Option<Value>,
    ) -> Result<Server, HubError> {
        let server = match self.store.server_by_name(user.id, name).await? {
            Some(server) => server,
            None => self.make(user, name, "", None).await?,
        };
        match &server.state {
            ServerState::Starting { .. } => return Ok(server),
            ServerState::Ready { .. } => {
                return Err(HubError::invalid(format!(
                    "{} is already running",
                    self.title_of(&server)
                )));
            }
            ServerState::Stopping { .. } => {
                return Err(HubError::invalid(format!(
                    "{} is pending stop; start it again when that is done",
                    self.title_of(&server)
                )));
            }
            ServerState::Stopped | ServerState::Failed { .. } => {}
        }
        // The refresh may have found out that the owner may no longer be here, so it comes first.
        self.people.demand_login_token(user).await?;
        self.people.must_be_allowed(user).await?;
        let options = self
            .options_of_start(user, options, &server.user_options)
            .await?;
        self.check_load().await?;
        let token = self.random.secret("");
        let now = self.clock.now();
        let start = StartId(server.starts + 1);
        let begun = self
            .store
            .begin_start(
                server.id,
                server.version,
                BeginStart {
                    start,
                    user_options: options,
                    spawner: self.spawner.kind().to_owned(),
                    token: server_token(&server, start, &token, now),
                    at: now,
                },
            )
            .await;
        let server = match begun {
            Ok(server) => server,
            // Somebody else was faster: theirs is the start that both wanted.
            Err(StoreError::Conflict { .. }) => {
                let server = self.store.server(server.id).await?;
                return server.ok_or_else(|| HubError::not_found("The server was removed."));
            }
            Err(error) => return Err(error.into()),
        };
        self.access.forget(user.id);
        info!(server.id = %server.id, user.name = %server.user, "starting `{}`", server.name);
        self.spawn_launch(server.clone(), token);
        Ok(server)
    }

    async fn check_load(&self) -> Result<(), HubError> {
        let limit = self.settings.concurrent_spawn_limit;
        if limit > 0 && self.operations.starts() >= limit {
            return Err(HubError::Busy {
                message: "Many servers are starting at the moment. Try again in a little while."
                    .to_owned(),
                retry_after: RETRY_AFTER,
            });
        }
        let limit = self.settings.active_server_limit;
        if limit > 0 && self.store.active_servers().await?.len() >= limit {
            return Err(HubError::Busy {
                message: "All places for running servers are taken. Try again later.".to_owned(),
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
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

    /// Waits until nothing is under way for a server, at most for `patience`, and returns it as it
    /// is then; `None` when it was removed meanwhile.
    pub async fn settled(
        &self,
        server: &Server,
        patience: Duration,
    ) -> Result<Option<Server>, HubError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let finished = self.operations.finished(server.id);
            let in_time = tokio::time::timeout_at(deadline, finished).await.is_ok();
            let current = self.store.server(server.id).await?;
            let is_pending = current
                .as_ref()
                .is_some_and(|now| now.state.pending().is_some());
            if !is_pending || !in_time || tokio::time::Instant::now() >= deadline {
                return Ok(current);
            }
            // A stop waits for its turn, or another process has it.
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// The messages of a start that is under way in this process.
    pub fn progress(&self, server: &Server) -> Option<Progress> {
        self.operations.watch(server.id)
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

/// The token of a server itself, as JupyterHub's role `server` has it.
pub(crate) fn server_token(
    server: &Server,
    start: StartId,
    secret: &Secret,
    at: Timestamp,
) -> NewToken {
    let owner = jansky_model::scope::Owner {
        user: Some(server.user.as_str()),
        server: Some((server.user.as_str(), server.name.as_str())),
    };
    NewToken {
        digest: digest(secret),
        kind: TokenKind::Server,
        user_id: server.user_id,
        server_id: Some(server.id),
        client_id: None,
        session_id: None,
        scopes: ScopeSet::expand(SERVER_ROLE.iter().copied(), owner, None).to_texts(),
        note: format!("Server at {}, start {start}", server.client_id),
        created_at: at,
        expires_at: None,
    }
}
