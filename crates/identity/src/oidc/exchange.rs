//! Token exchange (RFC 8693) as providers do it, and what they say when they do not.

use async_trait::async_trait;

use super::relying_party::OidcProvider;
use super::token_endpoint::IssuedAnswer;
use crate::IdentityError;
use crate::exchange::{ExchangeRequest, TokenExchange};
use crate::issued::{IssuedToken, IssuedTokenProblem, NotIssued, TokenRequirements, check};

pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The name of the endpoint in messages.
pub(super) const ENDPOINT: &str = "token exchange";

#[async_trait]
impl TokenExchange for OidcProvider {
    async fn exchange(&self, request: &ExchangeRequest<'_>) -> Result<IssuedToken, NotIssued> {
        let metadata = self.metadata().await.map_err(NotIssued::of_error)?;
        let scope = request.scopes.join(" ");
        let mut form = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", request.subject_token.expose()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        let optional = [
            ("audience", request.audience),
            ("resource", request.resource),
            ("scope", Some(scope.as_str())),
        ];
        for (name, value) in optional {
            form.extend(value.filter(|value| !value.is_empty()).map(|v| (name, v)));
        }
        let answer = self
            .caller(&metadata)
            .issue(ENDPOINT, &metadata.token, &form)
            .await
            .map_err(|error| self.judge(request, &scope, error))?;
        let allowed: Vec<&str> = request
            .scopes
            .iter()
            .map(String::as_str)
            .chain(request.subject_scope.split_whitespace())
            .collect();
        let wanted = TokenRequirements {
            target: request.audience.or(request.resource),
            client_id: Some(&self.settings().client_id),
            subject: Some(request.subject),
            scopes: Some(&allowed),
        };
        let token = exchanged(answer)?;
        Ok(check(token, wanted, self.clock.now())?)
    }
}

/// RFC 8693 2.2.1: an access token that can be sent as it is.
fn exchanged(answer: IssuedAnswer) -> Result<IssuedToken, IssuedTokenProblem> {
    let is_bearer = answer.is_bearer();
    let is_access = answer.issued_token_type.as_deref() == Some(ACCESS_TOKEN);
    if is_bearer && is_access {
        Ok(answer.token)
    } else {
        Err(IssuedTokenProblem::Kind)
    }
}

impl OidcProvider {
    /// Finds out what a refusal means. Beside the codes of RFC 8693 there are Keycloak's own, where
    /// only the description says which of several things is missing.
    fn judge(&self, request: &ExchangeRequest<'_>, scope: &str, error: IdentityError) -> NotIssued {
        let IdentityError::Refused { code, context, .. } = &error else {
            return NotIssued::of_error(error);
        };
        let us = &self.settings().client_id;
        let target = request.target();
        let says = |text: &str| context.to_ascii_lowercase().contains(text);
        let no_target = |advice: String| NotIssued::InvalidTarget {
            target: target.to_owned(),
            advice,
        };
        match code.as_str() {
            "invalid_scope" => NotIssued::InvalidScope {
                scope: scope.to_owned(),
                context: context.clone(),
            },
            "invalid_request" if says("audience not available") => no_target(format!(
                "no audience mapper puts it into tokens of the client `{us}`; add a client scope \
                 with a mapper of the type Audience for `{target}`, let `{us}` have that scope, \
                 and name it in `scopes`"
            )),
            "invalid_client" | "invalid_request" if says("audience not found") => {
                no_target(format!("it knows no client `{target}`; correct `audience`"))
            }
            "access_denied" if says("within the token audience") => no_target(format!(
                "`{us}` is not in the audience of the person's token; add an audience mapper for \
                 `{us}` to the client that the person signs in with"
            )),
            "invalid_target" => no_target(format!("it answered `invalid_target` ({context})")),
            "invalid_token" => NotIssued::SignInAgain(error),
            "invalid_request" if says("invalid token") => NotIssued::SignInAgain(error),
            _ => NotIssued::ClientNotAllowed {
                advice: format!(
                    "it answered `{code}` ({context}); switch token exchange on for the client \
                     `{us}` there"
                ),
            },
        }
    }
}
