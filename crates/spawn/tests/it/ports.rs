//! Whoever holds the port of a server gets the cookies of its visitors.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use jansky_settings::RunAs;
use jansky_spawn::{AddressOwner, HomePolicy, ProgressSink, Spawner, Started};

use crate::accounts::TemporaryAccount;
use crate::bench::{Bench, eventually, spec, stop};

const LISTEN: &str = "import os, socket, time
port = int(os.environ['JUPYTERHUB_SERVICE_URL'].split(':')[2].split('/')[0])
with socket.create_server(('127.0.0.1', port)): time.sleep(600)";

/// The same in a child.
const LISTEN_IN_CHILD: &str = "import os, subprocess, sys
subprocess.run([sys.executable, '-c', os.environ['CODE']])";

/// Another process of this machine.
struct Stranger(Child);

impl Stranger {
    /// One that listens at the server's port on some address, as an account.
    fn at(started: &Started, address: &str, uid: u32) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", &LISTEN.replace("127.0.0.1", address)])
            .env("JUPYTERHUB_SERVICE_URL", &started.url)
            .current_dir("/")
            .stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(uid);
        }
        Self(command.spawn().expect("Python runs"))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn address_owner(bench: &Bench, started: &Started) -> AddressOwner {
    // As a hub that was started anew asks.
    let spawner = bench.spawner();
    spawner.address_owner(&started.handle, &started.url).await
}

async fn until_somebody(bench: &Bench, started: &Started) -> AddressOwner {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match address_owner(bench, started).await {
            AddressOwner::Nobody => {
                assert!(tokio::time::Instant::now() < deadline, "nobody listens");
            }
            other => return other,
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_listens_itself_or_in_a_child_answers() {
    for code in [LISTEN, LISTEN_IN_CHILD] {
        let mut bench = Bench::python(code);
        let child = [("CODE".to_owned(), LISTEN.to_owned())];
        bench.settings.environment.extend(child);
        let spawner = bench.spawner();
        let started = bench.start(&spawner).await;

        assert_eq!(until_somebody(&bench, &started).await, AddressOwner::Server);
        stop(&spawner, &started.handle).await;
    }
}

#[tokio::test]
async fn nobody_is_not_the_server() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    assert_eq!(address_owner(&bench, &started).await, AddressOwner::Nobody);
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn another_process_at_the_port_is_told_apart_by_name_and_account() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let own = rustix::process::geteuid();
    let mut accounts = vec![own.as_raw()];
    accounts.extend(own.is_root().then_some(4243));
    for uid in accounts {
        for address in ["127.0.0.1", "0.0.0.0"] {
            let stranger = Stranger::at(&started, address, uid);

            let found = until_somebody(&bench, &started).await;

            let AddressOwner::Other { who } = found else {
                panic!("{found:?}");
            };
            let pid = format!("pid {}", stranger.0.id());
            assert!(who.contains("python3") && who.contains(&pid), "{who}");
            assert!(uid == own.as_raw() || who.contains("account 4243"), "{who}");
            drop(stranger);
            eventually("the port is free", || {
                let port = started.url.rsplit(':').next();
                let port = port.and_then(|port| port.parse().ok()).expect("a port");
                jansky_guard::listeners(port).expect("readable").is_empty()
            })
            .await;
        }
    }
    stop(&spawner, &started.handle).await;
}

/// The marker of a server is no secret, so another account could carry it.
#[tokio::test]
async fn a_stranger_with_the_mark_of_the_server_is_still_a_stranger() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;
    let mut command = Command::new("python3");
    let child = command
        .args(["-c", LISTEN])
        .env("JUPYTERHUB_SERVICE_URL", &started.url)
        .env("JANSKY_INSTANCE", &bench.settings.instance)
        .env("JANSKY_SERVER", "1")
        .env("JANSKY_START", "1")
        .current_dir("/")
        .uid(4243)
        .spawn();
    let _stranger = Stranger(child.expect("Python runs"));

    let found = until_somebody(&bench, &started).await;

    assert!(matches!(found, AddressOwner::Other { .. }), "{found:?}");
    stop(&spawner, &started.handle).await;
}

#[tokio::test]
async fn a_port_that_somebody_took_is_not_given_to_the_next_start() {
    let bench = Bench::shell("exec sleep 600");
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    let taken = first.url.strip_prefix("http://").expect("an address");
    let _stranger = TcpListener::bind(taken).expect("nobody was quicker");
    stop(&spawner, &first.handle).await;

    let again = spawner
        .start(
            &crate::bench::spec(1, 2),
            &jansky_spawn::ProgressSink::discard(),
        )
        .await
        .expect("it starts");

    assert_ne!(again.url, first.url);
    stop(&spawner, &again.handle).await;
}

#[tokio::test]
async fn a_server_with_an_account_of_its_own_answers_and_another_account_does_not() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = TemporaryAccount::create("jport");
    let mut bench = Bench::python(LISTEN);
    bench.settings.run_as = RunAs::UnixAccount;
    bench.settings.home = HomePolicy::Account;
    let spawner = bench.spawner();
    let mut spec = spec(1, 1);
    spec.user = account.0.parse().expect("a valid user name");
    let started = spawner.start(&spec, &ProgressSink::discard()).await;
    let started = started.expect("it starts");

    assert_eq!(until_somebody(&bench, &started).await, AddressOwner::Server);

    stop(&spawner, &started.handle).await;
    let script = "exec sleep 600".to_owned();
    bench.settings.command = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
    let spawner = bench.spawner();
    spec.start = jansky_model::StartId(2);
    let started = spawner.start(&spec, &ProgressSink::discard()).await;
    let started = started.expect("it starts");
    let _stranger = Stranger::at(&started, "127.0.0.1", 4243);
    let found = until_somebody(&bench, &started).await;
    assert!(matches!(found, AddressOwner::Other { .. }), "{found:?}");
    stop(&spawner, &started.handle).await;
}

/// As the unit for systemd lets the hub run.
#[tokio::test]
async fn a_hub_that_may_not_look_into_processes_goes_by_the_account_of_the_socket() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let same = "ports::a_server_with_an_account_of_its_own_answers_and_another_account_does_not";
    let output = Command::new("setpriv")
        .args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"])
        .arg(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", same])
        .output()
        .expect("setpriv is of util-linux");

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
