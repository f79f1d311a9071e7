//! What a spawner says about its own setting-up.

use serde::Serialize;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is as it should be.
    Good,
    /// It works, with less than it could.
    Warning,
    /// Servers will not start.
    Error,
}

/// One thing that was looked at, for `jansky doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was looked at, for example `command`.
    pub subject: &'static str,
    /// What was found, one sentence.
    pub message: String,
    /// What to do about it; empty when all is well.
    pub advice: String,
}

impl Finding {
    /// All is well.
    pub fn good(subject: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Good,
            subject,
            message: message.into(),
            advice: String::new(),
        }
    }

    /// It works, with less than it could.
    pub fn warning(
        subject: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            subject,
            message: message.into(),
            advice: advice.into(),
        }
    }

    /// Servers will not start.
    pub fn error(
        subject: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            subject,
            message: message.into(),
            advice: advice.into(),
        }
    }
}
