//! The account page, the administration page, and the API behind them.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Client, OpenId, TestWeb, until};

async fn hub_with_provider() -> (TestWeb, OpenId) {
    let (home, hub) = OpenId::with_hub(|_| {}).await;
    (TestWeb::of(hub), home)
}

async fn sign_ins(client: &Client, user: &str) -> Value {
    let path = format!("/hub/api/users/{user}/sign-ins");
    client.api("GET", &path, None).await.must_be(200).json()
}

#[tokio::test]
async fn people_see_their_browsers_and_end_the_others() {
    let (hub, home) = hub_with_provider().await;
    let link = "/hub/oauth_login?idp=home";
    let here = hub
        .anonymous()
        .with_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");
    here.follow(link, &home, "subject-1").await.must_be(302);
    let there = hub
        .anonymous()
        .with_agent("Mozilla/5.0 (iPhone) Safari/605");
    there.follow(link, &home, "subject-1").await.must_be(302);

    let page = here.get("/hub/account").await.must_be(200);
    let text = page.text();
    assert!(
        text.contains("Firefox on Linux") && text.contains("Safari on an iPhone"),
        "{text}"
    );
    let document = page.html();
    let ends: Vec<_> = document
        .all("form")
        .filter_map(|(_, form)| form.get("action"))
        .filter(|action| action.ends_with("/end"))
        .collect();
    assert_eq!(ends.len(), 1, "this browser ends by signing out");
    here.post(ends[0], &[]).await.must_be(302);

    there.get("/hub/home").await.must_be(302);
    here.get("/hub/home").await.must_be(200);
    // Of others one can end nothing, and learns nothing.
    let wash = hub.browser_at(&home, "subject-2").await;
    let of_river = here.cookie("jupyterhub-session-id").expect("a session");
    let end = format!("/hub/account/sessions/{of_river}/end");
    wash.post(&end, &[]).await.must_be(404);
    here.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_browser_and_gives_everything_back() {
    let (hub, home) = hub_with_provider().await;
    let here = hub.browser_at(&home, "subject-1").await;
    let there = hub.browser_at(&home, "subject-1").await;
    let token = home.op.script().records.latest("refresh");

    let answer = here.post("/hub/account/sign-out-everywhere", &[]).await;

    assert!(answer.must_be(200).text().contains("You are signed out"));
    assert_eq!(here.cookie("jupyterhub-hub-login"), None);
    there.get("/hub/home").await.must_be(302);
    assert!(home.op.script().records.is_revoked(&token));
    let sign_ins = sign_ins(&hub.token("river", &["self"]).await, "river").await;
    assert_eq!(sign_ins["sessions"], serde_json::json!([]));
    assert_eq!(sign_ins["grants"], serde_json::json!([]));
}

#[tokio::test]
async fn who_ended_somebodys_sign_ins_is_written_down() {
    let (hub, home) = hub_with_provider().await;
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    let token = hub.token("zoe", &["inherit"]).await;
    let api = async |method, path| token.api(method, path, None).await.must_be(204);

    hub.browser_at(&home, "subject-1").await;
    zoe.post("/hub/admin/users/river/reauthenticate", &[])
        .await
        .must_be(302);
    api("POST", "/hub/api/users/river/reauthenticate").await;
    zoe.post("/hub/admin/users/river/sign-out", &[])
        .await
        .must_be(302);
    api("DELETE", "/hub/api/users/river/sessions").await;
    let river = hub.browser_at(&home, "subject-1").await;
    river
        .post("/hub/account/sign-out-everywhere", &[])
        .await
        .must_be(200);

    let trail = token.api("GET", "/hub/api/users/river/audit", None).await;
    let trail = trail.must_be(200).json();
    let events = trail["events"].as_array().expect("a list").iter().rev();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let events: Vec<_> = events
        .map(|event| (text(event, "event"), text(event, "actor")))
        .collect();
    let event = |name: &str, by: &str| (name.to_owned(), by.to_owned());
    assert_eq!(
        events,
        [
            event("user_made", "river"),
            event("sign_in", "river"),
            event("sign_in_demanded", "zoe"),
            event("sign_in_demanded", "zoe"),
            event("signed_out_everywhere", "zoe"),
            event("signed_out_everywhere", "zoe"),
            event("sign_in", "river"),
            event("signed_out_everywhere", "river"),
        ]
    );
}

#[tokio::test]
async fn an_admin_finds_people_and_sees_how_they_are_signed_in() {
    let (hub, home) = hub_with_provider().await;
    hub.browser_at(&home, "subject-1").await;
    hub.start("river").await;
    for number in 0..60 {
        hub.user(&format!("crew-{number:02}")).await;
    }
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;

    let first = zoe.get("/hub/admin").await.must_be(200);
    assert!(
        first.text().contains("Users 1 to 50 of 62"),
        "{}",
        first.text()
    );
    let page = first.html();
    let next = page.all("a").find(|(_, a)| a.get("rel") == Some("next"));
    let next = next.and_then(|(_, a)| a.get("href")).expect("a next page");
    let second = zoe.get(next).await.must_be(200).text();
    assert!(second.contains("Users 51 to 62 of 62") && second.contains("river"));

    let found = zoe.get("/hub/admin?search=RIV").await.must_be(200).text();
    assert!(found.contains("With home in one browser"), "{found}");
    assert!(found.contains("river&#x27;s server"), "{found}");
    assert!(!found.contains("crew-01"));
    let nobody = zoe.get("/hub/admin?search=%25").await.must_be(200).text();
    assert!(nobody.contains("No user has that in the name"));

    let page = zoe.get("/hub/admin?search=river").await.html();
    let stop = page.all("form").filter_map(|(_, form)| form.get("action"));
    let stop = stop.into_iter().find(|action| action.contains("/stop/"));
    let fields = [("next", "/hub/admin?search=river")];
    let answer = zoe
        .post(stop.expect("a stop button"), &fields)
        .await
        .must_be(302);
    assert_eq!(answer.location(), "/hub/admin?search=river");
    assert_eq!(hub.spawner.running(), 0);
}

#[tokio::test]
async fn the_administration_page_is_for_who_may_open_it() {
    let hub = TestWeb::new().await;
    let river = hub.session("river").await;

    river.get("/hub/admin").await.must_be(403);
    let home = river.get("/hub/home").await.must_be(200).text();
    assert!(!home.contains("Administration"), "{home}");
    hub.admin("zoe").await;
    let home = hub.session("zoe").await.get("/hub/home").await.text();
    assert!(home.contains("Administration"));
}

/// D50: an admin makes somebody sign in again.
#[tokio::test]
async fn whoever_has_to_sign_in_again_keeps_their_server_and_gets_tokens_afterwards() {
    let (hub, home) = hub_with_provider().await;
    let browser = hub.browser_at(&home, "subject-1").await;
    hub.start("river").await;
    hub.admin("zoe").await;
    let river = hub.user("river").await;
    let provider = "home".parse().expect("an id");
    let ask = || {
        hub.hub
            .people
            .login_token(hub.hub.operator(), &river, &provider, Duration::ZERO)
    };
    ask().await.expect("a token");
    let zoe = hub.token("zoe", &["admin:auth_state"]).await;

    let path = "/hub/api/users/river/reauthenticate";
    zoe.api("POST", path, None).await.must_be(204);

    let error = ask().await.expect_err("nothing is handed out");
    assert!(matches!(error, jansky_hub::NoToken::SignInAgain), "{error}");
    let answer = browser.get("/hub/home").await.must_be(302);
    assert!(answer.location().starts_with("/hub/login"));
    assert_eq!(hub.spawner.running(), 1, "the server goes on");
    let state = &sign_ins(&zoe, "river").await["grants"][0];
    assert_eq!(state["state"], "reauth");
    assert_eq!(state["outcome"], "sign_in_demanded");

    browser.sign_in_at(&home, "subject-1").await.must_be(302);
    ask().await.expect("tokens again");
    assert_eq!(hub.spawner.running(), 1);
    // Nobody does this to themselves or to others without the scope.
    for who in ["river", "wash"] {
        let token = hub.token(who, &["inherit"]).await;
        token.api("POST", path, None).await.must_be(403);
    }
}

#[tokio::test]
async fn the_api_ends_all_sessions_of_a_user() {
    let (hub, home) = hub_with_provider().await;
    let browser = hub.browser_at(&home, "subject-1").await;
    let token = hub.token("river", &["self"]).await;

    token
        .api("DELETE", "/hub/api/users/river/sessions", None)
        .await
        .must_be(204);

    browser.get("/hub/home").await.must_be(302);
    token.get("/hub/api/user").await.must_be(200);
}

#[tokio::test]
async fn what_the_api_says_about_sign_ins_holds_no_token() {
    let (hub, home) = hub_with_provider().await;
    let browser = hub.browser_at(&home, "subject-1").await;

    let text = browser
        .api("GET", "/hub/api/users/river/sign-ins", None)
        .await
        .must_be(200)
        .text();

    assert!(
        text.contains("subject-1") && text.contains("\"state\":\"ok\""),
        "{text}"
    );
    for (kind, canary) in home.op.canaries() {
        assert!(!text.contains(&canary), "there is a {kind}");
    }
    let page = browser.get("/hub/account").await.must_be(200).text();
    for (kind, canary) in home.op.canaries() {
        assert!(!page.contains(&canary), "there is a {kind} on the page");
    }
}

#[tokio::test]
async fn nothing_that_a_provider_gave_outlives_a_user_who_is_deleted() {
    let (hub, home) = hub_with_provider().await;
    let river = hub.browser_at(&home, "subject-1").await;
    let session = river.cookie("jupyterhub-session-id").expect("a session");
    let refresh = home.op.script().records.latest("refresh");
    let user = hub.user("river").await;

    hub.hub
        .delete_user(&hub.hub.permit_of(user.clone()))
        .await
        .expect("it answers");

    river.get("/hub/home").await.must_be(302);
    // A server of somebody else may believe in the session for minutes.
    assert!(hub.hub.ended_sessions().contains(&session));
    until("the refresh token is taken back", async || {
        home.op.script().records.is_revoked(&refresh)
    })
    .await;
}
