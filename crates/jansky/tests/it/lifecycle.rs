//! The end of the hub and what comes after it: servers outlive it unless that is not wanted.

use serde_json::json;

use crate::browser::Browser;
use crate::house::{ADMIN, House, Hub, told, until};

/// Starts a server and returns the pid that it says it has.
async fn start(hub: &Hub<'_>, admin: &Browser, name: &str) -> i64 {
    let path = format!("hub/api/users/{ADMIN}/servers/{name}");
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);
    pid_of(hub, name).await
}

/// The pid that a server answers with through the proxy.
pub(crate) async fn pid_of(hub: &Hub<'_>, name: &str) -> i64 {
    let path = format!("user/{ADMIN}/{name}/self");
    let told = Browser::new(&hub.url).get(&path).await.must_be(200).json();
    assert_eq!(told["name"], name);
    told["pid"].as_i64().expect("a pid")
}

#[tokio::test]
async fn servers_outlive_a_hub_that_was_told_to_end_and_are_found_by_the_next_one() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    let pid = start(&hub, &admin, "one").await;

    let status = hub.terminate().await;
    assert!(status.success(), "{status}: {}", house.said("stderr"));
    assert_eq!(house.processes().len(), 1);
    let hub = house.start(&[]).await;

    assert_eq!(pid_of(&hub, "one").await, pid);
    let admin = hub.program(admin.token.as_deref().expect("it has one"));
    assert_eq!(admin.servers(ADMIN).await["one"]["ready"], true);
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("DELETE", &path, None).await.must_be(204);
    assert!(house.processes().is_empty());
}

#[tokio::test]
async fn servers_end_with_the_hub_when_that_is_wanted() {
    let house = House::new();
    let hub = house.start(&["hub.stop_servers_on_exit=true"]).await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one").await;
    start(&hub, &admin, "stubborn-two").await;

    let status = hub.terminate().await;

    assert!(status.success(), "{status}: {}", house.said("stderr"));
    assert!(house.processes().is_empty(), "{:?}", house.processes());
    let hub = house.start(&[]).await;
    let admin = hub.program(admin.token.as_deref().expect("it has one"));
    for (name, server) in admin.servers(ADMIN).await {
        assert_eq!(server["stopped"], true, "{name}");
    }
}

#[tokio::test]
async fn the_api_ends_the_hub_with_or_without_its_servers() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one").await;
    let token = admin.token.clone().expect("it has one");

    Browser::new(&hub.url)
        .api("POST", "hub/api/shutdown", Some(json!({})))
        .await
        .must_be(403);
    let without = json!({ "servers": false });
    admin
        .api("POST", "hub/api/shutdown", Some(without))
        .await
        .must_be(202);
    assert!(hub.ended().await.success());
    assert_eq!(house.processes().len(), 1);

    let hub = house.start(&[]).await;
    let with = json!({ "servers": true });
    hub.program(&token)
        .api("POST", "hub/api/shutdown", Some(with))
        .await
        .must_be(202);
    assert!(hub.ended().await.success());
    assert!(house.processes().is_empty(), "{:?}", house.processes());
}

#[tokio::test]
async fn the_link_for_the_first_admin_works_once() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let link = house.setup_link().await;

    let browser = Browser::new(&hub.url);
    browser
        .set_up(&link, "karl", "a sentence of nine words is good enough")
        .await;
    let page = browser.get("hub/home").await.must_be(200);

    assert!(page.text.contains("karl"), "{page:?}");
    let path = link.strip_prefix(&hub.url).expect("the hub's own address");
    Browser::new(&hub.url).get(path).await.must_be(404);
    let code = link.rsplit('=').next().expect("a code");
    assert!(!house.said("stderr").contains(code));
    // Who restarts a hub that has an admin is told nothing.
    assert!(hub.terminate().await.success());
    let hub = house.start(&[]).await;
    Browser::new(&hub.url).get("hub/health").await.must_be(200);
    assert_eq!(house.said("stdout").matches("setup?code=").count(), 1);
}

#[tokio::test]
async fn health_is_for_everybody_and_metrics_are_for_those_who_may() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one").await;
    let stranger = Browser::new(&hub.url);

    stranger.get("hub/health").await.must_be(200);
    stranger.get("hub/api/health").await.must_be(200);
    stranger.get("hub/metrics").await.must_be(403);
    let metrics = admin.get("hub/metrics").await.must_be(200).text;

    for name in [
        "jupyterhub_running_servers 1",
        "jupyterhub_total_users 1",
        "jupyterhub_request_duration_seconds",
        "jansky_proxy_connections",
    ] {
        assert!(metrics.contains(name), "no `{name}` in\n{metrics}");
    }
}

#[tokio::test]
async fn a_hub_that_is_told_to_end_does_not_wait_for_idle_connections() {
    let house = House::new();
    let hub = house.start(&["proxy.drain_timeout=1h"]).await;
    let visitor = Browser::new(&hub.url);
    visitor.get("hub/health").await.must_be(200);

    let status = hub.terminate().await;

    assert!(status.success(), "{status}");
    until("it listens on", async || {
        house.processes().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_second_hub_on_the_same_database_is_refused_and_told_who_has_it() {
    let house = House::new();
    let url = jansky_store::testing::new_postgres_database("alone").await;
    let on_postgres = format!("database.url={url}");
    for settings in [vec![], vec![on_postgres.as_str()]] {
        let hub = house.start(&settings).await;

        let refused = house.refused(&settings).await;

        let told = told(&refused);
        assert!(!refused.status.success(), "{told}");
        assert!(told.contains("is in use by another Jansky"), "{told}");
        assert!(told.contains(&format!("process {}", hub.pid())), "{told}");
        assert!(told.contains("stop that one first"), "{told}");
        if let Some(name) = url.rsplit('/').next()
            && !settings.is_empty()
        {
            assert!(told.contains(name), "{told}");
        }
        // One that crashed is in nobody's way.
        hub.kill().await;
        let hub = house.start(&settings).await;
        assert!(hub.terminate().await.success());
    }
}

#[tokio::test]
async fn monitors_are_told_whether_the_database_takes_changes_and_where_visitors_go() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let stranger = Browser::new(&hub.url);

    let ready = stranger.get("hub/ready").await.must_be(200).json();
    let full = stranger.get("hub/health?full=1").await.must_be(200).json();

    assert_eq!(ready["ready"], true, "{ready}");
    assert_eq!(full["database"], "ok", "{full}");
}
