//! What a server answers in order to act on the hub and on other servers of the same origin.

use std::net::SocketAddr;

use crate::support::{TestProxy, backend};

/// Every header that acts on a whole origin, and the cookies and the worker that do.
const HOSTILE: &str = "Accept-CH: Sec-CH-UA-Model\r\nAlt-Svc: h3=\":9443\"; ma=9\r\n\
    Clear-Site-Data: \"*\"\r\nCLEAR-SITE-DATA: \"cookies\"\r\nCritical-CH: Sec-CH-UA-Model\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\nExpect-CT: max-age=9\r\nNEL: {\"max_age\":9}\r\n\
    Origin-Agent-Cluster: ?1\r\nPublic-Key-Pins: max-age=9\r\n\
    Public-Key-Pins-Report-Only: max-age=9\r\nReport-To: {}\r\n\
    Secure-Session-Registration: (ES256)\r\nSec-Session-Registration: (ES256)\r\n\
    Set-Login: logged-out\r\nStrict-Transport-Security: max-age=9\r\n\
    Use-As-Dictionary: match=\"/*\"\r\nService-Worker-Allowed: /\r\n\
    Set-Cookie: jupyterhub-hub-login=x; Path=/hub/\r\nSet-Cookie: _xsrf=x; Path=/hub/token\r\n\
    Set-Cookie: __Host-a=b; Path=/; Secure\r\nSet-Cookie: kept=1; Path=/user/river/lab\r\n";

const TAKEN: [&str; 16] = [
    "accept-ch",
    "alt-svc",
    "clear-site-data",
    "critical-ch",
    "cross-origin-opener-policy",
    "expect-ct",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "public-key-pins-report-only",
    "report-to",
    "sec-session-registration",
    "secure-session-registration",
    "set-login",
    "strict-transport-security",
    "use-as-dictionary",
];

/// Answers as asked: with a page, a failure or another protocol.
async fn hostile() -> SocketAddr {
    backend(|mut wire| async move {
        while let Some(head) = wire.try_head().await {
            let first = if head.contains("pgrade: websocket") {
                "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"
            } else if head.starts_with("GET /user/river/missing") {
                "404 Not Found\r\nContent-Length: 2"
            } else {
                "200 OK\r\nContent-Length: 2"
            };
            wire.send(&format!("HTTP/1.1 {first}\r\n{HOSTILE}Etag: x\r\n\r\nok"))
                .await;
        }
    })
    .await
}

#[tokio::test]
async fn no_answer_of_a_server_acts_on_the_origin_that_it_shares() {
    let proxy = TestProxy::start();
    proxy.route("/user/river/", hostile().await);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

    for (path, more) in [
        ("/user/river/", ""),
        ("/user/river/missing", ""),
        ("/user/river/socket", upgrade),
        ("/user/river", ""),
    ] {
        let answer = proxy
            .ask(&format!(
                "GET {path} HTTP/1.1\r\nHost: hub.test\r\n{more}\r\n"
            ))
            .await;

        for name in TAKEN {
            assert_eq!(answer.header(name), None, "{name} went through at {path}");
        }
        assert_eq!(answer.header("etag"), Some("x"));
        assert_eq!(
            answer.header("service-worker-allowed"),
            Some("/user/river/")
        );
        let cookies: Vec<_> = answer
            .head
            .lines()
            .filter_map(|line| line.strip_prefix("set-cookie: "))
            .collect();
        assert_eq!(
            cookies,
            [
                "jupyterhub-hub-login=x; Path=/user/river/",
                "_xsrf=x; Path=/user/river/",
                "kept=1; Path=/user/river/lab",
            ],
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_server_on_its_own_origin_says_what_it_likes_about_that_alone() {
    let proxy = TestProxy::start();
    proxy.route("river.hub.test/user/river/", hostile().await);

    let answer = proxy
        .ask("GET /user/river/ HTTP/1.1\r\nHost: river.hub.test:8000\r\n\r\n")
        .await;

    assert_eq!(answer.header("clear-site-data"), None);
    assert_eq!(
        answer.header("cross-origin-opener-policy"),
        Some("same-origin")
    );
    assert_eq!(answer.header("service-worker-allowed"), Some("/"));
    assert!(
        answer
            .head
            .contains("set-cookie: __Host-a=b; Path=/; Secure\r\n")
    );
}

#[tokio::test]
async fn no_script_of_a_server_becomes_the_worker_of_others() {
    let proxy = TestProxy::start();
    proxy.route("/user/river/", hostile().await);

    for (path, status) in [
        ("/user/river", 403),
        ("/user%2Friver%2Fsw.js", 403),
        ("/user/river/sw.js", 200),
    ] {
        let answer = proxy
            .ask(&format!(
                "GET {path} HTTP/1.1\r\nHost: hub.test\r\nService-Worker: script\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.status, status, "{path}");
    }
}
