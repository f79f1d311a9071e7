//! `kill -9` at any moment: whatever it interrupted, the next hub puts it right.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::house::{ADMIN, House, Hub, until};
use crate::lifecycle::pid_of;

/// When the hub dies after it was asked to start or stop something, in milliseconds. Debug builds
/// take about 10 to record a start, 100 until the server runs, 300 until it answers.
const MOMENTS: [u64; 12] = [0, 2, 5, 10, 20, 40, 80, 150, 250, 400, 700, 1300];

/// Asserts that what runs is what the hub says, and that it answers.
async fn agree(house: &House, hub: &Hub<'_>, servers: &BTreeMap<String, Value>, round: &str) {
    until(&format!("{round}: something runs on"), async || {
        let ready = servers
            .values()
            .filter(|server| server["ready"] == true)
            .count();
        (house.processes().len() <= ready).then_some(())
    })
    .await;
    let processes = house.processes();
    for (name, server) in servers {
        let pids: Vec<i32> = processes
            .iter()
            .filter(|process| process.variable("JUPYTERHUB_SERVER_NAME") == name)
            .map(|process| process.pid)
            .collect();
        if server["ready"] == true {
            assert_eq!(pids.len(), 1, "{round}: {name} {server}");
            assert_eq!(
                pid_of(hub, name).await,
                i64::from(pids[0]),
                "{round}: {name}"
            );
        } else {
            assert_eq!(server["stopped"], true, "{round}: {name} {server}");
            assert_eq!(pids, [0; 0], "{round}: {name} {server}");
        }
    }
}

/// Kills the hub at each moment after it was asked for two starts; one of the servers is slow, so
/// that the hub dies while it waits for the answer too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_dies_while_servers_start_leaves_no_orphan_and_no_half_started_server() {
    let house = House::new();
    let mut hub = house.start(&[]).await;
    let token = hub.make_admin().await.token.expect("it has one");
    let mut outcomes = BTreeMap::new();

    for moment in MOMENTS {
        let admin = hub.program(&token);
        let names = [format!("quick-{moment}"), format!("slow-{moment}")];
        let asked = names.clone().map(|name| {
            let admin = hub.program(&token);
            tokio::spawn(async move {
                let path = format!("hub/api/users/{ADMIN}/servers/{name}");
                admin.try_send(Method::POST, &path, &[], None).await.ok()
            })
        });
        tokio::time::sleep(Duration::from_millis(moment)).await;
        drop(admin);
        hub.kill().await;
        for asked in asked {
            asked.await.expect("the request ends");
        }
        hub = house.start(&[]).await;

        let admin = hub.program(&token);
        let servers = admin.settled(ADMIN).await;
        agree(
            &house,
            &hub,
            &servers,
            &format!("killed after {moment} ms of starting"),
        )
        .await;
        for name in names {
            let outcome = match servers.get(&name) {
                None => "never heard of",
                Some(server) if server["ready"] == true => "ready",
                Some(_) => "stopped",
            };
            *outcomes.entry(outcome).or_insert(0) += 1;
            let path = format!("hub/api/users/{ADMIN}/servers/{name}");
            if outcome == "stopped" {
                // It was made, and its start not yet recorded; nothing may have failed.
                let progress = admin.get(&format!("{path}/progress")).await;
                progress.must_be(400);
            }
            let _ = admin.try_send(Method::DELETE, &path, &[], None).await;
        }
    }

    assert!(outcomes.get("ready").is_some_and(|ready| *ready >= 12));
    assert!(house.processes().is_empty(), "{:?}", house.processes());
}

/// Kills the hub at each moment after it was asked for two stops; one server takes a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_dies_while_servers_stop_leaves_no_orphan_and_no_half_stopped_server() {
    let house = House::new();
    let mut hub = house.start(&[]).await;
    let token = hub.make_admin().await.token.expect("it has one");
    let names = ["quick", "stubborn"];

    for moment in MOMENTS {
        for name in names {
            let path = format!("hub/api/users/{ADMIN}/servers/{name}");
            let started = hub
                .program(&token)
                .api("POST", &path, Some(Value::Null))
                .await;
            // It runs still when the hub died before it heard of the stop.
            assert!(
                matches!(started.status, 201 | 400),
                "{name} after {moment} ms: {started:?}"
            );
        }
        let asked = names.map(|name| {
            let admin = hub.program(&token);
            tokio::spawn(async move {
                let path = format!("hub/api/users/{ADMIN}/servers/{name}");
                admin.try_send(Method::DELETE, &path, &[], None).await.ok()
            })
        });
        tokio::time::sleep(Duration::from_millis(moment)).await;
        hub.kill().await;
        for asked in asked {
            asked.await.expect("the request ends");
        }
        hub = house.start(&[]).await;

        let servers = hub.program(&token).settled(ADMIN).await;
        agree(
            &house,
            &hub,
            &servers,
            &format!("killed after {moment} ms of stopping"),
        )
        .await;
    }
}
