//! Servers as containers of a real Docker Engine (`tests/services/docker`).

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harbour::{ASK, Harbour, engine, execute, variable};
use crate::house::{ADMIN, Hub, told, until};
use crate::lifecycle::pid_of;

/// Starts a server and waits until it is ready.
async fn start(hub: &Hub<'_>, admin: &Browser, name: &str, options: Value) -> i64 {
    let path = format!("hub/api/users/{ADMIN}/servers/{name}");
    let answer = admin.api("POST", &path, Some(options)).await;
    assert!(
        matches!(answer.status, 201 | 202),
        "{answer:?} {}",
        hub.house.said("stderr")
    );
    let servers = admin.settled(ADMIN).await;
    assert_eq!(
        servers[name]["ready"],
        true,
        "{servers:?} {}",
        hub.house.said("stderr")
    );
    pid_of(hub, name).await
}

#[tokio::test]
async fn a_container_outlives_a_hub_that_was_killed_and_is_taken_over_by_the_next_one() {
    let harbour = Harbour::new("");
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one", json!({ "image": "base" })).await;
    let before = harbour.containers();
    let instance = before[0].1.split('-').nth(1).expect("a part").to_owned();
    hub.kill().await;
    // A server that the database knows nothing of, as after a restored backup.
    let orphan = json!({
        "Image": variable("JANSKY_TEST_DOCKER_BASE"),
        "Cmd": ["sleep", "600"],
        "Labels": {
            "house": format!("{}/", harbour.house.path().display()),
            "jansky.instance": instance,
        },
        "HostConfig": { "NetworkMode": variable("JANSKY_TEST_DOCKER_NETWORK") },
    });
    let path = format!("/containers/create?name=jansky-{instance}-999-1");
    let orphan = engine("POST", &path, &orphan);
    let path = format!(
        "/containers/{}/start",
        orphan["Id"].as_str().expect("an id")
    );
    engine("POST", &path, &Value::Null);
    assert_eq!(harbour.containers().len(), 2);

    let hub = harbour.start().await;

    let admin = hub.program(admin.token.as_deref().expect("it has one"));
    let servers = admin.settled(ADMIN).await;
    assert_eq!(servers["one"]["ready"], true, "{servers:?}");
    pid_of(&hub, "one").await;
    until("the orphan is still there", async || {
        (harbour.containers() == before).then_some(())
    })
    .await;
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("DELETE", &path, None).await;
    until("the container is still there", async || {
        harbour.containers().is_empty().then_some(())
    })
    .await;
    assert!(hub.terminate().await.success());
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why_and_leaves_nothing() {
    let harbour = Harbour::new("");
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    let path = format!("hub/api/users/{ADMIN}/servers/broken-one");

    admin.api("POST", &path, Some(json!({}))).await;
    admin.settled(ADMIN).await;

    let progress = admin.get(&format!("{path}/progress")).await;
    assert!(
        progress.text.contains("ended with status 3"),
        "{progress:?}"
    );
    assert!(harbour.containers().is_empty());
    let other = json!({ "image": "alpine" });
    let path = format!("hub/api/users/{ADMIN}/servers/other");
    let refused = admin.api("POST", &path, Some(other)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("choose one of: base"), "{refused:?}");
    assert!(harbour.containers().is_empty());
}

/// D44: `docker exec` is noticed, and the agent gives nothing more.
#[tokio::test]
async fn who_reaches_into_a_container_freezes_its_tokens() {
    let harbour = Harbour::new(
        "tripwire = \"freeze\"\n\
         [audience.archive]\n\
         source = \"jansky\"\n\
         scopes = [\"archive:read\"]\n\
         allow_all = true",
    );
    let hub = harbour.start().await;
    let admin = hub.make_admin().await;
    start(&hub, &admin, "one", Value::Null).await;
    let (id, _) = harbour.containers().remove(0);
    engine(
        "GET",
        &format!("/containers/{id}/stats?stream=0"),
        &Value::Null,
    );
    assert!(!hub.house.said("stderr").contains("reached into a server"));

    let began = tokio::time::Instant::now();
    let who = execute(&id, "0", &["id", "-u"]);

    assert!(who.contains('0'), "{who}");
    let words = ["somebody reached into a server", "tokens are frozen"];
    until("it was not noticed", async || {
        let said = hub.house.said("stderr");
        words.iter().all(|word| said.contains(word)).then_some(())
    })
    .await;
    assert!(began.elapsed().as_secs_f32() < 2.0, "{:?}", began.elapsed());
    until("the agent gives tokens still", async || {
        let said = execute(&id, "1000", &["python3", "-c", ASK]);
        said.contains("session_frozen").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_doctor_looks_at_the_engine() {
    let harbour = Harbour::new("");
    let config = harbour.house.config().display().to_string();

    let output = crate::house::run(&["doctor", "--config", &config]).await;

    let said = told(&output);
    for line in [
        "[ ok ] container engine: Docker Engine ",
        "[warn] isolation: ",
        "[ ok ] limits: ",
        "[ ok ] image: `base` is there",
        "[ ok ] network: ",
        "[ ok ] Docker rights: ",
        "[ ok ] agent: ",
    ] {
        assert!(said.contains(line), "{line} is missing in {said}");
    }
    assert!(output.status.success(), "{said}");
}
