//! Back-channel logout: a provider says that sessions have ended.

use jansky_crypto::token::digest_text;
use jansky_identity::oidc::claimed_issuer;
use jansky_model::Secret;
use tracing::{info, warn};

use super::{LogoutTarget, is_short};
use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::request_context;

impl People {
    /// Takes a logout token (OpenID Connect Back-Channel Logout 1.0).
    ///
    /// One that names a person ends all their sessions that came of that provider; one that names a
    /// session ends that, or all of the person's where the configuration widens it.
    ///
    /// # Errors
    /// [`HubError::Busy`] when too many tokens of the same network were not valid.
    pub async fn receive_logout(&self, token: &Secret) -> Result<(), HubError> {
        let network = request_context::network();
        self.invalid_tokens.check(&network)?;
        let received = self.take_logout(token).await;
        if let Err(HubError::Invalid(_)) = received {
            self.invalid_tokens.count(network);
        }
        received
    }

    async fn take_logout(&self, token: &Secret) -> Result<(), HubError> {
        let refused = || HubError::invalid("the logout token is not valid");
        if !is_short(token) {
            return Err(refused());
        }
        // Not to believe it, but so that no other provider, which may be slow or down, is asked.
        let issuer = claimed_issuer(token).ok_or_else(refused)?;
        let _place = self.event_permit()?;
        let mut received = None;
        for configured in &self.providers {
            let receiver = configured.provider.logout_receiver();
            let Some(receiver) = receiver.filter(|receiver| receiver.issuer() == issuer) else {
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
        if self.store.has_seen_jti(&id, now).await? {
            return Err(refused());
        }
        let outcome = self
            .end_target(LogoutTarget {
                provider: configured.provider.id(),
                issuer: &notice.issuer,
                subject: notice.subject.as_deref(),
                provider_session: notice.provider_session.as_deref(),
                is_widened: configured.widens_logout,
                at: None,
            })
            .await?;
        // Last, so that a provider whose call was interrupted can send the token again.
        let until = notice.replayable_until;
        self.store.remember_jti(&id, until, now).await?;
        info!(
            provider.id = %configured.provider.id(), sessions = outcome.ended,
            "sessions ended on the provider's word"
        );
        Ok(())
    }
}
