//! What this process is doing to servers at the moment: starts and stops under way.
//!
//! Nothing here is needed to know the state of a server: the database has that, and after a restart
//! the work is taken up from there. This is what lets people watch and wait.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jansky_model::{ProgressEvent, ServerId};
use jansky_store::Server;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::servers::Servers;
use crate::shared::error::HubError;

/// Between two looks at a row that somebody else works on.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The messages of a start, from the first one on.
pub type Progress = watch::Receiver<Vec<ProgressEvent>>;

/// A start or stop under way.
struct Operation {
    progress: watch::Sender<Vec<ProgressEvent>>,
    cancel: CancellationToken,
    is_start: bool,
}

/// All starts and stops under way in this process.
#[derive(Default)]
pub(crate) struct Operations {
    under_way: Mutex<HashMap<ServerId, Operation>>,
    /// The servers whose stop has its turn or waits for it.
    stops: Mutex<HashSet<ServerId>>,
}

/// The right to work on a server; giving it up tells those who wait.
pub(crate) struct OperationGuard {
    operations: Arc<Operations>,
    server: ServerId,
    pub(crate) cancel: CancellationToken,
}

impl Operations {
    /// Enters a start of `server`; `None` when something is under way already.
    pub(crate) fn begin(
        self: &Arc<Self>,
        server: ServerId,
        is_start: bool,
    ) -> Option<OperationGuard> {
        let mut operations = self.lock();
        if operations.contains_key(&server) {
            return None;
        }
        let cancel = CancellationToken::new();
        let (progress, _) = watch::channel(Vec::new());
        operations.insert(
            server,
            Operation {
                progress,
                cancel: cancel.clone(),
                is_start,
            },
        );
        Some(OperationGuard {
            operations: Arc::clone(self),
            server,
            cancel,
        })
    }

    /// How many starts are under way.
    pub(crate) fn starts(&self) -> usize {
        self.lock()
            .values()
            .filter(|operation| operation.is_start)
            .count()
    }

    /// Whether something is under way for `server`.
    pub(crate) fn is_busy(&self, server: ServerId) -> bool {
        self.lock().contains_key(&server)
    }

    /// Adds a message for those who watch.
    pub(crate) fn tell(&self, server: ServerId, event: ProgressEvent) {
        if let Some(operation) = self.lock().get(&server) {
            operation.progress.send_modify(|events| events.push(event));
        }
    }

    /// The messages of the operation on `server`. The channel closes when the operation ends.
    pub(crate) fn watch(&self, server: ServerId) -> Option<Progress> {
        self.lock()
            .get(&server)
            .map(|operation| operation.progress.subscribe())
    }

    /// Asks the operation on `server` to give up.
    pub(crate) fn cancel(&self, server: ServerId) {
        if let Some(operation) = self.lock().get(&server) {
            operation.cancel.cancel();
        }
    }

    /// Waits until nothing is under way for `server`.
    pub(crate) async fn finished(&self, server: ServerId) {
        while let Some(mut progress) = self.watch(server) {
            while progress.changed().await.is_ok() {}
        }
    }

    /// Begins to stop a server; `None` when that is under way.
    pub(crate) fn begin_stop(self: &Arc<Self>, server: ServerId) -> Option<Stop> {
        self.stops().insert(server).then(|| Stop {
            operations: Arc::clone(self),
            server,
        })
    }

    fn stops(&self) -> std::sync::MutexGuard<'_, HashSet<ServerId>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServerId, Operation>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    /// Waits until nothing is under way for a server, at most for `patience`, and returns it as it
    /// is then; `None` when it was removed meanwhile.
    pub async fn settled(
        &self,
        server: &Server,
        patience: Duration,
    ) -> Result<Option<Server>, HubError> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let finished = self.operations.finished(server.id);
            let in_time = tokio::time::timeout_at(deadline, finished).await.is_ok();
            let current = self.store.server(server.id).await?;
            let is_pending = current
                .as_ref()
                .is_some_and(|now| now.state.pending().is_some());
            if !is_pending || !in_time || tokio::time::Instant::now() >= deadline {
                return Ok(current);
            }
            // A stop waits for its turn, or another process has it.
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// The messages of a start that is under way in this process.
    pub fn progress(&self, server: &Server) -> Option<Progress> {
        self.operations.watch(server.id)
    }
}

/// Says that a server is being stopped. It ends when it is dropped.
pub(crate) struct Stop {
    operations: Arc<Operations>,
    server: ServerId,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.operations.stops().remove(&self.server);
    }
}

impl Drop for OperationGuard {
    fn drop(&mut self) {
        self.operations.lock().remove(&self.server);
    }
}
