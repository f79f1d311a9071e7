//! What a person sees while a server starts.

use serde::{Deserialize, Serialize};

/// One message about a server that is starting; the JSON form is JupyterHub's progress event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressEvent {
    /// How far the start has come, from 0 to 100.
    pub progress: u8,
    /// One sentence for a person.
    pub message: String,
    /// Present and true in the last event of a start that worked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ready: bool,
    /// Present and true in the last event of a start that failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// Where the server is, in the last event of a start that worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl ProgressEvent {
    /// A message on the way.
    pub fn step(progress: u8, message: impl Into<String>) -> Self {
        Self {
            progress: progress.min(99),
            message: message.into(),
            ready: false,
            failed: false,
            url: None,
        }
    }

    /// The last event of a start that worked.
    pub fn ready(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            progress: 100,
            message: message.into(),
            ready: true,
            failed: false,
            url: Some(url.into()),
        }
    }

    /// The last event of a start that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            progress: 100,
            message: message.into(),
            ready: false,
            failed: true,
            url: None,
        }
    }

    /// Whether no further event follows.
    pub const fn is_last(&self) -> bool {
        self.ready || self.failed
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}
