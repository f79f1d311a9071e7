//! Control groups for real. These need root, as CI has it; elsewhere they only check the refusal.

use std::path::PathBuf;

use jansky_model::ByteSize;
use jansky_settings::{Cgroups, Written};
use jansky_spawn::{ProcessSpawner, Severity, Spawner};

use crate::bench::{Bench, end_of, pid, stop};

const HUNGRY: &str = "
kept = []
while True:
    kept.append(bytearray(b'x' * (1 << 20)))
";

/// Whether this machine lets us make control groups.
async fn usable() -> bool {
    let findings = Bench::shell("true").spawner().check().await;
    let found = findings.iter().find(|one| one.subject == "control groups");
    let found = found.expect("control groups are looked at");
    let root = rustix::process::geteuid().is_root();
    assert!(
        !root || found.severity == Severity::Good,
        "root can use none: {found:?}"
    );
    found.severity == Severity::Good
}

/// The directory of a controller that a process is in.
fn group(pid: i32, controller: &str) -> PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let path = |wanted: &str| {
        text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let found = controllers.split(',').any(|name| name == wanted);
            found.then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let mount = PathBuf::from("/sys/fs/cgroup");
    match path(controller) {
        Some(path) => mount.join(controller).join(path),
        None => mount.join(path("").expect("a group of version 2")),
    }
}

#[tokio::test]
async fn a_server_that_uses_more_memory_than_it_may_is_killed_and_says_so() {
    if !usable().await {
        return;
    }
    let mut bench = Bench::python(HUNGRY);
    bench.settings.memory_limit = Some(Written(ByteSize(64 << 20)));
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let reason = end_of(&spawner, &started.handle).await;

    assert_eq!(reason, "was killed by signal 9 (out of memory)");
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn the_group_has_the_limits_and_goes_with_the_server() {
    if !usable().await {
        return;
    }
    let mut bench = Bench::shell("exec sleep 600");
    bench.settings.memory_limit = Some(Written(ByteSize(256 << 20)));
    bench.settings.cpu_limit = Some(0.5);
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let memory = group(pid(&started.handle), "memory");
    let cpu = group(pid(&started.handle), "cpu");

    let read = |directory: &PathBuf, names: [&str; 2]| {
        let texts = names.map(|name| std::fs::read_to_string(directory.join(name)));
        let text = texts
            .into_iter()
            .find_map(Result::ok)
            .expect("version 1 or 2");
        text.trim().to_owned()
    };
    assert_eq!(
        read(&memory, ["memory.limit_in_bytes", "memory.max"]),
        "268435456"
    );
    assert!(read(&cpu, ["cpu.cfs_quota_us", "cpu.max"]).starts_with("50000"));
    assert!(memory.ends_with(format!("jansky-{}/1-1", bench.settings.instance)));

    stop(&spawner, &started.handle).await;
    for directory in [memory, cpu] {
        let parent = directory.parent().expect("the group of the instance");
        assert!(!parent.exists(), "`{}` is left", parent.display());
    }
}

#[tokio::test]
async fn limits_without_control_groups_are_refused() {
    let mut bench = Bench::shell("true");
    bench.settings.cgroups = Cgroups::Off;
    bench.settings.memory_limit = Some(Written(ByteSize(64 << 20)));

    let error = ProcessSpawner::new(bench.settings.clone())
        .err()
        .expect("refused")
        .to_string();

    assert!(
        error.contains("memory limit needs control groups"),
        "{error}"
    );
    assert!(error.contains("Delegate=yes"), "{error}");
}
