//! When people were last at a browser, and tokens last used.

use crate::people::People;
use crate::shared::error::HubError;

impl People {
    /// Writes down who was seen at a browser since the last time.
    pub(crate) async fn write_seen(&self) -> Result<(), HubError> {
        for (user, at) in self.access.take_seen() {
            self.store.touch_user(user, at).await?;
        }
        Ok(())
    }

    /// Writes down which tokens were used since the last time.
    pub(crate) async fn write_used_tokens(&self) -> Result<(), HubError> {
        let used = self.access.take_used();
        if !used.is_empty() {
            self.store.touch_tokens(&used).await?;
        }
        Ok(())
    }
}
