//! What a client sees when the proxy itself has to answer.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode, request};

use crate::body::ProxyBody;
use crate::refusal::Refusal;
use crate::route::ClientInfo;

/// Makes the pages for the answers of the proxy itself.
///
/// The status of the returned response is what the client gets, so an implementation should keep that of
/// the [`Refusal`], and show its text: it names the limit that was met.
pub trait ErrorPages: Send + Sync {
    /// Makes the response; `head` is the request as `client` sent it.
    fn page(
        &self,
        refusal: Refusal,
        head: &request::Parts,
        client: &ClientInfo,
    ) -> Response<ProxyBody>;
}

/// One plain sentence for each refusal.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainPages;

impl ErrorPages for PlainPages {
    fn page(
        &self,
        refusal: Refusal,
        _head: &request::Parts,
        _client: &ClientInfo,
    ) -> Response<ProxyBody> {
        plain(refusal.status(), &refusal.to_string())
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
