//! The tokens with which a spawner asks a service about servers: people's own, and those of the hub's
//! service account.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{Scope, Secret, ServerId};
use jansky_spawn::{NoToken, UserTokens};
use jansky_store::{Server, User};

use crate::broker::{NotObtained, SourceRequest};
use crate::people::admitted_user::AdmittedUser;
use crate::servers::Servers;
use crate::shared::error::HubError;

/// Gives a spawner the tokens that it needs.
///
/// The spawner is there before the hub, so this begins without one: nobody gets a token until
/// [`SpawnerTokens::serve_from`] was called.
#[derive(Debug)]
pub struct SpawnerTokens {
    /// The audience that gives people's tokens; that of their sign-in when there is none.
    people: Option<String>,
    /// The audience with the source `client-credentials` that is the service account.
    service: Option<String>,
    servers: ServersReference,
}

/// The hub, once there is one.
#[derive(Default)]
struct ServersReference(OnceLock<Weak<Servers>>);

impl std::fmt::Debug for ServersReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Door")
    }
}

impl SpawnerTokens {
    /// Tokens of these audiences.
    pub fn new(people: Option<String>, service: Option<String>) -> Self {
        Self {
            people,
            service,
            servers: ServersReference::default(),
        }
    }

    /// Gives the tokens of this hub from now on.
    pub fn serve_from(&self, servers: &Arc<Servers>) {
        // A second hub cannot have the same spawner.
        let _ = self.servers.0.set(Arc::downgrade(servers));
    }

    fn servers(&self) -> Result<Arc<Servers>, NoToken> {
        let servers = self.servers.0.get().and_then(Weak::upgrade);
        servers.ok_or_else(|| NoToken::Later {
            reason: "the hub does not run".to_owned(),
        })
    }
}

#[async_trait]
impl UserTokens for SpawnerTokens {
    async fn for_owner(&self, server: ServerId, least: Duration) -> Result<Secret, NoToken> {
        let servers = self.servers()?;
        let (server, user) = servers.server_and_owner(server).await?;
        let rights = servers
            .people
            .rights_of(&user)
            .await
            .map_err(|error| from_hub(&error))?;
        if self.service.is_some() && rights.holds(Scope::SERVICE_ACCOUNT) {
            return self.for_service(least).await;
        }
        match &self.people {
            Some(audience) => {
                servers
                    .spawner_token_of_audience(audience, &server, &user, least)
                    .await
            }
            None => servers.spawner_token_of_sign_in(&user, least).await,
        }
    }

    async fn for_service(&self, least: Duration) -> Result<Secret, NoToken> {
        let servers = self.servers()?;
        let audience = self.service.as_deref().ok_or_else(|| NoToken::Refused {
            reason: "there is no service account".to_owned(),
        })?;
        let fresh = servers.broker.service_token(audience, least).await;
        let fresh = fresh.map_err(|error| not_obtained(error, "the service account"))?;
        Ok(fresh.token)
    }

    async fn at_work(&self) -> Result<Vec<ServerId>, NoToken> {
        let servers = self.servers()?;
        let servers = servers.store.active_servers().await;
        let mut servers = servers.map_err(|error| from_hub(&error.into()))?;
        let mut seen = BTreeSet::new();
        servers.retain(|server| seen.insert(server.user_id.0));
        Ok(servers.into_iter().map(|server| server.id).collect())
    }
}

impl Servers {
    async fn server_and_owner(&self, id: ServerId) -> Result<(Server, User), NoToken> {
        let found = async {
            let Some(server) = self.store.server(id).await? else {
                return Ok(None);
            };
            let user = self.store.user(server.user_id).await?;
            Ok::<_, HubError>(user.map(|user| (server, user)))
        };
        found
            .await
            .map_err(|error| from_hub(&error))?
            .ok_or(NoToken::Refused {
                reason: format!("server {id} has no owner any more"),
            })
    }

    /// The token that an audience gives for a person. Its rules are about what the code on servers may
    /// have; this is the hub itself.
    async fn spawner_token_of_audience(
        self: &Arc<Self>,
        id: &str,
        server: &Server,
        user: &User,
        least: Duration,
    ) -> Result<Secret, NoToken> {
        let audience = self.settings.broker.audiences.iter().find(|a| a.id == id);
        let audience = audience.ok_or_else(|| NoToken::Refused {
            reason: format!("there is no [audience.{id}]"),
        })?;
        let groups = self
            .store
            .groups_of(user.id)
            .await
            .map_err(|error| from_hub(&error.into()))?;
        let request = SourceRequest {
            user: AdmittedUser::as_the_hub(user),
            groups: &groups,
            server,
            audience,
            scopes: &audience.scopes,
            least,
        };
        let obtained = self.broker.obtain(&request).await;
        let obtained =
            obtained.map_err(|error| not_obtained(error, &format!("`{}`", user.name)))?;
        Ok(obtained.token)
    }

    async fn spawner_token_of_sign_in(
        self: &Arc<Self>,
        user: &User,
        least: Duration,
    ) -> Result<Secret, NoToken> {
        let who = format!("`{}`", user.name);
        let grant = self.broker.grant_for(user, None).await;
        let grant = grant.map_err(|error| not_obtained(error, &who))?;
        let fresh = self.people.fresh_token(&grant, least).await;
        let fresh = fresh
            .map_err(|error| not_obtained(NotObtained::from_grant(error, &grant.provider), &who))?;
        Ok(fresh.token)
    }
}

fn from_hub(error: &HubError) -> NoToken {
    NoToken::Later {
        reason: error.to_string(),
    }
}

fn not_obtained(error: NotObtained, who: &str) -> NoToken {
    match error {
        NotObtained::SignInAgain { .. } => NoToken::SignInAgain {
            who: who.to_owned(),
        },
        NotObtained::Later { .. } => NoToken::Later {
            reason: error.to_string(),
        },
        NotObtained::Refused { description, .. } => NoToken::Refused {
            reason: description,
        },
        NotObtained::Hub(error) => from_hub(&error),
    }
}
