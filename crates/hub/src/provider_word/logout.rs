//! Back-channel logout: a provider says that sessions have ended.

use jansky_crypto::token::digest_text;
use jansky_model::Secret;
use tracing::{info, warn};

use super::{Meant, is_short};
use crate::Hub;
use crate::error::HubError;

impl Hub {
    /// Takes a logout token (OpenID Connect Back-Channel Logout 1.0).
    ///
    /// One that names a person ends all their sessions that came of that provider; one that names a
    /// session ends that, or all of the person's where the configuration widens it.
    pub async fn receive_logout(&self, token: &Secret) -> Result<(), HubError> {
        let refused = || HubError::invalid("the logout token is not valid");
        if !is_short(token) {
            return Err(refused());
        }
        let _place = self.place_for_word()?;
        let mut received = None;
        for configured in &self.providers {
            let Some(receiver) = configured.provider.logout_receiver() else {
                continue;
            };
            match receiver.receive(token).await {
                Ok(notice) => {
                    received = Some((configured, notice));
                    break;
                }
                Err(error) if error.is_transient() => {
                    warn!(provider.id = %configured.provider.id(), error = %error, "could not check a logout token");
                }
                Err(_) => {}
            }
        }
        let (configured, notice) = received.ok_or_else(refused)?;
        let now = self.clock.now();
        let id = digest_text(&format!("{}\n{}", notice.issuer, notice.id));
        if !self
            .store
            .remember_jti(&id, notice.replayable_until, now)
            .await?
        {
            return Err(refused());
        }
        let outcome = self
            .end_meant(Meant {
                provider: configured.provider.id(),
                issuer: &notice.issuer,
                subject: notice.subject.as_deref(),
                provider_session: notice.provider_session.as_deref(),
                is_widened: configured.widens_logout,
                at: None,
            })
            .await?;
        info!(
            provider.id = %configured.provider.id(), sessions = outcome.ended,
            "sessions ended on the provider's word"
        );
        Ok(())
    }
}
