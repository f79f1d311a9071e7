//! The path of JupyterHub's `TokenExchangeAuthenticator`, for notebooks that were written for it.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use jansky_hub::{BrokerError, ExposedToken};
use serde_json::{Map, Value, json};

use super::answer;
use crate::state::WebState;

/// `GET` at `broker.local_user_exposed_path`. Only the token of a server itself opens it, never a
/// cookie: a page of somebody else could send that along.
pub(crate) async fn get(State(web): State<WebState>, headers: HeaderMap) -> Response {
    let result = exposed(&web, &headers).await;
    answer(&web, result)
}

async fn exposed(web: &WebState, headers: &HeaderMap) -> Result<Response, BrokerError> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|header| header.to_str().ok()?.split_once(' '))
        .filter(|(scheme, _)| {
            scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")
        })
        .map(|(_, token)| token.trim())
        .ok_or(BrokerError::InvalidToken)?;
    let actor = web.hub.people.token_caller(token).await?;
    let actor = actor.ok_or(BrokerError::InvalidToken)?;
    let tokens = web.hub.broker.exposed_tokens(&actor).await?;
    let exchanged: Map<String, Value> = tokens
        .exchanged
        .iter()
        .map(|(id, token)| (id.clone(), shown(token)))
        .collect();
    let body = json!({
        "username": tokens.user.name,
        // Exposed to the server of its user, because the operator turned this on.
        "access_token": tokens.login.token.expose(),
        "exp": tokens.login.expires_at.map(jansky_model::Timestamp::seconds),
        "exchanged_tokens": exchanged,
    });
    Ok(Json(body).into_response())
}

fn shown(token: &ExposedToken) -> Value {
    json!({
        "access_token": token.token.expose(),
        "exp": token.expires_at.map(jansky_model::Timestamp::seconds),
    })
}
