use std::collections::BTreeMap;
use std::path::Path;

use jansky_spawn::Spawner;

use crate::bench::{Bench, eventually, pid, stop};

fn environment(pid: i32) -> BTreeMap<String, String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).expect("it runs");
    let text = String::from_utf8(bytes).expect("plain text");
    let entries = text
        .split_terminator('\0')
        .filter_map(|entry| entry.split_once('='));
    entries
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_asked() {
    // The test runner sets this one; nobody said that servers should have it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let mut bench = Bench::command(&["sleep", "600"]);
    bench.settings.keep_environment = vec!["PATH".to_owned()];
    bench.settings.environment =
        BTreeMap::from([("JUPYTERHUB_ROOT_DIR".to_owned(), "/srv".to_owned())]);
    let spawner = bench.spawner();

    let started = bench.start(&spawner).await;

    let own = bench.home().to_string_lossy().into_owned();
    let mut found = environment(pid(&started.handle));
    assert!(found.remove("USER").is_some() && found.remove("LOGNAME").is_some());
    assert!(
        found
            .remove("SHELL")
            .is_some_and(|shell| shell.starts_with('/'))
    );
    let expected = BTreeMap::from([
        ("HOME".to_owned(), own),
        (
            "JANSKY_INSTANCE".to_owned(),
            bench.settings.instance.clone(),
        ),
        ("JANSKY_SERVER".to_owned(), "1".to_owned()),
        ("JANSKY_START".to_owned(), "1".to_owned()),
        ("JUPYTERHUB_ROOT_DIR".to_owned(), "/srv".to_owned()),
        (
            "JUPYTERHUB_SERVICE_URL".to_owned(),
            format!("{}/user/river/", started.url),
        ),
        ("PATH".to_owned(), std::env::var("PATH").expect("a path")),
        ("TOKEN".to_owned(), "s3cret-value".to_owned()),
    ]);
    assert_eq!(found, expected);
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_secret_is_on_no_command_line_and_in_no_file() {
    let bench = Bench::command(&["sleep", "600"]);
    let spawner = bench.spawner();

    let started = bench.start(&spawner).await;

    let line = std::fs::read(format!("/proc/{}/cmdline", pid(&started.handle))).expect("it runs");
    assert_eq!(line, b"sleep\x00600\x00");
    let handle = serde_json::to_string(&started.handle).expect("JSON");
    assert!(!handle.contains("s3cret-value"));
    assert!(
        files_below(bench.path())
            .iter()
            .all(|text| !text.contains("s3cret-value"))
    );
    stop(&spawner, &started.handle).await;
}

fn files_below(directory: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable").flatten() {
        if entry.path().is_dir() {
            texts.extend(files_below(&entry.path()));
        } else {
            texts.push(std::fs::read_to_string(entry.path()).expect("text"));
        }
    }
    assert!(directory.is_dir());
    texts
}

#[tokio::test]
async fn a_server_holds_no_socket_pipe_or_file_of_the_hub() {
    let bench = Bench::shell("ls -l /proc/$$/fd >> listing; mv listing whole; exec sleep 600");
    let spawner = bench.spawner();
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    // What the test itself inherited is no doing of the spawner.
    let before: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .expect("proc(5)")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .filter(|target| target.starts_with("pipe:"))
        .collect();

    let started = bench.start(&spawner).await;

    let whole = bench.home().join("whole");
    eventually("the server has looked", || whole.exists()).await;
    let listing = std::fs::read_to_string(whole).expect("readable");
    assert!(
        listing.contains("1.log") && listing.contains("/dev/null"),
        "{listing}"
    );
    for line in listing.lines() {
        let inherited = before.iter().any(|target| line.contains(target));
        let foreign = line.contains("socket:") || line.contains("pipe:");
        assert!(inherited || !foreign, "{line}");
        assert!(!line.contains("/lock"), "{line}");
    }
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_without_its_value() {
    let bench = Bench::shell("true");
    let spawner = bench.spawner();
    let mut spec = crate::bench::spec(1, 1);
    spec.environment
        .insert("A=B".to_owned(), jansky_model::Secret::new("s3cret-value"));

    let error = spawner
        .start(&spec, &jansky_spawn::ProgressSink::discard())
        .await
        .expect_err("no such name");

    assert!(error.to_string().contains("`A=B`") && !error.to_string().contains("s3cret"));
}
