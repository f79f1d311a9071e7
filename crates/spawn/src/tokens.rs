//! Tokens for spawners that ask a service in the name of people.

use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{Secret, ServerId};

/// Where a spawner gets the access tokens that it needs: the person's own for what is done in
/// their name, and those of a service account for looking at servers.
///
/// The implementation refreshes tokens; a spawner asks for one before each request and keeps none.
#[async_trait]
pub trait UserTokens: Send + Sync {
    /// A token of the owner of a server that is good for at least `least`.
    ///
    /// Of people who work by API tokens alone it is the token of the service account.
    async fn for_owner(&self, server: ServerId, least: Duration) -> Result<Secret, NoToken>;

    /// A token of the service account that is good for at least `least`.
    async fn for_service(&self, least: Duration) -> Result<Secret, NoToken>;

    /// One server of each person who has a server that is not at rest.
    async fn at_work(&self) -> Result<Vec<ServerId>, NoToken>;
}

/// Why there is no token. None of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// The person has to sign in again; nothing else helps.
    #[error("{who} has to sign in again (reauth_required)")]
    SignInAgain {
        /// The name of the person.
        who: String,
    },
    /// Not at the moment.
    #[error("there is no token at the moment: {reason}")]
    Later {
        /// Why not.
        reason: String,
    },
    /// The settings must change first.
    #[error("{reason}")]
    Refused {
        /// What is wrong.
        reason: String,
    },
}

impl From<NoToken> for crate::SpawnError {
    fn from(error: NoToken) -> Self {
        match error {
            NoToken::Later { .. } => Self::unavailable(error.to_string()),
            NoToken::SignInAgain { .. } | NoToken::Refused { .. } => {
                Self::refused(error.to_string())
            }
        }
    }
}
