//! Whether the hub can do its work.

use std::time::Duration;

use tokio::time::Instant;

use crate::Hub;
use crate::shared::error::HubError;

/// The setting that is written to see whether anything can be.
const SETTING: &str = "health";

/// How long the last outcome is good: anybody may ask, and each look is a change of the database.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// When the database was last tried, and whether it took the change.
pub(crate) type LastLook = tokio::sync::Mutex<Option<(Instant, bool)>>;

impl Hub {
    /// Tries whether the database takes a change, at most once in a second.
    ///
    /// # Errors
    /// [`HubError::Unavailable`] when it does not.
    pub async fn takes_changes(&self) -> Result<(), HubError> {
        let mut last = self.last_look.lock().await;
        if let Some((at, is_well)) = *last
            && at.elapsed() < REMEMBERED_FOR
        {
            return if is_well {
                Ok(())
            } else {
                Err(HubError::Unavailable {
                    message: "the database took no change a moment ago".to_owned(),
                    source: None,
                })
            };
        }
        let now = self.clock.now().micros().to_string();
        let written = self.store.put_setting(SETTING, &now).await;
        *last = Some((Instant::now(), written.is_ok()));
        Ok(written?)
    }
}
