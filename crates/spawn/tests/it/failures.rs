use jansky_spawn::{HomePolicy, ProcessSpawner, SpawnError, Spawner};

use crate::bench::{Bench, end_of};

async fn failure(bench: &Bench) -> String {
    let spawner = bench.spawner();
    let failed = bench
        .try_start(&spawner)
        .await
        .expect_err("it cannot start");
    assert!(bench.pids().is_empty());
    assert!(spawner.list().await.expect("listed").is_empty());
    assert!(matches!(failed, SpawnError::Failed { .. }), "{failed:?}");
    failed.to_string()
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named() {
    let by_name = failure(&Bench::command(&["no-such-command"])).await;
    let by_path = failure(&Bench::command(&["/no/such/command"])).await;

    assert!(
        by_name.contains("the command `no-such-command` does not exist"),
        "{by_name}"
    );
    assert!(
        by_path.contains("the command `/no/such/command` does not exist"),
        "{by_path}"
    );
}

#[tokio::test]
async fn a_command_that_may_not_be_run_is_named() {
    let reason = failure(&Bench::command(&["/etc/passwd"])).await;

    assert!(
        reason.contains("may not run the command `/etc/passwd`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_working_directory_that_does_not_exist_is_named() {
    let mut bench = Bench::shell("true");
    // A file where the directory should be.
    std::fs::create_dir(bench.path().join("homes")).expect("made");
    std::fs::write(bench.home(), "").expect("written");
    bench.settings.home = HomePolicy::Directory {
        root: bench.path().join("homes"),
        template: "{username}/work".to_owned(),
    };

    let reason = failure(&bench).await;

    assert!(
        reason.contains("working directory") && reason.contains("river/work"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_server_that_ends_at_once_leaves_its_last_words() {
    let bench = Bench::shell("echo 'no such module: notebook' >&2; exit 3");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let reason = end_of(&spawner, &started.handle).await;

    assert_eq!(reason, "ended with status 3");
    assert_eq!(
        spawner.log_tail(&started.handle).await,
        "no such module: notebook\n"
    );
}

#[tokio::test]
async fn a_launcher_that_does_not_exist_is_named() {
    let mut bench = Bench::shell("true");
    bench.settings.launcher = vec!["/no/such/launcher".to_owned()];

    let error = bench
        .try_start(&bench.spawner())
        .await
        .expect_err("it cannot start");

    assert!(error.to_string().contains("`/no/such/launcher`"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_launcher_that_says_nothing_is_not_a_start() {
    let mut bench = Bench::shell("true");
    bench.settings.launcher = vec!["/bin/sh".to_owned(), "-c".to_owned(), "cat >&2".to_owned()];

    let error = bench
        .try_start(&bench.spawner())
        .await
        .expect_err("it cannot start");

    assert!(matches!(error, SpawnError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_refused() {
    let refused = |change: fn(&mut jansky_spawn::ProcessSettings)| {
        let mut settings = Bench::shell("true").settings.clone();
        change(&mut settings);
        ProcessSpawner::new(settings)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };

    assert!(refused(|settings| settings.command.clear()).contains("command"));
    assert!(refused(|settings| settings.instance = "a/b".to_owned()).contains("`a/b`"));
    assert!(refused(|settings| settings.cpu_limit = Some(-1.0)).contains("`-1`"));
    let template = refused(|settings| {
        settings.home = HomePolicy::Directory {
            root: "/srv".into(),
            template: "../{username}".to_owned(),
        };
    });
    assert!(template.contains("`../{username}`"), "{template}");
}

#[tokio::test]
async fn a_launcher_begins_nothing_when_its_hub_has_ended() {
    use std::io::Write;

    let bench = Bench::shell("true");
    let file = |name: &str| bench.path().join(name);
    let request = serde_json::json!({
        // Not the parent of the launcher.
        "hub": 1,
        "command": ["touch", file("touched")],
        "environment": {},
        "directory": bench.path(),
        "make_directory": false,
        "account": null,
        "cgroups": [],
        "log": file("log"),
        "lock": file("lock"),
        "record": file("record"),
        "url": "http://127.0.0.1:1",
        "no_new_privileges": true,
        "may_be_root": true,
    });
    let mut launcher = std::process::Command::new(&bench.settings.launcher[0])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the launcher runs");
    let mut input = launcher.stdin.take().expect("a pipe");
    input
        .write_all(request.to_string().as_bytes())
        .expect("written");
    drop(input);

    let output = launcher.wait_with_output().expect("it ends");

    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"failed\":\"the hub has ended\"}\n"
    );
    assert!(!output.status.success());
    assert!(!file("record").exists() && !file("touched").exists());
}
