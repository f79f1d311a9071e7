//! Requests that a page of somebody else makes with a signed-in browser.

use crate::support::{PASSWORD, TestWeb};

#[tokio::test]
async fn scripts_need_the_token_for_reads_of_the_api_too() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let xsrf = browser.xsrf().await;
    let ask = |path: &str| browser.call("GET", path).header("sec-fetch-mode", "cors");

    let answer = ask("/hub/api/user").send().await.must_be(403);
    assert_eq!(
        answer.json()["message"],
        "'_xsrf' argument missing from GET"
    );

    let header = ask("/hub/api/user")
        .header("x-xsrftoken", &xsrf)
        .send()
        .await;
    header.must_be(200);
    let other_header = ask("/hub/api/user")
        .header("x-csrftoken", &xsrf)
        .send()
        .await;
    other_header.must_be(200);
    ask(&format!("/hub/api/user?_xsrf={xsrf}"))
        .send()
        .await
        .must_be(200);
    ask("/hub/api/user?_xsrf=x").send().await.must_be(403);
    // A navigation may be one of a page that watches what comes.
    browser.get("/hub/api/user").await.must_be(403);
    ask("/hub/api/oauth2/authorize?client_id=x")
        .send()
        .await
        .must_be(403);
}

/// All that a page below `/user/` could ask of the hub with its visitor's cookie, by all means that it
/// has but showing the visitor something else.
#[tokio::test]
async fn nothing_on_a_page_gets_what_a_person_would_see() {
    let hub = TestWeb::new().await;
    let browser = hub
        .anonymous()
        .with_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");
    hub.account("river").await;
    browser.type_password("river", PASSWORD).await.must_be(302);
    let xsrf = browser.xsrf().await;
    let by_a_page = [
        ("cors", "empty"),
        ("no-cors", "empty"),
        ("same-origin", "empty"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("cors", "script"),
        ("no-cors", "style"),
        ("same-origin", "serviceworker"),
        ("same-origin", "worker"),
        ("same-origin", "sharedworker"),
        ("navigate", "iframe"),
        ("navigate", "frame"),
        ("navigate", "embed"),
        ("navigate", "object"),
        ("navigate", "fencedframe"),
        ("websocket", "empty"),
        ("websocket", "websocket"),
    ];

    for (method, path) in jansky_web::route_names() {
        if method == "POST" || path.contains('{') || path.starts_with("oidc/") {
            continue;
        }
        for (mode, destination) in by_a_page {
            let call = browser
                .call("GET", &format!("/hub/{path}"))
                .header("sec-fetch-site", "same-origin")
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", destination);
            let answer = call.send().await;
            let text = answer.text();
            assert!(
                !text.contains(&xsrf),
                "{path} shows the token to {destination}"
            );
            assert!(!text.contains("river"), "{path} knows who {destination} is");
            assert_eq!(answer.cookie("_xsrf"), "", "{path} to {destination}");
        }
    }
    browser.get("/hub/home").await.must_be(200);
}

/// Over a connection that is not secure, and in old browsers, nothing tells a page's request from a
/// person's.
#[tokio::test]
async fn a_browser_that_says_nothing_about_its_requests_is_shown_nothing_but_why() {
    let hub = TestWeb::new().await;
    let in_browser = |hub: &TestWeb| {
        let browser = hub.anonymous();
        browser.with_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    };
    hub.account("river").await;
    let browser = in_browser(&hub);
    browser.type_password("river", PASSWORD).await.must_be(302);
    let xsrf = browser.xsrf().await;

    for path in ["/hub/home", "/hub/token", "/hub/account"] {
        let answer = browser.call("GET", path).send().await.must_be(403);
        assert!(answer.text().contains("Sec-Fetch-Mode"), "{path}");
        assert!(!answer.text().contains(&xsrf), "{path}");
    }
    let answer = browser.call("GET", "/hub/api/user").send().await;
    answer.must_be(403);

    // No pages run in a program that keeps cookies.
    let program = hub.browser("wash").await;
    program.call("GET", "/hub/home").send().await.must_be(200);
    program
        .call("GET", "/hub/api/user")
        .send()
        .await
        .must_be(200);

    let trusting = TestWeb::with(|recipe| recipe.settings.require_fetch_metadata = false).await;
    trusting.account("river").await;
    let browser = in_browser(&trusting);
    browser.type_password("river", PASSWORD).await.must_be(302);
    browser.call("GET", "/hub/home").send().await.must_be(200);
}

/// A page of a neighbour can plant the cookie of a visitor and the token that goes with it, and sign a
/// person in as somebody else; old browsers, and all of them without TLS, say only where a form comes from.
#[tokio::test]
async fn a_sign_in_form_of_another_origin_is_refused_where_the_browser_says_no_more() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let fields = [("username", "river"), ("password", PASSWORD)];
    for (origin, status) in [
        ("https://elsewhere.test", 403),
        ("null", 403),
        ("http://127.0.0.1:9", 403),
        ("http://hub.test", 302),
    ] {
        let browser = hub.anonymous();
        let xsrf = browser.xsrf().await;
        let mut form = fields.to_vec();
        form.push(("_xsrf", &xsrf));
        let call = browser.call("POST", "/hub/login").form(&form);
        let call = call.header("host", "hub.test").header("origin", origin);
        let answer = call.send().await.must_be(status);
        assert_eq!(
            answer.cookie("jupyterhub-session-id").is_empty(),
            status == 403
        );
    }
}

#[tokio::test]
async fn the_token_cannot_be_read_from_the_cookie_by_a_script() {
    let hub = TestWeb::new().await;
    let answer = hub.anonymous().get("/hub/login").await.must_be(200);

    let line = answer.cookie("_xsrf");
    assert!(line.contains("; HttpOnly"), "{line}");
}

#[tokio::test]
async fn pages_for_strangers_show_no_token_to_a_script() {
    let hub = TestWeb::new().await;
    let stranger = hub.anonymous();
    let xsrf = stranger.xsrf().await;

    for path in ["/hub/login", "/hub/nothing", "/hub/setup"] {
        let call = stranger
            .call("GET", path)
            .header("sec-fetch-mode", "same-origin");
        assert!(!call.send().await.text().contains(&xsrf), "{path}");
    }
}

#[tokio::test]
async fn no_page_shows_its_token_to_a_script() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let xsrf = browser.xsrf().await;

    for path in [
        "home",
        "token",
        "logout",
        "login",
        "nothing",
        "spawn-pending/river",
    ] {
        for mode in ["cors", "same-origin"] {
            let path = format!("/hub/{path}");
            let answer = browser
                .call("GET", &path)
                .header("sec-fetch-mode", mode)
                .send()
                .await;
            assert!(!answer.text().contains(&xsrf), "{path} shows it");
            assert_eq!(
                answer.cookie("_xsrf"),
                "",
                "{path} replaces the page's cookie"
            );
        }
    }
}

#[tokio::test]
async fn writes_need_the_token_whatever_the_browser_says() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    for mode in [None, Some("navigate"), Some("cors"), Some("no-cors")] {
        for (method, path) in [
            ("POST", "/hub/api/users/river/tokens"),
            ("DELETE", "/hub/api/users/river/server"),
            ("POST", "/hub/token"),
            ("POST", "/hub/spawn/river"),
            ("POST", "/hub/logout"),
        ] {
            let mut call = browser.call(method, path);
            if let Some(mode) = mode {
                call = call.header("sec-fetch-mode", mode);
            }
            call.send().await.must_be(403);
        }
    }
    assert!(hub.spawner.starts().is_empty());
    browser.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn the_token_of_one_session_does_not_hold_in_another() {
    let hub = TestWeb::new().await;
    let wash = hub.browser("wash").await;
    let stranger = hub.anonymous();
    let river = hub.browser("river").await;

    for token in [wash.xsrf().await, stranger.xsrf().await] {
        let call = river.call("POST", "/hub/token").form(&[("_xsrf", &token)]);
        call.send().await.must_be(403);
        let call = river
            .call("GET", "/hub/api/user")
            .header("sec-fetch-mode", "cors");
        let answer = call.header("x-xsrftoken", &token).send().await.must_be(403);
        assert_eq!(
            answer.json()["message"],
            "XSRF cookie does not match the argument"
        );
    }
}

/// Nobody is signed in as somebody else by a page of a third: neither of another site, whose forms come
/// without cookies, nor of a neighbour, who has a token of another browser at the same address.
#[tokio::test]
async fn forms_of_strangers_need_the_token_of_their_own_browser() {
    let hub = TestWeb::new().await;
    hub.account("mallory").await;
    let token = hub.anonymous().xsrf().await;
    let fields = [
        ("username", "mallory"),
        ("password", PASSWORD),
        ("_xsrf", &token),
    ];

    for path in [
        "/hub/login",
        "/hub/setup?code=x",
        "/hub/new-password?code=x",
    ] {
        let without_cookies = hub.anonymous();
        let with_cookies = hub.anonymous();
        with_cookies.get("/hub/login").await.must_be(200);
        for victim in [without_cookies, with_cookies] {
            // The token of somebody else, in all the places where one is looked for.
            victim.keep("_xsrf", &token, "/hub/");
            let call = victim.call("POST", path).navigating().form(&fields);
            let answer = call.header("sec-fetch-site", "cross-site").send().await;
            assert_eq!(answer.status, 403, "{path}");
            assert_eq!(answer.cookie("jupyterhub-hub-login"), "", "{path}");
        }
    }

    let browser = hub.anonymous();
    assert_ne!(browser.xsrf().await, token, "each browser has its own");
    browser.post("/hub/login", &fields[..2]).await.must_be(302);
}

#[tokio::test]
async fn a_form_survives_that_the_address_of_its_browser_changes() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let browser = hub.anonymous();
    browser.get("/hub/login").await.must_be(200);

    let browser = browser.moved_to([198, 51, 100, 7]).with_agent("updated");
    browser.type_password("river", PASSWORD).await.must_be(302);

    let browser = browser.moved_to([203, 0, 113, 9]);
    browser.get("/hub/home").await.must_be(200);
    browser
        .post("/hub/token", &[("note", "x")])
        .await
        .must_be(200);
}

#[tokio::test]
async fn no_script_finds_the_token_of_the_forms_of_a_stranger() {
    let hub = TestWeb::new().await;
    let browser = hub.anonymous();
    let token = browser.xsrf().await;

    for mode in ["cors", "same-origin", "no-cors"] {
        let call = browser.call("GET", "/hub/login");
        let answer = call
            .header("sec-fetch-mode", mode)
            .send()
            .await
            .must_be(200);
        assert!(!answer.text().contains(&token), "{mode}");
        assert_eq!(answer.cookie("_xsrf"), "", "{mode}");
        assert_eq!(answer.cookie("jansky-visitor"), "", "{mode}");
    }
    let own = browser.get("/hub/login").await;
    assert!(own.text().contains(&token), "the page itself has it");
}

#[tokio::test]
async fn programs_with_a_token_need_no_proof() {
    let hub = TestWeb::new().await;
    let program = hub.token("river", &["self"]).await;

    let call = program
        .call("GET", "/hub/api/user")
        .header("sec-fetch-mode", "cors");
    call.send().await.must_be(200);
    program
        .api("POST", "/hub/api/users/river/tokens", None)
        .await
        .must_be(201);
}

#[tokio::test]
async fn a_token_opens_no_page_whatever_it_allows() {
    let hub = TestWeb::new().await;
    let program = hub.token("river", &["(no_scope)"]).await;
    let all = hub.token("river", &["inherit"]).await;

    for client in [program, all] {
        // The token page would make a token for everything that the user may do.
        let answer = client
            .post("/hub/token", &[("note", "more"), ("expires_in", "")])
            .await;
        assert!(answer.must_be(302).location().starts_with("/hub/login"));
        client.get("/hub/home").await.must_be(302);
    }
    let river = hub.user("river").await;
    assert_eq!(
        hub.hub
            .people
            .tokens_of(&hub.hub.permit_of(river.clone()))
            .await
            .expect("a list")
            .len(),
        2
    );
}

#[tokio::test]
async fn another_site_can_lead_to_the_spawn_page_but_starts_nothing() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    let call = browser.call("GET", "/hub/spawn").navigating();
    let answer = call
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .must_be(200);

    assert!(
        answer.text().contains("/hub/spawn/river") || answer.text().contains("spawn&#x2f;river")
    );
    assert!(hub.spawner.starts().is_empty());
}

#[tokio::test]
async fn what_a_page_fetches_ahead_shows_and_starts_nothing() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        for path in ["/hub/home", "/hub/token", "/hub/spawn"] {
            let ahead = browser
                .call("GET", path)
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
                .header(name, value);
            let answer = ahead.send().await.must_be(403);
            assert!(
                !answer.text().contains("name=\"_xsrf\" value=\"2"),
                "{path}"
            );
        }
    }
    assert!(
        hub.server("river", "").await.is_none(),
        "nothing was started"
    );
}
