use jansky_proxy::ProxySettings;

use crate::support::{TestProxy, backend, header, mirror, settings};

/// Settings that trust the machine itself.
fn trusting() -> ProxySettings {
    ProxySettings {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..settings()
    }
}

#[tokio::test]
async fn hop_by_hop_headers_end_at_the_proxy() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);

    let answer = proxy
        .ask(
            "GET / HTTP/1.1\r\nHost: hub.test\r\nConnection: keep-alive, X-Mine\r\n\
             Connection: x-other\r\nX-Mine: 1\r\nX-Other: 2\r\nX-Kept: 3\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n\
             Upgrade: h2c\r\nCookie: a=b\r\n\r\n",
        )
        .await;

    for gone in [
        "x-mine",
        "x-other",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
        "connection",
        "via",
        "forwarded",
    ] {
        assert_eq!(header(&answer.body, gone), None, "{gone} went through");
    }
    assert_eq!(header(&answer.body, "x-kept"), Some("3"));
    assert_eq!(header(&answer.body, "cookie"), Some("a=b"));
    assert_eq!(header(&answer.body, "host"), Some("hub.test"));
}

#[tokio::test]
async fn connection_header_cannot_take_host_or_length_away() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        let head = wire.head().await;
        let body = wire.text(4).await;
        wire.answer_200(&(head + &body)).await;
    })
    .await;
    proxy.route("/", address);

    let answer = proxy
        .ask(
            "POST / HTTP/1.1\r\nHost: hub.test\r\nConnection: host, content-length, x-forwarded-for\r\n\
             Content-Length: 4\r\n\r\nbody",
        )
        .await;

    assert_eq!(header(&answer.body, "host"), Some("hub.test"));
    assert_eq!(header(&answer.body, "content-length"), Some("4"));
    assert_eq!(header(&answer.body, "x-forwarded-for"), Some("127.0.0.1"));
    assert!(answer.body.ends_with("body"));
}

#[tokio::test]
async fn hop_by_hop_headers_of_responses_end_at_the_proxy() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send(
            "HTTP/1.1 200 OK\r\nConnection: close, x-mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n\
             X-Kept: 3\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
        let answer = wire.answer().await;

        assert_eq!(answer.body, "ok");
        assert_eq!(answer.header("connection"), None);
        assert_eq!(answer.header("x-mine"), None);
        assert_eq!(answer.header("keep-alive"), None);
        assert_eq!(answer.header("x-kept"), Some("3"));
        assert_eq!(answer.head.matches("set-cookie: ").count(), 2);
    }
}

#[tokio::test]
async fn what_a_stranger_says_about_the_client_is_replaced() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);

    let answer = proxy
        .ask(
            "GET / HTTP/1.1\r\nHost: hub.test:8000\r\nX-Forwarded-For: 9.9.9.9\r\n\
             X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
             X-Forwarded-Port: 1\r\nForwarded: for=9.9.9.9\r\nX-Real-IP: 9.9.9.9\r\nX-Scheme: https\r\n\r\n",
        )
        .await;

    assert_eq!(header(&answer.body, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&answer.body, "x-forwarded-proto"), Some("http"));
    assert_eq!(
        header(&answer.body, "x-forwarded-host"),
        Some("hub.test:8000")
    );
    assert_eq!(header(&answer.body, "x-forwarded-port"), Some("8000"));
    for gone in ["forwarded", "x-real-ip", "x-scheme"] {
        assert_eq!(header(&answer.body, gone), None, "{gone} went through");
    }
}

#[tokio::test]
async fn what_a_trusted_proxy_says_about_the_client_is_kept() {
    let proxy = TestProxy::with(trusting(), |proxy| proxy);
    proxy.route("/", mirror().await);

    let answer = proxy
        .ask(
            "GET / HTTP/1.1\r\nHost: inner.test\r\nX-Forwarded-For: 9.9.9.9\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: hub.test\r\nX-Forwarded-Port: 443\r\n\r\n",
        )
        .await;

    assert_eq!(
        header(&answer.body, "x-forwarded-for"),
        Some("9.9.9.9, 127.0.0.1")
    );
    assert_eq!(header(&answer.body, "x-forwarded-proto"), Some("https"));
    assert_eq!(header(&answer.body, "x-forwarded-host"), Some("hub.test"));
    assert_eq!(header(&answer.body, "x-forwarded-port"), Some("443"));
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_the_client() {
    let proxy = TestProxy::with(trusting(), |proxy| proxy);
    proxy.route("/", mirror().await);

    let answer = proxy.get("/").await;

    assert_eq!(header(&answer.body, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&answer.body, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&answer.body, "x-forwarded-port"), Some("80"));
}

#[tokio::test]
async fn filter_changes_what_is_forwarded() {
    struct NoCookies;
    impl jansky_proxy::RequestFilter for NoCookies {
        fn filter(&self, route: &jansky_proxy::Route, head: &mut http::request::Parts) {
            head.headers.remove("cookie");
            let spec = route.spec().parse().expect("a header value");
            head.headers.insert("x-route", spec);
        }
    }
    let proxy = TestProxy::with(settings(), |proxy| {
        proxy.with_filter(std::sync::Arc::new(NoCookies))
    });
    proxy.route("/user/river/", mirror().await);

    let answer = proxy
        .ask("GET /user/river/ HTTP/1.1\r\nHost: hub.test\r\nCookie: a=b\r\n\r\n")
        .await;

    assert_eq!(header(&answer.body, "cookie"), None);
    assert_eq!(header(&answer.body, "x-route"), Some("/user/river/"));
}

#[tokio::test]
async fn port_is_that_of_each_request() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);
    let mut wire = proxy.connect().await;

    for (host, port) in [
        ("hub.test:81", "81"),
        ("hub.test:81", "81"),
        ("hub.test:82", "82"),
        ("hub.test", "80"),
        ("hub.test:x", "80"),
    ] {
        wire.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let head = wire.answer().await.body;

        assert_eq!(header(&head, "x-forwarded-host"), Some(host));
        assert_eq!(header(&head, "x-forwarded-port"), Some(port), "of {host}");
    }
}

#[tokio::test]
async fn absolute_target_is_reduced_and_its_host_wins() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);

    let answer = proxy
        .ask("GET http://other.test:81/x?y HTTP/1.1\r\nHost: hub.test\r\n\r\n")
        .await;

    assert!(
        answer.body.starts_with("GET /x?y HTTP/1.1\r\n"),
        "{}",
        answer.body
    );
    assert_eq!(header(&answer.body, "host"), Some("other.test:81"));
}
