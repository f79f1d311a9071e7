//! Access tokens of the issuer (RFC 9068).

use std::time::Duration;

use jansky_model::{Secret, Timestamp};
use jansky_store::User;
use serde_json::json;

use super::LONGEST_TOKEN_LIFETIME;
use crate::broker::Broker;
use crate::people::admitted_user::AdmittedUser;
use crate::shared::error::HubError;

/// The `typ` of an access token.
pub(super) const ACCESS_TOKEN: &str = "at+jwt";

/// What a token is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenContent<'a> {
    pub(crate) user: AdmittedUser<'a>,
    pub(crate) groups: &'a [String],
    /// The program that it is for.
    pub(crate) client_id: &'a str,
    /// The service that it is for.
    pub(crate) audience: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) lifetime: Duration,
}

/// An access token that was made.
#[derive(Debug)]
pub struct IssuedAccess {
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its scopes, with spaces between them.
    pub scope: String,
}

impl Broker {
    /// The name of the issuer: an address below which its metadata are found. It must be the same
    /// for everybody, so it comes from the configuration and never from a request.
    pub fn issuer(&self) -> String {
        match &self.settings.public_url {
            Some(url) => format!("{url}hub/oidc"),
            None => format!("{}/oidc", self.settings.api_url.trim_end_matches("/api")),
        }
    }

    /// The name of a person at the issuer. It stays when they are renamed.
    pub fn issuer_subject(user: &User) -> String {
        user.id.to_string()
    }

    /// Makes an access token.
    pub(crate) async fn issue_access_token(
        &self,
        content: TokenContent<'_>,
    ) -> Result<IssuedAccess, HubError> {
        let key = self.issuer.signing_key().await?;
        let now = self.clock.now().seconds();
        let lifetime = content.lifetime.min(LONGEST_TOKEN_LIFETIME).as_secs();
        let expires = now.saturating_add(i64::try_from(lifetime).unwrap_or(i64::MAX));
        let scope = content.scopes.join(" ");
        let claims = json!({
            "iss": self.issuer(),
            "sub": Self::issuer_subject(&content.user),
            "aud": content.audience,
            "exp": expires,
            "iat": now,
            "jti": self.random.hex_id(),
            "client_id": content.client_id,
            "scope": scope,
            "groups": content.groups,
            "preferred_username": content.user.name.as_str(),
        });
        Ok(IssuedAccess {
            token: key.sign(ACCESS_TOKEN, &claims),
            expires_at: Timestamp::from_seconds(expires),
            scope,
        })
    }
}
