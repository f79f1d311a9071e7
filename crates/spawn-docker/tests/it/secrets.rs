//! D35, the part of Docker and Podman: what came over standard input is nowhere else.

use std::path::{Path, PathBuf};

use crate::bench::{Bench, SERVER, container, get, until, variable};

const CANARY: &str = "canary-api-token";

#[tokio::test]
async fn no_secret_is_where_people_with_docker_rights_or_a_disk_can_read_it() {
    let bench = bench("DOCKER");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    until("the server answers", async || get(&started, "/")).await;
    let id = container(&started.handle);

    look_at_what_the_engine_tells(&bench, &id);
    let root = PathBuf::from(variable("JANSKY_TEST_DOCKER_ROOT"));
    let places = [root.join("data/containers").join(&id), root.join("run")];
    look_at_files(&places);
    let others = elsewhere();
    assert!(others.is_empty(), "processes {others:?} hold the token");
}

#[tokio::test]
async fn what_podman_keeps_holds_no_secret() {
    let bench = bench("PODMAN");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    until("the server answers", async || get(&started, "/")).await;

    look_at_what_the_engine_tells(&bench, &container(&started.handle));
    let root = PathBuf::from(variable("JANSKY_TEST_DOCKER_ROOT")).join("podman");
    let data = std::fs::read_dir(root.join("data")).expect("Podman's files");
    // Everything but the layers of images: containers, volumes and the database.
    let layers = ["overlay", "vfs"].map(|name| root.join("data").join(name));
    let kept = data.flatten().map(|entry| entry.path());
    let mut places: Vec<PathBuf> = kept.filter(|path| !layers.contains(path)).collect();
    places.extend(["run", "tmp"].map(|name| root.join(name)));
    look_at_files(&places);
    let others = elsewhere();
    assert!(others.is_empty(), "processes {others:?} hold the token");
}

/// A bench with a second secret, in the configuration.
fn bench(engine: &str) -> Bench {
    let image = variable(&format!("JANSKY_TEST_{engine}_BASE"));
    let mut bench = Bench::on(engine, &image, SERVER);
    let environment = &mut bench.settings.environment;
    environment.insert("KEY".to_owned(), "canary-api-token-2".to_owned());
    bench
}

/// What everybody with rights at the engine can ask for, an image of the container included.
fn look_at_what_the_engine_tells(bench: &Bench, id: &str) {
    let inspected = bench.engine_bytes("GET", &format!("/containers/{id}/json"));
    let archive = bench.engine_bytes("GET", &format!("/containers/{id}/export"));
    let commit = format!("/commit?container={id}&repo=localhost/jansky-test/stolen&tag={id}");
    // Podman wants a document, if only an empty one.
    let image = bench.engine_with("POST", &commit, &serde_json::json!({}));
    let image = image["Id"].as_str().expect("an image").to_owned();
    let saved = bench.engine_bytes("GET", &format!("/images/{image}/get"));
    let history = bench.engine_bytes("GET", &format!("/images/{image}/history"));
    bench.engine_bytes("DELETE", &format!("/images/{image}?force=1"));

    for (what, bytes) in [
        ("inspect", inspected),
        ("export", archive),
        ("commit and save", saved),
        ("the history of the image", history),
    ] {
        assert!(!bytes.is_empty(), "{what} is empty");
        assert!(!holds(&bytes), "{what} holds the token");
    }
}

fn look_at_files(places: &[PathBuf]) {
    let mut files = 0;
    for place in places {
        scan(place, &mut files);
    }
    assert!(files > 5, "only {files} files were looked at");
}

fn holds(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains(CANARY)
}

/// Looks at all files below a directory.
fn scan(directory: &Path, files: &mut usize) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            scan(&path, files);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            assert!(!holds(&bytes), "{} holds the token", path.display());
            *files += 1;
        }
    }
}

/// Processes outside of containers that have the token in their environment or command line.
fn elsewhere() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc(5)").flatten() {
        let place = entry.path();
        let read = |name: &str| std::fs::read(place.join(name)).unwrap_or_default();
        // Other tests have containers with the same token at the same time.
        let groups = String::from_utf8_lossy(&read("cgroup")).into_owned();
        let is_inside = ["/docker/", "libpod"].iter().any(|of| groups.contains(of));
        if !is_inside && (holds(&read("environ")) || holds(&read("cmdline"))) {
            found.push(place.display().to_string());
        }
    }
    found
}
