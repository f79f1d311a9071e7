//! Limits of time for what answers late or never.

use std::time::Duration;

use crate::error::IdentityError;

/// Waits for an answer of `endpoint`, at most for so long.
pub(crate) async fn in_time<T>(
    limit: Duration,
    endpoint: &'static str,
    asking: impl Future<Output = Result<T, IdentityError>>,
) -> Result<T, IdentityError> {
    let late = IdentityError::Timeout {
        endpoint,
        source: None,
    };
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or(Err(late))
}
