//! What can go wrong in the hub, in words that say what the caller can do about it.
//!
//! The texts of all variants but [`HubError::Internal`] are written for the person or program that
//! asked; the sources are for the log. No variant knows an HTTP status.

use std::time::Duration;

use jansky_access::AccessError;
use jansky_store::StoreError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It does not exist, or the caller must not know that it does.
    #[error("{0}")]
    NotFound(String),
    /// The caller is known and may not do it.
    #[error("{0}")]
    Forbidden(String),
    /// The person whom it is about has to sign in again first.
    #[error("{0}")]
    SignInAgain(String),
    /// It stands against what is already there or under way.
    #[error("{0}")]
    Conflict(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The request is larger than the hub takes.
    #[error("{0}")]
    TooLarge(String),
    /// The rest of the request did not come.
    #[error("{0}")]
    TooSlow(String),
    /// Too much at once; the same request may work later.
    #[error("{message}")]
    Busy {
        /// What is too much.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that the hub needs does not answer at the moment.
    #[error("{message}")]
    Unavailable {
        /// What does not answer.
        message: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// A defect or a broken environment: somebody must look.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: &'static str,
        /// Why it did not work.
        #[source]
        source: Source,
    },
}

impl HubError {
    /// Something was asked for that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// The request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The caller may not do it.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden(message.into())
    }

    /// It stands against what is already there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }

    /// Something that should not have failed did.
    pub fn internal(context: &'static str, source: impl Into<Source>) -> Self {
        Self::Internal {
            context,
            source: source.into(),
        }
    }
}

/// Why what somebody typed into a form was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FormError {
    /// The name of the field that is to blame, if one is.
    pub field: Option<&'static str>,
    /// What is wrong.
    #[source]
    pub error: HubError,
}

impl FormError {
    /// One field is to blame.
    pub(crate) const fn at(field: &'static str, error: HubError) -> Self {
        Self {
            field: Some(field),
            error,
        }
    }
}

impl<E: Into<HubError>> From<E> for FormError {
    fn from(error: E) -> Self {
        Self {
            field: None,
            error: error.into(),
        }
    }
}

impl From<StoreError> for HubError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } | StoreError::Conflict { .. } => {
                Self::Conflict(error.to_string())
            }
            StoreError::NotFound { .. } => Self::NotFound(error.to_string()),
            StoreError::InvalidTransition(_) => Self::Conflict(error.to_string()),
            StoreError::Unavailable { .. } => Self::Unavailable {
                message: "the database does not answer at the moment; try again".to_owned(),
                source: Some(Box::new(error)),
            },
            other => Self::internal("could not use the database", other),
        }
    }
}

impl From<AccessError> for HubError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound(message) => Self::NotFound(message),
            AccessError::Forbidden(message) => Self::Forbidden(message),
            AccessError::Invalid(message) => Self::Invalid(message),
            AccessError::Store(error) => error.into(),
        }
    }
}
