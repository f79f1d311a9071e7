//! Demos that are killed, and what they leave.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::browser::Browser;
use crate::house::{PATIENCE, binary, jansky, run, told, unconfigured, until, until_within};
use crate::processes::{self, Process};

/// The admin of the demo.
const USER: &str = "grote";

/// The variable by which everything is known that a hub has started.
const INSTANCE: &str = "JANSKY_INSTANCE";

/// A place for a demo. At its end nothing of it runs any more.
struct Place(TempDir);

/// A demo that runs.
struct Demo {
    child: Child,
    url: String,
    token: String,
}

impl Place {
    /// A place with a Python environment in which the single-user server is our stand-in.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        let programs = place.0.path().join("python/bin");
        std::fs::create_dir_all(&programs).expect("the directory is ours");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/single_user.py");
        let program = programs.join("jupyterhub-singleuser");
        std::fs::write(&program, format!("#!/bin/sh\nexec python3 {script}\n")).expect("ours");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("the file is ours");
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    async fn start(&self) -> Demo {
        self.start_by(jansky(&["demo"]), PATIENCE).await
    }

    /// Starts the demo by a program that takes its arguments.
    async fn start_by(&self, mut program: Command, patience: Duration) -> Demo {
        let (home, python) = (self.path("home"), self.path("python"));
        let ready = self.path("ready.json");
        // What an earlier demo has told is no news.
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::create(self.path("log")).expect("the directory is ours");
        let child = program
            .args(["--port=0", "--home", &home, "--no-input"])
            .args(["--python", &python, "--ready-file", &ready])
            .stdout(std::fs::File::create(self.path("said")).expect("ours"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("it was built");
        let told: Value = until_within(patience, "the demo is not ready", async || {
            let text = std::fs::read_to_string(&ready).ok()?;
            serde_json::from_str(&text).ok()
        })
        .await;
        let text = |name: &str| told[name].as_str().expect("it is said").to_owned();
        Demo {
            child,
            url: text("url"),
            token: text("admin_token"),
        }
    }

    /// Everything that runs as a server of this place.
    fn servers(&self) -> Vec<Process> {
        let home = Path::new(&self.path("home")).join("homes").join(USER);
        processes::with_variable("HOME", &home.display().to_string())
    }

    /// Ends its servers, and waits for the end of everything that was beside them.
    async fn end_servers(&self) {
        let servers = self.servers();
        let instance = servers.first().expect("one runs").variable(INSTANCE);
        for server in &servers {
            processes::signal(server.pid, Signal::KILL);
        }
        until("something is still there", async || {
            let left = processes::with_variable(INSTANCE, instance);
            left.is_empty().then_some(())
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for process in self.servers() {
            processes::signal(process.pid, Signal::KILL);
        }
    }
}

impl Demo {
    /// Starts a server and returns where it meets its agent.
    async fn start_server(&self, place: &Place) -> PathBuf {
        let admin = Browser::program(&self.url, &self.token);
        let path = format!("hub/api/users/{USER}/server");
        let started = admin.api("POST", &path, Some(json!({}))).await;
        assert_eq!(started.status, 201, "{started:?}");
        let servers = place.servers();
        let socket = servers
            .iter()
            .map(|process| process.variable("JANSKY_AGENT_SOCKET"))
            .find(|socket| !socket.is_empty())
            .expect("the server knows where its agent is");
        let of_start = Path::new(socket).parent().expect("it is in a directory");
        let of_hub = of_start.parent().expect("it is in a directory");
        assert!(of_hub.exists(), "{}", of_hub.display());
        of_hub.to_owned()
    }

    async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
    }
}

#[tokio::test]
async fn a_demo_whose_port_is_in_use_prepares_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let home = place.path().join("home");
    let occupant = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = occupant.local_addr().expect("it is bound").port();

    let home_text = home.display().to_string();
    let port_text = port.to_string();
    let output = run(&[
        "demo",
        "--no-input",
        "--port",
        &port_text,
        "--home",
        &home_text,
    ])
    .await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("another port with --port"), "{told}");
    assert!(
        told.contains(&format!("127.0.0.1:{port} is in use")),
        "{told}"
    );
    assert!(!home.exists(), "{told}");
}

#[tokio::test]
async fn a_demo_that_can_download_nothing_says_what_to_do() {
    let place = tempfile::tempdir().expect("a directory");
    let home = place.path().join("home").display().to_string();
    let cache = place.path().join("cache");
    let ready = place.path().join("ready.json");
    // Nobody has ever listened there.
    let index = "http://127.0.0.1:1/simple/";

    let output = jansky(&["demo", "--no-input", "--port=0", "--home", &home])
        .arg("--ready-file")
        .arg(&ready)
        .env("XDG_CACHE_HOME", &cache)
        .env("PIP_INDEX_URL", index)
        .env("PIP_RETRIES", "0")
        .env_remove("PIP_FIND_LINKS")
        .output()
        .await
        .expect("it was built");

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for words in [
        "Preparing JupyterLab: getting uv\n",
        "error: JupyterLab could not be prepared",
        "the proxy (HTTPS_PROXY)",
        "start again",
        &cache.join("jansky").display().to_string(),
    ] {
        assert!(told.contains(words), "no `{words}` in {told}");
    }
    assert!(!ready.exists(), "it is not ready: {told}");
}

/// A cargo that leaves out what takes minutes: the real one says what it would build, and the program of
/// the tests is put where that would be.
const CARGO: &str = r#"#!/usr/bin/env bash
set -euo pipefail
RUSTC_BOOTSTRAP=1 "$REAL_CARGO" "$@" --offline -Z unstable-options --unit-graph >/dev/null
while [ $# -gt 0 ]; do
  case $1 in --profile) profile=$2 ;; --target-dir) target=$2 ;; --bin) bin=$2 ;; esac
  shift
done
mkdir -p "$target/$profile"
ln -s "$BUILT" "$target/$profile/$bin"
"#;

/// A package index that has nothing, and the paths that it was asked for.
async fn empty_index() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 8192];
            let length = client.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]);
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            seen.lock().expect("nobody panics").push(path);
            let none = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = client.write_all(none).await;
        }
    });
    (format!("http://{address}/simple/"), asked)
}

#[tokio::test]
async fn the_first_command_builds_jansky_asks_for_jupyterlab_meanwhile_and_starts_the_demo() {
    let place = Place::new();
    let programs = place.0.path().join("programs");
    std::fs::create_dir(&programs).expect("the directory is ours");
    std::fs::write(programs.join("cargo"), CARGO).expect("the directory is ours");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(programs.join("cargo"), mode).expect("the file is ours");
    let (index, asked) = empty_index().await;
    let path = std::env::var("PATH").unwrap_or_default();

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo");
    let mut command = unconfigured(script.into());
    command
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("REAL_CARGO", env!("CARGO"))
        .env("BUILT", binary())
        .env("CARGO_TARGET_DIR", place.path("target"))
        .env("XDG_CACHE_HOME", place.path("cache"))
        .env("PIP_INDEX_URL", index)
        .env_remove("PIP_FIND_LINKS")
        .env_remove("PIP_EXTRA_INDEX_URL")
        .stdin(Stdio::null());
    // Python makes a place for uv, which is work.
    let demo = place.start_by(command, 5 * PATIENCE).await;

    Browser::new(&demo.url).get("hub/login").await.must_be(200);
    let asked = asked.lock().expect("nobody panics").clone();
    assert!(asked.iter().any(|path| path == "/simple/uv/"), "{asked:?}");
    let said = std::fs::read_to_string(place.path("said")).expect("it was written");
    let first = "Building Jansky and getting JupyterLab. This takes some minutes, once.";
    assert!(said.starts_with(first), "{said}");
    demo.kill().await;
}

#[tokio::test]
async fn the_next_demo_removes_what_a_killed_one_left_once_nothing_needs_it() {
    let (place, other) = (Place::new(), Place::new());
    let demo = place.start().await;
    let left = demo.start_server(&place).await;
    demo.kill().await;

    // The server goes on, and whoever starts the demo again finds it.
    other.start().await.kill().await;
    assert!(left.exists(), "it was taken from a server that runs");

    place.end_servers().await;
    assert!(left.exists(), "who has removed it?");
    let next = other.start().await;
    assert!(!left.exists(), "it is still there");

    // What belongs to a demo that runs stays.
    let needed = next.start_server(&other).await;
    other.end_servers().await;
    place.start().await.kill().await;
    assert!(needed.exists(), "it was taken from a demo that runs");
    next.kill().await;
    place.start().await.kill().await;
    assert!(!needed.exists(), "it is still there");
}

#[tokio::test]
async fn the_demo_says_on_its_pages_and_in_its_terminal_what_its_second_account_could_do() {
    let place = Place::new();
    let demo = place.start().await;

    let page = Browser::new(&demo.url).get("hub/login").await.must_be(200);

    let words = "Give the password of reber to nobody whom you would not let do that.";
    assert!(page.text.contains(words), "{}", page.text);
    until("the terminal says nothing", async || {
        let said = std::fs::read_to_string(place.path("said")).ok()?;
        said.contains(words).then_some(())
    })
    .await;
    demo.kill().await;
}
