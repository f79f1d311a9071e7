//! Pages about servers: home, starting, waiting, stopping, and what stands where no server runs.

use std::time::Duration;

use jansky_spawn::fake::{FakeBehaviour, FakeStart};
use jansky_spawn::{Choice, Offer};
use serde_json::json;

use crate::html::Document;
use crate::support::{Client, TestWeb};

/// The addresses that the forms of a page post to.
fn actions(page: &Document) -> Vec<String> {
    let forms = page.all("form").filter_map(|(_, form)| form.get("action"));
    forms.map(str::to_owned).collect()
}

async fn slow_hub() -> TestWeb {
    let hub = TestWeb::new().await;
    hub.spawner.behave(FakeBehaviour {
        start_delay: Duration::from_hours(1),
        ..FakeBehaviour::default()
    });
    hub
}

async fn until_ready(browser: &Client, page: &str) -> String {
    for _ in 0..500 {
        let answer = browser.get(page).await;
        if answer.status == 302 {
            return answer.location().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{page} never led anywhere");
}

#[tokio::test]
async fn home_starts_opens_and_stops_a_server() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let home = browser.get("/hub/home").await.must_be(200).html();
    assert!(actions(&home).contains(&"/hub/spawn/river".to_owned()));

    let answer = browser.post("/hub/spawn/river", &[]).await.must_be(302);
    assert_eq!(answer.location(), "/hub/spawn-pending/river");
    assert_eq!(
        until_ready(&browser, "/hub/spawn-pending/river").await,
        "/user/river/"
    );
    let home = browser.get("/hub/home").await.must_be(200).html();
    assert!(
        home.all("a")
            .any(|(_, a)| a.get("href") == Some("/user/river/"))
    );
    assert!(actions(&home).contains(&"/hub/stop/river".to_owned()));
    let root = browser.get("/hub/").await.must_be(302);
    assert_eq!(root.location(), "/user/river/");
    let again = browser.post("/hub/spawn/river", &[]).await.must_be(302);
    assert_eq!(again.location(), "/user/river/");

    let answer = browser.post("/hub/stop/river", &[]).await.must_be(302);
    assert_eq!(answer.location(), "/hub/home");
    assert_eq!(hub.spawner.running(), 0);
    browser.post("/hub/stop/river", &[]).await.must_be(302);
}

#[tokio::test]
async fn the_address_of_jupyterhub_starts_with_its_options() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    let path = "/hub/spawn?opt-memory=2G&cpu=1&next=%2Fuser%2Friver%2Flab";
    let answer = browser.get(path).await.must_be(302);

    let pending = "/hub/spawn-pending/river?next=%2Fuser%2Friver%2Flab";
    assert_eq!(answer.location(), pending);
    assert_eq!(until_ready(&browser, pending).await, "/user/river/lab");
    let starts = hub.spawner.starts();
    assert_eq!(starts[0].options, serde_json::json!({ "memory": "2G" }));
}

#[tokio::test]
async fn the_waiting_page_shows_what_happened_and_where_more_comes_from() {
    let hub = slow_hub().await;
    let browser = hub.browser("river").await;
    browser.post("/hub/spawn/river", &[]).await.must_be(302);

    let page = browser.get("/hub/spawn-pending/river").await.must_be(200);

    assert!(page.text().contains("Server requested"));
    let html = page.html();
    let events = html
        .by_id("pending")
        .and_then(|tag| tag.get("data-events-url"));
    let events = events.expect("it follows the events").to_owned();
    let xsrf = browser.xsrf().await;
    assert_eq!(
        events,
        format!("/hub/api/users/river/server/progress?_xsrf={xsrf}")
    );
    assert_eq!(actions(&html), ["/hub/stop/river"]);
    let home = browser.get("/hub/home").await.must_be(200);
    assert!(home.text().contains("Starting"));
    let call = browser.call("GET", &events);
    let stream = call.header("sec-fetch-mode", "cors").open().await;
    browser.post("/hub/stop/river", &[]).await.must_be(302);
    let stream = stream.finish().await.must_be(200);
    let last = stream.events().pop().expect("an event");
    assert_eq!(last["message"], "Spawn cancelled");
    let page = browser.get("/hub/spawn-pending/river").await.must_be(200);
    assert_eq!(actions(&page.html()), ["/hub/spawn/river"]);
}

#[tokio::test]
async fn a_start_that_fails_shows_the_end_of_the_log() {
    let hub = TestWeb::new().await;
    hub.spawner.behave(FakeBehaviour {
        start: FakeStart::Fails("the command ended with status 1".to_owned()),
        log: "ImportError: no <module>".to_owned(),
        ..FakeBehaviour::default()
    });
    let browser = hub.browser("river").await;

    let answer = browser.post("/hub/spawn/river", &[]).await.must_be(302);
    let page = browser.get(answer.location()).await.must_be(500);

    assert!(page.text().contains("the command ended with status 1"));
    assert!(
        page.text().contains("ImportError: no &lt;module&gt;"),
        "{}",
        page.text()
    );
    assert!(actions(&page.html()).contains(&"/hub/spawn/river".to_owned()));
    let home = browser.get("/hub/home").await.must_be(200);
    assert!(home.text().contains("the command ended with status 1"));
    // A plain visit does not start it again.
    let visit = browser.get("/hub/user/river/lab").await.must_be(302);
    assert!(visit.location().starts_with("/hub/spawn-pending/river"));
    assert_eq!(hub.spawner.starts().len(), 1);
}

#[tokio::test]
async fn named_servers_are_added_and_removed_at_home() {
    let hub = TestWeb::with(|recipe| recipe.settings.named_server_limit_per_user = 1).await;
    let browser = hub.browser("river").await;

    let bad = browser
        .post("/hub/servers", &[("name", "No Good")])
        .await
        .must_be(422);
    assert!(bad.text().contains("No Good"), "what was typed stays");
    browser
        .post("/hub/servers", &[("name", "")])
        .await
        .must_be(422);
    let made = browser
        .post("/hub/servers", &[("name", " gpu ")])
        .await
        .must_be(302);
    assert_eq!(made.location(), "/hub/home");
    browser
        .post("/hub/servers", &[("name", "gpu")])
        .await
        .must_be(422);
    browser
        .post("/hub/servers", &[("name", "tpu")])
        .await
        .must_be(422);
    browser.post("/hub/spawn/river/gpu", &[]).await.must_be(302);
    let ready = until_ready(&browser, "/hub/spawn-pending/river/gpu").await;
    assert_eq!(ready, "/user/river/gpu/");

    browser
        .post("/hub/remove/river/gpu", &[])
        .await
        .must_be(409);
    browser.post("/hub/stop/river/gpu", &[]).await.must_be(302);
    browser
        .post("/hub/remove/river/gpu", &[])
        .await
        .must_be(302);
    browser
        .get("/hub/spawn-pending/river/gpu")
        .await
        .must_be(404);
    browser.post("/hub/spawn/river/gpu", &[]).await.must_be(404);
}

#[tokio::test]
async fn a_stopped_server_is_424_as_a_page_and_for_programs() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    let page = browser
        .get("/hub/user/river/lab/tree?x=1")
        .await
        .must_be(424);
    let html = page.html();
    assert_eq!(actions(&html), ["/hub/spawn/river"]);
    let next = html
        .all("input")
        .find(|(_, tag)| tag.get("name") == Some("next"));
    let next = next.and_then(|(_, tag)| tag.get("value"));
    assert_eq!(next, Some("/user/river/lab/tree?x=1"));

    for (method, path, accept) in [
        ("GET", "/hub/user/river/api/kernels", "*/*"),
        ("GET", "/hub/user/river/lab", "application/json"),
        ("POST", "/hub/user/river/lab", "*/*"),
        ("GET", "/hub/user/ghost/api/kernels", "*/*"),
    ] {
        for client in [&browser, &hub.anonymous()] {
            let call = client.call(method, path).header("accept", accept);
            let call = call.header("sec-fetch-mode", "cors");
            let answer = call.send().await.must_be(424);
            let message = answer.json()["message"].as_str().expect("words").to_owned();
            assert!(
                message.contains("Restart the server at /hub/spawn/"),
                "{message}"
            );
        }
    }
    browser.get("/hub/user/wash/lab").await.must_be(404);
}

#[tokio::test]
async fn a_visit_while_starting_or_ready_leads_on() {
    let hub = slow_hub().await;
    let browser = hub.browser("river").await;
    browser.post("/hub/spawn/river", &[]).await.must_be(302);
    let answer = browser.get("/hub/user/river/lab").await.must_be(302);
    assert_eq!(
        answer.location(),
        "/hub/spawn-pending/river?next=%2Fuser%2Friver%2Flab"
    );
    browser.post("/hub/stop/river", &[]).await.must_be(302);
    hub.spawner.behave(FakeBehaviour::default());
    hub.start("river").await;

    // The route is there by now: the browser tries again, a few times.
    let mut path = "/user/river/lab?x=1".to_owned();
    for round in 1..=4 {
        let answer = browser.get(&format!("/hub{path}")).await.must_be(302);
        answer.location().clone_into(&mut path);
        assert_eq!(path, format!("/user/river/lab?x=1&redirects={round}"));
    }
    let answer = browser.get(&format!("/hub{path}")).await.must_be(500);
    assert!(answer.text().contains("cannot be reached"));
}

#[tokio::test]
async fn everything_outside_leads_into_the_hub() {
    let hub = TestWeb::new().await;
    let anonymous = hub.anonymous();

    for (path, target) in [
        ("/", "/hub/"),
        ("/hub", "/hub/"),
        ("/user/river", "/user/river/"),
        ("/user/river/lab?x=1", "/hub/user/river/lab?x=1"),
        ("/somewhere", "/hub/somewhere"),
        ("//evil.test", "/hub//evil.test"),
    ] {
        let answer = anonymous.get(path).await.must_be(302);
        assert_eq!(answer.location(), target);
    }
    anonymous.get("/hub/somewhere").await.must_be(404);
    let based = TestWeb::with(|recipe| recipe.settings.base = "/sky/".to_owned()).await;
    for (path, target) in [
        ("/", "/sky/hub/?from-outside=1"),
        ("/sky/", "/sky/hub/"),
        ("/sky/user/river/x", "/sky/hub/user/river/x"),
        ("/hub/home", "/sky/hub/?from-outside=1"),
    ] {
        let answer = based.anonymous().get(path).await.must_be(302);
        assert_eq!(answer.location(), target);
    }
}

#[tokio::test]
async fn pages_below_another_base_find_their_way_back() {
    let hub = TestWeb::with(|recipe| recipe.settings.base = "/sky/".to_owned()).await;
    let browser = hub.anonymous();
    let river = hub.user("river").await;
    let provider = "local".parse().expect("an id");
    let session = hub
        .hub
        .people
        .open_session(&river, &provider, None, None)
        .await
        .expect("it opens");
    browser.keep("jupyterhub-hub-login", session.cookie.expose(), "/sky/hub/");

    let page = browser
        .get("/sky/hub/user/river/lab")
        .await
        .must_be(424)
        .html();

    assert_eq!(actions(&page), ["/sky/hub/spawn/river"]);
    let next = page
        .all("input")
        .find(|(_, tag)| tag.get("name") == Some("next"));
    assert_eq!(
        next.and_then(|(_, tag)| tag.get("value")),
        Some("/sky/user/river/lab")
    );
}

#[tokio::test]
async fn a_shared_link_opens_the_same_page_on_ones_own_server() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river@x").await;

    let answer = browser
        .get("/hub/user-redirect/lab/tree/a%20b.ipynb?x=1")
        .await
        .must_be(302);

    assert_eq!(
        answer.location(),
        "/hub/spawn/river@x?next=%2Fuser%2Friver%40x%2Flab%2Ftree%2Fa%2520b.ipynb%3Fx%3D1"
    );
}

#[tokio::test]
async fn an_admin_stops_the_server_of_another() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    hub.start("river").await;

    zoe.post("/hub/stop/river", &[]).await.must_be(302);

    assert_eq!(hub.spawner.running(), 0);
    zoe.post("/hub/stop/ghost", &[]).await.must_be(404);
}

/// A hub whose servers can begin with `lab`, with `casa`, and, for the crew, with `dev`.
async fn hub_with_images() -> TestWeb {
    let hub = TestWeb::new().await;
    let offer = |value: &str, title: &str| Offer {
        value: value.to_owned(),
        title: title.to_owned(),
        ..Offer::default()
    };
    hub.spawner.behave(FakeBehaviour {
        choices: vec![Choice {
            key: "image".to_owned(),
            title: "Image".to_owned(),
            offers: vec![
                offer("lab", "Python"),
                Offer {
                    description: Some("For radio data.".to_owned()),
                    ..offer("casa", "CASA")
                },
                Offer {
                    allowed_groups: ["crew".to_owned()].into(),
                    ..offer("dev", "Tomorrow's")
                },
            ],
        }],
        ..FakeBehaviour::default()
    });
    hub
}

/// What can be chosen on a page, and what is chosen.
fn offered(page: &Document) -> (Vec<String>, Option<String>) {
    let radios: Vec<_> = page
        .all("input")
        .filter(|(_, tag)| tag.get("type") == Some("radio"))
        .map(|(_, tag)| {
            let value = tag.get("value").unwrap_or_default().to_owned();
            (value, tag.get("checked").is_some())
        })
        .collect();
    let chosen = radios.iter().find(|(_, is_chosen)| *is_chosen);
    let chosen = chosen.map(|(value, _)| value.clone());
    (radios.into_iter().map(|(value, _)| value).collect(), chosen)
}

#[tokio::test]
async fn who_may_have_several_images_is_asked_and_the_answer_is_remembered() {
    let hub = hub_with_images().await;
    let browser = hub.browser("river").await;
    let options = |at: usize| hub.spawner.starts()[at].options.clone();

    let asked = browser.post("/hub/spawn/river", &[]).await.must_be(200);
    assert!(asked.text().contains("For radio data."), "{}", asked.text());
    let asked = asked.html();
    let expected = (
        vec!["lab".to_owned(), "casa".to_owned()],
        Some("lab".to_owned()),
    );
    assert_eq!(
        offered(&asked),
        expected,
        "what is for the crew is not shown"
    );
    assert_eq!(actions(&asked), ["/hub/spawn/river"]);
    assert!(hub.spawner.starts().is_empty());

    let fields = [("image", "casa"), ("next", "/user/river/lab")];
    let answer = browser.post("/hub/spawn/river", &fields).await.must_be(302);
    assert!(answer.location().ends_with("next=%2Fuser%2Friver%2Flab"));
    until_ready(&browser, answer.location()).await;
    assert_eq!(options(0), json!({ "image": "casa" }));
    browser.post("/hub/stop/river", &[]).await.must_be(302);
    let again = browser.get("/hub/spawn/river").await.must_be(200).html();
    assert_eq!(offered(&again).1.as_deref(), Some("casa"));

    // An address with options asks nothing, and programs go on with what was chosen the last time.
    let answer = browser.get("/hub/spawn?image=lab").await.must_be(302);
    until_ready(&browser, answer.location()).await;
    assert_eq!(options(1), json!({ "image": "lab" }));
    browser.post("/hub/stop/river", &[]).await.must_be(302);
    hub.start("river").await;
    assert_eq!(options(2), json!({ "image": "lab" }));
}

#[tokio::test]
async fn nobody_starts_with_an_image_that_is_not_for_them() {
    let hub = hub_with_images().await;
    let river = hub.user("river").await;
    let program = hub.token("river", &["self"]).await;
    let start = async |image: &str| {
        let body = json!({ "image": image });
        let path = "/hub/api/users/river/server";
        program.api("POST", path, Some(body)).await
    };

    for image in ["dev", "alpine", ""] {
        let refused = start(image).await.must_be(400).json();
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(message.contains("choose one of: lab, casa"), "{refused}");
    }
    assert!(hub.spawner.starts().is_empty());

    let crew = ["crew".to_owned()];
    let now = hub.now();
    let set = hub.hub.store().set_groups(river.id, &crew, now).await;
    set.expect("a user");
    start("dev").await.must_be(201);
    let stopped = program.api("DELETE", "/hub/api/users/river/server", None);
    stopped.await.must_be(204);
    // What was chosen the last time is offered no more: the first that is stands in for it.
    let set = hub.hub.store().set_groups(river.id, &[], now).await;
    set.expect("a user");
    hub.start("river").await;
    let starts = hub.spawner.starts();
    assert_eq!(starts[1].options, json!({ "image": "lab" }));
}

#[tokio::test]
async fn one_image_for_somebody_is_not_asked_for() {
    let hub = hub_with_images().await;
    hub.spawner.behave(FakeBehaviour {
        choices: vec![Choice {
            key: "image".to_owned(),
            title: "Image".to_owned(),
            offers: vec![Offer {
                value: "lab".to_owned(),
                ..Offer::default()
            }],
        }],
        ..FakeBehaviour::default()
    });
    let browser = hub.browser("river").await;

    browser.post("/hub/spawn/river", &[]).await.must_be(302);

    let starts = hub.spawner.starts();
    assert_eq!(starts[0].options, json!({ "image": "lab" }));
}
