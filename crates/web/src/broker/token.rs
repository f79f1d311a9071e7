//! A token for one audience (shaped as RFC 8693).

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jansky_hub::{BrokerError, TokenRequest};
use serde_json::json;

use super::{agent, answer};
use crate::state::WebState;
use crate::visit::read_body;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `POST /hub/broker/v1/token`
pub(crate) async fn post(State(web): State<WebState>, request: Request) -> Response {
    let result = token(&web, request).await;
    answer(&web, result)
}

async fn token(web: &WebState, request: Request) -> Result<Response, BrokerError> {
    let (head, body) = request.into_parts();
    let agent = agent(web, "token", &head).await?;
    let asked = read(&read_body(Request::from_parts(head, body)).await?)?;
    let given = web.hub.broker.give_token(&agent, &asked).await?;
    let body = json!({
        // Exposed to the agent, which has proved who it is.
        "access_token": given.token.expose(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": given.expires_in,
        "scope": given.scope,
        "audience": asked.audience,
    });
    Ok(Json(body).into_response())
}

/// Reads the form. A parameter that is there twice is an error (RFC 6749 section 3.2).
fn read(body: &[u8]) -> Result<TokenRequest, BrokerError> {
    let invalid = |text: &str| BrokerError::InvalidRequest(text.to_owned());
    let one = |name: &str| {
        let mut values = url::form_urlencoded::parse(body).filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(|(_, value)| value.into_owned())),
            _ => Err(BrokerError::InvalidRequest(format!(
                "the parameter `{name}` is there more than once"
            ))),
        }
    };
    if one("grant_type")?.as_deref() != Some(TOKEN_EXCHANGE) {
        return Err(BrokerError::InvalidRequest(format!(
            "`grant_type` must be `{TOKEN_EXCHANGE}`"
        )));
    }
    if one("requested_token_type")?.is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err(invalid("only access tokens can be asked for"));
    }
    let audience = one("audience")?.ok_or_else(|| invalid("`audience` is missing"))?;
    let min_ttl = match one("min_ttl")? {
        None => Duration::ZERO,
        Some(text) => text
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| invalid("`min_ttl` must be a number of seconds"))?,
    };
    Ok(TokenRequest {
        audience,
        scope: one("scope")?,
        min_ttl,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_or_refused_with_what_is_wrong() {
        let good = format!("grant_type={TOKEN_EXCHANGE}&audience=a&scope=x+y&min_ttl=60");
        let asked = read(good.as_bytes()).expect("it is whole");
        assert_eq!(
            (asked.audience.as_str(), asked.min_ttl.as_secs()),
            ("a", 60)
        );
        assert_eq!(asked.scope.as_deref(), Some("x y"));

        for (form, word) in [
            ("audience=a".to_owned(), "grant_type"),
            (format!("grant_type={TOKEN_EXCHANGE}"), "audience"),
            (format!("{good}&audience=b"), "more than once"),
            (
                format!("{good}&requested_token_type=urn:x:refresh_token"),
                "access tokens",
            ),
            (good.replace("=60", "=-1"), "min_ttl"),
        ] {
            let error = read(form.as_bytes()).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
