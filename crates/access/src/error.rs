//! Why somebody may not do something.

use jansky_store::StoreError;

/// Why there is no permit. The texts are for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It does not exist, or the caller must not know that it does.
    #[error("{0}")]
    NotFound(String),
    /// The caller is known and may not do it.
    #[error("{0}")]
    Forbidden(String),
    /// What it should be done to has a name that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The database did not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answer for what is not there and for what the caller must not know.
pub fn missing() -> AccessError {
    AccessError::NotFound("No access to resources or resources not found".to_owned())
}
