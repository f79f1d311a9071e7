//! Hearing what changed in the database: in other processes, and in parts of this one that leave it to
//! others to act on it.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::{Outage, UserId};
use jansky_store::{Change, GRANT_CHANGED, GrantId, SERVERS_STOPPING, SESSION_ENDED, USER_CHANGED};
use tracing::{info, warn};

use crate::Hub;
use crate::shared::ended;
use crate::shared::error::HubError;

/// How long one wait takes at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a pause is at most while the database is away: nothing is remembered until it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How many changes are read at once.
const PAGE: u32 = 500;

/// How long changes are kept for those who were away.
const KEPT_FOR: Duration = Duration::from_hours(1);

impl Hub {
    /// Forgets what other processes changed and does what they left to whoever runs servers, as soon
    /// as they did, until the hub shuts down.
    pub async fn spawn_listening(self: &Arc<Self>) -> Result<(), HubError> {
        let mut seen = self.store.last_change().await?;
        // Servers may still believe in sessions that ended while no process of ours listened.
        let recent = self.clock.now().minus(ended::KEPT_FOR);
        for (session_id, at) in self.store.changed_since(SESSION_ENDED, recent).await? {
            self.ended.insert(&session_id, at);
        }
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut outage = Outage::default();
            loop {
                let heard = tokio::select! {
                    heard = hub.store.wait_for_changes(seen, PAGE, PATIENCE) => heard,
                    () = hub.stopping.cancelled() => break,
                };
                let taken = match heard {
                    Ok(changes) => hub.take_changes(&changes, &mut seen).await,
                    Err(error) => Err(error.into()),
                };
                match taken {
                    Ok(()) if outage.ends() => {
                        info!("what other processes change can be read again");
                    }
                    Ok(()) => {}
                    Err(error) => {
                        if outage.begins() {
                            warn!(error = %error, "could not read what other processes changed");
                        }
                        // What was missed is not known, so nothing is remembered.
                        hub.forget_everything();
                        tokio::time::sleep(outage.pause().min(LONGEST_PAUSE)).await;
                    }
                }
            }
        });
        Ok(())
    }

    fn forget_everything(&self) {
        self.access.forget_everyone();
        self.signals.forget_everything();
    }

    async fn take_changes(&self, changes: &[Change], seen: &mut i64) -> Result<(), HubError> {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            return Ok(());
        };
        if first.seq != *seen + 1 {
            self.forget_everything();
            self.servers.take_up_stops().await?;
        }
        for change in changes {
            if change.topic == SESSION_ENDED {
                self.ended.insert(&change.key, self.clock.now());
                continue;
            }
            let Ok(key) = change.key.parse::<i64>() else {
                continue;
            };
            match change.topic.as_str() {
                USER_CHANGED => self.access.forget(UserId(key)),
                SERVERS_STOPPING => self.servers.take_up_stops_of(UserId(key)).await?,
                GRANT_CHANGED => self.people.take_grant_change(GrantId(key)).await?,
                _ => {}
            }
        }
        *seen = last.seq;
        Ok(())
    }

    /// Removes changes that everybody has heard of.
    pub(crate) async fn purge_changes(&self) -> Result<(), HubError> {
        let before = self.clock.now().minus(KEPT_FOR);
        self.store.purge_changes(before).await?;
        Ok(())
    }
}
