//! Servers as other accounts. Needs root, as CI has it; elsewhere only the refusals are checked.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use jansky_settings::RunAs;
use jansky_spawn::{HomePolicy, ProgressSink, SpawnError, Spawner};

use crate::bench::{Bench, eventually, pid, spec, stop};

/// A Unix account that exists as long as this does.
pub(crate) struct TemporaryAccount(pub(crate) String);

impl TemporaryAccount {
    pub(crate) fn create(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        let made = Command::new("useradd")
            .args([
                "--create-home",
                "--groups",
                "adm",
                "--shell",
                "/bin/bash",
                &name,
            ])
            .status()
            .expect("useradd runs");
        assert!(made.success());
        Self(name)
    }
}

impl Drop for TemporaryAccount {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["--remove", &self.0]).output();
    }
}

fn bench(script: &str) -> Bench {
    let mut bench = Bench::shell(script);
    bench.settings.run_as = RunAs::UnixAccount;
    bench
}

async fn refused(name: &str) -> String {
    let bench = bench("true");
    let mut spec = spec(1, 1);
    spec.user = name.parse().expect("a valid user name");
    let error = bench.spawner().start(&spec, &ProgressSink::discard()).await;
    let error = error.expect_err("it cannot start");
    assert!(matches!(error, SpawnError::Refused { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn names_that_are_no_accounts_of_people_are_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    assert!(
        refused("-rf")
            .await
            .contains("not the name of a Unix account")
    );
    assert!(
        refused("al@ex b")
            .await
            .contains("not the name of a Unix account")
    );
    assert!(
        refused("nobody-has-this-name")
            .await
            .contains("does not exist")
    );
    assert!(refused("root").await.contains("belongs to the system"));
    assert!(refused("daemon").await.contains("belongs to the system"));
}

#[tokio::test]
async fn a_server_runs_with_the_rights_of_its_account_only() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = TemporaryAccount::create("jsky");
    let mut bench = bench("id -un; id -Gn; pwd; echo error >> /dev/stderr; exec sleep 600");
    bench.settings.home = HomePolicy::Account;
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);
    spec.user = account.0.parse().expect("a valid user name");

    let started = spawner
        .start(&spec, &ProgressSink::discard())
        .await
        .expect("it starts");

    let log = bench.path().join("state/servers/1/1.log");
    let expected = format!("{0}\n{0} adm\n/home/{0}\nerror\n", account.0);
    let mut text = String::new();
    eventually("the server says who it is", || {
        text = std::fs::read_to_string(&log).unwrap_or_default();
        text.ends_with("error\n") || text.contains("denied")
    })
    .await;
    assert_eq!(text, expected);
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid(&started.handle)));
    let status = status.expect("it runs");
    for line in [
        "CapEff:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "no `{line}` in {status}");
    }
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", pid(&started.handle)));
    let environment = environment.expect("readable for root");
    for entry in [format!("USER={}", account.0), "SHELL=/bin/bash".to_owned()] {
        assert!(
            environment.split('\0').any(|one| one == entry),
            "no `{entry}`"
        );
    }
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_directory_below_a_root_belongs_to_the_account() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = TemporaryAccount::create("jhome");
    let root = tempfile::Builder::new()
        .prefix("homes")
        .tempdir_in("/var/tmp")
        .expect("made");
    std::fs::set_permissions(
        root.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("open to all");
    let mut bench = bench("exec sleep 600");
    bench.settings.home = HomePolicy::Directory {
        root: root.path().to_owned(),
        template: "{username}/work".to_owned(),
    };
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);
    spec.user = account.0.parse().expect("a valid user name");

    let started = spawner
        .start(&spec, &ProgressSink::discard())
        .await
        .expect("it starts");

    for directory in [
        root.path().join(&account.0),
        root.path().join(&account.0).join("work"),
    ] {
        let found = std::fs::metadata(directory).expect("it was made");
        assert_ne!(found.uid(), 0);
        assert_eq!(found.mode() & 0o777, 0o700);
    }
    stop(&spawner, &started.handle).await;
}

fn makes_accounts(script: &str) -> Bench {
    let mut bench = bench(script);
    bench.settings.home = HomePolicy::Account;
    bench.settings.create_accounts = true;
    bench.settings.create_command = ["useradd", "--create-home", "--", "{username}"]
        .map(str::to_owned)
        .to_vec();
    bench
}

#[tokio::test]
async fn somebody_who_comes_for_the_first_time_gets_an_account() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bench = makes_accounts("id -un; pwd; exec sleep 600");
    let spawner = bench.spawner();
    let new = TemporaryAccount(format!("jnew{}", std::process::id()));
    let mut first = spec(1, 1);
    first.user = new.0.parse().expect("a valid user name");
    let mut second = spec(2, 1);
    second.user = first.user.clone();

    // Two servers at once, of which one makes the account.
    let progress = ProgressSink::discard();
    let (one, other) = tokio::join!(
        spawner.start(&first, &progress),
        spawner.start(&second, &progress)
    );

    let log = bench.path().join("state/servers/1/1.log");
    let expected = format!("{0}\n/home/{0}\n", new.0);
    let mut text = String::new();
    eventually("the server says who it is", || {
        text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().count() >= 2
    })
    .await;
    assert_eq!(text, expected);
    for started in [one, other] {
        stop(&spawner, &started.expect("it starts").handle).await;
    }
}

#[tokio::test]
async fn no_account_is_made_for_a_name_that_is_not_plain_or_is_taken_by_the_system() {
    let witness = tempfile::tempdir().expect("a directory");
    let made = witness.path().join("made");
    for name in ["a.b", "-rf", "al@ex b", "root", "daemon", "tty"] {
        let mut bench = makes_accounts("true");
        bench.settings.create_command = vec![
            "touch".to_owned(),
            made.display().to_string(),
            "{username}".to_owned(),
        ];
        let mut spec = spec(1, 1);
        spec.user = name.parse().expect("a valid user name");

        let error = bench.spawner().start(&spec, &ProgressSink::discard()).await;

        let error = error.expect_err("it cannot start");
        assert!(matches!(error, SpawnError::Refused { .. }), "{error:?}");
        assert!(!made.exists(), "the command was run for `{name}`");
    }
}

#[tokio::test]
async fn the_agent_runs_as_the_account_and_meets_the_server_where_only_that_can_go() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = TemporaryAccount::create("jagent");
    let mut bench = bench("exec sleep 600");
    let agent = "import json, os, sys, time; place = os.path.dirname(json.load(sys.stdin)['socket'])\n\
                 open(place + '/here', 'w'); time.sleep(600)";
    bench.settings.agent = ["python3", "-c", agent].map(str::to_owned).to_vec();
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);
    spec.user = account.0.parse().expect("a valid user name");
    spec.agent = Some(jansky_spawn::AgentTicket {
        ticket: jansky_model::Secret::new("ticket"),
        broker_url: "http://127.0.0.1:1/".to_owned(),
        token_file: false,
    });

    let started = spawner
        .start(&spec, &ProgressSink::discard())
        .await
        .expect("it starts");

    let server = pid(&started.handle);
    let environment = std::fs::read_to_string(format!("/proc/{server}/environ"));
    let environment = environment.expect("it runs");
    let mut variables = environment.split('\0');
    let socket = variables.find_map(|one| one.strip_prefix("JANSKY_AGENT_SOCKET="));
    let place = std::path::Path::new(socket.expect("it is told"))
        .parent()
        .expect("a directory")
        .to_owned();
    let here = place.join("here");
    eventually("the agent is there", || here.exists()).await;
    let uid = std::fs::metadata(format!("/proc/{server}"))
        .expect("it runs")
        .uid();
    assert_ne!(uid, 0);
    for path in [&place, &here] {
        assert_eq!(std::fs::metadata(path).expect("it is there").uid(), uid);
    }
    stop(&spawner, &started.handle).await;
    assert!(!place.parent().expect("that of the hub").exists());
}
