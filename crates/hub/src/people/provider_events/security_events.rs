//! Security events: what happened to an account at its provider, told when it happens.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::token::digest_text;
use jansky_identity::oidc::claimed_issuer;
use jansky_identity::{EventSubject, IdentityError, SecurityEvent, SecurityNotice, TokenProblem};
use jansky_model::{Secret, Timestamp};
use jansky_store::{Grant, GrantKind};
use tracing::{info, warn};

use super::{LogoutTarget, is_short};
use crate::people::People;
use crate::people::grants::NoToken;
use crate::people::sign_in::ConfiguredProvider;
use crate::shared::error::HubError;
use crate::shared::request_context;

/// How far the transmitter's clock may be from ours when it is told apart what began after an event.
const CLOCKS: Duration = Duration::from_mins(1);

/// How long an answer waits for a provider that is asked again; it goes on in the background.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a security event token was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EventRefusal {
    /// The token or its transmitter is not right; the code is one of RFC 8935 section 2.4.
    #[error("{description}")]
    Invalid {
        /// What kind of mistake it is.
        code: &'static str,
        /// What is wrong.
        description: String,
    },
    /// It could not be judged, or the hub itself failed: it may be sent again.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl EventRefusal {
    /// The request is not what the standard describes.
    pub fn invalid(code: &'static str, description: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            description: description.into(),
        }
    }
}

impl People {
    /// Whether any provider of the configuration sends security events.
    pub fn expects_security_events(&self) -> bool {
        let mut providers = self.providers.iter();
        providers.any(|p| p.provider.security_event_receiver().is_some())
    }

    /// Takes a security event token (RFC 8417) that was pushed here (RFC 8935), with the
    /// `Authorization` header that came along.
    ///
    /// Sessions and rights have ended when this returns; a provider that is to be asked again is
    /// asked in the background if it does not answer at once. A token that was received before is
    /// taken and does nothing, because transmitters send again what they believe lost.
    pub async fn receive_security_event(
        self: &Arc<Self>,
        token: &Secret,
        authorization: Option<&Secret>,
    ) -> Result<(), EventRefusal> {
        let network = request_context::network();
        self.invalid_tokens.check(&network)?;
        let received = self.take_security_event(token, authorization).await;
        if let Err(EventRefusal::Invalid { .. }) = received {
            self.invalid_tokens.count(network);
        }
        received
    }

    async fn take_security_event(
        self: &Arc<Self>,
        token: &Secret,
        authorization: Option<&Secret>,
    ) -> Result<(), EventRefusal> {
        if !is_short(token) {
            return Err(refused(&TokenProblem::Malformed));
        }
        let (configured, notice) = self.judge(token, authorization).await?;
        let now = self.clock.now();
        let id = digest_text(&format!("set\n{}\n{}", notice.transmitter, notice.id));
        if self
            .store
            .has_seen_jti(&id, now)
            .await
            .map_err(HubError::from)?
        {
            return Ok(());
        }
        let at = notice.issued_at.plus(CLOCKS);
        for event in &notice.events {
            self.apply(configured, event, at).await?;
        }
        // Last, so that an event whose handling was interrupted is sent and handled again.
        let until = notice.replayable_until;
        let remembered = self.store.remember_jti(&id, until, now).await;
        remembered.map_err(HubError::from)?;
        Ok(())
    }

    /// Finds the provider that sent a token, and checks it.
    async fn judge(
        &self,
        token: &Secret,
        authorization: Option<&Secret>,
    ) -> Result<(&ConfiguredProvider, SecurityNotice), EventRefusal> {
        // Not to believe it, but to ask the right provider.
        let issuer = claimed_issuer(token).ok_or_else(|| refused(&TokenProblem::Malformed))?;
        let mut refusal = refused(&TokenProblem::Issuer);
        for configured in &self.providers {
            let Some(receiver) = configured.provider.security_event_receiver() else {
                continue;
            };
            if receiver.issuer() != issuer {
                continue;
            }
            if !receiver.admits(authorization) {
                let words = "the `Authorization` header is not the one that was agreed";
                refusal = EventRefusal::invalid("authentication_failed", words);
                continue;
            }
            let _place = self.event_permit()?;
            refusal = match receiver.receive(token).await {
                Ok(notice) => return Ok((configured, notice)),
                Err(IdentityError::InvalidToken { reason }) => refused(&reason),
                Err(error) => {
                    warn!(provider.id = %configured.provider.id(), error = %error, "could not check a security event");
                    EventRefusal::Hub(HubError::Unavailable {
                        message: "the keys of the transmitter cannot be read at the moment"
                            .to_owned(),
                        source: Some(Box::new(error)),
                    })
                }
            };
        }
        if let EventRefusal::Invalid { code, description } = &refusal {
            info!(
                error.code = code,
                "a security event was refused: {description}"
            );
        }
        Err(refusal)
    }

    /// Does what follows from an event that was true `at` that time.
    async fn apply(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        event: &SecurityEvent,
        at: Timestamp,
    ) -> Result<(), HubError> {
        let provider = configured.provider.id();
        match event {
            SecurityEvent::SessionRevoked(subject) => {
                let target = logout_target(configured, subject, at);
                let outcome = self.end_target(target).await?;
                info!(provider.id = %provider, sessions = outcome.ended, "sessions ended by a security event");
            }
            SecurityEvent::AccountDisabled(subject) => {
                let whole = LogoutTarget {
                    is_widened: true,
                    ..logout_target(configured, subject, at)
                };
                let users = self.users_of(whole).await?;
                let outcome = self.end_target(whole).await?;
                // The event is late, and the provider has let them in again.
                if outcome.is_back {
                    return Ok(());
                }
                for user in users {
                    if let Some(user) = self.store.user(user).await? {
                        info!(user.name = %user.name, provider.id = %provider, "the account was disabled at the provider");
                        self.no_longer_allowed(&user, provider).await?;
                    }
                }
            }
            SecurityEvent::AskAgain(subject) => {
                let (_, grants) = self
                    .sessions_of_target(logout_target(configured, subject, at))
                    .await?;
                for grant in grants {
                    // Tokens for services say nothing about rights.
                    if grant.kind == GrantKind::Login {
                        self.ask_again_soon(grant).await;
                    }
                }
            }
            SecurityEvent::Verification => {
                info!(provider.id = %provider, "security events arrive: the transmitter tried it");
            }
            SecurityEvent::StreamUpdated { status } => {
                warn!(provider.id = %provider, status, "the stream of security events has changed");
            }
        }
        Ok(())
    }

    /// Asks a provider again what it says about somebody, without letting it hold up the answer. One
    /// that does not answer is asked the next time that rights are looked at.
    async fn ask_again_soon(self: &Arc<Self>, grant: Grant) {
        let people = Arc::clone(self);
        let asking = self.tasks.spawn(async move {
            if let Err(NoToken::Hub(error)) = people.ask_again(&grant).await {
                warn!(grant.id = %grant.id, error = %error, "could not follow a security event");
            }
        });
        let _ = tokio::time::timeout(PATIENCE, asking).await;
    }
}

fn logout_target<'a>(
    configured: &'a ConfiguredProvider,
    subject: &'a EventSubject,
    at: Timestamp,
) -> LogoutTarget<'a> {
    LogoutTarget {
        provider: configured.provider.id(),
        issuer: &subject.issuer,
        subject: subject.subject.as_deref(),
        provider_session: subject.provider_session.as_deref(),
        is_widened: false,
        at: Some(at),
    }
}

/// A mistake of a token in the words of RFC 8935 section 2.4.
fn refused(problem: &TokenProblem) -> EventRefusal {
    let code = match problem {
        TokenProblem::UnknownKey
        | TokenProblem::OtherKey { .. }
        | TokenProblem::Signature
        | TokenProblem::Algorithm => "invalid_key",
        TokenProblem::Issuer => "invalid_issuer",
        TokenProblem::Audience => "invalid_audience",
        _ => "invalid_request",
    };
    EventRefusal::invalid(code, problem.to_string())
}
