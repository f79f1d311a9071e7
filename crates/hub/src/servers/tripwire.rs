//! The trip-wire: somebody reaches into a server from outside of the hub.

use std::sync::Arc;

use jansky_spawn::Tampering;
use jansky_store::FreezeReason;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::servers::Servers;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};

/// Who is written down as having frozen something.
const ACTOR: &str = "tripwire";

impl Servers {
    /// Listens to what the spawner sees, until the hub shuts down.
    pub(crate) fn spawn_tripwire(self: &Arc<Self>) {
        let servers = Arc::clone(self);
        self.tasks.spawn(async move {
            let (sender, mut found) = mpsc::unbounded_channel();
            let mut watch = std::pin::pin!(servers.spawner.watch(&sender));
            loop {
                let tampering = tokio::select! {
                    Some(tampering) = found.recv() => tampering,
                    () = &mut watch => return,
                    () = servers.stopping.cancelled() => return,
                };
                if let Err(error) = servers.note_tampering(&tampering).await {
                    error!(server.id = %tampering.server, error = %error, "could not act on what the trip-wire found");
                }
            }
        });
    }

    /// Freezes first, so that nobody gets a token in between, and writes it down.
    async fn note_tampering(&self, tampering: &Tampering) -> Result<(), HubError> {
        let Tampering {
            server: id,
            start,
            what,
            freeze,
        } = tampering;
        warn!(server.id = %id, start.id = %start, what, "somebody reached into a server from outside");
        let server = self.store.server(*id).await?;
        let Some(server) = server.filter(|server| server.state.start() == Some(*start)) else {
            return Ok(());
        };
        if *freeze {
            self.broker
                .freeze_server(&server, FreezeReason::Tripwire, ACTOR)
                .await?;
        }
        let owner = self.store.user(server.user_id).await?;
        self.audit
            .write_audit(AuditEntry {
                event: Event::Tampering,
                actor: "unknown".to_owned(),
                user: owner.as_ref(),
                server: Some(&server),
                outcome: if *freeze { "frozen" } else { "told" },
                detail: json!({ "what": what }),
            })
            .await
    }
}
