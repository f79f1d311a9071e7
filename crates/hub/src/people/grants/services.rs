//! Tokens for other services that came along with a sign-in, as Globus sends them: each is a grant of
//! its own, with its own refresh token, its own time and its own failure.

use std::sync::Arc;
use std::time::Duration;

use jansky_identity::{ServiceTokens, UpstreamSession};
use jansky_model::ProviderId;
use jansky_store::{Grant, GrantKind, NewGrant, SealedTokens, User};

use super::refresh::{FreshToken, NoToken};
use super::{ACCESS, Grants, REFRESH};
use crate::people::People;
use crate::shared::error::HubError;
use jansky_access::Authority;

impl Grants {
    /// Keeps what came along with the tokens of `login`, in place of what came earlier.
    pub(crate) async fn keep_services(
        &self,
        login: &Grant,
        services: &[ServiceTokens],
    ) -> Result<(), HubError> {
        for tokens in services {
            let new = NewGrant {
                user_id: login.user_id,
                session_id: login.session_id.clone(),
                provider: login.provider.clone(),
                issuer: login.issuer.clone(),
                subject: login.subject.clone(),
                provider_session: login.provider_session.clone(),
                client_id: login.client_id.clone(),
                kind: GrantKind::Service,
                service: Some(tokens.service.clone()),
                scope: tokens.scope.clone().unwrap_or_default(),
                access_expires_at: tokens.expires_at,
                refresh_expires_at: None,
                rights_hash: None,
                at: self.clock.now(),
            };
            let seal = |id| SealedTokens {
                access: Some(self.seal(id, ACCESS, &tokens.access)),
                refresh: tokens
                    .refresh
                    .as_ref()
                    .map(|token| self.seal(id, REFRESH, token)),
                id: None,
            };
            self.store.keep_grant(&new, seal).await?;
        }
        Ok(())
    }

    /// Takes back what came along with a sign-in, one after the other.
    pub(crate) async fn revoke_services(
        &self,
        login: &Grant,
        upstream: Option<&dyn UpstreamSession>,
    ) -> Result<(), HubError> {
        let services = self
            .store
            .service_grants(login.user_id, &login.provider)
            .await?;
        for grant in services {
            self.revoke_one(&grant, upstream).await?;
        }
        Ok(())
    }
}

impl People {
    /// An access token for one other service of the provider with which `user` signed in, good for
    /// at least `least`. It is refreshed by itself: what becomes of the login or of other services
    /// does not matter.
    pub async fn other_service_token(
        self: &Arc<Self>,
        _: &Authority,
        user: &User,
        provider: &ProviderId,
        service: &str,
        least: Duration,
    ) -> Result<FreshToken, NoToken> {
        let user = self.must_be_admitted(user).await?;
        let grant = self.store.service_grant(user.id, provider, service).await?;
        self.fresh_token(&grant.ok_or(NoToken::SignInAgain)?, least)
            .await
    }
}
