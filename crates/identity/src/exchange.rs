//! Trading a person's token for one that a single service accepts (RFC 8693).

use async_trait::async_trait;
use jansky_model::Secret;

use crate::{IssuedToken, NotIssued};

/// What a token is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeRequest<'a> {
    /// The person's access token.
    pub subject_token: &'a Secret,
    /// The issuer's name for the person.
    pub subject: &'a str,
    /// The scopes of that token, with spaces between them. The new one may have these besides
    /// those that are asked for, as providers add what every token of ours has.
    pub subject_scope: &'a str,
    /// The service, by its name at the provider.
    pub audience: Option<&'a str>,
    /// The service, by its URL (RFC 8707).
    pub resource: Option<&'a str>,
    /// What the token should allow.
    pub scopes: &'a [String],
}

impl ExchangeRequest<'_> {
    /// The service, for messages.
    pub fn target(&self) -> &str {
        self.audience.or(self.resource).unwrap_or_default()
    }
}

/// A provider that trades tokens.
#[async_trait]
pub trait TokenExchange: Send + Sync {
    /// Trades the person's token for one of a service, and checks what comes: it must be for that
    /// service alone, for us, about this person, valid, and not stronger than was asked for.
    async fn exchange(&self, request: &ExchangeRequest<'_>) -> Result<IssuedToken, NotIssued>;
}
