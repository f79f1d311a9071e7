//! The hub as OAuth provider of its servers (RFC 6749 section 4.1 with RFC 7636).
//!
//! The client is a server: its id is derived from the server's name, its secret is the server's own
//! API token, and its redirect address is the server's path with `oauth_callback`.

use std::time::Duration;

use jansky_crypto::digest;
use jansky_crypto::token::{digest_text, equal, s256};
use jansky_model::{Scope, Secret, Timestamp};
use jansky_store::{Challenge, Code, Digest, NewToken, Server, TokenKind};

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::{Actor, access_scope, identify_scopes};

/// How long a code can be redeemed.
const CODE_LIFETIME: Duration = Duration::from_mins(5);

/// An authorization request as it came (RFC 6749 section 4.1.1).
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct AuthorizeRequest {
    /// Who asks.
    pub client_id: Option<String>,
    /// Where the answer goes.
    pub redirect_uri: Option<String>,
    /// Must be `code`.
    pub response_type: Option<String>,
    /// Handed back unchanged.
    pub state: Option<String>,
    /// What is asked for; the client's own scopes when it is missing.
    pub scope: Option<String>,
    /// RFC 7636 section 4.3.
    pub code_challenge: Option<String>,
    /// `S256` or `plain`.
    pub code_challenge_method: Option<String>,
}

/// What to do with an authorization request.
#[derive(Debug)]
pub enum Authorization {
    /// Send the browser there: with a code or with an error.
    Redirect(String),
    /// Ask the person first.
    Consent {
        /// The server that asks.
        server: Box<Server>,
        /// What it would get.
        scopes: Vec<String>,
    },
}

/// A token request as it came (RFC 6749 section 4.1.3).
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct TokenExchange {
    /// Must be `authorization_code`.
    pub grant_type: Option<String>,
    /// Who asks.
    pub client_id: Option<String>,
    /// The server's API token.
    pub client_secret: Option<Secret>,
    /// The code.
    pub code: Option<Secret>,
    /// Must be the one of the authorization request.
    pub redirect_uri: Option<String>,
    /// RFC 7636 section 4.5.
    pub code_verifier: Option<Secret>,
}

/// A granted token.
#[derive(Debug)]
pub struct TokenResponse {
    /// The token.
    pub access_token: Secret,
    /// How long it lives.
    pub lifetime: Duration,
    /// What it allows.
    pub scopes: Vec<String>,
}

/// Why a token request was refused (RFC 6749 section 5.2).
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client is not known or its secret is wrong.
    #[error("invalid client id or secret")]
    InvalidClient,
    /// The code is not known, was used, has expired, or the verifier is wrong.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// Something is missing or does not fit.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// Only authorization codes are exchanged here.
    #[error("only the grant type `authorization_code` is supported")]
    UnsupportedGrantType,
    /// The hub itself failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl From<jansky_store::StoreError> for TokenError {
    fn from(error: jansky_store::StoreError) -> Self {
        Self::Hub(error.into())
    }
}

impl TokenError {
    /// The error code on the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::Hub(_) => "server_error",
        }
    }
}

impl Servers {
    /// The redirect address of a server: a path, or a whole address on a host of its own.
    pub fn redirect_uri_of(&self, server: &Server) -> String {
        format!("{}oauth_callback", self.server_url(server))
    }

    /// Decides about an authorization request of a signed-in person. `agreed` says that the person
    /// was asked and said yes.
    pub async fn authorize(
        &self,
        actor: &Actor,
        request: &AuthorizeRequest,
        agreed: bool,
    ) -> Result<Authorization, HubError> {
        let client_id = request
            .client_id
            .as_deref()
            .ok_or_else(|| HubError::invalid("Missing client_id parameter."))?;
        let server = self
            .store
            .server_by_client_id(client_id)
            .await?
            .filter(|server| server.state.is_active())
            .ok_or_else(|| HubError::invalid("Invalid client_id parameter value."))?;
        let registered = self.redirect_uri_of(&server);
        let redirect_uri = request.redirect_uri.as_deref().unwrap_or(&registered);
        if !self.is_redirect_uri(redirect_uri, &registered) {
            return Err(HubError::invalid("Mismatching redirect URI."));
        }
        if !actor.may_on_server(Scope::ACCESS_SERVERS, &server.user, &server.name) {
            return Err(HubError::forbidden(format!(
                "You do not have permission to access the server of `{}`.",
                server.user
            )));
        }
        let refuse = |error: &str, description: &str| {
            Ok(Authorization::Redirect(with_query(
                redirect_uri,
                &[
                    ("error", error),
                    ("error_description", description),
                    ("state", request.state.as_deref().unwrap_or_default()),
                ],
            )))
        };
        match request.response_type.as_deref() {
            Some("code") => {}
            Some(_) => return refuse("unsupported_response_type", "only `code` is supported"),
            None => return refuse("invalid_request", "Missing response_type parameter."),
        }
        let challenge = match (
            &request.code_challenge,
            request.code_challenge_method.as_deref(),
        ) {
            (None, _) => None,
            (Some(challenge), None | Some("plain")) => Some(Challenge {
                challenge: challenge.clone(),
                method: "plain".to_owned(),
            }),
            (Some(challenge), Some("S256")) => Some(Challenge {
                challenge: challenge.clone(),
                method: "S256".to_owned(),
            }),
            (Some(_), Some(_)) => {
                return refuse("invalid_request", "Transform algorithm not supported.");
            }
        };
        let access = access_scope(&server);
        let identify = identify_scopes(&actor.user.name);
        let asked = request.scope.as_deref().unwrap_or_default();
        let is_allowed = |scope: &str| {
            scope == "identify" || scope == access || identify.iter().any(|own| own == scope)
        };
        if !asked.split_whitespace().all(is_allowed) {
            return refuse(
                "invalid_scope",
                "A requested scope is not allowed for this client.",
            );
        }
        let scopes: Vec<String> = identify.into_iter().chain([access]).collect();
        if !agreed && !self.needs_no_consent(actor, &server, &scopes).await? {
            return Ok(Authorization::Consent {
                server: Box::new(server),
                scopes,
            });
        }
        self.broker.record_visit(&server, &actor.user).await?;
        let code = self.random.text();
        let row = Code {
            client_id: client_id.to_owned(),
            user_id: actor.user.id,
            session_id: actor.session_id().unwrap_or_default().to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            scopes,
            challenge,
            expires_at: self.clock.now().plus(CODE_LIFETIME),
        };
        self.store.create_code(&digest_text(&code), &row).await?;
        let state = request.state.as_deref();
        let mut answer = vec![("code", code.as_str())];
        answer.extend(state.map(|state| ("state", state)));
        Ok(Authorization::Redirect(with_query(redirect_uri, &answer)))
    }

    /// A redirect address must be the registered one; a path may stand on the hub's own public address.
    fn is_redirect_uri(&self, given: &str, registered: &str) -> bool {
        let on_public_host = || {
            let public = self.settings.public_url.as_ref()?;
            let absolute = public.join(registered).ok()?;
            Some(given == absolute.as_str())
        };
        given == registered || on_public_host().unwrap_or(false)
    }

    async fn needs_no_consent(
        &self,
        actor: &Actor,
        server: &Server,
        scopes: &[String],
    ) -> Result<bool, HubError> {
        if server.user_id == actor.user.id {
            return Ok(true);
        }
        let now = self.clock.now();
        let earlier = self
            .store
            .client_tokens(actor.user.id, &server.client_id, now)
            .await?;
        Ok(earlier
            .iter()
            .any(|token| scopes.iter().all(|scope| token.scopes.contains(scope))))
    }

    /// Exchanges a code for a token. A code that is tried again, by another client, or with a wrong redirect
    /// address or verifier brings nothing any more, and ends the token that it brought (RFC 6749 section
    /// 4.1.2).
    pub async fn exchange_code(&self, request: TokenExchange) -> Result<TokenResponse, TokenError> {
        let now = self.clock.now();
        let client_id = request
            .client_id
            .as_deref()
            .ok_or(TokenError::InvalidClient)?;
        let secret = request
            .client_secret
            .as_ref()
            .ok_or(TokenError::InvalidClient)?;
        let server = self
            .store
            .server_by_client_id(client_id)
            .await?
            .ok_or(TokenError::InvalidClient)?;
        let (own, _) = self
            .store
            .token_by_digest(&digest(secret), now)
            .await?
            .ok_or(TokenError::InvalidClient)?;
        if own.kind != TokenKind::Server || own.server_id != Some(server.id) {
            return Err(TokenError::InvalidClient);
        }
        match request.grant_type.as_deref() {
            Some("authorization_code") => {}
            Some(_) => return Err(TokenError::UnsupportedGrantType),
            None => return Err(TokenError::InvalidRequest("Missing grant_type.")),
        }
        let code = request
            .code
            .as_ref()
            .ok_or(TokenError::InvalidRequest("Missing code parameter."))?;
        let code_digest = digest(code);
        let redeemed = self.redeem(&server, &request, &code_digest, now).await;
        if let Err(TokenError::InvalidGrant(_) | TokenError::InvalidRequest(_)) = &redeemed {
            // Somebody else may have the code: nobody gets anything for it any more, and what was given
            // for it ends.
            if let Some(user) = self.store.burn_code(&code_digest, now).await? {
                self.access.forget(user);
            }
        }
        redeemed
    }

    /// Exchanges a code for a token, for a client that is who it says.
    async fn redeem(
        &self,
        server: &Server,
        request: &TokenExchange,
        code_digest: &Digest,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let invalid = TokenError::InvalidGrant("The code is unknown, was used or has expired.");
        let Some(row) = self.store.code(code_digest, now).await? else {
            return Err(invalid);
        };
        if row.client_id != server.client_id {
            return Err(invalid);
        }
        if request
            .redirect_uri
            .as_deref()
            .is_some_and(|given| given != row.redirect_uri)
        {
            return Err(TokenError::InvalidRequest("Mismatching redirect URI."));
        }
        if let Some(Challenge { challenge, method }) = &row.challenge {
            let verifier = request
                .code_verifier
                .as_ref()
                .ok_or(TokenError::InvalidRequest("Code verifier required."))?;
            if !is_verifier(verifier, challenge, method) {
                return Err(TokenError::InvalidGrant("The code verifier is wrong."));
            }
        }
        let access_token = self.random.secret("");
        let lifetime = self.settings.oauth_token_lifetime;
        let token = NewToken {
            digest: digest(&access_token),
            kind: TokenKind::OAuth,
            user_id: row.user_id,
            server_id: None,
            client_id: Some(server.client_id.clone()),
            session_id: Some(row.session_id).filter(|id| !id.is_empty()),
            scopes: row.scopes.clone(),
            note: format!("Server of {}", server.user),
            created_at: now,
            expires_at: Some(now.plus(lifetime)),
        };
        match self.store.redeem_code(code_digest, token).await? {
            Some(_) => Ok(TokenResponse {
                access_token,
                lifetime,
                scopes: row.scopes,
            }),
            None => Err(invalid),
        }
    }
}

/// RFC 7636 section 4.6.
fn is_verifier(verifier: &Secret, challenge: &str, method: &str) -> bool {
    if method == "plain" {
        return equal(verifier.expose(), challenge);
    }
    equal(&s256(verifier.expose()), challenge)
}

/// Adds parameters to an address that may be a bare path.
fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()))
        .finish();
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_rfc_7636_appendix_b_fits_its_challenge() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

        assert!(is_verifier(&verifier, challenge, "S256"));
        assert!(!is_verifier(&verifier, challenge, "plain"));
        assert!(!is_verifier(&Secret::new("other"), challenge, "S256"));
    }

    #[test]
    fn parameters_are_escaped_and_empty_ones_left_out() {
        let address = with_query("/user/a/oauth_callback", &[("code", "a&b"), ("state", "")]);

        assert_eq!(address, "/user/a/oauth_callback?code=a%26b");
    }
}
