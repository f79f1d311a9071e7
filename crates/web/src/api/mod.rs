//! The REST API, as JupyterHub defines it: one file for each kind of resource.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod groups;
pub(crate) mod hub;
pub(crate) mod models;
pub(crate) mod oauth;
pub(crate) mod paging;
pub(crate) mod progress;
pub(crate) mod routes;
pub(crate) mod servers;
pub(crate) mod share_codes;
pub(crate) mod shares;
pub(crate) mod sign_ins;
pub(crate) mod tokens;
pub(crate) mod users;

use axum::extract::Request;
use axum::response::Response;
use jansky_hub::User;
use jansky_hub::{Actor, HubError};
use jansky_model::Scope;
use jansky_model::scope::Target;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ApiError;
use crate::visit::{Visit, read_body};

/// What API handlers return.
pub(crate) type ApiResult = Result<Response, ApiError>;

/// Lets the caller pass if one of the scopes is held for the target. Who holds none of them at all
/// is told so; who holds one for something else must not learn whether this exists.
pub(crate) fn need(actor: &Actor, scopes: &[Scope], target: Target<'_>) -> Result<(), HubError> {
    if scopes.iter().any(|scope| actor.may(*scope, target)) {
        return Ok(());
    }
    if scopes.iter().any(|scope| actor.scopes.holds(*scope)) {
        return Err(missing());
    }
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    Err(HubError::forbidden(format!(
        "Action is not authorized with current scopes; requires any of [{}]",
        names.join(", ")
    )))
}

/// The answer for what is not there and for what the caller must not know.
pub(crate) fn missing() -> HubError {
    HubError::not_found("No access to resources or resources not found")
}

/// The user that a path names, if the caller holds one of the scopes on them.
pub(crate) async fn find_user(
    visit: &Visit,
    actor: &Actor,
    name: &str,
    scopes: &[Scope],
) -> Result<User, HubError> {
    need(actor, scopes, Target::User(name))?;
    visit.web.hub.people.user(name).await?.ok_or_else(missing)
}

/// Reads a JSON body, whatever its content type says; `None` when there is none.
pub(crate) async fn json_body<T: DeserializeOwned>(
    request: Request,
) -> Result<Option<T>, HubError> {
    let bytes = read_body(request).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // Two steps, so that the message tells broken JSON from JSON of another shape.
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| HubError::invalid(format!("Invalid JSON in body of request: {error}")))?;
    if value.is_null() {
        return Ok(None);
    }
    if !value.is_object() {
        return Err(HubError::invalid("The JSON body must be an object"));
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| HubError::invalid(format!("The JSON body does not fit: {error}")))
}
