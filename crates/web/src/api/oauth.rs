//! The OAuth token endpoint (RFC 6749 section 3.2).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jansky_hub::{TokenError, TokenExchange};
use serde_json::json;

use crate::error::OAuthError;
use crate::state::WebState;
use crate::visit::read_body;

/// `POST /hub/api/oauth2/token`
pub(crate) async fn token(State(web): State<WebState>, request: Request) -> Response {
    match exchange(&web, request).await {
        Ok(response) => response,
        Err(error) => OAuthError(error).into_response(),
    }
}

async fn exchange(web: &WebState, request: Request) -> Result<Response, TokenError> {
    let bytes = read_body(request).await?;
    let mut wanted = TokenExchange::default();
    for (key, value) in url::form_urlencoded::parse(&bytes) {
        let value = value.into_owned();
        match &*key {
            "grant_type" => wanted.grant_type = Some(value),
            "client_id" => wanted.client_id = Some(value),
            "client_secret" => wanted.client_secret = Some(value.into()),
            "code" => wanted.code = Some(value.into()),
            "redirect_uri" => wanted.redirect_uri = Some(value),
            "code_verifier" => wanted.code_verifier = Some(value.into()),
            _ => {}
        }
    }
    let granted = web.hub.servers.exchange_code(wanted).await?;
    let body = json!({
        "access_token": granted.access_token.expose(),
        "expires_in": granted.lifetime.as_secs(),
        "token_type": "Bearer",
        "scope": granted.scopes.join(" "),
    });
    Ok(Json(body).into_response())
}
