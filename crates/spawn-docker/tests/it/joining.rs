//! Who comes into a container, or joins it, and asks its agent.

use jansky_model::Secret;
use jansky_spawn::{AgentTicket, ProgressSink, Spawner};
use serde_json::json;

use crate::bench::{Bench, SERVER, container, get, spec, until, variable};

/// Asks every agent that it finds, and ends with how that went.
const ASK: &str = "import glob, socket, sys
how = 4
for path in ['/run/jansky/agent/agent.sock', *glob.glob('/proc/[0-9]*/root/run/jansky/agent/agent.sock')]:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    try:
        s.connect(path)
    except OSError:
        continue
    how = min(how, 3)
    try:
        s.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')
        if s.recv(4) == b'HTTP': how = 0
    except OSError:
        pass
sys.exit(how)";

const ANSWERED: i64 = 0;
const REFUSED: i64 = 3;
const NOT_REACHED: i64 = 4;

#[tokio::test]
async fn the_agent_answers_no_container_that_has_joined_its_own() {
    let bench = Bench::python(SERVER);
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);
    spec.agent = Some(AgentTicket {
        ticket: Secret::new("jkt_test"),
        // Nobody is there, so the agent goes on trying for a while; it answers all the same.
        broker_url: "http://127.0.0.1:9/hub/broker/v1/".to_owned(),
        token_file: false,
    });
    let started = spawner.start(&spec, &ProgressSink::discard()).await;
    let started = started.expect("it starts");
    until("the server answers", async || get(&started, "/")).await;
    let id = container(&started.handle);

    // Whoever runs a program in it is in it.
    let exec = json!({ "Cmd": ["python3", "-c", ASK] });
    let exec = bench.engine_with("POST", &format!("/containers/{id}/exec"), &exec);
    let exec = exec["Id"].as_str().expect("it is made").to_owned();
    let begin = json!({ "Detach": true });
    bench.engine_with("POST", &format!("/exec/{exec}/start"), &begin);
    let code = until("the program ends", async || {
        bench.engine("GET", &format!("/exec/{exec}/json"))["ExitCode"].as_i64()
    })
    .await;
    assert_eq!(code, ANSWERED);

    let of = format!("container:{id}");
    for (host, expected) in [
        (json!({ "PidMode": of, "CapAdd": ["SYS_PTRACE"] }), REFUSED),
        (
            json!({ "PidMode": of, "NetworkMode": of, "CapAdd": ["SYS_PTRACE"] }),
            REFUSED,
        ),
        (json!({ "VolumesFrom": [id] }), NOT_REACHED),
    ] {
        let body = json!({
            "Image": variable("JANSKY_TEST_DOCKER_BASE"),
            "Cmd": ["python3", "-c", ASK],
            "HostConfig": host,
        });
        let made = bench.engine_with("POST", "/containers/create", &body);
        let stranger = made["Id"].as_str().unwrap_or_else(|| panic!("{made}"));
        bench.engine_bytes("POST", &format!("/containers/{stranger}/start"));
        let ended = bench.engine("POST", &format!("/containers/{stranger}/wait"));
        bench.engine_bytes("DELETE", &format!("/containers/{stranger}?force=1"));

        assert_eq!(ended["StatusCode"].as_i64(), Some(expected), "{host}");
    }
}
