//! The only place that knows which status an error of the hub is.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::{HubError, TokenError};
use serde_json::json;
use tracing::error;

/// The status of an error.
pub(crate) fn status_of(error: &HubError) -> StatusCode {
    match error {
        HubError::NotFound(_) => StatusCode::NOT_FOUND,
        HubError::Forbidden(_) | HubError::SignInAgain(_) => StatusCode::FORBIDDEN,
        HubError::Conflict(_) => StatusCode::CONFLICT,
        HubError::Invalid(_) => StatusCode::BAD_REQUEST,
        HubError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        HubError::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
        HubError::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        HubError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        HubError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What the person or program that asked may read.
pub(crate) fn public_message(error: &HubError) -> String {
    match error {
        HubError::Internal { .. } => {
            "Something went wrong inside the hub. Its log says what.".to_owned()
        }
        other => other.to_string(),
    }
}

/// When to try again, in seconds, for errors that pass.
pub(crate) fn retry_after(error: &HubError) -> Option<u64> {
    match error {
        HubError::Busy { retry_after, .. } => Some(retry_after.as_secs().max(1)),
        HubError::Unavailable { .. } => Some(5),
        _ => None,
    }
}

/// Writes an error that somebody must look at to the log, once, with its causes.
pub(crate) fn log(error: &HubError) {
    if matches!(
        error,
        HubError::Internal { .. } | HubError::Unavailable { .. }
    ) {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(current) = cause {
            causes.push(current.to_string());
            cause = current.source();
        }
        error!(error = %error, error.chain = causes.join("; because: "), "a request failed");
    }
}

fn add_retry_after(response: &mut Response, error: &HubError) {
    if let Some(seconds) = retry_after(error) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Adds what every surface says about an error in headers.
pub(crate) fn with_error_headers(mut response: Response, error: &HubError) -> Response {
    add_retry_after(&mut response, error);
    response
}

/// An error on the REST API: JupyterHub's shape.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) HubError);

impl<E: Into<HubError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        log(&self.0);
        let status = status_of(&self.0);
        let mut body = json!({ "status": status.as_u16(), "message": public_message(&self.0) });
        if matches!(self.0, HubError::SignInAgain(_)) {
            // The broker's name for this error, which programs know.
            body["error"] = json!("reauth_required");
        }
        with_error_headers((status, Json(body)).into_response(), &self.0)
    }
}

/// An error of the token endpoint: RFC 6749 section 5.2.
pub(crate) struct OAuthError(pub(crate) TokenError);

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            TokenError::InvalidClient => StatusCode::UNAUTHORIZED,
            TokenError::Hub(error) => {
                log(error);
                status_of(error)
            }
            _ => StatusCode::BAD_REQUEST,
        };
        let description = match &self.0 {
            TokenError::Hub(error) => public_message(error),
            other => other.to_string(),
        };
        let body = json!({ "error": self.0.code(), "error_description": description });
        let mut response = (status, Json(body)).into_response();
        if matches!(self.0, TokenError::InvalidClient) {
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_client\""),
            );
        }
        response
    }
}
