//! A database that takes no change: its disk is full, or it may only be read. What runs goes on, and
//! what was refused can be done when it is back.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::browser::Browser;
use crate::house::{ADMIN, House, Hub, until};
use crate::lifecycle::pid_of;

/// A small file system of its own, gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: PathBuf) -> Self {
        std::fs::create_dir(&path).expect("the directory is ours");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=700", "jansky-test"])
            .arg(&path)
            .status();
        assert!(mounted.expect("there is mount").success(), "tests are root");
        Self(path)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("there is room for a name");
        for size in [64 << 10, 1 << 10, 1] {
            while filler.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn path_of(name: &str) -> String {
    format!("hub/api/users/{ADMIN}/servers/{name}")
}

/// Stopping is refused and changes nothing, monitors hear of it, and it works once that is mended.
async fn stop_is_refused_until(hub: &Hub<'_>, admin: &Browser, pid: i64, mend: impl AsyncFnOnce()) {
    let stranger = Browser::new(&hub.url);

    let refused = admin.api("DELETE", &path_of("one"), None).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(pid_of(hub, "one").await, pid, "it can be reached still");
    stranger.get("hub/health").await.must_be(200);
    let full = stranger.get("hub/health?full=1").await.must_be(503).json();
    assert_eq!(full["database"], "takes no change", "{full}");

    mend().await;

    until("it can be stopped", async || {
        let answer = admin.api("DELETE", &path_of("one"), None).await;
        matches!(answer.status, 202 | 204).then_some(())
    })
    .await;
    until("the server is gone", async || {
        hub.house.processes().is_empty().then_some(())
    })
    .await;
    until("monitors hear that it is well again", async || {
        let answer = stranger.get("hub/health?full=1").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

async fn start_one(hub: &Hub<'_>, admin: &Browser) -> i64 {
    let started = admin.api("POST", &path_of("one"), Some(json!({}))).await;
    started.must_be(201);
    pid_of(hub, "one").await
}

#[tokio::test]
async fn a_server_keeps_its_route_while_the_disk_is_full_and_can_be_stopped_when_there_is_room() {
    let house = House::new();
    let disk = SmallDisk::at(house.path().join("data"));
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    let pid = start_one(&hub, &admin).await;

    disk.fill();

    stop_is_refused_until(&hub, &admin, pid, async || disk.empty()).await;
    assert!(hub.terminate().await.success());
}

/// Runs statements on a PostgreSQL database.
fn psql(url: &str, statements: &[&str]) {
    let mut command = Command::new("psql");
    command.arg(url).args(["-qtA", "-v", "ON_ERROR_STOP=1"]);
    for statement in statements {
        command.args(["-c", statement]);
    }
    let output = command.output().expect("there is psql");
    assert!(output.status.success(), "{output:?}");
}

fn may_only_be_read(url: &str, so: &str) {
    let name = Path::new(url).file_name().and_then(|name| name.to_str());
    let name = name.expect("the URL ends in the name of the database");
    psql(
        url,
        &[
            "SET default_transaction_read_only = off",
            &format!("ALTER DATABASE {name} SET default_transaction_read_only = {so}"),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        ],
    );
}

#[tokio::test]
async fn a_server_keeps_its_route_while_postgresql_may_only_be_read_and_can_be_stopped_after() {
    let house = House::new();
    let url = jansky_store::testing::new_postgres_database("readonly").await;
    let hub = house.start(&[&format!("database.url={url}")]).await;
    let admin = hub.make_admin().await;
    let pid = start_one(&hub, &admin).await;

    may_only_be_read(&url, "on");

    stop_is_refused_until(&hub, &admin, pid, async || may_only_be_read(&url, "off")).await;
    assert!(hub.terminate().await.success());
}
