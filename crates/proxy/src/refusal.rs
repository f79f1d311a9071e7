//! Why the proxy answers a request itself: whose fault it is, which status, and in which words.

use std::time::Duration;

use http::StatusCode;
use jansky_model::ByteSize;

/// Why a request is answered by the proxy itself. Its text is for the sender of the request, and names the
/// limit that was met: its value, and the key of the configuration that holds it.
///
/// All but [`NoAnswer`](Self::NoAnswer) and [`Full`](Self::Full) are the client's doing, and are not logged
/// as anybody's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: it is not HTTP, or two servers could understand it differently.
    #[error("The request is malformed.")]
    Malformed,
    /// 400: the body is not what its head says, for example a chunk without a length, or it broke off.
    #[error("The body of the request is malformed or broke off.")]
    MalformedBody,
    /// 403: the script of a service worker for more than the server's own pages.
    #[error("A server may have service workers for its own pages only.")]
    ForeignWorker,
    /// 404: no route leads from its address.
    #[error("There is nothing at this address.")]
    NoRoute,
    /// 408: its head did not come in time.
    #[error(
        "The head of the request did not come within {} seconds (proxy.client_timeout).",
        .0.as_secs_f64()
    )]
    SlowHead(Duration),
    /// 408: its body stopped coming.
    #[error(
        "Nothing more of the body of the request came for {} seconds (proxy.client_timeout).",
        .0.as_secs_f64()
    )]
    SlowBody(Duration),
    /// 408: it was the oldest of too many that had not come as a whole.
    #[error(
        "Requests that have not come as a whole take more than {} together \
         (proxy.max_unfinished_size), and this one has waited longest.",
        size(*.0)
    )]
    Unfinished(usize),
    /// 414: its path with the query is too long.
    #[error("The address of the request is longer than {} (proxy.max_uri_size).", size(*.0))]
    UriTooLong(usize),
    /// 429: its client has too many requests or connections at once.
    #[error(
        "More than {0} connections or requests of one address at once \
         (proxy.max_connections_per_address)."
    )]
    TooManyAtOnce(usize),
    /// 431: its head is too large.
    #[error(
        "The header of the request is larger than {} (proxy.max_header_size). Deleting this site's \
         cookies may help.",
        size(*.0)
    )]
    HeaderTooLarge(usize),
    /// 431: it has too many header fields.
    #[error("The header of the request has more than {0} fields (proxy.max_header_fields).")]
    TooManyFields(usize),
    /// 503: the server behind its route cannot be reached, or closed without an answer.
    #[error("The server behind this address cannot be reached.")]
    NoAnswer,
    /// 503: no more connections can be served.
    #[error("This site has as many connections as it can serve. Try again in a moment.")]
    Full,
}

impl Refusal {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::MalformedBody => StatusCode::BAD_REQUEST,
            Self::ForeignWorker => StatusCode::FORBIDDEN,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::SlowHead(_) | Self::SlowBody(_) | Self::Unfinished(_) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::UriTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::TooManyAtOnce(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::HeaderTooLarge(_) | Self::TooManyFields(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::NoAnswer | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The whole answer in bytes, for a connection on which HTTP has ended.
    pub(crate) fn to_http1(self) -> Vec<u8> {
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let text = format!("{self}\n");
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
            status.as_u16(),
            text.len()
        )
        .into_bytes()
    }
}

fn size(bytes: usize) -> ByteSize {
    ByteSize(bytes as u64)
}
