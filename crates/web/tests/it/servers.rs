//! Servers over the API.

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_spawn::fake::{FakeBehaviour, FakeStart};
use serde_json::{Value, json};

use crate::support::TestWeb;

const SERVER: &str = "/hub/api/users/river/server";
const GPU: &str = "/hub/api/users/river/servers/gpu";

fn behaving(start: FakeStart) -> FakeBehaviour {
    FakeBehaviour {
        start,
        log: "line one\nline two\n".to_owned(),
        ..FakeBehaviour::default()
    }
}

fn slow() -> FakeBehaviour {
    FakeBehaviour {
        start_delay: Duration::from_hours(1),
        ..FakeBehaviour::default()
    }
}

/// A hub whose API waits for a moment only.
async fn impatient() -> TestWeb {
    TestWeb::with(|recipe| recipe.settings.call_patience = Duration::from_millis(50)).await
}

/// Waits until the row of a server says something.
async fn until(hub: &TestWeb, name: &str, wanted: &str) {
    for _ in 0..500 {
        let server = hub.server("river", name).await;
        if server
            .as_ref()
            .is_some_and(|server| server.state.as_str() == wanted)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "the server was never {wanted}: {:?}",
        hub.server("river", name).await
    );
}

#[tokio::test]
async fn a_server_is_started_looked_at_and_stopped() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    river.api("GET", SERVER, None).await.must_be(404);

    let answer = river.api("POST", SERVER, None).await.must_be(201);
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(hub.routes.paths(), ["/user/river/"]);
    let model = river.api("GET", SERVER, None).await.must_be(200).json();
    assert_eq!(
        model,
        json!({
            "name": "", "display_name": "", "full_name": "river/", "url": "/user/river/",
            "started": "2027-01-15T08:00:00Z", "last_activity": model["last_activity"],
            "pending": null, "ready": true, "stopped": false,
            "progress_url": "/hub/api/users/river/server/progress",
            "full_url": null, "full_progress_url": null, "user_options": {},
        })
    );
    let again = river.api("POST", SERVER, None).await.must_be(400);
    assert!(again.text().contains("already running"));

    let answer = river.api("DELETE", SERVER, None).await.must_be(204);
    assert!(answer.body.is_empty());
    assert!(hub.routes.paths().is_empty());
    assert_eq!(hub.spawner.running(), 0);
    river.api("DELETE", SERVER, None).await.must_be(204);
    let model = river.api("GET", SERVER, None).await.must_be(200).json();
    assert_eq!(model["stopped"], true);
    assert_eq!(model["started"], json!(null));
}

#[tokio::test]
async fn a_server_gets_the_environment_that_the_contract_names() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.base = "/sky/".to_owned();
        recipe.settings.public_url = Some("https://hub.test/sky/".parse().expect("a URL"));
        recipe.settings.api_url = "http://hub:8081/sky/hub/api".to_owned();
    })
    .await;
    let river = hub.token("river@x", &["inherit"]).await;
    let path = "/sky/hub/api/users/river@x/servers/gpu";

    river.api("POST", path, None).await.must_be(201);

    let starts = hub.spawner.starts();
    let value = |name: &str| starts[0].environment[name].expose().to_owned();
    assert_eq!(
        value("JUPYTERHUB_CLIENT_ID"),
        "jupyterhub-user-river%40x!gpu"
    );
    assert_eq!(value("JUPYTERHUB_SERVICE_PREFIX"), "/sky/user/river@x/gpu/");
    assert_eq!(value("JUPYTERHUB_API_URL"), "http://hub:8081/sky/hub/api");
    assert_eq!(
        value("JUPYTERHUB_ACTIVITY_URL"),
        "http://hub:8081/sky/hub/api/users/river@x/activity"
    );
    assert_eq!(value("JUPYTERHUB_BASE_URL"), "/sky/");
    assert_eq!(value("JUPYTERHUB_USER"), "river@x");
    assert_eq!(value("JUPYTERHUB_SERVER_NAME"), "gpu");
    assert_eq!(
        value("JUPYTERHUB_OAUTH_CALLBACK_URL"),
        "/sky/user/river@x/gpu/oauth_callback"
    );
    assert_eq!(
        value("JUPYTERHUB_OAUTH_ACCESS_SCOPES"),
        r#"["access:servers!server=river@x/gpu","access:servers!user=river@x"]"#
    );
    assert_eq!(
        value("JUPYTERHUB_PUBLIC_URL"),
        "https://hub.test/sky/user/river@x/gpu/"
    );
    assert_eq!(
        value("JUPYTERHUB_PUBLIC_HUB_URL"),
        "https://hub.test/sky/hub/"
    );
    assert_eq!(value("JPY_API_TOKEN"), value("JUPYTERHUB_API_TOKEN"));
    let model = river.api("GET", path, None).await.must_be(200).json();
    assert_eq!(model["full_url"], "https://hub.test/sky/user/river@x/gpu/");
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;

    for (start, word) in [
        (
            FakeStart::Fails("no such command".to_owned()),
            "no such command",
        ),
        (FakeStart::Refused("not here".to_owned()), "not here"),
        (FakeStart::Unavailable("no room".to_owned()), "no room"),
    ] {
        hub.spawner.behave(behaving(start));
        let answer = river.api("POST", SERVER, None).await.must_be(500);
        let message = answer.json()["message"]
            .as_str()
            .expect("a message")
            .to_owned();
        assert!(
            message.starts_with("Spawn failed: ") && message.contains(word),
            "{message}"
        );
        assert_eq!(hub.spawner.running(), 0);
    }
    hub.spawner.behave(FakeBehaviour::default());
    river.api("POST", SERVER, None).await.must_be(201);
}

#[tokio::test]
async fn a_slow_start_is_accepted_and_can_be_cancelled() {
    let hub = impatient().await;
    let river = hub.token("river", &["inherit"]).await;
    hub.spawner.behave(slow());

    let answer = river.api("POST", SERVER, None).await.must_be(202);
    assert!(answer.body.is_empty());
    river.api("POST", SERVER, None).await.must_be(202);
    let model = river.api("GET", SERVER, None).await.json();
    assert_eq!(model["pending"], "spawn");
    assert_eq!(model["ready"], false);
    assert_eq!(
        hub.spawner.starts().len(),
        1,
        "the second call joined the first"
    );

    river.api("DELETE", SERVER, None).await;
    until(&hub, "", "stopped").await;
    let model = river.api("GET", SERVER, None).await.json();
    assert_eq!(model["stopped"], true);
    assert_eq!(hub.spawner.running(), 0);
}

#[tokio::test]
async fn a_slow_stop_is_accepted() {
    let hub = impatient().await;
    let river = hub.token("river", &["inherit"]).await;
    river.api("POST", SERVER, None).await;
    until(&hub, "", "ready").await;
    hub.spawner.behave(FakeBehaviour {
        stop_delay: Duration::from_hours(1),
        ..FakeBehaviour::default()
    });

    river.api("DELETE", SERVER, None).await.must_be(202);
    assert!(hub.routes.paths().is_empty(), "the route goes first");
    let starting = river.api("POST", SERVER, None).await.must_be(400);
    assert!(starting.text().contains("pending stop"));
    river.api("DELETE", SERVER, None).await.must_be(202);
}

#[tokio::test]
async fn options_are_kept_and_used_again() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let mut expected = json!({});

    for (body, options) in [
        (None, None),
        (
            Some(json!({ "memory": "2G" })),
            Some(json!({ "memory": "2G" })),
        ),
        (None, None),
        (Some(json!({})), None),
        (
            Some(json!({ "user_options": { "memory": "4G" } })),
            Some(json!({ "memory": "4G" })),
        ),
        (Some(json!({ "display_name": "Big" })), None),
    ] {
        river.api("POST", SERVER, body).await.must_be(201);
        expected = options.unwrap_or(expected);
        assert_eq!(
            hub.spawner.starts().last().expect("a start").options,
            expected
        );
        river.api("DELETE", SERVER, None).await.must_be(204);
    }
    for body in [json!([1]), json!({ "user_options": 3 }), json!("x")] {
        river.api("POST", SERVER, Some(body)).await.must_be(400);
    }
    let call = river.call("POST", SERVER).bytes("{");
    assert!(
        call.send()
            .await
            .must_be(400)
            .text()
            .contains("Invalid JSON")
    );
}

#[tokio::test]
async fn a_named_server_is_made_changed_started_and_removed() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let body = json!({ "display_name": "Big one" });

    let made = river.api("PUT", GPU, Some(body)).await.must_be(201).json();
    assert_eq!(made["display_name"], "Big one");
    assert_eq!(made["url"], "/user/river/gpu/");
    assert_eq!(made["stopped"], true);
    river.api("PUT", GPU, None).await.must_be(409);
    river.api("PUT", SERVER, None).await.must_be(409);
    for name in ["Gpu", "g--pu", "1gpu", "gpu-", "g.pu"] {
        let path = format!("/hub/api/users/river/servers/{name}");
        river.api("PUT", &path, None).await.must_be(400);
        river.api("POST", &path, None).await.must_be(400);
    }

    let change = async |body: Value| river.api("PATCH", GPU, Some(body)).await;
    let changed = change(json!({ "display_name": "Bigger", "user_options": { "a": 1 } })).await;
    assert_eq!(
        changed.must_be(200).json()["user_options"],
        json!({ "a": 1 })
    );
    for bad in [
        json!({}),
        json!({ "height": 2 }),
        json!({ "display_name": " x" }),
        json!({ "display_name": "" }),
        json!({ "name": "G" }),
        json!([]),
    ] {
        change(bad).await.must_be(400);
    }
    river
        .api("PUT", "/hub/api/users/river/servers/tpu", None)
        .await
        .must_be(201);
    change(json!({ "name": "tpu" })).await.must_be(409);

    river.api("POST", GPU, None).await.must_be(201);
    change(json!({ "display_name": "Other" }))
        .await
        .must_be(400);
    assert_eq!(hub.routes.paths(), ["/user/river/gpu/"]);
    let remove = json!({ "remove": true });
    river
        .api("DELETE", GPU, Some(remove.clone()))
        .await
        .must_be(204);
    river.api("GET", GPU, None).await.must_be(404);
    river.api("DELETE", GPU, None).await.must_be(404);
    river
        .api("PATCH", GPU, Some(json!({ "name": "x" })))
        .await
        .must_be(404);
    assert!(hub.routes.paths().is_empty());
    river.api("DELETE", SERVER, Some(remove)).await.must_be(400);
}

#[tokio::test]
async fn a_named_server_keeps_nobody_from_a_server_of_their_own() {
    let hub = TestWeb::new().await;
    for (user, name) in [
        ("u", "lab"),
        ("u-lab", ""),
        ("u", "lab-x"),
        ("u-lab", "x"),
        ("u-lab-x", ""),
    ] {
        let person = hub.token(user, &["inherit"]).await;
        let path = format!("/hub/api/users/{user}/servers/{name}");

        person.api("POST", &path, None).await.must_be(201);
    }
    let starts = hub.spawner.starts();
    let clients: BTreeSet<&str> = starts
        .iter()
        .map(|spec| spec.environment["JUPYTERHUB_CLIENT_ID"].expose())
        .collect();
    assert_eq!(clients.len(), 5, "{clients:?}");
}

#[tokio::test]
async fn a_renamed_server_answers_under_its_new_name() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    river.api("PUT", GPU, None).await.must_be(201);

    let body = json!({ "name": "tpu" });
    let renamed = river
        .api("PATCH", GPU, Some(body))
        .await
        .must_be(200)
        .json();

    assert_eq!(renamed["url"], "/user/river/tpu/");
    river.api("GET", GPU, None).await.must_be(404);
    river
        .api("POST", "/hub/api/users/river/servers/tpu", None)
        .await
        .must_be(201);
    let starts = hub.spawner.starts();
    let client = starts[0].environment["JUPYTERHUB_CLIENT_ID"].expose();
    assert_eq!(client, "jupyterhub-user-river!tpu");
}

#[tokio::test]
async fn the_plural_address_without_a_name_is_the_default_server() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let plural = "/hub/api/users/river/servers/";

    river.api("POST", plural, None).await.must_be(201);
    assert_eq!(
        river.api("GET", plural, None).await.must_be(200).json()["name"],
        ""
    );
    river.api("DELETE", plural, None).await.must_be(204);
}

#[tokio::test]
async fn named_servers_can_be_switched_off_and_limited() {
    let off = TestWeb::with(|recipe| recipe.settings.allow_named_servers = false).await;
    let river = off.token("river", &["inherit"]).await;
    for method in ["PUT", "POST", "DELETE", "GET"] {
        let answer = river.api(method, GPU, None).await.must_be(400);
        assert!(answer.text().contains("not enabled"));
    }
    river.api("POST", SERVER, None).await.must_be(201);

    let one = TestWeb::with(|recipe| recipe.settings.named_server_limit_per_user = 1).await;
    let river = one.token("river", &["inherit"]).await;
    river.api("POST", SERVER, None).await.must_be(201);
    river.api("PUT", GPU, None).await.must_be(201);
    let second = "/hub/api/users/river/servers/tpu";
    assert!(
        river
            .api("PUT", second, None)
            .await
            .must_be(400)
            .text()
            .contains("maximum of 1")
    );
    river.api("POST", second, None).await.must_be(400);
    river.api("POST", GPU, None).await.must_be(201);
}

#[tokio::test]
async fn too_many_starts_and_servers_have_to_wait() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.concurrent_spawn_limit = 1;
        recipe.settings.active_server_limit = 2;
        recipe.settings.call_patience = Duration::from_millis(50);
    })
    .await;
    let river = hub.token("river", &["inherit"]).await;
    let wash = hub.token("wash", &["inherit"]).await;
    wash.api("POST", "/hub/api/users/wash/server", None).await;
    let other = hub.server("wash", "").await.expect("it was started");
    hub.hub
        .servers
        .settled(&other, Duration::from_secs(10))
        .await
        .expect("the database answers");
    hub.spawner.behave(slow());
    river.api("POST", SERVER, None).await.must_be(202);

    let answer = river.api("POST", GPU, None).await.must_be(429);
    assert!(
        answer
            .header("retry-after")
            .parse::<u64>()
            .expect("seconds")
            > 0
    );
    hub.spawner.behave(FakeBehaviour::default());
    river.api("DELETE", SERVER, None).await;
    until(&hub, "", "stopped").await;
    river.api("POST", SERVER, None).await;
    until(&hub, "", "ready").await;
    let answer = river.api("POST", GPU, None).await.must_be(429);
    assert!(answer.text().contains("All places"));
}

#[tokio::test]
async fn progress_ends_with_ready() {
    let hub = impatient().await;
    let river = hub.token("river", &["inherit"]).await;
    let progress = format!("{SERVER}/progress");
    river.api("GET", &progress, None).await.must_be(404);
    hub.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_secs(2),
        ..FakeBehaviour::default()
    });
    river.api("POST", SERVER, None).await.must_be(202);

    let watched = river.api("GET", &progress, None).await.must_be(200);

    assert_eq!(watched.header("content-type"), "text/event-stream");
    assert_eq!(watched.header("cache-control"), "no-store");
    assert!(watched.text().starts_with("\n\n"), "{:?}", watched.text());
    assert!(watched.text().ends_with("\n\n"));
    let events = watched.events();
    assert_eq!(
        events[0],
        json!({ "progress": 0, "message": "Server requested" })
    );
    assert_eq!(
        events[1],
        json!({ "progress": 50, "message": "Starting the server" })
    );
    let ready = json!({
        "progress": 100, "ready": true, "url": "/user/river/",
        "message": "Server ready at /user/river/",
    });
    assert_eq!(events.last(), Some(&ready));
    assert_eq!(
        events
            .iter()
            .filter(|event| event["progress"] == 100)
            .count(),
        1
    );
    let after = river.api("GET", &progress, None).await.must_be(200);
    assert_eq!(after.events(), [ready]);
    river.api("DELETE", SERVER, None).await;
    until(&hub, "", "stopped").await;
    let answer = river.api("GET", &progress, None).await.must_be(400);
    assert!(answer.text().contains("is not starting..."));
}

#[tokio::test]
async fn progress_ends_with_failed() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let progress = format!("{GPU}/progress");
    hub.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_millis(100),
        ..behaving(FakeStart::Fails("no such command".to_owned()))
    });

    let watch = async {
        until(&hub, "gpu", "starting").await;
        river.api("GET", &progress, None).await
    };
    let (started, watched) = tokio::join!(river.api("POST", GPU, None), watch);

    started.must_be(500);
    let failed =
        json!({ "progress": 100, "failed": true, "message": "Spawn failed: no such command" });
    assert_eq!(watched.must_be(200).events().last(), Some(&failed));
    let after = river.api("GET", &progress, None).await.must_be(200);
    assert_eq!(after.events(), [failed]);
}

#[tokio::test]
async fn progress_ends_when_the_start_is_cancelled() {
    let hub = impatient().await;
    let river = hub.token("river", &["inherit"]).await;
    hub.spawner.behave(slow());
    river.api("POST", SERVER, None).await.must_be(202);

    let progress = format!("{SERVER}/progress");
    let watched = river.call("GET", &progress).open().await;
    river.api("DELETE", SERVER, None).await;

    let watched = watched.finish().await.must_be(200);
    let cancelled = json!({ "progress": 100, "failed": true, "message": "Spawn cancelled" });
    assert_eq!(watched.events().last(), Some(&cancelled));
}

#[tokio::test]
async fn the_state_of_the_spawner_is_for_admins() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    hub.start("river").await;

    let zoe = hub.token("zoe", &["inherit"]).await;
    let model = zoe.api("GET", SERVER, None).await.json();
    assert_eq!(model["state"]["kind"], "fake");
    let river = hub.token("river", &["inherit"]).await;
    assert!(
        river
            .api("GET", SERVER, None)
            .await
            .json()
            .get("state")
            .is_none()
    );
}

#[tokio::test]
async fn no_limit_on_starts_means_any_number() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.concurrent_spawn_limit = 0;
        recipe.settings.active_server_limit = 0;
        recipe.settings.named_server_limit_per_user = 0;
        recipe.settings.call_patience = Duration::from_millis(50);
    })
    .await;
    let river = hub.token("river", &["inherit"]).await;
    hub.spawner.behave(slow());

    for name in ["one", "two", "three"] {
        let path = format!("/hub/api/users/river/servers/{name}");
        river.api("POST", &path, None).await.must_be(202);
    }
}

#[tokio::test]
async fn every_field_of_a_server_that_is_made_or_started_is_kept() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;
    let options = json!({ "size": "large" });
    let made = json!({ "display_name": "Big one", "user_options": options });

    let model = river.api("PUT", GPU, Some(made)).await.must_be(201).json();
    assert_eq!(model["display_name"], "Big one");
    assert_eq!(model["user_options"], options);
    river.api("POST", GPU, None).await.must_be(201);
    let started = hub.server("river", "gpu").await.expect("it was started");
    assert_eq!(
        started.user_options, options,
        "what was said when it was made"
    );

    river.api("DELETE", GPU, None).await.must_be(204);
    let other = json!({ "display_name": "Small one", "user_options": { "size": "small" } });
    river.api("POST", GPU, Some(other)).await.must_be(201);
    let model = river.api("GET", GPU, None).await.must_be(200).json();
    assert_eq!(model["display_name"], "Small one");
    assert_eq!(model["user_options"], json!({ "size": "small" }));
}

#[tokio::test]
async fn a_server_that_is_slow_to_stop_is_removed_afterwards() {
    let hub = impatient().await;
    let river = hub.token("river", &["inherit"]).await;
    river.api("POST", GPU, None).await;
    until(&hub, "gpu", "ready").await;
    hub.spawner.behave(FakeBehaviour {
        stop_delay: Duration::from_millis(300),
        ..FakeBehaviour::default()
    });

    let remove = json!({ "remove": true });
    river.api("DELETE", GPU, Some(remove)).await.must_be(202);

    for _ in 0..500 {
        if hub.server("river", "gpu").await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is still there: {:?}", hub.server("river", "gpu").await);
}
