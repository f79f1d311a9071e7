//! What can go wrong at the issuer, in OAuth's words.

use std::time::Duration;

use jansky_store::StoreError;

use crate::shared::error::HubError;

/// Why the issuer did not do what it was asked (RFC 6749 section 5.2, RFC 8628 section 3.5).
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Something is missing or malformed.
    #[error("{0}")]
    InvalidRequest(String),
    /// The client is not known, or did not prove that it is that client.
    #[error("the client is not known here, or its secret is wrong")]
    InvalidClient,
    /// The client is known and may not do this.
    #[error("{0}")]
    UnauthorizedClient(String),
    /// The code is unknown, used, or belongs to another client.
    #[error("{0}")]
    InvalidGrant(String),
    /// There is no such audience here.
    #[error("{0}")]
    InvalidTarget(String),
    /// The audience has no such scope.
    #[error("{0}")]
    InvalidScope(String),
    /// This way to a token does not exist here.
    #[error("the only grant type is `urn:ietf:params:oauth:grant-type:device_code`")]
    UnsupportedGrantType,
    /// The person has not answered yet.
    #[error("the person has not answered yet")]
    AuthorizationPending,
    /// The program asks too often; the pause has become longer.
    #[error("ask less often: the pause has grown by 5 seconds")]
    SlowDown,
    /// Nobody answered in time.
    #[error("nobody answered in time; start again")]
    ExpiredToken,
    /// The person said no, or may not have such a token.
    #[error("{0}")]
    AccessDenied(String),
    /// Too much at once.
    #[error("too many requests; try again in {} s", retry_after.as_secs())]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The hub itself failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl IssuerError {
    /// The code of the standards.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidScope(_) => "invalid_scope",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::AccessDenied(_) => "access_denied",
            Self::Busy { .. } => "temporarily_unavailable",
            Self::Hub(_) => "server_error",
        }
    }
}

impl From<StoreError> for IssuerError {
    fn from(error: StoreError) -> Self {
        Self::Hub(error.into())
    }
}
