//! Making what runs and what the database says agree: at start-up and from time to time.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use jansky_model::{ServerId, ServerState};
use jansky_spawn::{AddressOwner, FoundServer, PollStatus, SpawnHandle, StopMode};
use jansky_store::Server;
use tracing::{info, warn};

use crate::servers::Servers;
use crate::servers::start::server_token;
use crate::shared::error::HubError;

/// What was found at start-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Servers that run and have their route again.
    pub adopted: usize,
    /// Starts that go on.
    pub starting: usize,
    /// Stops that go on.
    pub stopping: usize,
    /// Servers that ended while no hub looked.
    pub gone: usize,
    /// Things that run and belong to no server; they are ended.
    pub orphans: usize,
}

impl Servers {
    /// Takes up where an earlier process left off. Call it once, before the first request.
    pub async fn resume(self: &Arc<Self>) -> Result<Resumed, HubError> {
        let mut resumed = Resumed::default();
        let servers = self.store.active_servers().await?;
        let found = self.found().await;
        for server in &servers {
            match &server.state {
                ServerState::Starting { .. } => {
                    self.resume_start(server, found.as_deref()).await?;
                    resumed.starting += 1;
                }
                ServerState::Ready { url, .. } => {
                    if self.is_gone(server).await || self.is_taken(server, url).await {
                        self.record_ended(server).await?;
                        resumed.gone += 1;
                    } else {
                        self.add_route(server, url);
                        resumed.adopted += 1;
                    }
                }
                ServerState::Stopping { .. } => {
                    self.spawn_shut_down(server.clone());
                    resumed.stopping += 1;
                }
                ServerState::Stopped | ServerState::Failed { .. } => {}
            }
        }
        let found = found.unwrap_or_default();
        for orphan in found.iter().filter(|found| !is_wanted(found, &servers)) {
            resumed.orphans += 1;
            self.end_orphan(orphan.clone());
        }
        info!(
            adopted = resumed.adopted,
            starting = resumed.starting,
            stopping = resumed.stopping,
            gone = resumed.gone,
            orphans = resumed.orphans,
            "took up where the last process left off"
        );
        Ok(resumed)
    }

    /// What the spawner runs; `None` when it does not say. Unknown is not gone: until the spawner
    /// answers, everything stays as it is.
    async fn found(&self) -> Option<Vec<FoundServer>> {
        match self.spawner.list().await {
            Ok(found) => Some(found),
            Err(error) => {
                warn!(error = %error, "could not list what the spawner runs");
                None
            }
        }
    }

    /// Goes on with a start: with the process that the spawner already has, or from the beginning.
    async fn resume_start(
        self: &Arc<Self>,
        server: &Server,
        found: Option<&[FoundServer]>,
    ) -> Result<(), HubError> {
        let (Some(start), Some(found)) = (server.state.start(), found) else {
            return Ok(());
        };
        let token = self.random.secret("");
        let row = server_token(server, start, &token, self.clock.now());
        let exists = found
            .iter()
            .any(|f| f.server == server.id && f.start == start);
        if exists {
            // The process has the first attempt's token, which is not known any more. It keeps that
            // one; the new one is for the case that it has ended and the spawner begins again.
            self.store.create_token(row).await?;
        } else {
            self.store.replace_server_token(server.id, row).await?;
        }
        self.access.forget(server.user_id);
        self.spawn_launch(server.clone(), token);
        Ok(())
    }

    fn end_orphan(self: &Arc<Self>, orphan: FoundServer) {
        warn!(server.id = %orphan.server, start.id = %orphan.start, "ending a server without a row");
        let servers = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = servers.spawner.stop(&orphan.handle, StopMode::Polite).await {
                warn!(server.id = %orphan.server, error = %error, "could not end it");
            }
        });
    }

    /// The servers that could not be looked at the last time.
    fn missing_servers(&self) -> MutexGuard<'_, BTreeSet<ServerId>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_gone(&self, server: &Server) -> bool {
        let Some(handle) = server.handle.clone() else {
            return false;
        };
        match self.spawner.poll(&SpawnHandle(handle)).await {
            PollStatus::Exited { reason } => {
                info!(server.id = %server.id, user.name = %server.user, "the server {reason}");
                true
            }
            PollStatus::Running => {
                if self.missing_servers().remove(&server.id) {
                    info!(server.id = %server.id, "can look at the server again");
                }
                false
            }
            PollStatus::Unknown { reason } => {
                if self.missing_servers().insert(server.id) {
                    warn!(server.id = %server.id, "could not look at the server: {reason}");
                }
                false
            }
        }
    }

    /// Whether somebody else listens where a server did that still runs. Its visitors, with their
    /// cookies, would be theirs.
    async fn is_taken(&self, server: &Server, url: &str) -> bool {
        let Some(handle) = server.handle.clone() else {
            return false;
        };
        match self.spawner.address_owner(&SpawnHandle(handle), url).await {
            AddressOwner::Other { who } => {
                warn!(server.id = %server.id, user.name = %server.user, "a server is ended: {who}");
                true
            }
            AddressOwner::Unknown { reason } => {
                warn!(server.id = %server.id, "it is not known who answers as the server: {reason}");
                false
            }
            AddressOwner::Server | AddressOwner::Nobody => false,
        }
    }

    /// Looks once at every server that should run or should have stopped.
    pub async fn look_at_servers(self: &Arc<Self>) -> Result<(), HubError> {
        for server in self.store.active_servers().await? {
            if self.operations.is_busy(server.id) {
                // The caller that recorded the stop may have lost the answer, and then has not cancelled the start.
                if matches!(server.state, ServerState::Stopping { .. }) {
                    self.operations.cancel(server.id);
                }
                continue;
            }
            match &server.state {
                ServerState::Ready { url, .. } => {
                    if self.is_gone(&server).await {
                        self.record_ended(&server).await?;
                    } else {
                        self.restore_route(&server, url).await?;
                    }
                }
                ServerState::Stopping { .. } => self.spawn_shut_down(server),
                ServerState::Starting { .. } => {
                    let found = self.found().await;
                    self.resume_start(&server, found.as_deref()).await?;
                }
                ServerState::Stopped | ServerState::Failed { .. } => {}
            }
        }
        Ok(())
    }

    /// Gives a server that is ready its route, which it does not have when the answer of the database
    /// was lost with which it became ready.
    async fn restore_route(&self, server: &Server, url: &str) -> Result<(), HubError> {
        let path = self.server_route(server);
        if self.routes.has(&path) {
            return Ok(());
        }
        self.add_route(server, url);
        // It may have been stopped since it was read, and the route have been taken away before this.
        let current = self.store.server(server.id).await;
        let is_same =
            |now: &Server| now.state.is_ready() && now.state.start() == server.state.start();
        if !matches!(&current, Ok(Some(now)) if is_same(now)) {
            self.routes.remove(&path);
        }
        current.map(|_| ()).map_err(HubError::from)
    }
}

/// Whether what was found belongs to a start that the database knows.
fn is_wanted(found: &FoundServer, servers: &[Server]) -> bool {
    servers
        .iter()
        .any(|s| s.id == found.server && s.state.start() == Some(found.start))
}
