//! What every answer carries, and answers to what nobody should ask.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{TestWeb, World};

#[tokio::test]
async fn every_answer_carries_version_policy_and_protections() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;

    for path in [
        "/",
        "/favicon.ico",
        "/hub/",
        "/hub/login",
        "/hub/home",
        "/hub/nothing",
        "/hub/logout",
        "/hub/static/style.css",
        "/hub/static/nothing",
        "/hub/health",
        "/hub/error/503",
        "/hub/user/river/",
        "/hub/api",
        "/hub/api/",
        "/hub/api/user",
        "/hub/api/users",
        "/hub/api/nothing",
        "/hub/api/oauth2/authorize",
        "/hub/metrics",
        "/hub/x?y=%00",
        "/hub/error/abc",
        "/hub/user/%FF/",
    ] {
        for client in [&browser, &hub.anonymous()] {
            let answer = client.get(path).await;
            assert_eq!(answer.header("x-jupyterhub-version"), "6.1.1", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "strict-origin", "{path}");
            assert_eq!(
                answer.header("cross-origin-opener-policy"),
                "same-origin",
                "{path}"
            );
            let allowed = answer.header("access-control-allow-headers");
            assert_eq!(allowed, "accept, content-type, authorization", "{path}");
            // A script on this origin could read what a browser keeps, with no request to the hub.
            let kept = answer.header("cache-control");
            let is_public = path.contains("static/style.css") || path == "/favicon.ico";
            let expected = if is_public { "no-cache" } else { "no-store" };
            assert_eq!(kept, expected, "{path}");
            let policy = answer.header("content-security-policy");
            assert!(
                policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            assert!(
                policy.contains("report-uri /hub/security/csp-report"),
                "{path}: {policy}"
            );
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
        }
    }
}

#[tokio::test]
async fn the_version_is_for_everybody_from_everywhere() {
    let hub = TestWeb::new().await;
    for path in ["/hub/api", "/hub/api/"] {
        let answer = hub.anonymous().call("GET", path).send().await.must_be(200);
        assert_eq!(answer.json(), json!({ "version": "6.1.1" }));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn health_is_empty_and_for_everybody() {
    let hub = TestWeb::new().await;
    for path in ["/hub/health", "/hub/api/health"] {
        for method in ["GET", "HEAD"] {
            let answer = hub.anonymous().call(method, path).send().await.must_be(200);
            assert!(answer.body.is_empty());
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_in_json_and_options_are_answered() {
    let hub = TestWeb::new().await;
    let river = hub.token("river", &["inherit"]).await;

    for (method, path) in [
        ("PUT", "/hub/api/user"),
        ("DELETE", "/hub/api/users"),
        ("POST", "/hub/api/info"),
        ("PATCH", "/hub/api"),
    ] {
        let answer = river.call(method, path).send().await.must_be(405);
        assert_eq!(answer.json()["status"], 405);
        assert!(answer.json()["message"].is_string());
    }
    for path in ["/hub/api/user", "/hub/api/users/river/server", "/hub/api"] {
        let answer = hub
            .anonymous()
            .call("OPTIONS", path)
            .send()
            .await
            .must_be(200);
        assert!(answer.body.is_empty());
    }
    for path in [
        "/hub/api/users/",
        "/hub/api/user/",
        "/hub/api/nothing",
        "/hub/api//user",
    ] {
        let answer = river.call("GET", path).send().await.must_be(404);
        assert_eq!(answer.json()["status"], 404);
    }
}

#[tokio::test]
async fn errors_of_pages_are_pages_and_json_for_those_who_want_that() {
    let hub = TestWeb::new().await;
    let anonymous = hub.anonymous();

    let page = anonymous.get("/hub/nothing").await.must_be(404);
    assert!(page.header("content-type").starts_with("text/html"));
    page.html();
    let call = anonymous
        .call("GET", "/hub/nothing")
        .header("accept", "application/json");
    assert_eq!(call.send().await.must_be(404).json()["status"], 404);
    let asked = anonymous
        .get("/hub/error/503?url=%2Fuser%2Friver%2F")
        .await
        .must_be(200);
    assert!(asked.text().contains("Error 503"));
}

#[tokio::test]
async fn the_proxy_shows_a_page_of_ours_when_it_has_to_answer_itself() {
    let hub = TestWeb::new().await;
    let request = axum::http::Request::get("/user/river/lab").body(());
    let (head, ()) = request.expect("a request").into_parts();
    let peer = jansky_web::Peer {
        address: [127, 0, 0, 1].into(),
        connection: [127, 0, 0, 1].into(),
        secure: false,
    };

    for (status, heading) in [
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not reachable at the moment",
        ),
        (StatusCode::REQUEST_TIMEOUT, "The request took too long"),
        (StatusCode::URI_TOO_LONG, "The address is too long"),
        (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The request is too large",
        ),
    ] {
        let words = "larger than 64 KiB (proxy.max_header_size)";
        let response = jansky_web::proxy_page(&hub.web, status, words, &head, peer);
        assert_eq!(response.status(), status);
        assert!(response.headers().contains_key("content-security-policy"));
        // Whoever is signed in keeps the token of their session.
        assert!(!response.headers().contains_key("set-cookie"));
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        let text = String::from_utf8(body.expect("a body").to_vec()).expect("text");
        assert!(text.contains(words) && text.contains(heading), "{text}");
    }
}

#[tokio::test]
async fn static_files_are_kept_when_their_version_is_ours() {
    let hub = TestWeb::new().await;
    let anonymous = hub.anonymous();
    let version = jansky_web::static_files::version();

    let path = format!("/hub/static/style.css?v={version}");
    let answer = anonymous.get(&path).await.must_be(200);
    assert!(answer.header("cache-control").contains("immutable"));
    assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    let plain = anonymous.get("/hub/static/style.css").await.must_be(200);
    assert_eq!(plain.header("cache-control"), "no-cache");
    let call = anonymous.call("GET", "/hub/static/style.css");
    let known = call
        .header("if-none-match", plain.header("etag"))
        .send()
        .await
        .must_be(304);
    assert!(known.body.is_empty());
    anonymous.get("/hub/logo").await.must_be(200);
    assert_eq!(
        anonymous
            .get("/favicon.ico")
            .await
            .must_be(200)
            .header("content-type"),
        "image/svg+xml"
    );
    for path in [
        "../Cargo.toml",
        "%2e%2e/Cargo.toml",
        "..%2fCargo.toml",
        "nothing.css",
    ] {
        anonymous
            .get(&format!("/hub/static/{path}"))
            .await
            .must_be(404);
    }
}

#[tokio::test]
async fn metrics_have_the_names_that_dashboards_know() {
    let hub = World::new().await.hub();
    let hub = TestWeb::changed(hub, |web| web.authenticate_metrics = false);
    hub.start("river").await;
    hub.browser("wash").await;

    let text = hub
        .anonymous()
        .get("/hub/metrics")
        .await
        .must_be(200)
        .text();

    for line in [
        "jupyterhub_running_servers 1",
        "jupyterhub_total_users 2",
        "jupyterhub_server_spawn_duration_seconds_count{status=\"success\"} 1",
        "jupyterhub_login_duration_seconds_count{status=\"success\"} 1",
        "jupyterhub_request_duration_seconds_count{method=\"POST\",handler=\"/hub/login\",code=\"302\"} 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no `{line}` in\n{text}"
        );
    }
    assert!(
        !text.contains("river") && !text.contains("wash"),
        "no names in metrics"
    );
}

#[tokio::test]
async fn metrics_and_shutdown_need_their_scopes() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let some = hub.token("zoe", &["read:metrics"]).await;
    some.get("/hub/metrics").await.must_be(200);
    some.get("/hub/api/info").await.must_be(403);
    let page = hub.anonymous().get("/hub/metrics").await.must_be(403);
    assert!(page.header("content-type").starts_with("text/html"));

    let zoe = hub.token("zoe", &["shutdown"]).await;
    for body in [
        json!([]),
        json!({ "servers": "yes" }),
        json!({ "height": 1 }),
    ] {
        zoe.api("POST", "/hub/api/shutdown", Some(body))
            .await
            .must_be(400);
    }
    assert!(hub.shutdowns.lock().expect("no panic").is_empty());
    let body = json!({ "servers": true, "proxy": false });
    let answer = zoe
        .api("POST", "/hub/api/shutdown", Some(body))
        .await
        .must_be(202);
    assert_eq!(answer.json(), json!({ "message": "Shutting down Hub" }));
    zoe.api("POST", "/hub/api/shutdown", None)
        .await
        .must_be(202);
    assert_eq!(*hub.shutdowns.lock().expect("no panic"), [true, false]);
}
