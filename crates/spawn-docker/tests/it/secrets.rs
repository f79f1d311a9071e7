//! D35, the part of Docker: what came over standard input is nowhere else.

use std::path::Path;

use crate::bench::{Bench, SERVER, container, get, until, variable};

const CANARY: &str = "canary-api-token";

#[tokio::test]
async fn no_secret_is_where_people_with_docker_rights_or_a_disk_can_read_it() {
    let mut bench = Bench::python(SERVER);
    bench
        .settings
        .environment
        .insert("KEY".to_owned(), "canary-api-token-2".to_owned());
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    until("the server answers", async || get(&started, "/")).await;
    let id = container(&started.handle);

    let inspected = bench.engine_bytes("GET", &format!("/containers/{id}/json"));
    let archive = bench.engine_bytes("GET", &format!("/containers/{id}/export"));
    let image = bench.engine(
        "POST",
        &format!("/commit?container={id}&repo=jansky-test/stolen&tag={id}"),
    );
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
    let root = variable("JANSKY_TEST_DOCKER_ROOT");
    let mut files = 0;
    scan(
        &Path::new(&root).join("data/containers").join(&id),
        &mut files,
    );
    scan(&Path::new(&root).join("run"), &mut files);
    assert!(files > 5, "only {files} files were looked at");
    let others = elsewhere();
    assert!(others.is_empty(), "processes {others:?} hold the token");
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
