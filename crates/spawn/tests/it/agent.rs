//! The agent beside a server, as the spawner starts it. What stands in for it here only writes down
//! what it was given; the real one has tests of its own, and stands beside real servers in those of
//! the whole program.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use jansky_model::Secret;
use jansky_spawn::{AgentTicket, ProgressSink, Spawner, Started};
use serde_json::Value;

use crate::bench::{Bench, eventually, pid, spec, stop};

/// Writes what it reads, without the ticket, beside its socket and waits.
const AGENT: &str = "
import json, os, sys, time
document = json.load(sys.stdin)
place = os.path.dirname(document['socket'])
document['ticket'] = len(document['ticket'])
document['seen'] = {
    'parent': os.getppid(), 'pid': os.getpid(), 'uid': os.getuid(),
    'environment': sorted(os.environ), 'group': open('/proc/self/cgroup').read(),
}
with open(place + '/new', 'w') as new:
    json.dump(document, new)
os.rename(place + '/new', place + '/told')
time.sleep(600)
";

const TICKET: &str = "jty_canary-ticket";

fn bench(agent: &[&str]) -> Bench {
    let mut bench = Bench::shell("exec sleep 600");
    bench.settings.agent = agent.iter().map(ToString::to_string).collect();
    bench.settings.runtime_dir = Some(bench.path().join("run"));
    bench
}

async fn start(spawner: &impl Spawner) -> Started {
    let mut spec = spec(1, 1);
    spec.agent = Some(AgentTicket {
        ticket: Secret::new(TICKET),
        broker_url: "http://127.0.0.1:1/hub/broker/v1/".to_owned(),
        token_file: true,
    });
    let started = spawner.start(&spec, &ProgressSink::discard()).await;
    started.expect("the server starts")
}

fn place(bench: &Bench) -> PathBuf {
    bench.path().join("run/1-1")
}

async fn told(bench: &Bench) -> Value {
    let told = place(bench).join("told");
    eventually("the agent has its document", || told.exists()).await;
    serde_json::from_slice(&std::fs::read(told).expect("readable")).expect("JSON")
}

#[tokio::test]
async fn the_agent_gets_its_ticket_over_a_pipe_and_stands_beside_the_server() {
    let bench = bench(&["python3", "-c", AGENT]);
    let spawner = bench.spawner();

    let started = start(&spawner).await;

    let document = told(&bench).await;
    let seen = &document["seen"];
    assert_eq!(document["ticket"], TICKET.len());
    assert_eq!(document["broker_url"], "http://127.0.0.1:1/hub/broker/v1/");
    assert_eq!(document["parent"], seen["parent"]);
    assert_eq!(seen["parent"], pid(&started.handle));
    let variables = seen["environment"].as_array().expect("a list");
    assert!(
        variables.iter().all(|name| {
            let name = name.as_str().expect("text");
            name.starts_with("JANSKY_") || name == "LC_CTYPE"
        }),
        "{variables:?}"
    );
    let environment = |pid: &Value| std::fs::read_to_string(format!("/proc/{pid}/environ"));
    let server = environment(&seen["parent"]).expect("it runs");
    let socket = document["socket"].as_str().expect("a path");
    assert!(server.contains(&format!("JANSKY_AGENT_SOCKET={socket}\0")));
    // Where it is in memory there is a file for it, and nowhere else.
    assert_eq!(
        server.contains("BEARER_TOKEN_FILE="),
        document["token_dir"].is_string()
    );
    assert!(!server.contains("canary"));
    let directory = std::fs::metadata(place(&bench)).expect("it is there");
    assert_eq!(directory.mode() & 0o777, 0o700);
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", pid(&started.handle)));
    assert_eq!(seen["group"], groups.expect("it runs"));
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn the_agent_outlives_the_hub_and_ends_with_its_server() {
    let bench = bench(&["python3", "-c", AGENT]);
    let first = bench.spawner();
    let started = start(&first).await;
    let agent = told(&bench).await["seen"]["pid"].clone();
    let runs = || std::path::Path::new(&format!("/proc/{agent}/stat")).exists();
    drop(first);

    let second = bench.spawner();
    assert_eq!(start(&second).await, started);
    assert!(runs() && place(&bench).exists());
    stop(&second, &started.handle).await;

    eventually("the agent is gone", || bench.pids().is_empty()).await;
    assert!(!place(&bench).exists());
}

#[tokio::test]
async fn a_server_whose_agent_cannot_start_runs_and_its_log_says_so() {
    let bench = bench(&["/no/such/agent"]);
    let spawner = bench.spawner();

    let started = start(&spawner).await;

    eventually("the server runs", || {
        bench.pids().contains(&pid(&started.handle))
    })
    .await;
    let log = spawner.log_tail(&started.handle).await;
    assert!(log.contains("gets no tokens"), "{log}");
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_server_that_cannot_meet_an_agent_runs_without_one() {
    let mut bench = bench(&["python3", "-c", AGENT]);
    bench.settings.runtime_dir = Some("/proc/no/such/place".into());
    let spawner = bench.spawner();

    let started = start(&spawner).await;

    // Its environment is not there yet while the program begins.
    eventually("the server runs", || bench.pids() == [pid(&started.handle)]).await;
    let server = std::fs::read_to_string(format!("/proc/{}/environ", pid(&started.handle)));
    assert!(!server.expect("it runs").contains("JANSKY_AGENT_SOCKET"));
    stop(&spawner, &started.handle).await;
}
