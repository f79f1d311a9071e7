//! The contract between the hub and whatever runs servers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jansky_handover::{AgentTicket, Environment};
use jansky_model::{Secret, ServerId, ServerName, StartId, UserName};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{Choice, Finding, ProgressSink, SpawnError, Tampering};

/// Starts, watches and ends servers.
///
/// A spawner keeps nothing that cannot be lost: all it needs to find a server again is in the
/// [`SpawnHandle`], and what it made carries the pair of server and start, so that
/// [`Spawner::list`] finds it without one. Servers go on when the hub ends.
///
/// # Cancellation
/// Every future may be dropped at any point. Then the action may or may not have happened; asking
/// again with the same arguments is always right.
///
/// # Unknown is not gone
/// Nobody may conclude from an error or from [`PollStatus::Unknown`] that a server has ended. Only
/// [`PollStatus::Exited`] and a successful [`Spawner::stop`] say so.
#[async_trait]
pub trait Spawner: Send + Sync {
    /// The kind of spawner as one word, for logs and for the operator.
    fn kind(&self) -> &'static str;

    /// What people may choose when they start a server. The hub refuses a value that is not offered here;
    /// options under other names are passed through, as JupyterHub does with `user_options`.
    fn choices(&self) -> Vec<Choice> {
        Vec::new()
    }

    /// Starts the server described by `spec`, or finds it if an earlier attempt already did.
    ///
    /// Idempotent for the pair of `spec.server` and `spec.start`: there are never two servers of
    /// one pair, also when two hubs or two tasks ask at the same time. The answer to the second is
    /// what the first one made, with the environment of the first. If what the first one made has
    /// ended by now, it is started anew.
    ///
    /// Returns as soon as the server runs; whether it answers is for the caller to find out.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when these settings will never work, [`SpawnError::Unavailable`]
    /// when trying again may help, [`SpawnError::Failed`] when the server was begun and ended.
    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError>;

    /// Says whether the server of `handle` runs.
    async fn poll(&self, handle: &SpawnHandle) -> PollStatus;

    /// Who answers at the address of a server. Asked before a server counts as ready and before the
    /// route of one that was found is restored: the program that answers there receives visitors' cookies.
    ///
    /// On a platform where each server has an address that nobody else can take, it is the server.
    async fn address_owner(&self, _handle: &SpawnHandle, _url: &str) -> AddressOwner {
        AddressOwner::Server
    }

    /// Ends the server of `handle` with everything that it started, and returns when it is gone.
    ///
    /// Ending what is already gone is a success.
    ///
    /// # Errors
    /// [`SpawnError::Unavailable`] when something of it may still be there.
    async fn stop(&self, handle: &SpawnHandle, mode: StopMode) -> Result<(), SpawnError>;

    /// Finds everything this spawner made that still exists, also what no handle was kept of.
    ///
    /// That includes the remains of a server that has ended (a kernel without its server, a
    /// container that does not run) and a server that is just being started: [`Spawner::poll`]
    /// says whether it runs, and [`Spawner::stop`] clears it away.
    ///
    /// # Errors
    /// [`SpawnError::Unavailable`] when not everything could be looked at.
    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError>;

    /// The last whole lines of the server's log, at most 8 KiB; empty when there are none.
    ///
    /// It is what the server wrote, unchanged but for bytes that are not UTF-8. It may hold
    /// whatever the server printed, so it is for the server's owner and for administrators only.
    async fn log_tail(&self, handle: &SpawnHandle) -> String;

    /// Removes what is left of a deleted server, such as its logs. A user's files stay.
    ///
    /// # Errors
    /// [`SpawnError::Unavailable`] when something could not be removed.
    async fn remove(&self, server: ServerId) -> Result<(), SpawnError>;

    /// What a server would find that is the first of somebody with this name, in words such as ``the Unix
    /// account `river` ``: what the machine or an earlier person of that name left behind. Only
    /// administrators give such a name.
    ///
    /// # Errors
    /// [`SpawnError::Unavailable`] when it could not be found out.
    async fn belongings(&self, name: &UserName) -> Result<Vec<String>, SpawnError>;

    /// Looks whether servers could be started, without starting one.
    async fn check(&self) -> Vec<Finding>;

    /// Tells of everything that somebody does to a server behind the hub's back, for as long as the
    /// future is not dropped. It never ends: where a platform does not report such things, or nobody
    /// wants to know, it only waits.
    async fn watch(&self, _found: &mpsc::UnboundedSender<Tampering>) {
        std::future::pending::<()>().await;
    }
}

/// What to start, fully decided.
///
/// Command, limits, working directory and account come from the spawner's own settings.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// The server.
    pub server: ServerId,
    /// Which attempt to start it this is.
    pub start: StartId,
    /// Whose server it is.
    pub user: UserName,
    /// Which of the user's servers it is.
    pub name: ServerName,
    /// The path below which it answers, escaped, with a slash at both ends: `/user/river/`.
    pub prefix: String,
    /// The environment of the server, all but `JUPYTERHUB_SERVICE_URL`, which the spawner adds.
    pub environment: BTreeMap<String, Secret>,
    /// What the user asked for; for each of [`Spawner::choices`] it holds one of its offers.
    pub options: serde_json::Value,
    /// What the agent beside the server begins with; `None` when the server gets no agent.
    pub agent: Option<AgentTicket>,
}

impl ServerSpec {
    /// The environment of the server with what the operator sets for every server, which has the last
    /// word.
    pub fn environment_with(&self, settings: &BTreeMap<String, String>) -> Environment {
        let mut environment = Environment::default();
        let own = self.environment.iter();
        environment.extend(own.map(|(name, value)| (name, value.clone())));
        environment.extend(settings.iter().map(|(name, value)| (name, value.clone())));
        environment
    }
}

/// A server that was started or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// How to find it again.
    pub handle: SpawnHandle,
    /// Where it will answer, as the proxy reaches it: scheme, host and port without a path.
    pub url: String,
}

/// Everything that a spawner needs to find a server again. It goes into the database; only the
/// spawner that made it reads it, and nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpawnHandle(pub serde_json::Value);

/// Whether a server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollStatus {
    /// It runs; whether it answers is another question.
    Running,
    /// It has ended. [`Spawner::stop`] clears away what is left of it.
    Exited {
        /// How, for a person, as the end of a sentence that begins with the server: `ended with
        /// status 3`, `was killed by signal 9 (out of memory)`, or just `ended`.
        reason: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// Who answers at the address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressOwner {
    /// The server, and nobody else.
    Server,
    /// Nobody yet.
    Nobody,
    /// Somebody else.
    Other {
        /// Who holds what, for a person, as a whole sentence without its full stop.
        who: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// How to end a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Give it time to save its work, and more and more pressure after that.
    Polite,
    /// At once.
    Now,
}

/// A server that [`Spawner::list`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundServer {
    /// The server.
    pub server: ServerId,
    /// The attempt that made it.
    pub start: StartId,
    /// How to reach it.
    pub handle: SpawnHandle,
    /// Where it answers, as in [`Started::url`], where that is known.
    pub url: Option<String>,
}
