//! What somebody with fewer rights plants where the hub and its launcher write.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use jansky_settings::RunAs;
use jansky_spawn::{HomePolicy, ProgressSink, Spawner};

use crate::accounts::TemporaryAccount;
use crate::bench::{Bench, spec};

/// An account that nobody has.
const OTHER: u32 = 4243;

/// A file that only we may read, and where it is.
fn secret(bench: &Bench) -> PathBuf {
    let path = bench.path().join("secret");
    std::fs::write(&path, "ours").expect("the directory is ours");
    let only_we = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, only_we).expect("ours");
    path
}

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("the directory is ours");
}

#[tokio::test]
async fn logs_locks_and_records_that_are_links_or_pipes_let_no_server_start() {
    for name in ["1.log", "lock", "1.json"] {
        for kind in ["link", "dangling", "pipe", "directory"] {
            let bench = Bench::shell("echo more; exec sleep 600");
            let secret = secret(&bench);
            let elsewhere = bench.path().join("elsewhere");
            let state = bench.path().join("state/servers/1");
            std::fs::create_dir_all(&state).expect("ours");
            let planted = state.join(name);
            match kind {
                "link" => symlink(&secret, &planted).expect("planted"),
                "dangling" => symlink(&elsewhere, &planted).expect("planted"),
                "pipe" => pipe(&planted),
                _ => std::fs::create_dir(&planted).expect("planted"),
            }

            let started = bench.try_start(&bench.spawner()).await;

            assert!(started.is_err(), "{name} as {kind}: {started:?}");
            assert!(bench.pids().is_empty(), "{name} as {kind}: something runs");
            assert_eq!(std::fs::read(&secret).expect("ours"), b"ours", "{name}");
            assert!(!elsewhere.exists(), "{name} as {kind}: it was followed");
        }
    }
}

#[tokio::test]
async fn a_log_that_is_a_second_name_of_somebody_elses_file_is_not_given_away() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bench = Bench::shell("exec sleep 600");
    let secret = secret(&bench);
    let state = bench.path().join("state/servers/1");
    std::fs::create_dir_all(&state).expect("ours");
    lchown(&state, Some(OTHER), None).expect("root may");
    std::fs::hard_link(&secret, state.join("1.log")).expect("planted");

    let started = bench.try_start(&bench.spawner()).await;

    let error = started.expect_err("a trap").to_string();
    assert!(error.contains("hard link"), "{error}");
    assert_eq!(std::fs::read(&secret).expect("ours"), b"ours");
}

#[tokio::test]
async fn a_home_that_is_a_link_is_neither_given_away_nor_made_where_it_leads() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = TemporaryAccount::create("jplant");
    for template in ["{username}", "all/{username}"] {
        let mut bench = Bench::shell("exec sleep 600");
        bench.settings.run_as = RunAs::UnixAccount;
        let (homes, ours) = (bench.path().join("homes"), bench.path().join("ours"));
        bench.settings.home = HomePolicy::Directory {
            root: homes.clone(),
            template: template.to_owned(),
        };
        std::fs::create_dir(&homes).expect("ours");
        std::fs::create_dir(&ours).expect("ours");
        let only_we = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&ours, only_we).expect("ours");
        let first = template.split('/').next().expect("there is one");
        let planted = homes.join(first.replace("{username}", &account.0));
        symlink(&ours, &planted).expect("planted");
        lchown(&planted, Some(OTHER), Some(OTHER)).expect("as another account's");
        let mut spec = spec(1, 1);
        spec.user = account.0.parse().expect("a valid user name");

        let spawner = bench.spawner();
        let started = spawner.start(&spec, &ProgressSink::discard()).await;

        assert!(started.is_err(), "{template}: {started:?}");
        let found = std::fs::metadata(&ours).expect("it is there");
        assert_eq!(found.uid(), 0, "{template}: it was given away");
        let made = std::fs::read_dir(&ours).expect("ours").count();
        assert_eq!(made, 0, "{template}: something was made there");
    }
}
