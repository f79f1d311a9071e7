//! `POST /hub/oidc/security-events`: a provider pushes a security event token (RFC 8935).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::EventRefusal;
use jansky_model::Secret;
use serde_json::json;

use crate::error::{log, public_message, status_of, with_error_headers};
use crate::state::WebState;
use crate::visit::read_body;

/// The type of the body (RFC 8935 section 2.1).
const MEDIA_TYPE: &str = "application/secevent+jwt";

/// Takes a token and answers 202 when what follows from it holds. No browser is involved, so no
/// cookie counts.
pub(crate) async fn post(State(web): State<WebState>, request: Request) -> Response {
    let in_english = [(CONTENT_LANGUAGE, HeaderValue::from_static("en"))];
    if !web.hub.people.expects_security_events() {
        let body = json!({ "status": 404, "message": "no provider sends security events here" });
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    }
    match take(&web, request).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(EventRefusal::Invalid { code, description }) => {
            let body = json!({ "err": code, "description": description });
            (StatusCode::BAD_REQUEST, in_english, Json(body)).into_response()
        }
        Err(EventRefusal::Hub(error)) => {
            log(&error);
            let body = json!({ "err": "invalid_request", "description": public_message(&error) });
            let response = (status_of(&error), in_english, Json(body)).into_response();
            with_error_headers(response, &error)
        }
    }
}

async fn take(web: &WebState, request: Request) -> Result<(), EventRefusal> {
    let authorization = text_of(request.headers(), &AUTHORIZATION).map(Secret::new);
    let is_typed = text_of(request.headers(), &CONTENT_TYPE)
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_TYPE));
    if !is_typed {
        let words = format!("the body must be of the type {MEDIA_TYPE}");
        return Err(EventRefusal::invalid("invalid_request", words));
    }
    let body = read_body(request).await?;
    let token = String::from_utf8(body.into()).unwrap_or_default();
    let token = Secret::new(token.trim());
    web.hub
        .people
        .receive_security_event(&token, authorization.as_ref())
        .await
}

fn text_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
