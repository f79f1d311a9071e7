//! The token endpoint (RFC 6749 3.2) and its neighbour for revocation (RFC 7009).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jansky_model::{Clock, Secret};
use reqwest::{Client, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::back_channel::{Answer, send};
use super::metadata::Metadata;
use super::settings::{ClientAuthentication, OidcSettings};
use crate::error::clean;
use crate::{IdentityError, UpstreamTokens};

/// We, as the provider knows us. Remembers which of several secrets was accepted last.
#[derive(Default)]
pub(crate) struct ClientCredentials {
    accepted: AtomicUsize,
}

/// What a request to the provider needs besides its own parameters.
pub(crate) struct Caller<'a> {
    pub(crate) settings: &'a OidcSettings,
    pub(crate) metadata: &'a Metadata,
    pub(crate) http: &'a Client,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) credentials: &'a ClientCredentials,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    token_type: String,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
    /// A number; some providers write it as text.
    expires_in: Option<Value>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

impl Caller<'_> {
    /// Asks for tokens with a grant.
    pub(crate) async fn tokens(
        &self,
        grant: &[(&str, &str)],
    ) -> Result<UpstreamTokens, IdentityError> {
        const ENDPOINT: &str = "token";
        let asked_at = self.clock.now();
        let answer = self
            .authenticated(ENDPOINT, &self.metadata.token, grant)
            .await?;
        let tokens: TokenAnswer = answer.json(ENDPOINT)?;
        let bearer = tokens.token_type.eq_ignore_ascii_case("bearer");
        if !bearer || tokens.access_token.is_empty() {
            let reason = "it holds no bearer token".to_owned();
            return Err(IdentityError::BadAnswer {
                endpoint: ENDPOINT,
                reason,
            });
        }
        let lifetime = tokens
            .expires_in
            .as_ref()
            .and_then(seconds)
            .map(Duration::from_secs);
        Ok(UpstreamTokens {
            access: tokens.access_token,
            refresh: tokens.refresh_token.filter(|token| !token.is_empty()),
            id_token: tokens.id_token.filter(|token| !token.is_empty()),
            expires_at: lifetime.map(|lifetime| asked_at.plus(lifetime)),
            scope: tokens.scope,
        })
    }

    /// Revokes a token. A provider that does not know it has nothing to revoke: that is a success.
    pub(crate) async fn revoke(&self, url: &Url, token: &Secret) -> Result<(), IdentityError> {
        self.authenticated("revocation", url, &[("token", token.expose())])
            .await
            .map(drop)
    }

    /// Posts a form with our credentials. While the provider answers `invalid_client`, the other
    /// secrets are tried: that answer comes before a code is looked at, so none is used up.
    async fn authenticated(
        &self,
        endpoint: &'static str,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<Answer, IdentityError> {
        let secrets = &self.settings.client_secrets;
        if secrets.is_empty() {
            return self.post(endpoint, url, form, None).await;
        }
        let first = self.credentials.accepted.load(Ordering::Relaxed) % secrets.len();
        for offset in 0..secrets.len() {
            let index = (first + offset) % secrets.len();
            match self.post(endpoint, url, form, Some(&secrets[index])).await {
                Err(IdentityError::InvalidClient) => {}
                other => {
                    self.credentials.accepted.store(index, Ordering::Relaxed);
                    return other;
                }
            }
        }
        Err(IdentityError::InvalidClient)
    }

    async fn post(
        &self,
        endpoint: &'static str,
        url: &Url,
        form: &[(&str, &str)],
        secret: Option<&Secret>,
    ) -> Result<Answer, IdentityError> {
        let mut form = form.to_vec();
        let mut request = self
            .http
            .post(url.clone())
            .header(header::ACCEPT, "application/json");
        match (secret, self.authentication()) {
            (Some(secret), ClientAuthentication::SecretBasic) => {
                let value = basic(&self.settings.client_id, secret);
                request = request.header(header::AUTHORIZATION, value);
            }
            (Some(secret), ClientAuthentication::SecretPost) => {
                form.push(("client_id", &self.settings.client_id));
                form.push(("client_secret", secret.expose()));
            }
            (None, _) => form.push(("client_id", &self.settings.client_id)),
        }
        let answer = send(endpoint, request.form(&form), self.settings.http_timeout).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let sent: Vec<&str> = form
            .iter()
            .filter(|(name, _)| !matches!(*name, "grant_type" | "redirect_uri" | "client_id"))
            .map(|(_, value)| *value)
            .chain(secret.map(Secret::expose))
            .collect();
        Err(refusal(endpoint, &answer, &sent))
    }

    /// What the operator chose, else what the provider offers, else the standard's default.
    fn authentication(&self) -> ClientAuthentication {
        let offered = &self.metadata.token_authentication;
        let offers = |method: &str| offered.iter().any(|offer| offer == method);
        self.settings.client_authentication.unwrap_or_else(|| {
            if !offers("client_secret_basic") && offers("client_secret_post") {
                ClientAuthentication::SecretPost
            } else {
                ClientAuthentication::SecretBasic
            }
        })
    }
}

/// RFC 6749 2.3.1: both parts are form-encoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

fn seconds(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// Reads an error answer (RFC 6749 5.2).
fn refusal(endpoint: &'static str, answer: &Answer, sent: &[&str]) -> IdentityError {
    let Ok(error) = serde_json::from_slice::<ErrorAnswer>(&answer.body) else {
        if answer.status == StatusCode::UNAUTHORIZED {
            return IdentityError::InvalidClient;
        }
        let reason = format!("status {}", answer.status.as_u16());
        return IdentityError::BadAnswer { endpoint, reason };
    };
    let context = clean(
        error
            .error_description
            .as_deref()
            .unwrap_or("no description"),
        sent,
    );
    match error.error.as_str() {
        "invalid_client" => IdentityError::InvalidClient,
        // RFC 6749 5.2 wants `invalid_client`; Keycloak says this about a wrong secret.
        "unauthorized_client" if answer.status == StatusCode::UNAUTHORIZED => {
            IdentityError::InvalidClient
        }
        "invalid_grant" => IdentityError::InvalidGrant { context },
        "temporarily_unavailable" | "server_error" => IdentityError::Unavailable {
            context: format!("{endpoint} endpoint answered `{}` ({context})", error.error),
            retry: Duration::from_secs(5),
            source: None,
        },
        code => IdentityError::Refused {
            endpoint,
            code: clean(code, sent),
            context,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_is_form_encoded_first() {
        // RFC 6749 2.3.1 by way of appendix B: a space is `+`, `:` is escaped.
        let value = basic("jansky:1", &Secret::new("a b%"));

        assert_eq!(
            value,
            format!("Basic {}", BASE64_STANDARD.encode("jansky%3A1:a+b%25"))
        );
    }

    #[test]
    fn lifetimes_are_read_as_number_and_as_text() {
        assert_eq!(seconds(&Value::from(300)), Some(300));
        assert_eq!(seconds(&Value::from("300")), Some(300));
        assert_eq!(seconds(&Value::from(-1)), None);
    }
}
