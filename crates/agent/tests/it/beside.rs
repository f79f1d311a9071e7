//! An agent that a test has started, and questions to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::hub::{Hub, TICKET};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running agent with a directory of its own, in memory.
pub(crate) struct Beside {
    pub(crate) directory: TempDir,
    pub(crate) process: Child,
    pub(crate) socket: PathBuf,
}

/// An answer of the agent.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// A directory on a tmpfs, as runtime directories are.
pub(crate) fn directory() -> TempDir {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in("/dev/shm")
        .expect("shared memory is a tmpfs")
}

impl Beside {
    /// Starts an agent and waits until it listens.
    pub(crate) async fn start(hub: &Hub) -> Self {
        Self::with(hub, |_| {}).await
    }

    /// The same with another build of it.
    pub(crate) async fn of(program: &Path, hub: &Hub) -> Self {
        Self::run(&[program], hub, |_| {}).await
    }

    /// The same as what another program starts.
    pub(crate) async fn within(wrap: &[&str], hub: &Hub) -> Self {
        let agent = Path::new(env!("CARGO_BIN_EXE_jansky-agent"));
        let words: Vec<&Path> = wrap.iter().map(Path::new).chain([agent]).collect();
        Self::run(&words, hub, |_| {}).await
    }

    /// The same with changes to its document.
    pub(crate) async fn with(hub: &Hub, change: impl FnOnce(&mut Value)) -> Self {
        let agent = Path::new(env!("CARGO_BIN_EXE_jansky-agent"));
        Self::run(&[agent], hub, change).await
    }

    async fn run(words: &[&Path], hub: &Hub, change: impl FnOnce(&mut Value)) -> Self {
        let directory = directory();
        let socket = directory.path().join("agent.sock");
        let mut document = json!({
            "ticket": TICKET,
            "broker_url": hub.url(),
            "socket": socket,
            "token_dir": directory.path(),
            "uid": null,
        });
        change(&mut document);
        let mut process = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(directory.path().join("out")).expect("ours"))
            .stderr(std::fs::File::create(directory.path().join("log")).expect("ours"))
            .kill_on_drop(true)
            .spawn()
            .expect("it was built");
        let mut input = process.stdin.take().expect("a pipe");
        let written = input.write_all(document.to_string().as_bytes()).await;
        written.expect("it reads");
        let agent = Self {
            directory,
            process,
            socket,
        };
        eventually("the agent listens", async || {
            agent.socket.exists() && UnixStream::connect(&agent.socket).await.is_ok()
        })
        .await;
        agent
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// What is resident, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel says it")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub(crate) async fn token(&self, query: &str) -> Told {
        self.get(&format!("/v1/token?{query}")).await
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/v1/status").await.body
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.send("GET", path, "").await
    }

    /// Sends a request on a connection of its own; each line of `headers` ends with `\r\n`.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str) -> Told {
        let mut stream = UnixStream::connect(&self.socket).await.expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("in time").expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Told {
            status: status.expect("a status"),
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).expect("JSON"),
        }
    }

    /// Waits until the agent listens to the events of the hub.
    pub(crate) async fn listens(&self, hub: &Hub) {
        eventually("the agent follows the events", async || {
            hub.script().listeners > 0
        })
        .await;
    }
}

impl Told {
    pub(crate) fn token(&self) -> &str {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["access_token"].as_str().expect("a token")
    }

    /// The status and the error.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let error = self.body["error"].as_str();
        (self.status, error.unwrap_or("no error"))
    }
}

/// Waits until `condition` holds, and fails with `what` when it does not.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
