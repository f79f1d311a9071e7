//! What the hub does by itself, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_model::Outage;
use tracing::{info, warn};

use crate::Hub;
use crate::shared::error::HubError;

/// What does not work at the moment, by what it is.
type Outages = BTreeMap<&'static str, Outage>;

impl Hub {
    /// Looks at the servers, writes down activity and watches the providers, again and again, until
    /// the hub shuts down.
    pub fn spawn_housekeeping(self: &Arc<Self>) {
        self.people.spawn_watching();
        self.people.spawn_refreshing();
        self.servers.spawn_tripwire();
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut rounds = tokio::time::interval(hub.settings.poll_interval);
            rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            rounds.tick().await;
            let mut outages = Outages::new();
            if let Err(error) = hub.people.count_sign_ups().await {
                warn!(error = %error, "could not count who waits for an account");
            }
            loop {
                tokio::select! {
                    _ = rounds.tick() => {}
                    () = hub.stopping.cancelled() => break,
                }
                hub.keep_house(&mut outages).await;
                hub.people.shrink();
                hub.broker.shrink();
            }
        });
    }

    /// Does once what has to be done from time to time.
    async fn keep_house(self: &Arc<Self>, outages: &mut Outages) {
        let mut tell = |what: &'static str, done: Result<(), HubError>| {
            let outage = outages.entry(what).or_default();
            match done {
                Ok(()) if outage.ends() => info!("works again: {what}"),
                Err(error) if outage.begins() => {
                    warn!(error = %error, "does not work at the moment: {what}");
                }
                _ => {}
            }
        };
        tell("look at the servers", self.servers.look_at_servers().await);
        tell(
            "end the stay of people who may no longer come in",
            self.servers.finish_exclusions().await,
        );
        tell("write activity down", self.write_activity().await);
        let purged = self.store.purge_expired(self.clock.now()).await;
        tell(
            "remove what has expired",
            purged.map(drop).map_err(HubError::from),
        );
        tell(
            "remove old addresses from the audit trail",
            self.audit.forget_addresses().await,
        );
        tell("remove old changes", self.purge_changes().await);
        tell(
            "count who waits for an account",
            self.people.count_sign_ups().await,
        );
        self.audit.write_refusals(false).await;
    }

    /// Writes down what the proxy and the token checks have seen since the last time.
    pub async fn write_activity(&self) -> Result<(), HubError> {
        self.servers.write_activity().await?;
        self.people.write_seen().await?;
        self.people.write_used_tokens().await
    }

    /// Seals again, once and in the background, what older keys sealed.
    pub fn spawn_sealing_again(self: &Arc<Self>) {
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let sealed = async {
                let of_people = hub.people.seal_again().await?;
                Ok::<_, HubError>(of_people + hub.broker.seal_again().await?)
            };
            match sealed.await {
                Ok(0) => {}
                Ok(count) => info!(count, "sealed tokens again with the active key"),
                Err(error) => warn!(error = %error, "could not seal tokens again"),
            }
        });
    }
}
