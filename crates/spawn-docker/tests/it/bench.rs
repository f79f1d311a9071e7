//! What the tests stand on: a spawner with its own instance on the engine of the tests.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jansky_model::{Secret, ServerId, ServerName, StartId};
use jansky_settings::{DockerSpawner as Section, OfferedImage, Written};
use jansky_spawn::{
    PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle, Spawner, Started, StopMode,
};
use jansky_spawn_docker::{DockerSettings, DockerSpawner};
use serde_json::Value;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A web server that answers everything.
pub(crate) const SERVER: &str = "
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())
print('listening', flush=True)
http.server.HTTPServer(('', 8888), Handler).serve_forever()
";

/// What `tests/services/docker` has written down.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; source what `tests/services/docker start` writes")
    })
}

/// The agent, which is built with everything else.
fn agent() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let built = test.parent().and_then(Path::parent);
    let agent = built.expect("it is below target").join("jansky-agent");
    let advice = "run `cargo build -p jansky-agent`";
    assert!(agent.exists(), "{} is not built; {advice}", agent.display());
    agent
}

/// An instance of its own on an engine; all its containers are removed at its end.
pub(crate) struct Bench {
    pub(crate) settings: DockerSettings,
}

impl Bench {
    /// Servers are `python3 -c script` in a container of Docker.
    pub(crate) fn python(script: &str) -> Self {
        Self::on("DOCKER", &variable("JANSKY_TEST_DOCKER_BASE"), script)
    }

    /// The same on one of the engines.
    pub(crate) fn on(engine: &str, image: &str, script: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let name = directory.path().file_name().expect("a name");
        let instance: String = name
            .to_string_lossy()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let image = OfferedImage::Name(image.to_owned());
        let section = Section {
            host: variable(&format!("JANSKY_TEST_{engine}")),
            images: [("default".to_owned(), image)].into(),
            default_image: Some("default".to_owned()),
            command: ["python3", "-c", script].map(str::to_owned).to_vec(),
            network: variable(&format!("JANSKY_TEST_{engine}_NETWORK")),
            volumes: Vec::new(),
            stop_timeout: Written(Duration::from_secs(1)),
            ..Section::default()
        };
        let instance = format!("test-{instance}");
        let settings = DockerSettings::new(section, instance, agent(), [].into());
        Self { settings }
    }

    /// A new spawner, as a hub that was started anew has it.
    pub(crate) fn spawner(&self) -> DockerSpawner {
        DockerSpawner::new(self.settings.clone()).expect("the settings are right")
    }

    /// Starts the first start of the first server.
    pub(crate) async fn start(&self, spawner: &DockerSpawner) -> Started {
        self.try_start(spawner).await.expect("the server starts")
    }

    pub(crate) async fn try_start(&self, spawner: &DockerSpawner) -> Result<Started, SpawnError> {
        spawner.start(&spec(1, 1), &ProgressSink::discard()).await
    }

    /// Asks the engine itself: method and path, answered with JSON.
    pub(crate) fn engine(&self, method: &str, path: &str) -> Value {
        serde_json::from_slice(&self.engine_bytes(method, path)).unwrap_or(Value::Null)
    }

    pub(crate) fn engine_bytes(&self, method: &str, path: &str) -> Vec<u8> {
        self.exchange(&request(method, path, &Value::Null))
    }

    /// Sends a request and reads the body of the answer.
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connection();
        stream.write_all(request).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        answer.split_off(end.expect("a header") + 4)
    }

    /// Sends the engine JSON as well.
    pub(crate) fn engine_with(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(&request(method, path, body));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// Sends a request whose answer has no end, and hangs up.
    pub(crate) fn knock(&self, method: &str, path: &str) {
        let mut stream = self.connection();
        stream
            .write_all(&request(method, path, &Value::Null))
            .expect("sent");
        stream.read_exact(&mut [0; 12]).expect("answered");
    }

    fn connection(&self) -> UnixStream {
        let socket = self.settings.host.trim_start_matches("unix://");
        UnixStream::connect(socket).expect("the engine runs")
    }

    /// What the engine says of the container of a server.
    pub(crate) fn inspect(&self, started: &Started) -> Value {
        self.engine(
            "GET",
            &format!("/containers/{}/json", container(&started.handle)),
        )
    }

    /// The ids of all containers of this bench.
    pub(crate) fn containers(&self) -> Vec<String> {
        let filter = format!(
            "{{\"label\":[\"jansky.instance={}\"]}}",
            self.settings.instance
        );
        let filter = filter.replace('{', "%7b").replace('}', "%7d");
        let list = self.engine("GET", &format!("/containers/json?all=1&filters={filter}"));
        let ids = list.as_array().into_iter().flatten();
        ids.filter_map(|one| Some(one["Id"].as_str()?.to_owned()))
            .collect()
    }
}

impl Drop for Bench {
    /// Removes everything, also when a test fails in its middle.
    fn drop(&mut self) {
        if self.settings.host.starts_with("unix://")
            && UnixStream::connect(self.settings.host.trim_start_matches("unix://")).is_ok()
        {
            for id in self.containers() {
                self.engine_bytes("DELETE", &format!("/containers/{id}?force=1&v=1"));
            }
        }
    }
}

/// A request after whose answer the engine hangs up.
fn request(method: &str, path: &str, body: &Value) -> Vec<u8> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    // Without chunks, the end of the stream is the end of the answer.
    format!(
        "{method} /v1.41{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn spec(server: i64, start: i64) -> ServerSpec {
    ServerSpec {
        server: ServerId(server),
        start: StartId(start),
        user: "river".parse().expect("a valid name"),
        name: ServerName::default_server(),
        prefix: "/user/river/".to_owned(),
        environment: BTreeMap::from([(
            "JUPYTERHUB_API_TOKEN".to_owned(),
            Secret::new("canary-api-token"),
        )]),
        options: Value::Null,
        agent: None,
    }
}

/// The id of the container of a handle.
pub(crate) fn container(handle: &SpawnHandle) -> String {
    handle.0["container"].as_str().expect("an id").to_owned()
}

/// Reads a path of a server over HTTP.
pub(crate) fn get(started: &Started, path: &str) -> Option<String> {
    let address = started.url.strip_prefix("http://")?;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

/// Waits until `look` finds something, and fails with `what` when it does not.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a server has ended by itself, and says how.
pub(crate) async fn end_of(spawner: &DockerSpawner, handle: &SpawnHandle) -> String {
    until("the server does not end", async || {
        match spawner.poll(handle).await {
            PollStatus::Exited { reason } => Some(reason),
            PollStatus::Running | PollStatus::Unknown { .. } => None,
        }
    })
    .await
}

pub(crate) async fn stop(spawner: &DockerSpawner, handle: &SpawnHandle) {
    spawner
        .stop(handle, StopMode::Now)
        .await
        .expect("the server is ended");
}
