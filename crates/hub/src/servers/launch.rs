//! The work behind a start and a stop, from the recorded wish to the recorded result.
//!
//! Every step can be repeated: the database has the state before the first side effect, and the
//! spawner finds what an earlier attempt made. So whatever ends this process, the next one goes on.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::name::server_prefix;
use jansky_model::{ProgressEvent, Secret, ServerEvent, ServerState};
use jansky_spawn::{
    AddressOwner, PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle, Started, StopMode,
};
use jansky_store::{Server, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::servers::Servers;
use crate::servers::environment::server_environment;
use crate::shared::error::HubError;

/// Between two questions whether a server answers.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// How long one question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a start did not work, with the end of the server's log.
struct Failure {
    reason: String,
    log_tail: String,
}

impl Failure {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            log_tail: String::new(),
        }
    }
}

/// How a start ended.
enum Outcome {
    Answered(String),
    Failed(Failure),
    Cancelled,
}

impl Servers {
    /// Carries a recorded start out, in a task of its own.
    pub(crate) fn spawn_launch(self: &Arc<Self>, server: Server, token: Secret) {
        // Entered here and not in the task, so that who waits for the start finds it under way.
        let Some(turn) = self.operations.begin(server.id, true) else {
            return;
        };
        let servers = Arc::clone(self);
        self.tasks.spawn(async move {
            servers.launch(&server, &token, &turn.cancel).await;
            drop(turn);
        });
    }

    async fn launch(&self, server: &Server, token: &Secret, cancel: &CancellationToken) {
        self.operations
            .tell(server.id, ProgressEvent::step(0, "Server requested"));
        let outcome = tokio::select! {
            outcome = self.bring_up(server, token) => outcome,
            () = cancel.cancelled() => Outcome::Cancelled,
        };
        let recorded = match outcome {
            Outcome::Answered(url) => self.record_answer(server, url).await,
            Outcome::Failed(failure) => self.record_failure(server, failure).await,
            Outcome::Cancelled => {
                let event = ProgressEvent::failed("Spawn cancelled");
                self.operations.tell(server.id, event);
                Ok(())
            }
        };
        if let Err(error) = recorded {
            // The row still says "starting": the next look at unfinished servers takes it up.
            error!(server.id = %server.id, error = %error, "could not record the end of a start");
        }
    }

    async fn bring_up(&self, server: &Server, token: &Secret) -> Outcome {
        let Some(start) = server.state.start() else {
            return Outcome::Failed(Failure::new("the start was not recorded"));
        };
        let agent = match self.broker.make_ticket(server).await {
            Ok(agent) => agent,
            Err(error) => {
                warn!(server.id = %server.id, error = %error, "could not make a ticket");
                return Outcome::Failed(Failure::new("the database does not answer"));
            }
        };
        let spec = ServerSpec {
            server: server.id,
            start,
            user: server.user.clone(),
            name: server.name.clone(),
            prefix: server_prefix(&self.settings.base, &server.user, &server.name),
            environment: server_environment(&self.settings, server, token),
            options: server.user_options.clone(),
            agent,
        };
        let (sink, mut events) = ProgressSink::channel();
        let patience = self.settings.start_timeout;
        let mut start_call = std::pin::pin!(tokio::time::timeout(
            patience,
            self.spawner.start(&spec, &sink)
        ));
        let started = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.operations.tell(server.id, event),
                started = &mut start_call => break started,
            }
        };
        let started = match started {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => return Outcome::Failed(Failure::from(error)),
            Err(_) => {
                return Outcome::Failed(Failure::new(format!(
                    "The server could not be started within {} seconds.",
                    patience.as_secs()
                )));
            }
        };
        self.broker.limit_ticket(server).await;
        let handle = started.handle.0.clone();
        if let Err(error) = self.store.save_handle(server.id, start, &handle).await {
            warn!(server.id = %server.id, error = %error, "could not save the handle of a server");
        }
        self.operations.tell(
            server.id,
            ProgressEvent::step(50, "Waiting for the server to answer"),
        );
        self.wait_for_answer(server, &spec.prefix, started).await
    }

    /// Asks the server until it answers with anything below 500, as JupyterHub does.
    async fn wait_for_answer(&self, server: &Server, prefix: &str, started: Started) -> Outcome {
        let question = format!("{}{prefix}api", started.url);
        let patience = self.settings.http_timeout;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let left = deadline.duration_since(tokio::time::Instant::now());
            let asked = self.http.get(&question).timeout(left.min(PROBE_TIMEOUT));
            let asked = asked.send().await;
            // Who answers must be this server: a process that is gone cannot have.
            let status = self.spawner.poll(&started.handle).await;
            if let PollStatus::Exited { reason } = status {
                let log_tail = self.spawner.log_tail(&started.handle).await;
                let reason = format!("The server ended before it answered: {reason}.");
                return Outcome::Failed(Failure { reason, log_tail });
            }
            let has_answered = asked.is_ok_and(|answer| answer.status().as_u16() < 500);
            let is_late = tokio::time::Instant::now() >= deadline;
            if has_answered || is_late {
                let who = self
                    .spawner
                    .address_owner(&started.handle, &started.url)
                    .await;
                let reason = match who {
                    AddressOwner::Server if has_answered => {
                        info!(server.id = %server.id, user.name = %server.user, "ready");
                        return Outcome::Answered(started.url);
                    }
                    AddressOwner::Other { who } => Some(somebody_else(&who)),
                    AddressOwner::Unknown { reason } if is_late => Some(format!(
                        "It is not known who answers as the server: {reason}."
                    )),
                    _ if is_late => Some(format!(
                        "The server was started but did not answer within {} seconds.",
                        patience.as_secs()
                    )),
                    _ => None,
                };
                if let Some(reason) = reason {
                    let log_tail = self.spawner.log_tail(&started.handle).await;
                    return Outcome::Failed(Failure { reason, log_tail });
                }
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    async fn record_answer(&self, server: &Server, url: String) -> Result<(), HubError> {
        let event = ServerEvent::Answered { url: url.clone() };
        let Some(ready) = self.apply_to_start(server, event).await? else {
            return Ok(());
        };
        self.access.forget(server.user_id);
        self.add_route(&ready, &url);
        let path = self.server_url(&ready);
        let message = format!("Server ready at {path}");
        self.operations
            .tell(server.id, ProgressEvent::ready(message, path));
        self.metrics.start(true, self.since_begun(server));
        Ok(())
    }

    async fn record_failure(&self, server: &Server, failure: Failure) -> Result<(), HubError> {
        warn!(server.id = %server.id, user.name = %server.user, "start failed: {}", failure.reason);
        self.end_leftovers(server).await;
        let message = format!("Spawn failed: {}", failure.reason);
        let Failure { reason, log_tail } = failure;
        self.apply_to_start(server, ServerEvent::StartFailed { reason, log_tail })
            .await?;
        self.access.forget(server.user_id);
        self.operations
            .tell(server.id, ProgressEvent::failed(message));
        self.metrics.start(false, self.since_begun(server));
        Ok(())
    }

    fn since_begun(&self, server: &Server) -> Duration {
        let began = server.started_at.unwrap_or(server.created_at);
        self.clock.now().since(began)
    }

    /// Applies an event to a server as long as it is still the same start that is under way.
    async fn apply_to_start(
        &self,
        server: &Server,
        event: ServerEvent,
    ) -> Result<Option<Server>, HubError> {
        loop {
            let Some(current) = self.store.server(server.id).await? else {
                return Ok(None);
            };
            let is_same = matches!(current.state, ServerState::Starting { .. })
                && current.state.start() == server.state.start();
            if !is_same {
                return Ok(None);
            }
            let now = self.clock.now();
            match self
                .store
                .apply_event(current.id, current.version, event.clone(), now)
                .await
            {
                Ok(server) => return Ok(Some(server)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends whatever a failed start left running.
    async fn end_leftovers(&self, server: &Server) {
        let stopped = match self.handle_of(server).await {
            Ok(Some(handle)) => self.spawner.stop(&handle, StopMode::Now).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            warn!(server.id = %server.id, error = %error, "could not clean up after a failed start");
        }
    }

    /// The handle of a server: the saved one, or the one that the spawner finds. `None` says that
    /// nothing was made; an error says that this is not known.
    async fn handle_of(&self, server: &Server) -> Result<Option<SpawnHandle>, SpawnError> {
        if let Ok(Some(current)) = self.store.server(server.id).await
            && let Some(handle) = current.handle
        {
            return Ok(Some(SpawnHandle(handle)));
        }
        let start = server.state.start();
        let found = self.spawner.list().await?.into_iter();
        let mut ours = found.filter(|f| f.server == server.id && Some(f.start) == start);
        Ok(ours.next().map(|found| found.handle))
    }

    /// Carries a recorded stop out, in a task of its own.
    pub(crate) fn spawn_shut_down(self: &Arc<Self>, server: Server) {
        // The first caller does it for all.
        let Some(stop) = self.operations.begin_stop(server.id) else {
            return;
        };
        let mut turn = self.operations.begin(server.id, false);
        let servers = Arc::clone(self);
        self.tasks.spawn(async move {
            // A start that is giving up is waited for: two must not work on one server.
            while turn.is_none() {
                servers.operations.finished(server.id).await;
                turn = servers.operations.begin(server.id, false);
            }
            let began = tokio::time::Instant::now();
            let done = servers.shut_down(&server).await;
            servers.metrics.stop(done.is_ok(), began.elapsed());
            if let Err(error) = done {
                error!(server.id = %server.id, error = %error, "could not stop a server; will try again");
            }
            drop((stop, turn));
        });
    }

    async fn shut_down(&self, server: &Server) -> Result<(), HubError> {
        // Another process may have done it.
        let still_stopping = self
            .store
            .server(server.id)
            .await?
            .is_some_and(|now| matches!(now.state, ServerState::Stopping { .. }));
        if !still_stopping {
            return Ok(());
        }
        let unavailable = |error: SpawnError| HubError::Unavailable {
            message: format!("the spawner could not stop the server: {error}"),
            source: Some(Box::new(error)),
        };
        if let Some(handle) = self.handle_of(server).await.map_err(unavailable)? {
            let stopped = self.spawner.stop(&handle, StopMode::Polite).await;
            stopped.map_err(unavailable)?;
        }
        self.record_gone(server).await?;
        info!(server.id = %server.id, user.name = %server.user, "stopped");
        Ok(())
    }

    /// Records that a server ended by itself, after clearing away what it left running.
    pub(crate) async fn record_ended(&self, server: &Server) -> Result<(), HubError> {
        self.end_leftovers(server).await;
        self.record_gone(server).await
    }

    /// Records that a server is gone, if it is still the same start.
    pub(crate) async fn record_gone(&self, server: &Server) -> Result<(), HubError> {
        loop {
            let Some(current) = self.store.server(server.id).await? else {
                return Ok(());
            };
            let can_go = matches!(
                current.state,
                ServerState::Ready { .. } | ServerState::Stopping { .. }
            );
            if !can_go || current.state.start() != server.state.start() {
                return Ok(());
            }
            // It is known to be gone, so the route goes at once: the next program at this address must not
            // get its visitors.
            self.routes.remove(&self.server_route(&current));
            let now = self.clock.now();
            match self
                .store
                .apply_event(current.id, current.version, ServerEvent::Gone, now)
                .await
            {
                Ok(_) => {
                    // The tokens of all its visitors are gone with it, and its agent's session.
                    self.access.forget_everyone();
                    self.access.forget(server.user_id);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Why a server cannot be used whose port is somebody else's.
fn somebody_else(who: &str) -> String {
    let mut letters = who.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let who = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    format!("{who}. Start the server again: it gets another port.")
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Failed { reason, log_tail } => Self { reason, log_tail },
            other => Self::new(other.to_string()),
        }
    }
}
