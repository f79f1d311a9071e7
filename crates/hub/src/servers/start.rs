//! The start of a server, from the question to the recorded wish: it is made if it is new, what it starts with
//! is chosen, and one transaction writes down that it starts. `launch` carries it out.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::digest;
use jansky_model::name::server_client_id;
use jansky_model::scope::SERVER_ROLE;
use jansky_model::{ScopeSet, Secret, ServerName, ServerState, StartId, Timestamp};
use jansky_spawn::{Choice, Offer};
use jansky_store::{BeginStart, NewServer, NewToken, Server, StoreError, TokenKind, User};
use serde_json::{Map, Value};
use tracing::info;

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::Permit;
use jansky_access::action::StartServer;

/// How long a caller who was refused for load should wait.
const RETRY_AFTER: Duration = Duration::from_secs(30);

impl Servers {
    /// Makes a server without starting it.
    pub async fn create_server(
        &self,
        permit: &Permit<'_, StartServer>,
        display_name: &str,
        options: Option<Map<String, Value>>,
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
        options: Option<Map<String, Value>>,
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
        self.people.may_start_servers(user).await?;
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

    /// What somebody may choose for their servers, each with what they may have.
    pub async fn choices_of(
        &self,
        permit: &Permit<'_, StartServer>,
    ) -> Result<Vec<Choice>, HubError> {
        self.choices_for(&permit.on().owner).await
    }

    async fn choices_for(&self, user: &User) -> Result<Vec<Choice>, HubError> {
        let mut choices = self.spawner.choices();
        if choices.is_empty() {
            return Ok(choices);
        }
        let groups = self.store.groups_of(user.id).await?;
        for choice in &mut choices {
            choice
                .offers
                .retain(|offer| offer.is_for(user.name.as_str(), &groups));
        }
        Ok(choices)
    }

    /// The options of a start in which every choice is made: as asked, as the last time, or the
    /// first of what somebody may have.
    async fn options_of_start(
        &self,
        user: &User,
        asked: Option<Value>,
        last: &Value,
    ) -> Result<Value, HubError> {
        let is_asked = asked.is_some();
        let mut options = asked.unwrap_or_else(|| last.clone());
        for choice in self.choices_for(user).await? {
            if options.is_null() {
                options = Value::Object(Map::new());
            }
            let Some(options) = options.as_object_mut() else {
                return Err(HubError::invalid("The options must be a JSON object."));
            };
            let value = options.get(&choice.key).filter(|value| !value.is_null());
            let is_offered = value.is_some_and(|value| {
                let offered = |offer: &Offer| value.as_str() == Some(&offer.value);
                choice.offers.iter().any(offered)
            });
            if is_offered {
                continue;
            }
            // What was chosen the last time may not be offered any more.
            if let Some(value) = value.filter(|_| is_asked) {
                return Err(not_offered(&choice, value));
            }
            let Some(first) = choice.offers.first() else {
                return Err(HubError::forbidden(format!(
                    "{}: nothing is offered to you. Ask the operator.",
                    choice.title
                )));
            };
            options.insert(choice.key, Value::from(first.value.as_str()));
        }
        Ok(options)
    }
}

fn not_offered(choice: &Choice, value: &Value) -> HubError {
    let offered: Vec<&str> = choice.offers.iter().map(|o| o.value.as_str()).collect();
    HubError::invalid(format!(
        "The option `{}` cannot be {value} here; choose one of: {}.",
        choice.key,
        offered.join(", ")
    ))
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
