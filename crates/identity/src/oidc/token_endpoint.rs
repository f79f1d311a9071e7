//! The token endpoint (RFC 6749 3.2) and its neighbours, for revocation (RFC 7009) and for
//! sign-ins that are sent beforehand (RFC 9126).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jansky_model::{Clock, Secret, Timestamp};
use reqwest::{Client, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::ClientAuthentication;
use super::client_key::ASSERTION_TYPE;
use super::http::{Answer, send};
use super::json::{fitting, read_json};
use super::lifetime::{end_of, lifetime, moment};
use super::metadata::Metadata;
use super::settings::OidcSettings;
use crate::claim_rules::Reading;
use crate::error::clean;
use crate::issued::earlier;
use crate::{IdentityError, IssuedToken, ServiceTokens, UpstreamTokens};

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
    /// Tokens for other services, each an answer like this one (Globus).
    #[serde(default)]
    other_tokens: Vec<Value>,
    /// The service that one of those is for.
    resource_server: Option<String>,
}

impl TokenAnswer {
    fn expires_at(&self, asked_at: Timestamp) -> Option<Timestamp> {
        end_of(lifetime("expires_in", self.expires_in.as_ref()), asked_at)
    }

    /// Tokens for another service; none if it is not usable, which must not spoil the sign-in.
    fn for_service(value: &Value, asked_at: Timestamp) -> Option<ServiceTokens> {
        let answer: Self = fitting(value)
            .inspect_err(|problem| {
                tracing::warn!(
                    "tokens for another service that came along cannot be read: {problem}"
                );
            })
            .ok()?;
        let expires_at = answer.expires_at(asked_at);
        Some(ServiceTokens {
            service: answer.resource_server?,
            access: answer.access_token,
            refresh: answer.refresh_token.filter(|token| !token.is_empty()),
            expires_at,
            scope: answer.scope,
        })
    }
}

/// What a provider answers when it makes a token for a service.
pub(crate) struct IssuedAnswer {
    pub(crate) token: IssuedToken,
    /// The kind of token (RFC 8693 2.2.1), if it was named.
    pub(crate) issued_token_type: Option<String>,
    /// When the token ends, as Keycloak adds it to what it keeps.
    pub(crate) ends_at: Option<Timestamp>,
    /// Whether its lifetime is 0 or below, as Keycloak counts what it kept for too long.
    pub(crate) has_ended: bool,
    token_type: Option<String>,
}

impl IssuedAnswer {
    pub(crate) fn read(body: &[u8], asked_at: Timestamp) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: Secret,
            token_type: Option<String>,
            issued_token_type: Option<String>,
            expires_in: Option<Value>,
            scope: Option<String>,
            #[serde(rename = "accessTokenExpiration")]
            ends_at: Option<Value>,
        }
        const ENDS_AT: &str = "accessTokenExpiration";
        let answer: Answer = read_json(body)?;
        let lifetime = lifetime("expires_in", answer.expires_in.as_ref());
        let ends_at = moment(ENDS_AT, answer.ends_at.as_ref());
        if let Reading::Unreadable(problem) = &ends_at {
            tracing::warn!("the end of a token cannot be read: {problem}");
        }
        let ends_at = ends_at.said();
        Ok(Self {
            has_ended: lifetime == Reading::Said(Duration::ZERO),
            token: IssuedToken {
                token: answer.access_token,
                expires_at: earlier(end_of(lifetime, asked_at), ends_at),
                scope: answer.scope,
            },
            issued_token_type: answer.issued_token_type,
            ends_at,
            token_type: answer.token_type,
        })
    }

    /// A token of which nothing else is known.
    pub(crate) fn bare(token: Secret) -> Self {
        Self {
            token: IssuedToken {
                token,
                expires_at: None,
                scope: None,
            },
            issued_token_type: None,
            ends_at: None,
            has_ended: false,
            token_type: None,
        }
    }

    /// Whether the token can be sent as it is.
    pub(crate) fn is_bearer(&self) -> bool {
        let bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
        self.token_type.as_ref().is_some_and(bearer)
    }
}

#[derive(Deserialize)]
struct PushAnswer {
    request_uri: String,
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
        // The provider has said yes: what the grant was good for may be spent.
        let lost = |reason: String| IdentityError::AnswerLost {
            endpoint: ENDPOINT,
            reason,
        };
        let mut tokens: TokenAnswer = read_json(&answer.body).map_err(lost)?;
        let bearer = tokens.token_type.eq_ignore_ascii_case("bearer");
        if !bearer || tokens.access_token.is_empty() {
            let reason = "it holds no bearer token (`token_type` and `access_token`)";
            return Err(lost(reason.to_owned()));
        }
        let mut other = Vec::new();
        if self.settings.kind.sends_other_tokens() {
            let answers = std::mem::take(&mut tokens.other_tokens).into_iter();
            let excluded = &self.settings.exclude_services;
            other.extend(
                answers
                    .filter_map(|one| TokenAnswer::for_service(&one, asked_at))
                    .filter(|tokens| !excluded.contains(&tokens.service)),
            );
        }
        Ok(UpstreamTokens {
            expires_at: tokens.expires_at(asked_at),
            access: tokens.access_token,
            refresh: tokens.refresh_token.filter(|token| !token.is_empty()),
            id_token: tokens.id_token.filter(|token| !token.is_empty()),
            scope: tokens.scope,
            other,
        })
    }

    /// Asks for a token for a service.
    pub(crate) async fn issue(
        &self,
        endpoint: &'static str,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<IssuedAnswer, IdentityError> {
        let asked_at = self.clock.now();
        let answer = self.authenticated(endpoint, url, form).await?;
        let unusable = |reason: String| IdentityError::BadAnswer { endpoint, reason };
        let issued = IssuedAnswer::read(&answer.body, asked_at).map_err(unusable)?;
        if issued.token.token.is_empty() {
            return Err(unusable("`access_token` is empty".to_owned()));
        }
        Ok(issued)
    }

    /// Sends the parameters of a sign-in beforehand; returns the name under which the provider
    /// keeps them.
    pub(crate) async fn push(
        &self,
        url: &Url,
        parameters: &[(&str, &str)],
    ) -> Result<String, IdentityError> {
        const ENDPOINT: &str = "pushed_authorization";
        let answer = self.authenticated(ENDPOINT, url, parameters).await?;
        let answer: PushAnswer = answer.json(ENDPOINT)?;
        Ok(answer.request_uri)
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
        if secrets.is_empty() || self.authentication() == ClientAuthentication::PrivateKeyJwt {
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
        let assertion = self.assertion();
        let mut request = self
            .http
            .post(url.clone())
            .header(header::ACCEPT, "application/json");
        let mut names_us = form.iter().any(|(name, _)| *name == "client_id");
        match (secret, self.authentication()) {
            (Some(secret), ClientAuthentication::Basic) => {
                let value = basic(&self.settings.client_id, secret);
                request = request.header(header::AUTHORIZATION, value);
                names_us = true;
            }
            (Some(secret), ClientAuthentication::Post) => {
                form.push(("client_secret", secret.expose()));
            }
            (Some(_), ClientAuthentication::PrivateKeyJwt) | (None, _) => {}
        }
        if !names_us {
            form.push(("client_id", &self.settings.client_id));
        }
        if let Some(assertion) = &assertion {
            form.push(("client_assertion_type", ASSERTION_TYPE));
            form.push(("client_assertion", assertion.expose()));
        }
        let answer = send(endpoint, request.form(&form), *self.settings.http_timeout).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let sent: Vec<&str> = form
            .iter()
            .filter(|(name, _)| SECRET_PARAMETERS.contains(name))
            .map(|(_, value)| *value)
            .chain(secret.map(Secret::expose))
            .collect();
        Err(refusal(endpoint, &answer, &sent))
    }

    fn assertion(&self) -> Option<Secret> {
        let key = self.settings.client_key.as_ref()?;
        let by_key = self.authentication() == ClientAuthentication::PrivateKeyJwt;
        let (client_id, issuer) = (&self.settings.client_id, self.settings.issuer());
        by_key.then(|| key.assertion(client_id, issuer, self.clock.now()))
    }

    /// What the operator chose, else a key if there is one, else what the provider offers, else the
    /// standard's default.
    fn authentication(&self) -> ClientAuthentication {
        let offered = &self.metadata.token_authentication;
        let offers = |method: &str| offered.iter().any(|offer| offer == method);
        self.settings.client_authentication.unwrap_or_else(|| {
            if self.settings.client_key.is_some() {
                ClientAuthentication::PrivateKeyJwt
            } else if !offers("client_secret_basic") && offers("client_secret_post") {
                ClientAuthentication::Post
            } else {
                ClientAuthentication::Basic
            }
        })
    }
}

/// Parameters whose values must not come back in a message.
const SECRET_PARAMETERS: [&str; 7] = [
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "subject_token",
    "token",
];

/// RFC 6749 2.3.1: both parts are form-encoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", BASE64_STANDARD.encode(pair))
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
    // Keycloak says the first of an audience that it does not know, the second when we may not have
    // the tokens of a provider behind it: our own credentials are good.
    let about_another = answer.status == StatusCode::FORBIDDEN
        || context.to_ascii_lowercase().contains("audience not found");
    match error.error.as_str() {
        "invalid_client" if !about_another => IdentityError::InvalidClient,
        // RFC 6749 5.2 wants `invalid_client`; Keycloak says these about a wrong secret, the second
        // where sign-ins are sent beforehand.
        "unauthorized_client" | "invalid_request" if answer.status == StatusCode::UNAUTHORIZED => {
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
}
