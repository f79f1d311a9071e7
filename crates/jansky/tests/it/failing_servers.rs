//! Servers that do not come up: a clear message with the end of the log, and a way to try again.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::browser::Browser;
use crate::house::{ADMIN, House, Hub, PASSWORD, until};

/// Starts a server over the API and returns what its person sees after it failed.
async fn failed_start(hub: &Hub<'_>, admin: &Browser, name: &str) -> String {
    let path = format!("hub/api/users/{ADMIN}/servers/{name}");
    let answer = admin.api("POST", &path, Some(json!({}))).await;
    assert!(matches!(answer.status, 202 | 500), "{answer:?}");
    let servers = admin.settled(ADMIN).await;
    assert_eq!(servers[name]["ready"], false, "{servers:?}");
    assert_eq!(servers[name]["stopped"], true, "{servers:?}");
    let events = admin.get(&format!("{path}/progress")).await.must_be(200);
    assert!(events.text.contains("\"failed\":true"), "{events:?}");

    let browser = Browser::new(&hub.url);
    browser
        .give_password("", ADMIN, PASSWORD)
        .await
        .must_be(302);
    let page = browser
        .get(&format!("hub/spawn-pending/{ADMIN}/{name}"))
        .await;
    assert!(page.text.contains("did not start"), "{page:?}");
    format!("{}\n{}", events.text, page.text)
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named_and_works_once_it_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let command = directory.path().join("single-user");
    let command = command.display().to_string();
    let house = House::with_command(&[&command]);
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;

    let told = failed_start(&hub, &admin, "one").await;

    let message = format!("the command `{command}` does not exist");
    assert!(told.contains(&message), "{told}");
    assert!(house.said("stderr").contains("start failed"));
    assert!(house.processes().is_empty());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/single_user.py");
    let text = format!("#!/bin/sh\nexec python3 {script}\n");
    std::fs::write(&command, text).expect("the directory is ours");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&command, executable).expect("the file is ours");
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);
}

#[tokio::test]
async fn a_command_that_ends_at_once_is_shown_with_its_last_words_and_can_be_tried_again() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;

    let told = failed_start(&hub, &admin, "broken").await;
    let again = failed_start(&hub, &admin, "broken").await;

    for told in [told, again] {
        assert!(told.contains("status 3"), "{told}");
        assert!(told.contains("the disk of the stand-in is full"), "{told}");
    }
    let logged = house.said("stderr");
    assert_eq!(logged.matches("start failed").count(), 2, "{logged}");
    assert!(house.processes().is_empty());
}

#[tokio::test]
async fn a_command_that_never_answers_is_ended_and_shown_with_its_last_words() {
    let house = House::new();
    let hub = house.start(&["spawner.http_timeout=1s"]).await;
    let admin = hub.make_admin().await;

    let told = failed_start(&hub, &admin, "silent").await;

    assert!(told.contains("did not answer within 1 second"), "{told}");
    assert!(told.contains("nothing to say"), "{told}");
    assert!(house.processes().is_empty(), "{:?}", house.processes());
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_noticed() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);

    for process in house.processes() {
        crate::processes::signal(process.pid, rustix::process::Signal::KILL);
    }

    until("the end of the server was not noticed", async || {
        let servers = admin.servers(ADMIN).await;
        (servers["one"]["stopped"] == true).then_some(())
    })
    .await;
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);
}
