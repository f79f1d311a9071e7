//! Sign-ins without a round trip of the browser: with a password that somebody else checks, or by
//! the word of a reverse proxy.

use std::net::IpAddr;
use std::sync::Arc;

use jansky_identity::{ExternalIdentity, IdentityError, LoginMethod};
use jansky_model::{ProviderId, Secret};
use reqwest::header::HeaderMap;
use tracing::info;

use crate::Hub;
use crate::error::HubError;
use crate::sign_in::{Arrival, ConfiguredProvider, sign_in_error};

/// What somebody reads who typed a wrong name or a wrong password, wherever it was checked.
const WRONG_PASSWORD: &str = "The user name or the password is wrong.";

impl Hub {
    /// Every way to sign in with name and password, by id and title; local accounts come first.
    pub fn password_providers(&self) -> Vec<(&ProviderId, &str)> {
        let title = self.settings.local_title.as_str();
        let local = self.local_accounts().map(|id| (id, title));
        let others = self.providers().iter().filter_map(|configured| {
            let provider = &configured.provider;
            matches!(provider.method(), LoginMethod::Form(_))
                .then(|| (provider.id(), provider.title()))
        });
        local.into_iter().chain(others).collect()
    }

    /// Signs somebody in with a name and a password: the first of [`Hub::password_providers`]
    /// checks them unless another one is named. `address` is the client's, for the rate limit.
    ///
    /// # Errors
    /// The same [`HubError::Forbidden`] for a wrong name and a wrong password.
    pub async fn sign_in_with_password(
        self: &Arc<Self>,
        provider: Option<&str>,
        name: &str,
        password: Secret,
        address: &str,
    ) -> Result<Arrival, HubError> {
        let known = self.password_providers();
        let chosen = known
            .iter()
            .find(|(id, _)| provider.is_none_or(|wanted| wanted == id.as_str()))
            .ok_or_else(|| {
                HubError::not_found("Signing in with a password is not configured here.")
            })?;
        let id = chosen.0;
        if self.local_accounts() == Some(id) {
            let user = self.check_password(name, password, address).await?;
            return Ok(Arrival {
                user: user.ok_or_else(|| HubError::forbidden(WRONG_PASSWORD))?,
                provider: id.clone(),
                next: None,
                identity: None,
            });
        }
        let configured = self.provider(id.as_str())?;
        let identity = self.verify(configured, name, password, address).await?;
        self.let_in(configured, identity).await
    }

    async fn verify(
        &self,
        configured: &ConfiguredProvider,
        name: &str,
        password: Secret,
        address: &str,
    ) -> Result<ExternalIdentity, HubError> {
        let id = configured.provider.id();
        let LoginMethod::Form(form) = configured.provider.method() else {
            return Err(HubError::not_found("This way to sign in has no form."));
        };
        let name = name.trim();
        if let Some(throttle) = self.throttles.get(id) {
            throttle.check(&name.to_lowercase(), address)?;
        }
        let wrong = || HubError::forbidden(WRONG_PASSWORD);
        // Directories take a name without a password for nobody and say yes.
        if name.is_empty() || password.expose().is_empty() || name.contains('\0') {
            return Err(wrong());
        }
        match form.verify(name, &password).await {
            Ok(identity) => Ok(identity),
            Err(IdentityError::InvalidCredentials) => {
                info!(provider.id = %id, "sign-in refused: wrong name or password");
                Err(wrong())
            }
            Err(error) => Err(sign_in_error(id.as_str(), error)),
        }
    }

    /// Signs somebody in whom a reverse proxy names. `peer` is the other end of the connection
    /// itself.
    pub async fn sign_in_by_header(
        self: &Arc<Self>,
        id: &str,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Arrival, HubError> {
        let configured = self.provider(id)?;
        let LoginMethod::Header(proxy) = configured.provider.method() else {
            return Err(HubError::not_found(
                "This way to sign in does not go by headers.",
            ));
        };
        let identity = proxy
            .identify(peer, headers)
            .map_err(|error| sign_in_error(id, error))?;
        self.let_in(configured, identity).await
    }

    async fn let_in(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        identity: ExternalIdentity,
    ) -> Result<Arrival, HubError> {
        let user = self.admit(configured, &identity).await?;
        Ok(Arrival {
            user,
            provider: configured.provider.id().clone(),
            next: None,
            identity: Some(identity),
        })
    }
}
