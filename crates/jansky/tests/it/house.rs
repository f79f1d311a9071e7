//! A directory with a configuration, and the program that runs on it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use http::Method;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::browser::{Body, Browser};
use crate::processes::{self, HOUSE, Process};

/// How long anything may take here before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The name and password of the first admin.
pub(crate) const ADMIN: &str = "grote";
pub(crate) const PASSWORD: &str = "Wheaton-Illinois-1937";

/// A home for one hub. At its end nothing of it runs any more.
pub(crate) struct House {
    directory: TempDir,
    /// Where its servers meet their agents: in memory, and gone with the house.
    meeting_place: TempDir,
    /// The id that the hub gives what it starts, once it was seen.
    instance: OnceLock<String>,
}

impl House {
    /// A house whose servers are the stand-ins of `single_user.py`.
    pub(crate) fn new() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/single_user.py");
        Self::with_command(&["python3", script])
    }

    /// A house with a configuration, which is made for its directory.
    pub(crate) fn with_config(config: impl FnOnce(&Path) -> String) -> Self {
        let house = Self::empty();
        let config = config(house.path());
        std::fs::write(house.config(), config).expect("the directory is ours");
        house
    }

    /// A house whose servers run another command.
    pub(crate) fn with_command(command: &[&str]) -> Self {
        let house = Self::empty();
        let config = format!(
            "[hub]\n\
             bind = \"127.0.0.1:0\"\n\
             data_dir = \"{path}/data\"\n\
             [provider.local]\n\
             kind = \"local\"\n\
             [spawner]\n\
             kind = \"process\"\n\
             command = {command:?}\n\
             environment = {{ {HOUSE} = \"{path}\" }}\n\
             run_as = \"hub\"\n\
             users_are_trusted_with_everything = true\n\
             servers_may_run_as_root = true\n\
             runtime_dir = \"{meeting_place}/run\"\n\
             poll_interval = \"1s\"\n",
            path = house.path().display(),
            meeting_place = house.meeting_place.path().display(),
        );
        std::fs::write(house.config(), config).expect("the directory is ours");
        house
    }

    fn empty() -> Self {
        // Accounts of all servers pass through it.
        let passable = std::fs::Permissions::from_mode(0o711);
        let mut place = tempfile::Builder::new();
        let place = place.prefix("jansky-test-").permissions(passable);
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            meeting_place: place.tempdir_in("/dev/shm").expect("memory to share"),
            instance: OnceLock::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("jansky.toml")
    }

    /// Everything that the program said on a stream, over all its runs.
    pub(crate) fn said(&self, stream: &str) -> String {
        std::fs::read_to_string(self.path().join(stream)).unwrap_or_default()
    }

    /// A command in this house; what it says is in the files `stdout` and `stderr`.
    fn here(&self, mut command: Command) -> Command {
        let log = |name: &str| {
            let mut options = std::fs::OpenOptions::new();
            let file = options.create(true).append(true);
            file.open(self.path().join(name)).expect("a file of ours")
        };
        command
            .current_dir(self.path())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .kill_on_drop(true);
        command
    }

    /// Starts the hub with settings on the command line and waits until it answers.
    pub(crate) async fn start(&self, settings: &[&str]) -> Hub<'_> {
        let mut arguments = vec!["serve"];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        self.wait_for(jansky(&arguments)).await
    }

    /// Starts the hub on a socket that is open, as systemd hands it over.
    pub(crate) async fn start_on(&self, socket: &std::net::TcpListener) -> Hub<'_> {
        let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve 3<&0 </dev/null";
        let mut command = unconfigured("sh".into());
        let socket = socket.try_clone().expect("it is open");
        command
            .args(["-c", script])
            .arg(binary())
            .stdin(std::os::fd::OwnedFd::from(socket));
        self.wait_for(command).await
    }

    /// Runs a command that becomes a hub, and waits until that answers.
    async fn wait_for(&self, command: Command) -> Hub<'_> {
        let said_before = self.said("stdout").len();
        let mut child = self.here(command).spawn().expect("it was built");
        let deadline = Instant::now() + PATIENCE;
        let url = loop {
            let said = self.said("stdout");
            let said = said.get(said_before..).unwrap_or_default();
            if let Some(url) = complete_line_after(said, "Jansky is running at ") {
                break url.to_owned();
            }
            let ended = child.try_wait().expect("it is our child");
            let complaint = format!("{ended:?} {}", self.said("stderr"));
            assert!(ended.is_none(), "the hub ended at once: {complaint}");
            assert!(
                Instant::now() < deadline,
                "the hub did not start: {complaint}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Hub {
            house: self,
            child,
            url,
        }
    }

    /// Runs `serve` where it is expected to end by itself.
    pub(crate) async fn refused(&self, settings: &[&str]) -> Output {
        let config = self.config();
        let config = config.display().to_string();
        let mut arguments = vec!["serve", "--config", &config];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        run(&arguments).await
    }

    /// The one-time link for the first admin, once it was said.
    pub(crate) async fn setup_link(&self) -> String {
        until("no link for the first admin was said", async || {
            let said = self.said("stdout");
            let line = said.lines().find(|line| line.contains("/hub/setup?code="));
            // Until the end of the line is there, a part of the code may be missing.
            line.filter(|_| said.ends_with('\n'))
                .map(|line| line.trim().to_owned())
        })
        .await
    }

    /// Everything that runs for the servers of this house.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let house = self.path().display().to_string();
        let mut found = processes::with_variable(HOUSE, &house);
        if let Some(process) = found.first() {
            let instance = process.variable("JANSKY_INSTANCE").to_owned();
            self.instance.get_or_init(|| instance);
        }
        // What is about to become a server carries only the hub's own marker.
        if let Some(instance) = self.instance.get() {
            let marked = processes::with_variable("JANSKY_INSTANCE", instance);
            let new = marked
                .into_iter()
                .filter(|one| found.iter().all(|other| other.pid != one.pid));
            let new: Vec<Process> = new.collect();
            found.extend(new);
        }
        found
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for process in self.processes() {
            processes::signal(process.pid, Signal::KILL);
        }
    }
}

/// A running hub.
pub(crate) struct Hub<'a> {
    pub(crate) house: &'a House,
    child: Child,
    /// Where it answers, with `/` at the end.
    pub(crate) url: String,
}

impl Hub<'_> {
    pub(crate) fn pid(&self) -> i32 {
        let pid = self.child.id().expect("it runs");
        i32::try_from(pid).expect("a pid of Linux")
    }

    /// Makes the first admin by the one-time link, and a token for the API.
    pub(crate) async fn make_admin(&self) -> Browser {
        let browser = Browser::new(&self.url);
        browser
            .set_up(&self.house.setup_link().await, ADMIN, PASSWORD)
            .await;
        self.token(ADMIN, PASSWORD).await
    }

    /// A program with a new token that was made with a password.
    pub(crate) async fn token(&self, name: &str, password: &str) -> Browser {
        let body = json!({ "auth": { "username": name, "password": password } });
        let path = format!("hub/api/users/{name}/tokens");
        let stranger = Browser::new(&self.url);
        let made = stranger.send(Method::POST, &path, &[], Some(Body::Json(body)));
        let made = made.await.must_be(201).json();
        self.program(made["token"].as_str().expect("the token is told once"))
    }

    /// A program with a token from an earlier run.
    pub(crate) fn program(&self, token: &str) -> Browser {
        Browser::program(&self.url, token)
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn terminate(self) -> ExitStatus {
        processes::signal(self.pid(), Signal::TERM);
        self.ended().await
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = ended else {
            panic!("the hub did not end: {}", self.house.said("stderr"));
        };
        status.expect("it is our child")
    }
}

/// The program, without anything of this process's environment that could configure it.
pub(crate) fn jansky(arguments: &[&str]) -> Command {
    let mut command = unconfigured(binary());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The program that was built for the tests.
pub(crate) fn binary() -> OsString {
    let given = std::env::var_os("JANSKY_TEST_BINARY");
    given.unwrap_or(env!("CARGO_BIN_EXE_jansky").into())
}

/// A program, without anything of this process's environment that could configure ours.
pub(crate) fn unconfigured(program: OsString) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JANSKY_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program until it ends.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let mut command = jansky(arguments);
    let output = command.kill_on_drop(true).output();
    let in_time = tokio::time::timeout(PATIENCE, output).await;
    in_time
        .expect("it ends by itself")
        .expect("the program was built")
}

/// What a program said on both streams, and how it ended, for a message.
pub(crate) fn told(output: &Output) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Asks `look` again and again until it finds something; fails with `what` at the deadline.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same for what takes longer where much else is going on.
pub(crate) async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What follows `start` in a line that is complete.
fn complete_line_after<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let complete = &text[..=text.rfind('\n')?];
    complete.lines().find_map(|line| line.strip_prefix(start))
}
