//! Servers as containers of a real Docker Engine (`tests/services/docker`).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::house::{ADMIN, House, Hub, told, until};
use crate::lifecycle::pid_of;

/// Asks the agent for a token, as code in the container does.
const ASK: &str = "import socket; s = socket.socket(socket.AF_UNIX); \
     s.connect('/run/jansky/agent/agent.sock'); \
     s.sendall(b'GET /v1/token?audience=archive HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'); \
     print(s.makefile().read())";

/// What `tests/services/docker` has written down.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; source what `tests/services/docker start` writes")
    })
}

/// The agent, which was built beside the program.
fn agent() -> PathBuf {
    let program = std::env::var_os("JANSKY_TEST_BINARY");
    let program = program.unwrap_or(env!("CARGO_BIN_EXE_jansky").into());
    let agent = PathBuf::from(program).with_file_name("jansky-agent");
    assert!(agent.exists(), "{} is not built", agent.display());
    agent
}

/// A house whose servers are stand-ins in containers. Those are removed at its end.
struct Harbour {
    house: House,
}

impl Harbour {
    fn new(further: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/single_user.py");
        let house = House::with_config(|path| {
            format!(
                "[hub]\n\
                 bind = \"{gateway}:0\"\n\
                 data_dir = \"{path}/data\"\n\
                 [provider.local]\n\
                 kind = \"local\"\n\
                 [spawner]\n\
                 kind = \"docker\"\n\
                 host = \"{host}\"\n\
                 images.base = \"{image}\"\n\
                 network = \"{network}\"\n\
                 agent = \"{agent}\"\n\
                 command = [\"python3\", \"/single_user.py\"]\n\
                 volumes = [\"{script}:/single_user.py:ro\"]\n\
                 poll_interval = \"1s\"\n\
                 {further}\n",
                gateway = variable("JANSKY_TEST_DOCKER_GATEWAY"),
                path = path.display(),
                host = variable("JANSKY_TEST_DOCKER"),
                image = variable("JANSKY_TEST_DOCKER_BASE"),
                network = variable("JANSKY_TEST_DOCKER_NETWORK"),
                agent = agent().display(),
            )
        });
        Self { house }
    }

    /// The containers of this house: their ids and names.
    fn containers(&self) -> Vec<(String, String)> {
        let mark = format!("{}/", self.house.path().display());
        let all = engine("GET", "/containers/json?all=1", &Value::Null);
        let ours = all.as_array().into_iter().flatten().filter(|one| {
            // The label that a house puts on all of its own.
            one["Labels"]["house"].as_str() == Some(&mark)
        });
        ours.filter_map(|one| {
            Some((
                one["Id"].as_str()?.to_owned(),
                one["Names"][0].as_str()?.trim_start_matches('/').to_owned(),
            ))
        })
        .collect()
    }

    /// Starts the hub with the label by which its containers are found.
    async fn start(&self) -> Hub<'_> {
        let label = format!("spawner.labels.house={}/", self.house.path().display());
        self.house.start(&[&label]).await
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        for (id, _) in self.containers() {
            engine("DELETE", &format!("/containers/{id}?force=1"), &Value::Null);
        }
    }
}

/// Asks the engine.
fn engine(method: &str, path: &str, body: &Value) -> Value {
    serde_json::from_slice(&engine_bytes(method, path, body)).unwrap_or(Value::Null)
}

fn engine_bytes(method: &str, path: &str, body: &Value) -> Vec<u8> {
    let host = variable("JANSKY_TEST_DOCKER");
    let mut stream = UnixStream::connect(host.trim_start_matches("unix://")).expect("it runs");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    write!(
        stream,
        "{method} /v1.41{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    answer.split_off(end.expect("a header") + 4)
}

/// Starts a server and waits until it is ready.
async fn start(hub: &Hub<'_>, admin: &Browser, name: &str, options: Value) -> i64 {
    let path = format!("hub/api/users/{ADMIN}/servers/{name}");
    let answer = admin.api("POST", &path, Some(options)).await;
    assert!(
        matches!(answer.status, 201 | 202),
        "{answer:?} {}",
        hub.house.said("stderr")
    );
    let servers = admin.settled(ADMIN).await;
    assert_eq!(
        servers[name]["ready"],
        true,
        "{servers:?} {}",
        hub.house.said("stderr")
    );
    pid_of(hub, name).await
}

#[tokio::test]
async fn a_container_outlives_a_hub_that_was_killed_and_is_taken_over_by_the_next_one() {
    let harbour = Harbour::new("");
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one", json!({ "image": "base" })).await;
    let before = harbour.containers();
    let instance = before[0].1.split('-').nth(1).expect("a part").to_owned();
    hub.kill().await;
    // A server that the database knows nothing of, as after a restored backup.
    let orphan = json!({
        "Image": variable("JANSKY_TEST_DOCKER_BASE"),
        "Cmd": ["sleep", "600"],
        "Labels": {
            "house": format!("{}/", harbour.house.path().display()),
            "jansky.instance": instance,
        },
        "HostConfig": { "NetworkMode": variable("JANSKY_TEST_DOCKER_NETWORK") },
    });
    let path = format!("/containers/create?name=jansky-{instance}-999-1");
    let orphan = engine("POST", &path, &orphan);
    let path = format!(
        "/containers/{}/start",
        orphan["Id"].as_str().expect("an id")
    );
    engine("POST", &path, &Value::Null);
    assert_eq!(harbour.containers().len(), 2);

    let hub = harbour.start().await;

    let admin = hub.program(admin.token.as_deref().expect("it has one"));
    let servers = admin.settled(ADMIN).await;
    assert_eq!(servers["one"]["ready"], true, "{servers:?}");
    pid_of(&hub, "one").await;
    until("the orphan is still there", async || {
        (harbour.containers() == before).then_some(())
    })
    .await;
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("DELETE", &path, None).await;
    until("the container is still there", async || {
        harbour.containers().is_empty().then_some(())
    })
    .await;
    assert!(hub.terminate().await.success());
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why_and_leaves_nothing() {
    let harbour = Harbour::new("");
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    let path = format!("hub/api/users/{ADMIN}/servers/broken-one");

    admin.api("POST", &path, Some(json!({}))).await;
    admin.settled(ADMIN).await;

    let progress = admin.get(&format!("{path}/progress")).await;
    assert!(
        progress.text.contains("ended with status 3"),
        "{progress:?}"
    );
    assert!(harbour.containers().is_empty());
    let other = json!({ "image": "alpine" });
    let path = format!("hub/api/users/{ADMIN}/servers/other");
    let refused = admin.api("POST", &path, Some(other)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("choose one of: base"), "{refused:?}");
    assert!(harbour.containers().is_empty());
}

/// Runs a program in a container, as somebody with Docker rights does, and reads what it says.
fn execute(id: &str, user: &str, command: &[&str]) -> String {
    let body = json!({ "Cmd": command, "User": user, "AttachStdout": true, "AttachStderr": true });
    let made = engine("POST", &format!("/containers/{id}/exec"), &body);
    let exec = made["Id"].as_str().expect("it runs");
    let said = engine_bytes(
        "POST",
        &format!("/exec/{exec}/start"),
        &json!({ "Tty": true }),
    );
    String::from_utf8_lossy(&said).into_owned()
}

/// D44: `docker exec` is noticed, and the agent gives nothing more.
#[tokio::test]
async fn who_reaches_into_a_container_freezes_its_tokens() {
    let harbour = Harbour::new(
        "tripwire = \"freeze\"\n\
         [audience.archive]\n\
         source = \"jansky\"\n\
         scopes = [\"archive:read\"]\n\
         allow_all = true",
    );
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one", Value::Null).await;
    let (id, _) = harbour.containers().remove(0);
    engine(
        "GET",
        &format!("/containers/{id}/stats?stream=0"),
        &Value::Null,
    );
    assert!(!hub.house.said("stderr").contains("reached into a server"));

    let began = tokio::time::Instant::now();
    let who = execute(&id, "0", &["id", "-u"]);

    assert!(who.contains('0'), "{who}");
    let words = ["somebody reached into a server", "tokens are frozen"];
    until("it was not noticed", async || {
        let said = hub.house.said("stderr");
        words.iter().all(|word| said.contains(word)).then_some(())
    })
    .await;
    assert!(began.elapsed().as_secs_f32() < 2.0, "{:?}", began.elapsed());
    until("the agent gives tokens still", async || {
        let said = execute(&id, "1000", &["python3", "-c", ASK]);
        said.contains("session_frozen").then_some(())
    })
    .await;
}

/// D35, the part of Docker: after real use, what was handed over is in the memory of the container's
/// processes and nowhere else.
#[tokio::test]
async fn nothing_secret_is_where_people_with_docker_rights_or_a_disk_can_read_it() {
    let harbour = Harbour::new(
        "tripwire = \"off\"\n\
         [log]\n\
         filter = \"trace\"\n\
         [audience.archive]\n\
         source = \"jansky\"\n\
         scopes = [\"archive:read\"]\n\
         allow_all = true",
    );
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one", Value::Null).await;
    let (id, _) = harbour.containers().remove(0);
    // That of the agent cannot be read, not even by its own account.
    let of_server = "import glob, os; print([v for p in glob.glob('/proc/[0-9]*/environ') \
         if os.access(p, os.R_OK) for v in open(p, 'rb').read().split(b'\\0') if v.startswith(b'JUPYTERHUB_API_TOKEN=')])";
    let said = execute(&id, "1000", &["python3", "-c", of_server]);
    let api_token = said.split(['=', '\'']).nth(2).expect("a token").to_owned();
    assert!(api_token.len() > 20, "{said}");
    let access_token = until("the agent gives no token", async || {
        let said = execute(&id, "1000", &["python3", "-c", ASK]);
        let start = said.find("\"access_token\":\"")? + 16;
        let length = said[start..].find('"')?;
        Some(said[start..start + length].to_owned())
    })
    .await;

    let path = |what: &str| format!("/containers/{id}/{what}");
    let commit = format!("/commit?container={id}&repo=jansky-test/stolen&tag={id}");
    let image = engine("POST", &commit, &Value::Null);
    let image = image["Id"].as_str().expect("an image").to_owned();
    let mut places = vec![
        ("inspect", engine_bytes("GET", &path("json"), &Value::Null)),
        ("export", engine_bytes("GET", &path("export"), &Value::Null)),
        (
            "save",
            engine_bytes("GET", &format!("/images/{image}/get"), &Value::Null),
        ),
        ("log of the hub", hub.house.said("stderr").into_bytes()),
    ];
    engine("DELETE", &format!("/images/{image}?force=1"), &Value::Null);
    let root = PathBuf::from(variable("JANSKY_TEST_DOCKER_ROOT"));
    let mut files = Vec::new();
    read_all(&root.join("data/containers").join(&id), &mut files);
    read_all(&root.join("run"), &mut files);
    read_all(&harbour.house.path().join("data"), &mut files);
    assert!(files.len() > 5, "only {} files were looked at", files.len());
    places.extend(files.into_iter().map(|bytes| ("files", bytes)));
    places.extend(outside(&id).into_iter().map(|bytes| ("processes", bytes)));
    for (what, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        // With the first letters of every ticket.
        for secret in [api_token.as_str(), access_token.as_str(), "jkt_"] {
            assert!(!text.contains(secret), "{what}: {} is there", &secret[..4]);
        }
    }
}

/// The contents of all files below a directory.
fn read_all(directory: &std::path::Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => read_all(&entry.path(), found),
            Ok(kind) if kind.is_file() => {
                found.push(std::fs::read(entry.path()).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Environments and command lines of all processes that are not in a container.
fn outside(id: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc(5)").flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        if !String::from_utf8_lossy(&read("cgroup")).contains(id) {
            found.extend([read("environ"), read("cmdline")]);
        }
    }
    found
}

#[tokio::test]
async fn the_doctor_looks_at_the_engine() {
    let harbour = Harbour::new("");
    let config = harbour.house.config().display().to_string();

    let output = crate::house::run(&["doctor", "--config", &config]).await;

    let said = told(&output);
    for line in [
        "[ ok ] container engine: Docker Engine ",
        "[warn] isolation: ",
        "[ ok ] limits: ",
        "[ ok ] image: `base` is there",
        "[ ok ] network: ",
        "[ ok ] Docker rights: ",
        "[ ok ] agent: ",
    ] {
        assert!(said.contains(line), "{line} is missing in {said}");
    }
    assert!(output.status.success(), "{said}");
}
