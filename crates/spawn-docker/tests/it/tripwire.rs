//! D44, the part of the spawner: who reaches into a container is noticed.

use std::time::Duration;

use jansky_settings::Tripwire;
use jansky_spawn::{Spawner, Tampering};
use jansky_spawn_docker::DockerSpawner;
use serde_json::json;
use tokio::sync::mpsc;

use crate::bench::{Bench, SERVER, container, get, spec, until};

/// What the acceptance list asks for.
const IN_TIME: Duration = Duration::from_secs(2);

fn watched(spawner: DockerSpawner) -> mpsc::UnboundedReceiver<Tampering> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move { spawner.watch(&sender).await });
    receiver
}

#[tokio::test]
async fn reaching_into_a_container_is_told_within_two_seconds() {
    let mut bench = Bench::python(SERVER);
    bench.settings.tripwire = Tripwire::Freeze;
    let mut found = watched(bench.spawner());
    let started = bench.start(&bench.spawner()).await;
    until("the server answers", async || get(&started, "/")).await;
    let id = container(&started.handle);
    let path = |what: &str| format!("/containers/{id}/{what}");

    // Looking from outside is everybody's right who may ask at all.
    bench.engine("GET", &path("stats?stream=0"));
    bench.engine("GET", &path("json"));
    bench.engine("GET", &path("top"));
    for (what, expected) in [
        ("exec", "exec_create: id"),
        ("archive?path=/etc/passwd", "archive-path"),
        ("export", "export"),
        ("attach?stdin=1&stream=1", "attach"),
    ] {
        match what {
            "exec" => {
                let body = json!({ "Cmd": ["id"], "User": "0" });
                bench.engine_with("POST", &path(what), &body);
            }
            attach if attach.starts_with("attach") => bench.knock("POST", &path(attach)),
            _ => drop(bench.engine_bytes("GET", &path(what))),
        }
        let told = tokio::time::timeout(IN_TIME, found.recv()).await;
        let told = told.expect("within two seconds").expect("it is watched");
        assert!(told.what.starts_with(expected), "{told:?}");
        assert_eq!(
            (told.server, told.start, told.freeze),
            (spec(1, 1).server, spec(1, 1).start, true)
        );
    }
    assert!(found.try_recv().is_err(), "nothing else was told");
}

#[tokio::test]
async fn a_spawner_without_a_trip_wire_does_not_look() {
    let mut bench = Bench::python(SERVER);
    bench.settings.tripwire = Tripwire::Off;
    let mut off = watched(bench.spawner());
    bench.settings.tripwire = Tripwire::Tell;
    let mut on = watched(bench.spawner());
    let started = bench.start(&bench.spawner()).await;
    let path = format!("/containers/{}/export", container(&started.handle));

    bench.engine_bytes("GET", &path);

    let told = tokio::time::timeout(IN_TIME, on.recv()).await;
    assert!(told.is_ok_and(|told| told.is_some_and(|told| !told.freeze)));
    assert!(off.try_recv().is_err());
}

#[tokio::test]
async fn a_container_that_joins_a_server_is_told_within_two_seconds() {
    let mut bench = Bench::python(SERVER);
    bench.settings.tripwire = Tripwire::Freeze;
    let mut found = watched(bench.spawner());
    let started = bench.start(&bench.spawner()).await;
    until("the server answers", async || get(&started, "/")).await;
    let id = container(&started.handle);
    let image = crate::bench::variable("JANSKY_TEST_DOCKER_BASE");
    let of = format!("container:{id}");
    for (share, host) in [
        ("pid", json!({ "PidMode": of })),
        ("network", json!({ "NetworkMode": of })),
        ("volumes-from", json!({ "VolumesFrom": [id] })),
    ] {
        let body = json!({ "Image": image, "Cmd": ["sleep", "600"], "HostConfig": host });
        let made = bench.engine_with("POST", "/containers/create", &body);
        let stranger = made["Id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned();
        bench.engine_bytes("POST", &format!("/containers/{stranger}/start"));

        let told = tokio::time::timeout(IN_TIME, found.recv()).await;

        bench.engine_bytes("DELETE", &format!("/containers/{stranger}?force=1"));
        let told = told.expect("within two seconds").expect("it is watched");
        assert!(told.what.starts_with(&format!("{share}: ")), "{told:?}");
        assert_eq!(
            (told.server, told.start, told.freeze),
            (spec(1, 1).server, spec(1, 1).start, true)
        );
    }
    assert!(found.try_recv().is_err(), "each was told once");
}
