//! Why a spawner could not do what was asked.

use std::error::Error;

/// Why a spawner could not do what was asked, by what the caller can do about it.
///
/// The reason is one sentence for a person. No variant ever holds a secret: neither the reason nor
/// the source names a value of the environment.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It will never work like this: the settings or the user's options must change first.
    #[error("{reason}")]
    Refused {
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// It did not work now; trying again may help. Whether something was made is not known.
    #[error("{reason}")]
    Unavailable {
        /// What was tried.
        reason: String,
        /// Why it did not work.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The server was begun and did not come up. Nothing of it is left.
    #[error("{reason}")]
    Failed {
        /// What went wrong.
        reason: String,
        /// The end of the server's log, possibly empty.
        log_tail: String,
    },
}

impl SpawnError {
    /// It will never work like this.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused {
            reason: reason.into(),
        }
    }

    /// It did not work now, for a reason that needs no further cause.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            source: None,
        }
    }

    /// It did not work now because of `source`.
    pub fn unavailable_because(
        reason: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            source: Some(source.into()),
        }
    }

    /// The server was begun and did not come up.
    pub fn failed(reason: impl Into<String>, log_tail: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
            log_tail: log_tail.into(),
        }
    }
}

impl From<jansky_handover::Unfit> for SpawnError {
    fn from(unfit: jansky_handover::Unfit) -> Self {
        Self::refused(unfit.to_string())
    }
}
