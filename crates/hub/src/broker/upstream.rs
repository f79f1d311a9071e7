//! Tokens that a provider makes for a service, in a person's name or in ours.
//!
//! Every audience is left alone by itself when its way does not work: one provider in trouble, or
//! one behind it, takes nothing else along.

use std::sync::Arc;
use std::time::Duration;

use jansky_identity::{
    ExchangeRequest, ExternalTokenMethod, ExternalTokens, IdentityProvider, IssuedToken, NotIssued,
    ServiceRequest, TokenExchange,
};
use jansky_model::{ProviderId, Secret};
use jansky_store::Grant;
use tracing::warn;

use super::source::{NotObtained, ObtainedToken, RefusedReason, SourceRequest};
use crate::broker::Broker;
use crate::people::grants::FreshToken;
use crate::shared::audience::{Audience, BrokerMode, Source};

/// The person's own token is good for at least so long when it is traded.
const SUBJECT_FLOOR: Duration = Duration::from_secs(30);

/// A person's token that was refreshed less than this ago is not refreshed again because a
/// provider does not accept it.
const JUST_REFRESHED: Duration = Duration::from_mins(1);

/// What the person's token is traded for.
enum ExchangeTarget<'a> {
    Exchange {
        exchanger: &'a dyn TokenExchange,
        audience: &'a str,
        scopes: &'a [String],
    },
    External {
        external: &'a dyn ExternalTokens,
        alias: &'a str,
        way: Option<ExternalTokenMethod>,
    },
}

impl ExchangeTarget<'_> {
    async fn ask(&self, grant: &Grant, subject_token: &Secret) -> Result<IssuedToken, NotIssued> {
        match self {
            Self::Exchange {
                exchanger,
                audience,
                scopes,
            } => {
                let request = ExchangeRequest {
                    subject_token,
                    subject: &grant.subject,
                    subject_scope: &grant.scope,
                    audience: Some(audience),
                    resource: None,
                    scopes,
                };
                exchanger.exchange(&request).await
            }
            Self::External {
                external,
                alias,
                way,
            } => external.external_token(alias, *way, subject_token).await,
        }
    }
}

impl Broker {
    /// The person's token is traded for one of the service (RFC 8693).
    pub(super) async fn from_exchange(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
        provider: Option<&ProviderId>,
        audience: &str,
    ) -> Result<ObtainedToken, NotObtained> {
        let grant = self.grant_for(&request.user, provider).await?;
        let provider = self.provider_of(&grant)?;
        let exchanger = provider.exchanger().ok_or_else(|| cannot(&*provider))?;
        let target = ExchangeTarget::Exchange {
            exchanger,
            audience,
            scopes: request.scopes,
        };
        self.with_login(request, &grant, &target).await
    }

    /// The token of a provider behind the provider.
    pub(super) async fn from_identity_broker(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
        provider: Option<&ProviderId>,
        alias: &str,
        mode: BrokerMode,
    ) -> Result<ObtainedToken, NotObtained> {
        let grant = self.grant_for(&request.user, provider).await?;
        let provider = self.provider_of(&grant)?;
        let external = provider
            .external_tokens()
            .ok_or_else(|| cannot(&*provider))?;
        let way = match mode {
            BrokerMode::Auto => None,
            BrokerMode::V2 => Some(ExternalTokenMethod::V2),
            BrokerMode::V1 => Some(ExternalTokenMethod::V1),
            BrokerMode::Legacy => Some(ExternalTokenMethod::Legacy),
        };
        let target = ExchangeTarget::External {
            external,
            alias,
            way,
        };
        self.with_login(request, &grant, &target).await
    }

    /// A token for one other service that came along with the sign-in.
    pub(super) async fn from_other_service(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
        provider: Option<&ProviderId>,
        service: &str,
    ) -> Result<ObtainedToken, NotObtained> {
        let provider = match provider {
            Some(provider) => provider.clone(),
            None => self.grant_for(&request.user, None).await?.provider,
        };
        let found = self
            .store
            .service_grant(request.user.id, &provider, service)
            .await?;
        let grant = found.ok_or_else(|| NotObtained::SignInAgain {
            provider: Some(provider.clone()),
            behind: None,
        })?;
        self.people.grants().seen.see(&grant);
        let FreshToken { token, expires_at } = self
            .people
            .fresh_token(&grant, request.least)
            .await
            .map_err(|error| NotObtained::from_grant(error, &provider))?;
        Ok(ObtainedToken {
            token,
            expires_at,
            scope: Some(grant.scope).filter(|scope| !scope.is_empty()),
            about: None,
        })
    }

    /// A token of our own account at the provider.
    pub(super) async fn by_service_account(
        &self,
        audience: &Audience,
        scopes: &[String],
        least: Duration,
    ) -> Result<ObtainedToken, NotObtained> {
        let Source::ClientCredentials {
            provider: Some(id),
            audience: name,
            client,
        } = &audience.source
        else {
            return Err(NotObtained::invalid_target(format!(
                "`{}` is no service account of this hub",
                audience.id
            )));
        };
        let provider = self.provider_by_id(id)?;
        let account = provider
            .service_account()
            .ok_or_else(|| cannot(&*provider))?;
        let request = ServiceRequest {
            client: client.as_ref(),
            audience: name.as_deref(),
            scopes,
        };
        let breaker = format!("{id} service account {}", audience.id);
        self.pass_breaker(&breaker)?;
        let issued = account.service_token(&request, least).await;
        self.judge_issued(&breaker, id, issued)
    }

    /// A token of a service account of the hub itself, for the hub's own work such as asking a
    /// scheduler about jobs. `audience` is the id of an audience with the source
    /// `client-credentials`; whether servers may have tokens for it, too, is for its rules to say.
    pub(crate) async fn service_token(
        &self,
        audience: &str,
        least: Duration,
    ) -> Result<FreshToken, NotObtained> {
        let audiences = &self.settings.broker.audiences;
        let found = audiences.iter().find(|own| own.id == audience);
        let found = found.ok_or_else(|| {
            NotObtained::invalid_target(format!(
                "there is no [audience.{audience}] with the source `client-credentials`"
            ))
        })?;
        let obtained = self.by_service_account(found, &found.scopes, least).await?;
        Ok(FreshToken {
            token: obtained.token,
            expires_at: obtained.expires_at,
        })
    }

    /// The ways in which tokens of providers behind providers came last: provider, alias, way.
    pub fn external_ways(&self) -> Vec<(String, String, &'static str)> {
        let mut ways = Vec::new();
        for configured in self.people.providers() {
            if let Some(external) = configured.provider.external_tokens() {
                let id = configured.provider.id().to_string();
                let known = external.known_ways().into_iter();
                ways.extend(known.map(|(alias, way)| (id.clone(), alias, way.as_str())));
            }
        }
        ways
    }

    /// Asks with the person's token; once more with a fresh one if that is not accepted.
    async fn with_login(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
        grant: &Grant,
        target: &ExchangeTarget<'_>,
    ) -> Result<ObtainedToken, NotObtained> {
        let breaker = format!("{} {}", grant.provider, request.audience.id);
        self.pass_breaker(&breaker)?;
        let login = self.subject_token(grant, SUBJECT_FLOOR).await?;
        let mut issued = target.ask(grant, &login.token).await;
        let now = self.clock.now();
        let is_old = now.since(grant.refreshed_at) >= JUST_REFRESHED;
        if let (Err(NotIssued::SignInAgain(_)), Some(ends), true) =
            (&issued, login.expires_at, is_old)
        {
            // Longer than the one that was not accepted, so it must be another one.
            let longer = ends.since(now) + Duration::from_secs(1);
            let fresh = self.subject_token(grant, longer).await?;
            issued = target.ask(grant, &fresh.token).await;
        }
        self.judge_issued(&breaker, &grant.provider, issued)
    }

    async fn subject_token(
        self: &Arc<Self>,
        grant: &Grant,
        least: Duration,
    ) -> Result<FreshToken, NotObtained> {
        let fresh = self.people.fresh_token(grant, least).await;
        fresh.map_err(|error| NotObtained::from_grant(error, &grant.provider))
    }

    fn pass_breaker(&self, name: &str) -> Result<(), NotObtained> {
        self.breakers
            .pass(name, self.clock.now(), &*self.random)
            .map_err(|retry_after| NotObtained::Later { retry_after })
    }

    /// What the answer of a provider means, for the person and for the next request.
    fn judge_issued(
        &self,
        breaker: &str,
        provider: &ProviderId,
        issued: Result<IssuedToken, NotIssued>,
    ) -> Result<ObtainedToken, NotObtained> {
        if let Err(NotIssued::Later { error, pause }) = &issued {
            let now = self.clock.now();
            let breakers = &self.breakers;
            let retry_after = breakers.failed(breaker, now, *pause, &*self.random);
            warn!(provider.id = %provider, error = %error, "could not get a token for a service");
            return Err(NotObtained::Later { retry_after });
        }
        self.breakers.answered(breaker);
        let error = match issued {
            Ok(issued) => {
                return Ok(ObtainedToken {
                    token: issued.token,
                    expires_at: issued.expires_at,
                    scope: issued.scope,
                    // It was checked already, by whoever knows the provider.
                    about: None,
                });
            }
            Err(error) => error,
        };
        let reason = match &error {
            NotIssued::SignInAgain(_) => {
                return Err(NotObtained::SignInAgain {
                    provider: Some(provider.clone()),
                    behind: None,
                });
            }
            NotIssued::LinkAgain { alias } => {
                return Err(NotObtained::SignInAgain {
                    provider: Some(provider.clone()),
                    behind: Some(alias.clone()),
                });
            }
            NotIssued::InvalidScope { .. } => RefusedReason::InvalidScope,
            _ => RefusedReason::InvalidTarget,
        };
        Err(NotObtained::Refused {
            reason,
            description: format!("provider `{provider}`: {error}"),
        })
    }

    fn provider_of(&self, grant: &Grant) -> Result<Arc<dyn IdentityProvider>, NotObtained> {
        self.provider_by_id(&grant.provider)
    }

    fn provider_by_id(&self, id: &ProviderId) -> Result<Arc<dyn IdentityProvider>, NotObtained> {
        let found = self
            .people
            .providers()
            .iter()
            .find(|p| p.provider.id() == id);
        let found = found.ok_or_else(|| {
            NotObtained::invalid_target(format!("there is no provider `{id}` any more"))
        })?;
        Ok(Arc::clone(&found.provider))
    }
}

fn cannot(provider: &dyn IdentityProvider) -> NotObtained {
    NotObtained::invalid_target(format!(
        "the provider `{}` has no such tokens; choose another source",
        provider.id()
    ))
}
