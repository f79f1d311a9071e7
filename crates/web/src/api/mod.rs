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
use jansky_hub::HubError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ApiError;
use crate::visit::read_body;

/// What API handlers return.
pub(crate) type ApiResult = Result<Response, ApiError>;

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
    fitting(value).map(Some)
}

/// Makes of a JSON body what a handler needs.
///
/// # Errors
/// [`HubError::Invalid`] with the place in the body that does not fit.
pub(crate) fn fitting<T: DeserializeOwned>(body: Value) -> Result<T, HubError> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let problem = error.inner();
        HubError::invalid(match error.path().to_string().as_str() {
            // The body itself: a field that is missing has its name in the problem.
            "." => format!("The JSON body does not fit: {problem}"),
            path => format!("The JSON body does not fit at `{path}`: {problem}"),
        })
    })
}
