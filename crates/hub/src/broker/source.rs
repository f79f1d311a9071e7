//! Where tokens come from: one way for each [`Source`], all with the same question and answer.
//!
//! A way is a function that gets a [`SourceRequest`] and answers with an [`ObtainedToken`] or says why not.
//! Caching, single flight, the check of what was obtained and the audit trail are not its business.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::{ProviderId, Secret, Timestamp};
use jansky_store::{Grant, GrantKind, Server, StoreError, User};

use crate::broker::Broker;
use crate::broker::issuer::TokenContent;
use crate::people::admitted_user::AdmittedUser;
use crate::people::grants::NoToken;
use crate::shared::audience::{Audience, Source};
use crate::shared::error::HubError;

/// What is wanted. Whether the person may have it was decided before.
#[derive(Clone, Copy, Debug)]
pub struct SourceRequest<'a> {
    /// In whose name.
    pub user: AdmittedUser<'a>,
    /// Their groups.
    pub groups: &'a [String],
    /// For which of their servers.
    pub server: &'a Server,
    /// For what.
    pub audience: &'a Audience,
    /// With which scopes; never empty unless the audience has none.
    pub scopes: &'a [String],
    /// For how long it must be good at least.
    pub least: Duration,
}

/// An access token that was obtained, and nothing else that came with it.
#[derive(Debug)]
pub struct ObtainedToken {
    /// The token.
    pub token: Secret,
    /// When it ends; `None` when nobody said.
    pub expires_at: Option<Timestamp>,
    /// The scopes that it has, if they are known, separated by spaces.
    pub scope: Option<String>,
    /// What the token must say about itself if it is a JWT.
    pub about: Option<ExpectedClaims>,
}

/// What a token must say about itself if it is a JWT of this issuer.
#[derive(Clone, Debug, Default)]
pub struct ExpectedClaims {
    /// Who issued it. A token of another issuer is not looked into.
    pub issuer: String,
    /// The `sub` that it must have.
    pub subject: Option<String>,
    /// What must be in its `aud`.
    pub audience: Option<String>,
}

/// What kind of refusal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// The audience is unknown there, or not for us.
    InvalidTarget,
    /// A scope is unknown there, or not for us.
    InvalidScope,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NotObtained {
    /// The person has to sign in again.
    #[error("the person has to sign in again")]
    SignInAgain {
        /// With which provider, if that is known.
        provider: Option<ProviderId>,
        /// The account behind it that has ended, by the provider's name for where it is.
        behind: Option<String>,
    },
    /// The other side does not answer.
    #[error("the issuer does not answer; try again in {} s", retry_after.as_secs())]
    Later {
        /// When to try again.
        retry_after: Duration,
    },
    /// The other side says no, and would say so again.
    #[error("{description}")]
    Refused {
        /// What kind of no.
        reason: RefusedReason,
        /// Why, in words for the person and the operator, without anything secret.
        description: String,
    },
    /// The hub itself failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl NotObtained {
    /// The other side says that the audience cannot be had.
    pub fn invalid_target(description: impl Into<String>) -> Self {
        Self::Refused {
            reason: RefusedReason::InvalidTarget,
            description: description.into(),
        }
    }

    /// The same for others who waited for this answer.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::SignInAgain { provider, behind } => Self::SignInAgain {
                provider: provider.clone(),
                behind: behind.clone(),
            },
            Self::Later { retry_after } => Self::Later {
                retry_after: *retry_after,
            },
            Self::Refused {
                reason,
                description,
            } => Self::Refused {
                reason: *reason,
                description: description.clone(),
            },
            // What it was stands in the log of the first.
            Self::Hub(_) => Self::Later {
                retry_after: Duration::from_secs(1),
            },
        }
    }

    /// What a failed refresh of a grant of `provider` means here.
    pub(crate) fn from_grant(error: NoToken, provider: &ProviderId) -> Self {
        match error {
            NoToken::SignInAgain => Self::SignInAgain {
                provider: Some(provider.clone()),
                behind: None,
            },
            NoToken::Later { retry_after } => Self::Later { retry_after },
            NoToken::Hub(error) => Self::Hub(error),
        }
    }
}

impl From<StoreError> for NotObtained {
    fn from(error: StoreError) -> Self {
        Self::Hub(error.into())
    }
}

impl Broker {
    /// Obtains a token, in the way that the audience says.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
    ) -> Result<ObtainedToken, NotObtained> {
        match &request.audience.source {
            Source::Login { provider, audience } => {
                self.from_login(request, provider.as_ref(), audience.as_deref())
                    .await
            }
            Source::Jansky { audience, lifetime } => {
                self.by_issuer(request, audience, *lifetime).await
            }
            Source::Exchange { provider, audience } => {
                self.from_exchange(request, provider.as_ref(), audience)
                    .await
            }
            Source::IdentityBroker {
                provider,
                alias,
                mode,
            } => {
                self.from_identity_broker(request, provider.as_ref(), alias, *mode)
                    .await
            }
            Source::Service { provider, service } => {
                self.from_other_service(request, provider.as_ref(), service)
                    .await
            }
            Source::ClientCredentials { .. } => {
                self.by_service_account(request.audience, request.scopes, request.least)
                    .await
            }
        }
    }

    /// A token that the hub issues itself, for the person's server.
    async fn by_issuer(
        &self,
        request: &SourceRequest<'_>,
        audience: &str,
        lifetime: Duration,
    ) -> Result<ObtainedToken, NotObtained> {
        let issued = self
            .issue_access_token(TokenContent {
                user: request.user,
                groups: request.groups,
                client_id: &request.server.client_id,
                audience,
                scopes: request.scopes,
                lifetime,
            })
            .await?;
        Ok(ObtainedToken {
            token: issued.token,
            expires_at: Some(issued.expires_at),
            scope: Some(issued.scope).filter(|scope| !scope.is_empty()),
            about: Some(ExpectedClaims {
                issuer: self.issuer(),
                subject: Some(Self::issuer_subject(&request.user)),
                audience: Some(audience.to_owned()),
            }),
        })
    }

    /// The access token of the person's sign-in, as it is.
    async fn from_login(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
        provider: Option<&ProviderId>,
        audience: Option<&str>,
    ) -> Result<ObtainedToken, NotObtained> {
        let grant = self.grant_for(&request.user, provider).await?;
        let fresh = self
            .people
            .fresh_token(&grant, request.least)
            .await
            .map_err(|error| NotObtained::from_grant(error, &grant.provider))?;
        Ok(ObtainedToken {
            token: fresh.token,
            expires_at: fresh.expires_at,
            scope: Some(grant.scope).filter(|scope| !scope.is_empty()),
            about: Some(ExpectedClaims {
                issuer: grant.issuer,
                subject: Some(grant.subject),
                audience: audience.map(str::to_owned),
            }),
        })
    }

    /// The grant of a person's sign-in at a provider, or at the one with which they signed in last.
    pub(crate) async fn grant_for(
        &self,
        user: &User,
        provider: Option<&ProviderId>,
    ) -> Result<Grant, NotObtained> {
        let grant = match provider {
            Some(provider) => self.store.login_grant(user.id, provider).await?,
            None => self.grant_of_sign_in(user).await?,
        };
        let grant = grant.ok_or_else(|| NotObtained::SignInAgain {
            provider: provider.cloned(),
            behind: None,
        })?;
        self.people.grants().seen.see(&grant);
        Ok(grant)
    }

    /// The grant of the newest session; when all sessions have ended, of the newest sign-in.
    pub(crate) async fn grant_of_sign_in(&self, user: &User) -> Result<Option<Grant>, HubError> {
        let mut grants = self.store.grants_of(user.id).await?;
        grants.retain(|grant| grant.kind == GrantKind::Login);
        let sessions = self.store.sessions_of(user.id).await?;
        let of_session = sessions
            .iter()
            .find_map(|session| grants.iter().find(|g| Some(g.id) == session.grant_id));
        let of_sign_in = || {
            let signed_in = grants.iter().filter(|grant| grant.session_id.is_some());
            signed_in.max_by_key(|grant| grant.refreshed_at)
        };
        Ok(of_session.or_else(of_sign_in).cloned())
    }
}
