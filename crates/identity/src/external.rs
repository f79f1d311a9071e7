//! Tokens of the identity provider behind a provider: what Keycloak got when it sent a person on.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jansky_model::Secret;

use crate::{IssuedToken, NotIssued};

/// A way to ask for such a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalTokenMethod {
    /// Identity Brokering API V2: a request that proves who we are (Keycloak 26.7).
    V2,
    /// Identity Brokering API V1: a request with the person's token alone.
    V1,
    /// The exchange with `requested_issuer`, which newer versions have only on request.
    Legacy,
}

impl ExternalTokenMethod {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::V2, Self::V1, Self::Legacy];

    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for ExternalTokenMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExternalTokenMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|way| way.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not v2, v1 or legacy"))
    }
}

/// A provider that keeps the tokens of the providers behind it.
#[async_trait]
pub trait ExternalTokens: Send + Sync {
    /// The token of the provider `alias` that is kept for the person of `subject_token`.
    ///
    /// Without a method all are tried, and the one that worked is remembered. A token that has expired
    /// is never returned, whatever the provider thinks of it: when no way brings a valid one, the
    /// person has to sign in again.
    async fn external_token(
        &self,
        alias: &str,
        way: Option<ExternalTokenMethod>,
        subject_token: &Secret,
    ) -> Result<IssuedToken, NotIssued>;

    /// The way that worked last for each alias, by alias.
    fn known_ways(&self) -> Vec<(String, ExternalTokenMethod)>;
}
