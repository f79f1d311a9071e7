//! Tokens for notebooks and programs that were written for JupyterHub: both ways are off unless the
//! operator turns them on, and neither shows a refresh token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::dpop::token_hash;
use jansky_model::{Secret, Timestamp};
use jansky_store::{Agents, Server, TokenKind, User};
use serde_json::json;

use super::BrokerError;
use super::source::{NotObtained, SourceRequest};
use crate::broker::Broker;
use crate::people::admitted_user::{AdmittedUser, NotAdmitted};
use crate::shared::audience::{Audience, Source};
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};
use jansky_access::action::SeeAuthState;
use jansky_access::{Actor, Credential, Permit};

/// For how long what is shown must be good at least.
const LEAST: Duration = Duration::from_mins(1);

/// What a server may read with its own token.
#[derive(Debug)]
pub struct ExposedTokens {
    /// Whose server it is.
    pub user: User,
    /// The access token of the sign-in.
    pub login: ExposedToken,
    /// Those of the audiences that this person may have, by their ids.
    pub exchanged: BTreeMap<String, ExposedToken>,
}

/// An access token with its end.
#[derive(Debug)]
pub struct ExposedToken {
    /// The token.
    pub token: Arc<Secret>,
    /// When it ends, if that is known.
    pub expires_at: Option<Timestamp>,
    /// Its scopes, separated by spaces, if they are known.
    pub scope: Option<String>,
}

impl Broker {
    /// The tokens that `local_user_exposed_path` shows. Only a server's own token opens it.
    pub async fn exposed_tokens(
        self: &Arc<Self>,
        actor: &Actor,
    ) -> Result<ExposedTokens, BrokerError> {
        let Credential::Token {
            kind: TokenKind::Server,
            server: Some(server),
            ..
        } = &actor.credential
        else {
            return Err(BrokerError::InvalidToken);
        };
        let server = self.store.server(*server).await?;
        let server = server.ok_or(BrokerError::InvalidToken)?;
        let user = &actor.user;
        self.pass(user.id)?;
        let agents = self
            .store
            .agent_sessions(Agents::OfServer(server.id))
            .await?;
        if let Some(reason) = agents.iter().find_map(|agent| agent.frozen) {
            return Err(BrokerError::Frozen(reason));
        }
        BrokerError::must_be_alone(&self.visitors_of(&server).await?)?;
        let user = self.people.must_be_admitted(user).await?;
        let name = user.name.as_str();
        let login = self.login_exposed(name, user, Event::ExposedPath, Some(&server));
        let login = login.await.map_err(explain)?;
        let mut exchanged = BTreeMap::new();
        for audience in &self.settings.broker.audiences {
            if let Some(token) = self.exposed(user, &actor.groups, &server, audience).await? {
                exchanged.insert(audience.id.clone(), token);
            }
        }
        Ok(ExposedTokens {
            user: (*user).clone(),
            login,
            exchanged,
        })
    }

    /// A token for an audience; `None` when it is not for this person or cannot be had now.
    async fn exposed(
        self: &Arc<Self>,
        user: AdmittedUser<'_>,
        groups: &[String],
        server: &Server,
        audience: &Audience,
    ) -> Result<Option<ExposedToken>, BrokerError> {
        let is_login = matches!(audience.source, Source::Login { provider: None, .. });
        let rules = &audience.rules;
        if is_login || !rules.allow(&user, groups) || !rules.fit(Some(server)) {
            return Ok(None);
        }
        let request = SourceRequest {
            user,
            groups,
            server,
            audience,
            scopes: &audience.scopes,
            least: LEAST,
        };
        // One that cannot be had leaves the others as they are.
        let Ok((held, _)) = self.held_token(&request).await else {
            return Ok(None);
        };
        let token = ExposedToken {
            token: held.token,
            expires_at: Some(held.expires_at),
            scope: held.scope,
        };
        let name = user.name.as_str();
        self.note_exposed(
            name,
            &user,
            Some(server),
            Event::ExposedPath,
            &audience.id,
            &token,
        )
        .await?;
        Ok(Some(token))
    }

    /// What `auth_state` of a user shows to the caller; `None` when nothing can be shown, or when the user
    /// holds more than the caller.
    pub async fn auth_state(
        self: &Arc<Self>,
        permit: &Permit<'_, SeeAuthState>,
    ) -> Result<Option<ExposedToken>, HubError> {
        let (by, user) = permit.parts();
        if !self.settings.broker.auth_state || !self.privileges.holds_as_much(by, user).await? {
            return Ok(None);
        }
        let user = match self.people.must_be_admitted(user).await {
            Ok(user) => user,
            Err(NotAdmitted::Hub(error)) => return Err(error),
            Err(NotAdmitted::Excluded | NotAdmitted::SignInAgain(_)) => return Ok(None),
        };
        let name = by.name();
        match self.login_exposed(name, user, Event::AuthState, None).await {
            Ok(token) => Ok(Some(token)),
            Err(NotObtained::Hub(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn login_exposed(
        self: &Arc<Self>,
        actor: &str,
        user: AdmittedUser<'_>,
        event: Event,
        server: Option<&Server>,
    ) -> Result<ExposedToken, NotObtained> {
        let grant = self.grant_for(&user, None).await?;
        let fresh = self
            .people
            .fresh_token(&grant, LEAST)
            .await
            .map_err(|error| NotObtained::from_grant(error, &grant.provider))?;
        let token = ExposedToken {
            token: Arc::new(fresh.token),
            expires_at: fresh.expires_at,
            scope: Some(grant.scope).filter(|scope| !scope.is_empty()),
        };
        self.note_exposed(actor, &user, server, event, "login", &token)
            .await?;
        Ok(token)
    }

    async fn note_exposed(
        &self,
        actor: &str,
        user: &User,
        server: Option<&Server>,
        event: Event,
        audience: &str,
        token: &ExposedToken,
    ) -> Result<(), HubError> {
        self.audit
            .write_audit(AuditEntry {
                event,
                actor: actor.to_owned(),
                user: Some(user),
                server,
                outcome: "ok",
                detail: json!({
                    "audience": audience,
                    "scope": token.scope,
                    "token": token_hash(token.token.expose()),
                    "expires_at": token.expires_at,
                }),
            })
            .await
    }
}

fn explain(error: NotObtained) -> BrokerError {
    match error {
        NotObtained::SignInAgain { provider, behind } => {
            BrokerError::sign_in_again(provider.as_ref(), behind.as_deref())
        }
        NotObtained::Later { retry_after } => BrokerError::Later { retry_after },
        NotObtained::Refused { description, .. } => BrokerError::InvalidTarget(description),
        NotObtained::Hub(error) => BrokerError::Hub(error),
    }
}
