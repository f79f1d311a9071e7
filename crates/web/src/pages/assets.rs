//! Static files, the logo, and the small answers that browsers and monitors ask for.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::static_files;
use crate::visit::Visit;

/// `GET /hub/static/{*path}`
pub(crate) async fn file(visit: Visit, Path(path): Path<String>) -> Response {
    let Some(file) = static_files::serve(&path) else {
        return (StatusCode::NOT_FOUND, "no such file").into_response();
    };
    let cache = static_files::cache_control(visit.query("v").as_deref());
    let known = visit
        .headers
        .get(IF_NONE_MATCH)
        .and_then(|tag| tag.to_str().ok());
    if known == Some(file.etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, [(CACHE_CONTROL, cache)]).into_response();
    }
    let etag =
        HeaderValue::from_str(&file.etag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(file.content_type)),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (ETAG, etag),
    ];
    (headers, file.bytes).into_response()
}

/// `GET /hub/logo` and `/favicon.ico`
pub(crate) async fn logo(visit: Visit) -> Response {
    file(visit, Path("logo.svg".to_owned())).await
}

/// `GET /hub/health`: the process answers, whatever the database does. With `?full=1` it is also
/// tried whether the database takes a change.
pub(crate) async fn health(visit: Visit) -> Response {
    if visit.query("full").is_none_or(|full| full != "1") {
        return (StatusCode::OK, [(CONTENT_TYPE, "text/html")], "").into_response();
    }
    let (status, database) = match visit.web.hub.takes_changes().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(error) => {
            tracing::warn!(error = %error, "the database takes no change");
            (StatusCode::SERVICE_UNAVAILABLE, "takes no change")
        }
    };
    (status, Json(json!({ "database": database }))).into_response()
}

/// `GET /hub/ready`: whether new visitors should be sent here. It is when all servers have their
/// routes, before which nothing is answered at all, until the hub is told to end.
pub(crate) async fn ready(visit: Visit) -> Response {
    let is_ready = !visit.web.hub.stopping().is_cancelled();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": is_ready }))).into_response()
}

/// `GET /hub/error/{code}`: a page about a status, for a proxy that asks for one. The answer itself
/// is 200, as JupyterHub's is.
pub(crate) async fn error(visit: Visit, Path(code): Path<u16>) -> Response {
    let status = StatusCode::from_u16(code)
        .ok()
        .filter(|s| s.as_u16() >= 400);
    let status = status.unwrap_or(StatusCode::NOT_FOUND);
    let words = match status.as_u16() {
        404 => "There is no such page.",
        503 => "The server does not answer. It may have been stopped.",
        _ => "The request could not be carried out.",
    };
    let mut response = visit.error_page(status, words);
    *response.status_mut() = StatusCode::OK;
    response
}

/// `POST /hub/security/csp-report`: browsers report violations of the content security policy.
pub(crate) async fn csp_report() -> StatusCode {
    StatusCode::NO_CONTENT
}
