//! What the outcome of a refresh means for the stored tokens.

use std::time::Duration;

use crate::{IdentityError, UpstreamTokens};

/// The outcome of one refresh, by what has to be done next.
#[derive(Debug)]
pub enum RefreshOutcome {
    /// There are new tokens: store them before anybody sees them. Without a new refresh token the
    /// old one stays.
    Renewed(UpstreamTokens),
    /// The refresh token is dead, or now speaks of somebody else: the person signs in again. What
    /// else is still valid, the access token among it, stays valid to its end.
    SignInAgain(IdentityError),
    /// The provider did not carry it out: the same refresh token is tried again after the pause.
    Later {
        /// What happened.
        error: IdentityError,
        /// How long to wait at least.
        pause: Duration,
    },
    /// The request was sent and its answer is lost, so the refresh token may be used up. It is
    /// tried once more; then [`RefreshOutcome::SignInAgain`] is the truth.
    Uncertain(IdentityError),
    /// The provider refuses us, not the person: the operator has to act, and no session ends.
    Refused(IdentityError),
}

impl RefreshOutcome {
    /// Judges what [`UpstreamSession::refresh`](crate::UpstreamSession::refresh) answered about
    /// tokens of `subject`.
    pub fn of(subject: &str, answer: Result<UpstreamTokens, IdentityError>) -> Self {
        let checked = answer.and_then(|tokens| {
            tokens.check_subject(subject)?;
            Ok(tokens)
        });
        match checked {
            Ok(tokens) => Self::Renewed(tokens),
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: IdentityError) -> Self {
        const PAUSE: Duration = Duration::from_secs(5);
        match &error {
            IdentityError::InvalidGrant { .. } | IdentityError::InvalidToken { .. } => {
                Self::SignInAgain(error)
            }
            IdentityError::Timeout { source, .. } if was_sent(source.as_ref()) => {
                Self::Uncertain(error)
            }
            IdentityError::Unavailable {
                source: Some(source),
                ..
            } if was_sent(Some(source)) => Self::Uncertain(error),
            IdentityError::AnswerLost { .. } => Self::Uncertain(error),
            IdentityError::Unavailable { retry, .. } => {
                let pause = *retry;
                Self::Later { error, pause }
            }
            // A page of something between us and the provider is no word of the provider.
            IdentityError::Timeout { .. } | IdentityError::BadAnswer { .. } => Self::Later {
                error,
                pause: PAUSE,
            },
            IdentityError::IssuerMismatch { .. }
            | IdentityError::Denied { .. }
            | IdentityError::Refused { .. }
            | IdentityError::InvalidCallback { .. }
            | IdentityError::InvalidClient
            | IdentityError::InvalidCredentials
            | IdentityError::AccountUnusable { .. }
            | IdentityError::UntrustedProxy { .. }
            | IdentityError::NotTold { .. } => Self::Refused(error),
        }
    }
}

/// Whether a request may have reached the provider before it failed.
fn was_sent(error: Option<&reqwest::Error>) -> bool {
    error.is_none_or(|error| !error.is_connect())
}
