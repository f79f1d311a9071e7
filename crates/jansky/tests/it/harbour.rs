//! A house whose servers are containers of a real Docker Engine (`tests/services/docker`), and what
//! somebody with rights at that engine can do.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::house::{House, Hub};

/// Asks the agent for a token, as code in the container does.
pub(crate) const ASK: &str = "import socket; s = socket.socket(socket.AF_UNIX); \
     s.connect('/run/jansky/agent/agent.sock'); \
     s.sendall(b'GET /v1/token?audience=archive HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'); \
     print(s.makefile().read())";

/// What `tests/services/docker` has written down.
pub(crate) fn variable(name: &str) -> String {
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
pub(crate) struct Harbour {
    pub(crate) house: House,
}

impl Harbour {
    pub(crate) fn new(further: &str) -> Self {
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
    pub(crate) fn containers(&self) -> Vec<(String, String)> {
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
    pub(crate) async fn start(&self) -> Hub<'_> {
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
pub(crate) fn engine(method: &str, path: &str, body: &Value) -> Value {
    serde_json::from_slice(&engine_bytes(method, path, body)).unwrap_or(Value::Null)
}

pub(crate) fn engine_bytes(method: &str, path: &str, body: &Value) -> Vec<u8> {
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

/// Runs a program in a container, as somebody with Docker rights does, and reads what it says.
pub(crate) fn execute(id: &str, user: &str, command: &[&str]) -> String {
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
