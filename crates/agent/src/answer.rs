//! Answers of the hub and of the agent: a status, and JSON as RFC 6749 and RFC 8693 have it.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

/// An answer that is passed on as it is.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Seconds after which asking again may help.
    pub(crate) retry_after: Option<u64>,
    /// JSON.
    pub(crate) body: Bytes,
}

/// What an error answer says.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

impl Answer {
    /// An error in the words of OAuth.
    pub(crate) fn problem(status: StatusCode, error: &str, description: &str) -> Self {
        let body = json!({ "error": error, "error_description": description });
        Self {
            status,
            retry_after: None,
            body: body.to_string().into(),
        }
    }

    /// The session is frozen, in the same form as the hub says it.
    pub(crate) fn frozen(reason: &str, description: &str) -> Self {
        let body = json!({
            "error": "session_frozen",
            "error_description": description,
            "frozen_reason": reason,
        });
        Self {
            status: StatusCode::UNAUTHORIZED,
            retry_after: None,
            body: body.to_string().into(),
        }
    }

    /// The hub cannot be asked now.
    pub(crate) fn unavailable(description: &str) -> Self {
        Self {
            retry_after: Some(2),
            ..Self::problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                description,
            )
        }
    }

    /// The name of the error, if this is one.
    pub(crate) fn error(&self) -> Option<String> {
        if self.status.is_success() {
            return None;
        }
        let problem = serde_json::from_slice::<Problem>(&self.body).ok();
        Some(problem.map_or_else(String::new, |problem| problem.error))
    }

    /// Whether asking again later may help, with nothing changed.
    pub(crate) fn is_temporary(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }
}
