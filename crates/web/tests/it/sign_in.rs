//! Signing in with a password and signing out again.

use std::time::Duration;

use crate::support::{Client, PASSWORD, TestWeb};

#[tokio::test]
async fn a_good_password_opens_a_session_with_its_cookies() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let browser = hub.anonymous();

    let answer = browser.type_password("River ", PASSWORD).await.must_be(302);

    assert_eq!(answer.location(), "/hub/");
    let lasting = "; Path=/hub/; SameSite=Lax; Max-Age=1209600; HttpOnly";
    let sign_in = answer.cookie("jupyterhub-hub-login");
    assert!(sign_in.ends_with(lasting), "{sign_in}");
    let session_id = answer.cookie("jupyterhub-session-id");
    assert!(
        session_id.ends_with("; Path=/; SameSite=Lax; HttpOnly"),
        "{session_id}"
    );
    let xsrf = answer.cookie("_xsrf");
    assert!(
        xsrf.ends_with("; Path=/hub/; SameSite=Lax; HttpOnly"),
        "{xsrf}"
    );
    let home = browser.get("/hub/").await.must_be(302);
    assert_eq!(home.location(), "/hub/home");
    assert!(
        browser
            .get("/hub/home")
            .await
            .text()
            .contains("Signed in as")
    );
}

#[tokio::test]
async fn cookies_are_secure_when_the_browser_uses_tls() {
    let mut by_request = TestWeb::new().await;
    by_request.peer.secure = true;
    let by_setting = TestWeb::with(|recipe| {
        recipe.settings.public_url = Some("https://hub.test/".parse().expect("a URL"));
    })
    .await;

    for hub in [by_request, by_setting] {
        hub.account("river").await;
        let answer = hub.anonymous().type_password("river", PASSWORD).await;
        for name in ["jupyterhub-hub-login", "jupyterhub-session-id", "_xsrf"] {
            let cookie = answer.cookie(name);
            assert!(cookie.ends_with("; Secure"), "{cookie}");
        }
    }
}

#[tokio::test]
async fn cookies_stay_below_the_path_of_the_hub() {
    let hub = TestWeb::with(|recipe| recipe.settings.base = "/sky/".to_owned()).await;
    hub.account("river").await;
    let browser = hub.anonymous();
    let page = browser.get("/sky/hub/login").await.must_be(200);
    let xsrf = page.html();
    let xsrf = xsrf
        .all("input")
        .find(|(_, tag)| tag.get("name") == Some("_xsrf"));
    let xsrf = xsrf.and_then(|(_, tag)| tag.get("value")).expect("a token");

    let fields = [
        ("username", "river"),
        ("password", PASSWORD),
        ("_xsrf", xsrf),
    ];
    let answer = browser
        .call("POST", "/sky/hub/login")
        .form(&fields)
        .send()
        .await;

    let answer = answer.must_be(302);
    assert_eq!(answer.location(), "/sky/hub/");
    assert!(
        answer
            .cookie("jupyterhub-hub-login")
            .contains("; Path=/sky/hub/;")
    );
    assert!(
        answer
            .cookie("jupyterhub-session-id")
            .contains("; Path=/sky/;")
    );
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_give_the_same_page() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let browser = hub.anonymous();

    let mut pages = Vec::new();
    for name in ["river", "ghost", "no/name", ""] {
        let fields = [
            ("username", name),
            ("password", "wrong"),
            ("next", "/hub/token"),
        ];
        let answer = browser.post("/hub/login", &fields).await.must_be(403);
        let page = answer.html();
        let typed = page.by_id("username").and_then(|field| field.get("value"));
        assert_eq!(typed, Some(name), "what was typed stays");
        let next = page
            .all("input")
            .find(|(_, tag)| tag.get("name") == Some("next"));
        assert_eq!(
            next.and_then(|(_, tag)| tag.get("value")),
            Some("/hub/token")
        );
        pages.push(page.by_id("local-error").expect("it says why").text.clone());
    }

    pages.dedup();
    assert_eq!(pages, ["The user name or the password is wrong."]);
}

#[tokio::test]
async fn too_many_attempts_have_to_wait() {
    let hub = TestWeb::with(|recipe| recipe.settings.sign_in_attempts_per_minute = 2).await;
    hub.account("river").await;
    let browser = hub.anonymous();
    for _ in 0..2 {
        browser.type_password("river", "wrong").await.must_be(403);
    }

    let answer = browser.type_password("RIVER", PASSWORD).await.must_be(429);

    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=31).contains(&wait), "{wait}");
    assert!(answer.text().contains("Too many attempts to sign in"));
}

#[tokio::test]
async fn the_form_needs_its_token() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let fields = [("username", "river"), ("password", PASSWORD)];

    let stranger = hub.anonymous();
    let missing = stranger
        .call("POST", "/hub/login")
        .form(&fields)
        .send()
        .await;
    let page = missing.must_be(403).html();
    assert!(page.by_id("password").is_some(), "the form is there again");

    let wrong = [fields[0], fields[1], ("_xsrf", "wrong")];
    stranger
        .call("POST", "/hub/login")
        .form(&wrong)
        .send()
        .await
        .must_be(403);
    // The form that came with the refusal works.
    stranger.post("/hub/login", &fields).await.must_be(302);
}

#[tokio::test]
async fn a_form_that_is_too_old_loses_nothing_but_the_password() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let fields = [
        ("username", "river"),
        ("password", PASSWORD),
        ("next", "/hub/token"),
        ("_xsrf", "of another network"),
    ];
    let post = async |browser: &Client| {
        let call = browser.call("POST", "/hub/login").form(&fields);
        call.send().await
    };

    let browser = hub.anonymous();
    let page = post(&browser).await.must_be(403).html();
    let value = |name| {
        page.all("input")
            .find_map(|(_, input)| (input.get("name") == Some(name)).then(|| input.get("value"))?)
    };
    assert_eq!(value("username"), Some("river"));
    assert_eq!(value("next"), Some("/hub/token"));

    // Somebody who has signed in since, in another tab.
    let fresh = &fields[..3];
    browser.post("/hub/login", fresh).await.must_be(302);
    let session = browser.cookie("jupyterhub-hub-login");
    let page = post(&browser).await.must_be(403);
    assert!(page.text().contains("You are still signed in as river."));
    assert_eq!(browser.cookie("jupyterhub-hub-login"), session);
}

#[tokio::test]
async fn next_stays_on_this_host() {
    let hub = TestWeb::new().await;
    hub.account("river").await;

    for (next, target) in [
        ("/hub/token", "/hub/token"),
        ("/user/river/lab?x=1#y", "/user/river/lab?x=1#y"),
        ("http://hub.test/hub/token", "/hub/token"),
        ("https://evil.test/", "/hub/"),
        ("//evil.test/", "/hub/"),
        ("/\\evil.test", "/hub/"),
        ("javascript:alert(1)", "/hub/"),
        ("http://hub.test@evil.test/", "/hub/"),
    ] {
        let browser = hub.anonymous();
        let fields = [
            ("username", "river"),
            ("password", PASSWORD),
            ("next", next),
        ];
        let answer = browser.post("/hub/login", &fields).await.must_be(302);
        assert_eq!(answer.location(), target, "after `{next}`");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let again = browser.get(&format!("/hub/login?{query}")).await;
        let expected = if target == "/hub/" {
            "/hub/home"
        } else {
            target
        };
        assert_eq!(again.must_be(302).location(), expected, "signed in already");
    }
}

#[tokio::test]
async fn a_page_leads_through_the_sign_in_and_back() {
    let hub = TestWeb::new().await;
    let answer = hub
        .anonymous()
        .get("/hub/token?x=%2F&y=1")
        .await
        .must_be(302);

    let location = answer.location().to_owned();
    let (path, query) = location.split_once('?').expect("it has a query");
    assert_eq!(path, "/hub/login");
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    assert_eq!(pairs, [("next".into(), "/hub/token?x=%2F&y=1".into())]);
}

#[tokio::test]
async fn sessions_end_in_their_time() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let lifetime = hub.hub.settings().session_lifetime;
    let almost = lifetime.saturating_sub(Duration::from_secs(1));
    hub.clock.advance(almost);
    browser.get("/hub/home").await.must_be(200);

    hub.clock.advance(Duration::from_secs(1));

    browser.get("/hub/home").await.must_be(302);
    browser.api("GET", "/hub/api/user", None).await.must_be(403);
}

#[tokio::test]
async fn signing_in_anew_ends_the_session_before() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let cookie = browser
        .cookie("jupyterhub-hub-login")
        .expect("it is signed in");
    hub.account("wash").await;

    browser.type_password("wash", PASSWORD).await.must_be(302);

    assert!(browser.get("/hub/home").await.text().contains("wash"));
    let old = hub.anonymous();
    old.keep("jupyterhub-hub-login", &cookie, "/hub/");
    old.get("/hub/home").await.must_be(302);
}

#[tokio::test]
async fn signing_out_asks_first_and_then_ends_the_session() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let cookie = browser
        .cookie("jupyterhub-hub-login")
        .expect("it is signed in");
    let session_id = browser
        .cookie("jupyterhub-session-id")
        .expect("it is signed in");

    let page = browser.get("/hub/logout").await.must_be(200);
    assert!(page.text().contains("Your servers keep running."));
    browser.get("/hub/home").await.must_be(200);
    assert!(!hub.hub.ended_sessions().contains(&session_id));

    let answer = browser.post("/hub/logout", &[]).await.must_be(200);
    assert!(hub.hub.ended_sessions().contains(&session_id));
    for name in ["jupyterhub-hub-login", "jupyterhub-session-id"] {
        assert!(answer.cookie(name).contains("Max-Age=0"), "`{name}` stays");
    }
    browser.get("/hub/home").await.must_be(302);
    // Keeping the cookie does not help.
    let thief = hub.anonymous();
    thief.keep("jupyterhub-hub-login", &cookie, "/hub/");
    thief.get("/hub/home").await.must_be(302);
}

#[tokio::test]
async fn signing_out_stops_servers_where_that_is_wanted() {
    let hub = TestWeb::with(|recipe| recipe.settings.shutdown_on_sign_out = true).await;
    hub.listen().await;
    let server = hub.start("river").await;
    let browser = hub.session("river").await;

    assert!(
        browser
            .get("/hub/logout")
            .await
            .text()
            .contains("will be stopped")
    );
    browser.post("/hub/logout", &[]).await.must_be(200);

    let after = hub
        .hub
        .servers
        .settled(&server, Duration::from_secs(10))
        .await;
    let after = after.expect("the database answers").expect("it is there");
    assert!(!after.state.is_active(), "{:?}", after.state);
}

#[tokio::test]
async fn a_stop_by_signing_out_of_which_nobody_heard_is_found_by_the_next_look() {
    let hub = TestWeb::with(|recipe| recipe.settings.shutdown_on_sign_out = true).await;
    let server = hub.start("river").await;
    let browser = hub.session("river").await;

    browser.post("/hub/logout", &[]).await.must_be(200);

    let recorded = hub.server("river", "").await.expect("it is there");
    assert_eq!(recorded.state.as_str(), "stopping");
    assert_eq!(hub.spawner.running(), 1);
    let looked = hub.hub.servers.look_at_servers().await;
    looked.expect("the database answers");
    let after = hub
        .hub
        .servers
        .settled(&server, Duration::from_secs(10))
        .await;
    let after = after.expect("the database answers").expect("it is there");
    assert_eq!(after.state.as_str(), "stopped");
    assert_eq!(hub.spawner.running(), 0);
}

#[tokio::test]
async fn without_local_accounts_there_is_no_form() {
    let hub = TestWeb::with(|recipe| recipe.has_local_accounts = false).await;
    hub.account("river").await;
    let browser = hub.anonymous();

    assert!(
        browser
            .get("/hub/login")
            .await
            .html()
            .by_id("password")
            .is_none()
    );
    let answer = browser.type_password("river", PASSWORD).await.must_be(404);
    assert!(
        answer.text().contains("not configured"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn people_land_on_their_server_if_it_runs_and_else_on_the_home_page() {
    for (redirects, running) in [(true, "/user/river/"), (false, "/hub/home")] {
        let hub = TestWeb::with(|recipe| recipe.settings.redirect_to_server = redirects).await;
        let browser = hub.browser("river").await;

        let stopped = browser.get("/hub/").await.must_be(302);
        assert_eq!(stopped.location(), "/hub/home");
        let token = hub.token("river", &["inherit"]).await;
        let server = "/hub/api/users/river/server";
        token.api("POST", server, None).await.must_be(201);
        let landed = browser.get("/hub/").await.must_be(302);
        assert_eq!(landed.location(), running);
    }
}
