//! Tokens for ourselves: the client-credentials grant (RFC 6749 section 4.4).

use std::time::Duration;

use async_trait::async_trait;
use jansky_model::Secret;

use crate::{IssuedToken, NotIssued};

/// What a service account asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServiceRequest<'a> {
    /// Another client than the one with which people sign in.
    pub client: Option<&'a ServiceClient>,
    /// The service, by its name at the provider; sent as `audience`, which not every provider
    /// knows.
    pub audience: Option<&'a str>,
    /// What the token should allow.
    pub scopes: &'a [String],
}

/// A client that is a service account.
#[derive(Clone, Debug)]
pub struct ServiceClient {
    /// Its id.
    pub id: String,
    /// Its secrets, tried in order.
    pub secrets: Vec<Secret>,
}

/// A provider at which we have a service account.
#[async_trait]
pub trait ServiceAccount: Send + Sync {
    /// A token that is good for at least `least`, from memory if there is one.
    async fn service_token(
        &self,
        request: &ServiceRequest<'_>,
        least: Duration,
    ) -> Result<IssuedToken, NotIssued>;
}
