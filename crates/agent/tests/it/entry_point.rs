use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::beside::{directory, eventually};
use crate::hub::{Hub, TICKET};

/// The agent as what a container begins with.
async fn begin(hub: &Hub, directory: &TempDir, command: Value) -> Child {
    let document = json!({
        "ticket": TICKET,
        "broker_url": hub.url(),
        "socket": directory.path().join("agent/agent.sock"),
        "command": command,
        "environment": {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HERE": directory.path(),
            "JANSKY_AGENT_SOCKET": directory.path().join("agent/agent.sock"),
        },
    });
    let mut process = Command::new(env!("CARGO_BIN_EXE_jansky-agent"))
        .env("NOT_FOR_THE_SERVER", "x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it was built");
    let mut input = process.stdin.take().expect("a pipe");
    input
        .write_all(document.to_string().as_bytes())
        .await
        .expect("it reads");
    // The stream may stay open, as that of a container does.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(input);
    });
    process
}

#[tokio::test]
async fn the_server_begins_with_tokens_and_its_status_is_the_agents() {
    let hub = Hub::start().await;
    let directory = directory();
    let script = "import os, socket, sys\n\
        assert 'NOT_FOR_THE_SERVER' not in os.environ, os.environ\n\
        assert not sys.stdin.read()\n\
        s = socket.socket(socket.AF_UNIX); s.connect(os.environ['JANSKY_AGENT_SOCKET'])\n\
        s.sendall(b'GET /v1/token?audience=a HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')\n\
        print(s.makefile().read()); sys.exit(7)";

    let process = begin(&hub, &directory, json!(["python3", "-c", script])).await;
    let output = process.wait_with_output().await.expect("it ends");

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("canary-token-1"), "{said} {output:?}");
    assert_eq!(output.status.code(), Some(7));
}

#[tokio::test]
async fn signals_go_to_the_server_and_its_end_by_one_is_told_as_a_shell_does() {
    let hub = Hub::start().await;
    let directory = directory();
    let script = "trap 'echo > $HERE/told' USR1; echo > $HERE/ready; while :; do sleep 0.05; done";
    let mut process = begin(&hub, &directory, json!(["sh", "-c", script])).await;
    let pid = Pid::from_raw(process.id().expect("it runs").try_into().expect("a pid"));
    let pid = pid.expect("a pid");
    eventually("the server runs", async || {
        directory.path().join("ready").exists()
    })
    .await;

    rustix::process::kill_process(pid, Signal::USR1).expect("it runs");
    eventually("the server was told", async || {
        directory.path().join("told").exists()
    })
    .await;
    rustix::process::kill_process(pid, Signal::TERM).expect("it runs");

    let status = process.wait().await.expect("it ends");
    assert_eq!(status.code(), Some(128 + 15), "{:?}", status.signal());
}

#[tokio::test]
async fn orphans_are_reaped() {
    let hub = Hub::start().await;
    let directory = directory();
    // The inner shell leaves a child behind, which ends soon.
    let script = "sh -c 'sleep 0.1 & echo $! > $HERE/orphan'; sleep 60";
    let mut process = begin(&hub, &directory, json!(["sh", "-c", script])).await;

    let orphan = directory.path().join("orphan");
    eventually("the orphan is gone, and not a zombie", async || {
        let pid = std::fs::read_to_string(&orphan).unwrap_or_default();
        let pid = pid.trim();
        !pid.is_empty() && !std::path::Path::new(&format!("/proc/{pid}")).exists()
    })
    .await;
    process.kill().await.expect("it is ours");
}

#[tokio::test]
async fn a_server_begins_also_when_its_agent_is_refused() {
    let hub = Hub::start().await;
    hub.script().enrolments.push("somebody else".to_owned());
    let directory = directory();

    let process = begin(&hub, &directory, json!(["sh", "-c", "echo runs"])).await;
    let output = process.wait_with_output().await.expect("it ends");

    assert_eq!(output.stdout, b"runs\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("gets no tokens"), "{said}");
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named() {
    let hub = Hub::start().await;
    let directory = directory();

    let process = begin(&hub, &directory, json!(["no-such-program"])).await;
    let output = process.wait_with_output().await.expect("it ends");

    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`no-such-program`"), "{said}");
}

#[tokio::test]
async fn without_a_ticket_the_server_begins_alone_and_may_have_what_its_image_sets() {
    let document = json!({
        "ticket": null,
        "broker_url": null,
        "socket": "/nowhere/agent.sock",
        "command": ["sh", "-c", "echo $OF_THE_IMAGE $OF_THE_HUB"],
        "environment": { "OF_THE_HUB": "hub" },
        "inherit_environment": true,
    });
    let mut process = Command::new(env!("CARGO_BIN_EXE_jansky-agent"))
        .env("OF_THE_IMAGE", "image")
        .env("OF_THE_HUB", "overridden")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it was built");
    let mut input = process.stdin.take().expect("a pipe");
    let sent = input.write_all(document.to_string().as_bytes()).await;
    sent.expect("it reads");

    let output = process.wait_with_output().await.expect("it ends");

    assert_eq!(String::from_utf8_lossy(&output.stdout), "image hub\n");
}

#[tokio::test]
async fn a_port_is_told_when_the_server_listens_there_and_not_before() {
    let directory = directory();
    let announce = directory.path().join("address");
    let script = "import os, socket, time, urllib.parse\n\
        here = os.environ['HERE']; url = urllib.parse.urlsplit(os.environ['JUPYTERHUB_SERVICE_URL'])\n\
        open(here + '/begun', 'w').close()\n\
        while not os.path.exists(here + '/go'): time.sleep(0.02)\n\
        s = socket.socket(); s.bind(('0.0.0.0', url.port)); s.listen()\n\
        while True: time.sleep(1)";
    let document = json!({
        "ticket": null,
        "broker_url": null,
        "socket": directory.path().join("agent/agent.sock"),
        "command": ["python3", "-c", script],
        "environment": { "HERE": directory.path() },
        "inherit_environment": true,
        "listen": { "url": "http://0.0.0.0:{port}/user/river/", "announce": announce },
    });
    let file = directory.path().join("document");
    std::fs::write(&file, document.to_string()).expect("ours");
    let mut process = Command::new(env!("CARGO_BIN_EXE_jansky-agent"))
        .stdin(std::fs::File::open(&file).expect("it is there"))
        .kill_on_drop(true)
        .spawn()
        .expect("it was built");

    eventually("the server has begun", async || {
        directory.path().join("begun").exists()
    })
    .await;
    assert!(!announce.exists());
    std::fs::write(directory.path().join("go"), "").expect("ours");
    eventually("the port is told", async || announce.exists()).await;

    let told = std::fs::read_to_string(&announce).expect("it is there");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let port = u16::try_from(told["port"].as_u64().expect("a port")).expect("a port");
    tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    let pid = Pid::from_raw(process.id().expect("it runs").try_into().expect("a pid"));
    rustix::process::kill_process(pid.expect("a pid"), Signal::TERM).expect("it runs");
    process.wait().await.expect("it ends");
}
