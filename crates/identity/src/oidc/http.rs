//! Requests from us to a provider: bounded in time and size, without redirects.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, header};

use super::json::read_json;
use crate::IdentityError;

/// The most that an answer may hold.
const LARGEST_ANSWER: usize = 1 << 20;

/// Makes the HTTP client that all providers share.
///
/// It follows no redirects: an endpoint that sends us elsewhere is refused, as it would take the
/// client secret, or our position in the network, along.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    builder().build()
}

/// The same for a provider for which only these may vouch: certificates in DER.
pub fn http_client_trusting<'c>(
    authorities: impl Iterator<Item = &'c [u8]>,
) -> Result<reqwest::Client, reqwest::Error> {
    let authorities: Result<Vec<_>, _> = authorities.map(reqwest::Certificate::from_der).collect();
    builder().tls_certs_only(authorities?).build()
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("jansky/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(Duration::from_secs(5))
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; a status that is not 2xx is an error.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        endpoint: &'static str,
    ) -> Result<T, IdentityError> {
        self.expect_success(endpoint)?;
        read_json(&self.body).map_err(|reason| IdentityError::BadAnswer { endpoint, reason })
    }

    /// Turns a status that is not 2xx into an error.
    pub(crate) fn expect_success(&self, endpoint: &'static str) -> Result<(), IdentityError> {
        if self.status.is_success() {
            return Ok(());
        }
        Err(IdentityError::BadAnswer {
            endpoint,
            reason: format!("status {}", self.status.as_u16()),
        })
    }
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// Network trouble, 429 and 5xx are [`IdentityError::Unavailable`] or [`IdentityError::Timeout`]; a
/// redirect or an answer of more than 1 MiB is [`IdentityError::BadAnswer`]. Other statuses are
/// the caller's to judge.
pub(crate) async fn send(
    endpoint: &'static str,
    request: RequestBuilder,
    timeout: Duration,
) -> Result<Answer, IdentityError> {
    let network = |error: reqwest::Error| from_network(endpoint, error);
    let mut response = request.timeout(timeout).send().await.map_err(network)?;
    let status = response.status();
    if status.is_redirection() {
        let reason = format!("status {}; redirects are not followed", status.as_u16());
        return Err(IdentityError::BadAnswer { endpoint, reason });
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(IdentityError::Unavailable {
            context: format!("{endpoint} endpoint answered status {}", status.as_u16()),
            retry: retry_after(response.headers()),
            source: None,
        });
    }
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            let reason = "it is larger than 1 MiB".to_owned();
            return Err(IdentityError::BadAnswer { endpoint, reason });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        content_type,
        body,
    })
}

fn from_network(endpoint: &'static str, error: reqwest::Error) -> IdentityError {
    // The URL is left out: it may hold what an operator regards as private, and adds nothing.
    let error = error.without_url();
    if error.is_timeout() {
        return IdentityError::Timeout {
            endpoint,
            source: Some(error),
        };
    }
    let what = if error.is_connect() {
        "cannot be reached"
    } else {
        "broke off its answer"
    };
    IdentityError::Unavailable {
        context: format!("{endpoint} endpoint {what}"),
        retry: Duration::from_secs(5),
        source: Some(error),
    }
}

/// `Retry-After` in seconds, between one second and five minutes.
fn retry_after(headers: &header::HeaderMap) -> Duration {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .unwrap_or(5_u64);
    Duration::from_secs(seconds.clamp(1, 300))
}
