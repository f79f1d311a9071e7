//! What the tests stand on: a spawner with its own instance and directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jansky_model::{Secret, ServerId, ServerName, StartId};
use jansky_settings::{ProcessSpawner as Section, RunAs, Written};
use jansky_spawn::{
    HomePolicy, PollStatus, ProcessSettings, ProcessSpawner, ProgressSink, ServerSpec, SpawnError,
    SpawnHandle, Spawner, Started, StopMode,
};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory and an instance of its own; everything of that instance is ended at its end.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    pub(crate) settings: ProcessSettings,
}

impl Bench {
    /// Servers are `/bin/sh -c script`.
    pub(crate) fn shell(script: &str) -> Self {
        Self::command(&["/bin/sh", "-c", script])
    }

    pub(crate) fn python(script: &str) -> Self {
        Self::command(&["python3", "-c", script])
    }

    pub(crate) fn command(command: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = directory
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy();
        let instance: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let section = Section {
            command: command.iter().map(ToString::to_string).collect(),
            run_as: RunAs::Hub,
            // Tests run as root where they may be other accounts, too.
            servers_may_run_as_root: true,
            interrupt_timeout: Written(Duration::from_millis(500)),
            terminate_timeout: Written(Duration::from_millis(500)),
            ..Section::default()
        };
        let mut settings = ProcessSettings::new(
            section,
            vec![env!("CARGO_BIN_EXE_test-launcher").to_owned()],
            &directory.path().join("data"),
            format!("test-{instance}"),
            BTreeMap::new(),
        );
        settings.state_dir = directory.path().join("state");
        settings.home = HomePolicy::Directory {
            root: directory.path().join("homes"),
            template: "{username}".to_owned(),
        };
        Self {
            directory,
            settings,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("homes/river")
    }

    /// A new spawner, as a hub that was started anew has it.
    pub(crate) fn spawner(&self) -> ProcessSpawner {
        ProcessSpawner::new(self.settings.clone()).expect("the settings are right")
    }

    /// Starts the first start of the first server.
    pub(crate) async fn start(&self, spawner: &ProcessSpawner) -> Started {
        self.try_start(spawner).await.expect("the server starts")
    }

    pub(crate) async fn try_start(&self, spawner: &ProcessSpawner) -> Result<Started, SpawnError> {
        spawner.start(&spec(1, 1), &ProgressSink::discard()).await
    }

    /// The pids of everything that carries the mark of this bench.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let mark = format!("JANSKY_INSTANCE={}", self.settings.instance);
        let marked = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark.as_bytes())
        };
        let entries = std::fs::read_dir("/proc").expect("proc(5)").flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(marked)
            .collect()
    }
}

impl Drop for Bench {
    /// Ends everything, also when a test fails in its middle.
    fn drop(&mut self) {
        for pid in self.pids() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let group = format!("jansky-{}", self.settings.instance);
        let membership = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        for line in membership.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(tree), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let base = Path::new("/sys/fs/cgroup").join(tree);
            let group = base.join(path.trim_start_matches('/')).join(&group);
            for server in std::fs::read_dir(&group).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(server.path());
            }
            let _ = std::fs::remove_dir(group);
        }
    }
}

pub(crate) fn spec(server: i64, start: i64) -> ServerSpec {
    ServerSpec {
        server: ServerId(server),
        start: StartId(start),
        user: "river".parse().expect("a valid name"),
        name: ServerName::default_server(),
        prefix: "/user/river/".to_owned(),
        environment: BTreeMap::from([("TOKEN".to_owned(), Secret::new("s3cret-value"))]),
        options: serde_json::Value::Null,
        agent: None,
    }
}

pub(crate) fn pid(handle: &SpawnHandle) -> i32 {
    let pid = handle.0["main"]["pid"].as_i64().expect("a main process");
    i32::try_from(pid).expect("a pid")
}

/// Waits until `condition` holds, and fails with `what` when it does not.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// Waits until the server has ended and returns how.
pub(crate) async fn end_of(spawner: &ProcessSpawner, handle: &SpawnHandle) -> String {
    let wait = async {
        loop {
            match spawner.poll(handle).await {
                PollStatus::Running => tokio::time::sleep(Duration::from_millis(10)).await,
                PollStatus::Exited { reason } => return reason,
                PollStatus::Unknown { reason } => panic!("unknown: {reason}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the server ends")
}

pub(crate) async fn stop(spawner: &ProcessSpawner, handle: &SpawnHandle) {
    spawner
        .stop(handle, StopMode::Now)
        .await
        .expect("the server is ended");
}
