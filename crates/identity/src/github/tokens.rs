//! GitHub's token endpoint, which reports errors with status 200, and its way to revoke.

use jansky_model::Secret;
use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::GitHub;
use crate::error::clean;
use crate::oidc::{Answer, end_of, lifetime, read_json, send};
use crate::{IdentityError, UpstreamTokens};

const ENDPOINT: &str = "token";

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Secret>,
    refresh_token: Option<Secret>,
    expires_in: Option<Value>,
    scope: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl GitHub {
    /// Asks for tokens with a grant. While a secret is refused, the others are tried: that comes
    /// before the code is looked at.
    pub(super) async fn tokens(
        &self,
        grant: &[(&str, &str)],
    ) -> Result<UpstreamTokens, IdentityError> {
        for secret in &self.settings.client_secrets {
            match self.tokens_with(grant, secret).await {
                Err(IdentityError::InvalidClient) => {}
                other => return other,
            }
        }
        Err(IdentityError::InvalidClient)
    }

    async fn tokens_with(
        &self,
        grant: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<UpstreamTokens, IdentityError> {
        let asked_at = self.clock.now();
        let mut form = grant.to_vec();
        form.push(("client_id", &self.settings.client_id));
        form.push(("client_secret", secret.expose()));
        let url = Self::below(&self.settings.url, "login/oauth/access_token");
        let request = self
            .http
            .post(url)
            .header(header::ACCEPT, "application/json")
            .form(&form);
        let answer = send(ENDPOINT, request, *self.settings.http_timeout).await?;
        let tokens: TokenAnswer =
            read_json(&answer.body).map_err(|reason| unreadable(&answer, reason))?;
        if let Some(code) = tokens.error {
            let sent: Vec<&str> = form.iter().map(|(_, value)| *value).collect();
            return Err(refusal(&code, tokens.error_description.as_deref(), &sent));
        }
        let access = tokens
            .access_token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| unreadable(&answer, "it holds no access token".to_owned()))?;
        let lifetime = lifetime("expires_in", tokens.expires_in.as_ref());
        Ok(UpstreamTokens {
            access,
            refresh: tokens.refresh_token.filter(|token| !token.is_empty()),
            id_token: None,
            expires_at: end_of(lifetime, asked_at),
            scope: tokens.scope,
            other: Vec::new(),
        })
    }

    /// Revokes an access token. GitHub has no RFC 7009.
    pub(super) async fn delete_token(&self, token: &Secret) -> Result<(), IdentityError> {
        const ENDPOINT: &str = "revocation";
        let path = format!("applications/{}/token", self.settings.client_id);
        for secret in &self.settings.client_secrets {
            let request = self
                .http
                .delete(Self::below(&self.api, &path))
                .basic_auth(&self.settings.client_id, Some(secret.expose()))
                .json(&json!({ "access_token": token.expose() }));
            let answer = send(ENDPOINT, request, *self.settings.http_timeout).await?;
            match answer.status {
                StatusCode::UNAUTHORIZED => {}
                // It says so of a token that it does not know: there is nothing to revoke.
                StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => return Ok(()),
                _ => return answer.expect_success(ENDPOINT),
            }
        }
        Err(IdentityError::InvalidClient)
    }
}

fn unreadable(answer: &Answer, reason: String) -> IdentityError {
    if answer.status.is_success() {
        return IdentityError::AnswerLost {
            endpoint: ENDPOINT,
            reason,
        };
    }
    IdentityError::BadAnswer {
        endpoint: ENDPOINT,
        reason: format!("status {}", answer.status.as_u16()),
    }
}

fn refusal(code: &str, description: Option<&str>, sent: &[&str]) -> IdentityError {
    let context = clean(description.unwrap_or("no description"), sent);
    match code {
        "bad_verification_code" | "bad_refresh_token" | "invalid_grant" => {
            IdentityError::InvalidGrant { context }
        }
        "incorrect_client_credentials" | "invalid_client" => IdentityError::InvalidClient,
        code => IdentityError::Refused {
            endpoint: ENDPOINT,
            code: clean(code, sent),
            context,
        },
    }
}
