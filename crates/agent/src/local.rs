//! What the code of the server can ask over the Unix socket.
//!
//! `GET /v1/token?audience=A[&scope=S][&min_ttl=60]` and `GET /v1/status`, in HTTP/1.1. Whatever looks
//! as if a browser or a proxy had sent it is refused: nothing of this is for pages.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;

use crate::agent::Agent;
use crate::answer::Answer;
use crate::tokens::TokenKey;

/// How long a request may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of requests that came through a browser or a proxy.
const OF_BROWSERS: [header::HeaderName; 5] = [
    header::COOKIE,
    header::FORWARDED,
    header::ORIGIN,
    header::REFERER,
    header::VIA,
];

/// More seconds than any access token lives.
const LONGEST_TTL: u64 = 7 * 24 * 3600;

/// Answers all requests on a connection.
pub(crate) async fn serve(agent: Arc<Agent>, stream: UnixStream) {
    let service = service_fn(|request: Request<Incoming>| {
        let agent = Arc::clone(&agent);
        async move { Ok::<_, Infallible>(response(answer(&agent, &request).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    // A client that hangs up in the middle needs no message.
    let _ = connection.await;
}

async fn answer(agent: &Agent, request: &Request<Incoming>) -> Answer {
    if is_forwarded(request.headers()) {
        return Answer::problem(
            StatusCode::FORBIDDEN,
            "access_denied",
            "tokens are not given to browsers or through proxies",
        );
    }
    if request.method() != Method::GET {
        return bad(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here");
    }
    match request.uri().path() {
        "/v1/token" => match token_query(request.uri().query().unwrap_or_default()) {
            Ok((wanted, min_ttl)) => agent.token(&wanted, min_ttl).await,
            Err(problem) => bad(StatusCode::BAD_REQUEST, &problem),
        },
        "/v1/status" => agent.status().await,
        _ => bad(
            StatusCode::NOT_FOUND,
            "there are `/v1/token` and `/v1/status`",
        ),
    }
}

fn bad(status: StatusCode, description: &str) -> Answer {
    Answer::problem(status, "invalid_request", description)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    let from_proxy = |name: &header::HeaderName| {
        name.as_str().starts_with("x-forwarded-") || name.as_str() == "x-real-ip"
    };
    OF_BROWSERS.iter().any(|name| headers.contains_key(name)) || headers.keys().any(from_proxy)
}

fn token_query(query: &str) -> Result<(TokenKey, Option<u64>), String> {
    let (mut audience, mut scope, mut min_ttl) = (None, None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let slot = match name.as_ref() {
            "audience" => &mut audience,
            "scope" => &mut scope,
            "min_ttl" => &mut min_ttl,
            _ => {
                return Err(format!(
                    "`{name}` is not known; there are audience, scope and min_ttl"
                ));
            }
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(format!("`{name}` is given twice"));
        }
    }
    let audience = audience
        .filter(|audience| !audience.is_empty())
        .ok_or("`audience` is missing: the name of the service that the token is for")?;
    let min_ttl = min_ttl.map(|text| {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= LONGEST_TTL);
        seconds.ok_or_else(|| format!("`min_ttl` is `{text}` and not a number of seconds"))
    });
    let wanted = TokenKey {
        audience,
        scope: scope
            .map(|scope| in_order(&scope))
            .filter(|scope| !scope.is_empty()),
    };
    Ok((wanted, min_ttl.transpose()?))
}

/// Scopes in one order, so that the same ones in another share a token.
fn in_order(scope: &str) -> String {
    let mut words: Vec<&str> = scope.split_ascii_whitespace().collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_from_the_query() {
        let (wanted, min_ttl) =
            token_query("audience=archive&scope=b+a%20b&min_ttl=45").expect("it is complete");

        assert_eq!(wanted.audience, "archive");
        assert_eq!(wanted.scope.as_deref(), Some("a b"));
        assert_eq!(min_ttl, Some(45));
    }

    #[test]
    fn a_wish_that_is_not_clear_is_refused() {
        for (query, word) in [
            ("", "audience"),
            ("audience=", "audience"),
            ("audience=a&audience=b", "twice"),
            ("audience=a&min_ttl=-1", "-1"),
            ("audience=a&min_ttl=99999999999", "99999999999"),
            ("audience=a&resource=b", "resource"),
        ] {
            let problem = token_query(query).expect_err(query);

            assert!(problem.contains(word), "{query}: {problem}");
        }
    }

    #[test]
    fn what_came_through_a_browser_or_proxy_is_known() {
        for name in [
            "Origin",
            "Cookie",
            "X-Forwarded-For",
            "Via",
            "Referer",
            "Forwarded",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_static("x"),
            );

            assert!(is_forwarded(&headers), "{name}");
        }
        assert!(!is_forwarded(&HeaderMap::new()));
    }
}
