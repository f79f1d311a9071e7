//! Tokens over the API.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jansky_hub::action::{ChangeTokens, SeeTokens};
use jansky_hub::{Credentials, HubError, NewApiToken, Permit};
use serde_json::json;

use crate::api::{ApiResult, json_body, models};
use crate::pages::tokens::parse_id;
use crate::visit::Visit;

/// `GET /hub/api/users/{name}/tokens`
pub(crate) async fn list(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeTokens>(actor, &name).await?;
    let tokens = visit.web.hub.people.tokens_of(&permit).await?;
    let shown = models::tokens(&visit, &permit, &tokens).await?;
    Ok(Json(json!({ "api_tokens": shown })).into_response())
}

/// The longest life of a token that ends, in seconds: a hundred years.
const LONGEST_LIFE: u64 = 100 * 365 * 24 * 60 * 60;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct NewToken {
    note: Option<String>,
    expires_in: Option<u64>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    auth: Option<Credentials>,
}

/// `POST /hub/api/users/{name}/tokens`. Somebody without a credential can prove who they are with
/// a password in the body, and the code of their second factor if they have one.
pub(crate) async fn create(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let wanted: NewToken = json_body(request).await?.unwrap_or_default();
    let proven;
    let permit = if let (None, Some(auth)) = (&visit.actor, wanted.auth) {
        let address = visit.peer.address.to_string();
        let people = &visit.web.hub.people;
        proven = people.check_credentials(&name, auth, &address).await?;
        Permit::<ChangeTokens>::proven(&proven)
    } else {
        let actor = visit.api_caller()?;
        let asked = visit.web.hub.permit::<ChangeTokens>(actor, &name).await;
        asked.map_err(|error| match error {
            // Whether the user exists is not told to who may not manage their tokens.
            HubError::NotFound(message) => HubError::Forbidden(message),
            other => other,
        })?
    };
    let (by, user) = permit.parts();
    let scopes = match (wanted.scopes, wanted.roles) {
        (Some(_), Some(_)) => {
            return Err(HubError::invalid("give `scopes` or `roles`, not both").into());
        }
        (scopes, None) => scopes,
        (None, Some(roles)) => Some(scopes_of(&visit, &roles)?),
    };
    if !wanted
        .expires_in
        .is_none_or(|seconds| (1..=LONGEST_LIFE).contains(&seconds))
    {
        return Err(HubError::invalid(format!(
            "`expires_in` must be 1 to {LONGEST_LIFE} seconds; leave it out for a token that does not end"
        ))
        .into());
    }
    let note = wanted.note.unwrap_or_else(|| {
        if by.name() == user.name.as_str() {
            "Requested via api".to_owned()
        } else {
            format!("Requested via api by user {}", by.name())
        }
    });
    let request = NewApiToken {
        note,
        lifetime: wanted.expires_in.map(Duration::from_secs),
        scopes,
        session_id: None,
    };
    let (token, secret) = visit.web.hub.people.create_token(&permit, request).await?;
    let mut model = models::token(&visit, &permit, token).await?;
    model["token"] = json!(secret.expose());
    Ok((StatusCode::CREATED, Json(model)).into_response())
}

/// The scopes of roles, for callers who still speak of those.
fn scopes_of(visit: &Visit, roles: &[String]) -> Result<Vec<String>, HubError> {
    use jansky_model::scope::{ADMIN_ROLE, SERVER_ROLE, TOKEN_ROLE, USER_ROLE};

    let mut scopes = Vec::new();
    for role in roles {
        let of_role = match role.as_str() {
            "user" => USER_ROLE,
            "admin" => ADMIN_ROLE,
            "server" => SERVER_ROLE,
            "token" => TOKEN_ROLE,
            other => {
                let Some(role) = visit.web.hub.settings().roles.0.get(other) else {
                    return Err(HubError::invalid(format!("No such role: `{other}`")));
                };
                scopes.extend(role.scopes.iter().cloned());
                continue;
            }
        };
        scopes.extend(of_role.iter().map(|&scope| scope.to_owned()));
    }
    Ok(scopes)
}

/// `GET /hub/api/users/{name}/tokens/{id}`
pub(crate) async fn get(visit: Visit, Path((name, id)): Path<(String, String)>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeTokens>(actor, &name).await?;
    let missing = || HubError::not_found(format!("No such token: `{id}`"));
    let wanted = parse_id(&id).ok_or_else(missing)?;
    let tokens = visit.web.hub.people.tokens_of(&permit).await?;
    let token = tokens
        .into_iter()
        .find(|token| token.id == wanted)
        .ok_or_else(missing)?;
    let model = models::token(&visit, &permit, token).await?;
    Ok(Json(model).into_response())
}

/// `DELETE /hub/api/users/{name}/tokens/{id}`
pub(crate) async fn revoke(visit: Visit, Path((name, id)): Path<(String, String)>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ChangeTokens>(actor, &name).await?;
    let id = parse_id(&id).ok_or_else(|| HubError::not_found(format!("No such token: `{id}`")))?;
    visit.web.hub.people.revoke_token(&permit, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
