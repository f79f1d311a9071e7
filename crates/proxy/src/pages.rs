//! What a client sees when the proxy itself has to answer.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode, request};

use crate::body::ProxyBody;

/// Makes the pages for the answers of the proxy itself.
///
/// The statuses are 400 (malformed path or request), 403 (a service worker for more than the server's
/// own pages), 404 (no route), 431 (header too large),
/// 503 (the server behind the route cannot be reached, or closed without an answer) and 504 (it
/// accepted, but did not answer in time, where a limit is set). The status of the returned
/// response is what the client gets, so an implementation should keep it.
pub trait ErrorPages: Send + Sync {
    /// Makes the response for `status`; `head` is the request as the client sent it.
    fn page(&self, status: StatusCode, head: &request::Parts) -> Response<ProxyBody>;
}

/// One plain sentence for each status.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainPages;

impl ErrorPages for PlainPages {
    fn page(&self, status: StatusCode, _head: &request::Parts) -> Response<ProxyBody> {
        let text = match status {
            StatusCode::BAD_REQUEST => "The request is malformed.",
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                "The header of the request is too large. Deleting this site's cookies may help."
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                "The server behind this address cannot be reached."
            }
            StatusCode::GATEWAY_TIMEOUT => "The server behind this address did not answer in time.",
            other => other.canonical_reason().unwrap_or("Something went wrong."),
        };
        plain(status, text)
    }
}

/// A response of one line of plain text.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::full(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
