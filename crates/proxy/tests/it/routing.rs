use jansky_proxy::ProxySettings;

use crate::support::{TestProxy, answers, mirror, nobody, settings};

#[tokio::test]
async fn longest_prefix_of_whole_segments_gets_the_request() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("hub").await);
    proxy.route("/user/river/", answers("river").await);
    proxy.route("/user/river/gpu/", answers("river gpu").await);

    for (path, body) in [
        ("/", "hub"),
        ("/hub/home", "hub"),
        ("/user/river", "river"),
        ("/user/river?x=/user/river/gpu/", "river"),
        ("/user/river/lab", "river"),
        ("/user/river/gpu", "river gpu"),
        ("/user/river/gpu/lab", "river gpu"),
        ("/user/river/gpuX", "river"),
        ("/user/riverX/lab", "hub"),
        ("/User/river/", "hub"),
    ] {
        assert_eq!(proxy.get(path).await.body, body, "{path}");
    }
}

#[tokio::test]
async fn encoded_and_plain_paths_lead_to_the_same_route_and_are_forwarded_as_received() {
    let proxy = TestProxy::start();
    proxy.route("/user/al@ex%20b/", mirror().await);

    for path in [
        "/user/al@ex%20b/x",
        "/user/al%40ex%20b/x",
        "/%75ser/al%40ex%20b/x%2Fy?q=%20",
    ] {
        let answer = proxy.get(path).await;

        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.body.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn malformed_encoding_is_answered_with_400() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("hub").await);

    for path in ["/%", "/%zz/", "/user/%ff"] {
        assert_eq!(proxy.get(path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn route_with_a_host_wins_for_that_host_only() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("any").await);
    proxy.route("river.hub.test/", answers("river").await);
    let ask = |host: &str| format!("GET /user/river HTTP/1.1\r\nHost: {host}\r\n\r\n");

    assert_eq!(proxy.ask(&ask("river.hub.test")).await.body, "river");
    assert_eq!(proxy.ask(&ask("River.Hub.Test:8000")).await.body, "river");
    assert_eq!(proxy.ask(&ask("hub.test")).await.body, "any");
    assert_eq!(proxy.ask(&ask("x.river.hub.test")).await.body, "any");
}

#[tokio::test]
async fn request_without_a_route_is_answered_with_404() {
    let proxy = TestProxy::start();
    proxy.route("/user/river/", nobody().await);

    assert_eq!(proxy.get("/user/wash/").await.status, 404);
}

#[tokio::test]
async fn a_change_of_routes_is_seen_by_the_next_request_of_an_open_connection() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("first").await);
    let mut wire = proxy.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n";

    wire.send(request).await;
    assert_eq!(wire.answer().await.body, "first");
    proxy.route("/", answers("second").await);
    wire.send(request).await;
    assert_eq!(wire.answer().await.body, "second");
    proxy.routes.remove("/");
    wire.send(request).await;
    assert_eq!(wire.answer().await.status, 404);
}

#[tokio::test]
async fn path_of_the_target_comes_before_the_path_of_the_request() {
    let proxy = TestProxy::start();
    let url = format!("http://{}/below/", mirror().await);
    proxy.add(
        "/x/",
        jansky_proxy::Target::http(&url).expect("a valid target"),
    );

    let answer = proxy.get("/x/y?z").await;

    assert!(
        answer.body.starts_with("GET /below/x/y?z HTTP/1.1\r\n"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn health_check_is_answered_without_any_route() {
    let proxy = TestProxy::start();

    let answer = proxy.get("/_chp_healthz").await;

    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"status":"OK"}"#)
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn several_workers_serve_the_same_socket() {
    let settings = ProxySettings {
        workers: 3.try_into().expect("not zero"),
        ..settings()
    };
    let proxy = TestProxy::with(settings, |proxy| proxy);
    proxy.route("/", answers("hub").await);

    for _ in 0..20 {
        assert_eq!(proxy.get("/").await.body, "hub");
    }
}
