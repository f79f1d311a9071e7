//! What FirecREST answers when it does not do what it was asked.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use jansky_spawn::SpawnError;
use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// How much of a message of FirecREST is passed on.
const LONGEST_MESSAGE: usize = 400;

/// How much of an answer is read to find the message.
const LONGEST_BODY: usize = 64 << 10;

/// The longest wait that is respected; a `Retry-After` above it is cut to this.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Why a call did not work. It holds no token: only our own words, and FirecREST's message.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The token is not accepted.
    Unauthorized,
    /// The scheduler does not know the job, or there is no such file.
    NotFound,
    /// The file is there already.
    Exists,
    /// The person may not do that, or it makes no sense there.
    Refused,
    /// It is not known what happened.
    Unavailable,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// No answer came.
    pub(super) fn lost(error: reqwest::Error) -> Self {
        let message = if error.is_timeout() {
            "FirecREST does not answer in time"
        } else if error.is_connect() {
            "FirecREST cannot be reached"
        } else {
            "the connection to FirecREST broke"
        };
        Self {
            source: Some(error.without_url().into()),
            ..Self::new(Kind::Unavailable, message)
        }
    }

    /// No answer came in time.
    pub(super) fn late(patience: Duration) -> Self {
        let message = format!("FirecREST did not answer within {} s", patience.as_secs());
        Self::new(Kind::Unavailable, message)
    }

    /// FirecREST wants to be left alone for longer than there is time.
    pub(super) fn asked_to_wait(wait: Duration) -> Self {
        let message = format!(
            "FirecREST wants to be asked again in {} s",
            wait.as_secs().max(1)
        );
        Self::new(Kind::Unavailable, message)
    }

    /// The answer makes no sense.
    pub(super) fn strange(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The scheduler does not know the job.
    pub(super) fn no_job(message: &str) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// What an answer with an error means.
    pub(super) async fn of(mut response: Response) -> Self {
        #[derive(Deserialize)]
        struct Body {
            message: Option<String>,
        }
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(part)) = response.chunk().await {
            body.extend_from_slice(&part);
            if body.len() > LONGEST_BODY {
                break;
            }
        }
        let said = serde_json::from_slice::<Body>(&body).ok();
        let said = said.and_then(|body| body.message).unwrap_or_default();
        let said: String = said.chars().take(LONGEST_MESSAGE).collect();
        let kind = match status.as_u16() {
            401 => Kind::Unauthorized,
            // What scancel says of a job that the scheduler has forgotten.
            _ if said.contains("Invalid job id") => Kind::NotFound,
            404 if said.contains("ob not found") || said.contains("No such file") => Kind::NotFound,
            400 if said.contains("File exists") => Kind::Exists,
            400 | 403 | 413 | 422 => Kind::Refused,
            _ => Kind::Unavailable,
        };
        let message = match said.trim() {
            "" => format!("FirecREST answered {}", status.as_u16()),
            said => format!("FirecREST answered {}: {said}", status.as_u16()),
        };
        Self::new(kind, message)
    }

    /// Whether there is no such job or file, as far as the scheduler or the cluster knows.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Whether the file was there already.
    pub(crate) fn is_there(&self) -> bool {
        self.kind == Kind::Exists
    }

    /// Whether it is the end of a job that stands in the way of ending it.
    pub(super) fn is_ending_already(&self) -> bool {
        self.message.contains("already completing or completed")
    }

    /// Whether asking again will bring the same answer.
    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == Kind::Refused
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Failure> for SpawnError {
    fn from(failure: Failure) -> Self {
        if failure.is_refusal() {
            return Self::refused(failure.message);
        }
        Self::Unavailable {
            reason: failure.message,
            source: failure.source,
        }
    }
}

/// How long an answer asks us to wait: `Retry-After` (RFC 9110 section 10.2.3), or `RateLimit-Reset`.
pub(super) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let retry = text(RETRY_AFTER.as_str());
    let number = |text: &str| text.parse::<u64>().ok();
    let seconds = retry.and_then(number);
    if let Some(seconds) = seconds.or_else(|| text("ratelimit-reset").and_then(number)) {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    // By the clock of whoever wrote both.
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let (at, now) = (date(retry?)?, text("date").and_then(date)?);
    let wait = at.duration_since(now).unwrap_or_default();
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_is_asked_for_is_read_in_each_of_its_ways() {
        let asked = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a header"));
            }
            asked_wait(&headers)
        };
        let at = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        let now = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        let seven = Some(Duration::from_secs(7));

        assert_eq!(asked(&[("retry-after", "7")]), seven);
        assert_eq!(asked(&[("ratelimit-reset", "7")]), seven);
        assert_eq!(asked(&[at, now]), seven);
        assert_eq!(asked(&[("retry-after", "999999")]), Some(LONGEST_WAIT));
        assert_eq!(asked(&[("retry-after", "soon")]), None);
    }
}
