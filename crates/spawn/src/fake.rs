//! A spawner in memory, for the tests of other crates (feature `testing`).
//!
//! Its servers are loopback listeners that answer every request with 200 and an empty JSON object.
//! What goes wrong is decided by [`FakeBehaviour`], which can be changed between two calls. It must
//! be used within a tokio runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{ProgressEvent, ServerId, StartId, UserName};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{
    AddressOwner, Choice, Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError,
    SpawnHandle, Spawner, Started, StopMode,
};

/// What a [`FakeSpawner`] does when it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FakeBehaviour {
    /// How long a start takes.
    pub start_delay: Duration,
    /// How long a stop takes.
    pub stop_delay: Duration,
    /// Lets starts fail, or else servers not answer.
    pub start: FakeStart,
    /// Lets polls answer `Unknown` with this reason.
    pub unknown_polls: Option<String>,
    /// Lets stops fail with [`SpawnError::Unavailable`] and this reason.
    pub stop_failure: Option<String>,
    /// Lets it not say what it runs, with [`SpawnError::Unavailable`] and this reason.
    pub list_failure: Option<String>,
    /// Lets somebody else hold the ports of all servers, said in these words.
    pub others_answer: Option<String>,
    /// The log of every server.
    pub log: String,
    /// What people may choose.
    pub choices: Vec<Choice>,
    /// Names to which something belongs.
    pub taken_names: BTreeSet<String>,
}

/// How the starts of a [`FakeSpawner`] turn out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum FakeStart {
    /// The server runs and answers.
    #[default]
    Works,
    /// The server runs, takes connections and never answers.
    NeverAnswers,
    /// The server runs for this long and answers; then it ends with status 1.
    ExitsAfter(Duration),
    /// [`SpawnError::Failed`] with this reason and the log as its tail.
    Fails(String),
    /// [`SpawnError::Refused`] with this reason.
    Refused(String),
    /// [`SpawnError::Unavailable`] with this reason.
    Unavailable(String),
}

/// Keeps its servers in memory. A clone is another handle on the same servers, so that a test can
/// let a second hub find what a first one has started.
#[derive(Clone, Default)]
pub struct FakeSpawner(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    behaviour: FakeBehaviour,
    servers: BTreeMap<(ServerId, StartId), FakeServer>,
    starts: Vec<ServerSpec>,
    stops: Vec<(ServerId, StartId, StopMode)>,
}

struct FakeServer {
    /// Which of all that were ever made it is.
    number: usize,
    port: u16,
    task: JoinHandle<()>,
    exited: Option<String>,
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Deserialize)]
struct Handle {
    server: ServerId,
    start: StartId,
    number: usize,
}

impl FakeSpawner {
    /// A spawner without servers that behaves like this.
    pub fn new(behaviour: FakeBehaviour) -> Self {
        let spawner = Self::default();
        spawner.behave(behaviour);
        spawner
    }

    /// Changes the behaviour from now on; servers that run already stay as they are.
    pub fn behave(&self, behaviour: FakeBehaviour) {
        self.inner().behaviour = behaviour;
    }

    /// Lets a server end as if by itself, for example with `was killed by signal 9`.
    pub fn end(&self, server: ServerId, reason: &str) {
        for (key, found) in &mut self.inner().servers {
            if key.0 == server {
                found.task.abort();
                found.exited = Some(reason.to_owned());
            }
        }
    }

    /// What it was asked to start, also when that did not work, the oldest first.
    pub fn starts(&self) -> Vec<ServerSpec> {
        self.inner().starts.clone()
    }

    /// What it was asked to stop, the oldest first.
    pub fn stops(&self) -> Vec<(ServerId, StartId, StopMode)> {
        self.inner().stops.clone()
    }

    /// How many servers run.
    pub fn running(&self) -> usize {
        let inner = self.inner();
        inner
            .servers
            .values()
            .filter(|server| server.status().is_none())
            .count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeServer {
    /// How it ended, if it did.
    fn status(&self) -> Option<String> {
        let ended = self
            .task
            .is_finished()
            .then(|| "ended with status 1".to_owned());
        self.exited.clone().or(ended)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn handle(server: ServerId, start: StartId, number: usize) -> SpawnHandle {
    SpawnHandle(json!({ "kind": "fake", "server": server, "start": start, "number": number }))
}

fn read(handle: &SpawnHandle) -> Option<Handle> {
    Handle::deserialize(&handle.0).ok()
}

#[async_trait]
impl Spawner for FakeSpawner {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn choices(&self) -> Vec<Choice> {
        self.inner().behaviour.choices.clone()
    }

    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        let key = (spec.server, spec.start);
        let behaviour = {
            let mut inner = self.inner();
            inner.starts.push(spec.clone());
            inner.behaviour.clone()
        };
        progress.send(ProgressEvent::step(50, "Starting the server"));
        tokio::time::sleep(behaviour.start_delay).await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener
            .map_err(|error| SpawnError::unavailable_because("there is no free port", error))?;
        let port = listener.local_addr().map_or(0, |address| address.port());
        let task = match behaviour.start {
            FakeStart::Works => tokio::spawn(serve(listener, true)),
            FakeStart::NeverAnswers => tokio::spawn(serve(listener, false)),
            FakeStart::ExitsAfter(life) => tokio::spawn(async move {
                // The end of its time is what this waits for.
                let _ = tokio::time::timeout(life, serve(listener, true)).await;
            }),
            FakeStart::Fails(reason) => return Err(SpawnError::failed(reason, behaviour.log)),
            FakeStart::Refused(reason) => return Err(SpawnError::refused(reason)),
            FakeStart::Unavailable(reason) => return Err(SpawnError::unavailable(reason)),
        };
        let mut inner = self.inner();
        let new = FakeServer {
            number: inner.starts.len(),
            port,
            task,
            exited: None,
        };
        let running = inner
            .servers
            .get(&key)
            .filter(|found| found.status().is_none());
        let found = running.map(|found| (found.number, found.url()));
        let (number, url) = found.unwrap_or_else(|| {
            let made = (new.number, new.url());
            inner.servers.insert(key, new);
            made
        });
        Ok(Started {
            handle: handle(spec.server, spec.start, number),
            url,
        })
    }

    async fn poll(&self, handle: &SpawnHandle) -> PollStatus {
        let inner = self.inner();
        if let Some(reason) = inner.behaviour.unknown_polls.clone() {
            return PollStatus::Unknown { reason };
        }
        let Some(handle) = read(handle) else {
            let reason = "the handle is not one of the fake spawner".to_owned();
            return PollStatus::Unknown { reason };
        };
        let status = inner
            .servers
            .get(&(handle.server, handle.start))
            .filter(|found| found.number == handle.number)
            .map_or_else(|| Some("ended".to_owned()), FakeServer::status);
        status.map_or(PollStatus::Running, |reason| PollStatus::Exited { reason })
    }

    async fn address_owner(&self, _handle: &SpawnHandle, _url: &str) -> AddressOwner {
        match &self.inner().behaviour.others_answer {
            Some(who) => AddressOwner::Other { who: who.clone() },
            None => AddressOwner::Server,
        }
    }

    async fn stop(&self, handle: &SpawnHandle, mode: StopMode) -> Result<(), SpawnError> {
        let behaviour = self.inner().behaviour.clone();
        tokio::time::sleep(behaviour.stop_delay).await;
        let handle = read(handle).ok_or_else(|| SpawnError::refused("the handle is not ours"))?;
        let mut inner = self.inner();
        inner.stops.push((handle.server, handle.start, mode));
        if let Some(reason) = behaviour.stop_failure {
            return Err(SpawnError::unavailable(reason));
        }
        let key = (handle.server, handle.start);
        if inner
            .servers
            .get(&key)
            .is_some_and(|found| found.number == handle.number)
        {
            inner.servers.remove(&key);
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        let inner = self.inner();
        if let Some(reason) = inner.behaviour.list_failure.clone() {
            return Err(SpawnError::unavailable(reason));
        }
        let found = inner.servers.iter();
        let found = found.map(|((server, start), found)| FoundServer {
            server: *server,
            start: *start,
            handle: handle(*server, *start, found.number),
            url: Some(found.url()),
        });
        Ok(found.collect())
    }

    async fn log_tail(&self, _handle: &SpawnHandle) -> String {
        self.inner().behaviour.log.clone()
    }

    async fn remove(&self, server: ServerId) -> Result<(), SpawnError> {
        self.inner().servers.retain(|key, _| key.0 != server);
        Ok(())
    }

    async fn belongings(&self, name: &UserName) -> Result<Vec<String>, SpawnError> {
        let is_taken = self.inner().behaviour.taken_names.contains(name.as_str());
        Ok(is_taken
            .then(|| format!("the files of `{name}`"))
            .into_iter()
            .collect())
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding::good("spawner", "the fake spawner always works")]
    }
}

/// Takes connections until it is aborted; those end with it.
async fn serve(listener: TcpListener, answers: bool) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(answer(connection, answers));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the requests of a connection, one read of bytes being one request.
async fn answer(mut connection: TcpStream, answers: bool) {
    let mut request = [0; 16 * 1024];
    while connection
        .read(&mut request)
        .await
        .is_ok_and(|length| length > 0)
    {
        let response =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        if answers && connection.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}
