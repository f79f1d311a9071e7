//! Bounds on what clients may make the proxy hold, and what they hear when they meet one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use jansky_proxy::{ClientBody, ProxyBody, ProxySettings, Target};
use tokio::net::TcpStream;

use crate::support::{Answer, TestProxy, Wire, backend, mirror, settings, soon, until};
use crate::upgrade::{ASK, SWITCH};

const GET: &str = "GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n";

/// Settings under which clients have little time.
fn hurried() -> ProxySettings {
    ProxySettings {
        client_timeout: Duration::from_millis(400),
        ..settings()
    }
}

fn start(settings: ProxySettings) -> TestProxy {
    TestProxy::with(settings, |proxy| proxy)
}

/// Settings under which the addresses of this machine are counted as all others are.
fn counted(connections_per_address: usize) -> ProxySettings {
    ProxySettings {
        connections_per_address,
        uncounted: Vec::new(),
        ..settings()
    }
}

/// A service that gathers the body and answers with its size, or with the kind of what went wrong.
fn gathering() -> Target {
    Target::Local(Arc::new(|request: Request<ClientBody>| {
        Box::pin(async move {
            let text = match request.into_body().collect().await {
                Ok(body) => body.to_bytes().len().to_string(),
                Err(error) => format!("{:?}: {error}", error.kind()),
            };
            Response::new(ProxyBody::full(text))
        })
    }))
}

/// A server that reads requests with all that follows, and never answers.
pub async fn silent() -> SocketAddr {
    backend(|mut wire| async move {
        wire.rest().await;
    })
    .await
}

async fn answer_to(proxy: &TestProxy, request: impl AsRef<[u8]>) -> Answer {
    let mut wire = proxy.connect().await;
    wire.send(request).await;
    wire.answer().await
}

fn with_cookie(size: usize) -> String {
    let cookie = "c".repeat(size);
    format!("GET / HTTP/1.1\r\nHost: hub.test\r\nCookie: {cookie}\r\n\r\n")
}

fn with_fields(count: usize) -> String {
    let fields: Vec<_> = (1..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
    format!(
        "GET / HTTP/1.1\r\nHost: hub.test\r\n{}\r\n",
        fields.concat()
    )
}

fn with_path(size: usize) -> String {
    let path = "p".repeat(size - 1);
    format!("GET /{path} HTTP/1.1\r\nHost: hub.test\r\n\r\n")
}

#[tokio::test]
async fn each_limit_of_a_head_is_named_in_the_answer_with_its_value() {
    let proxy = start(ProxySettings {
        header_limit: 10 << 10,
        header_fields: 20,
        uri_limit: 1 << 10,
        ..settings()
    });
    proxy.route("/", mirror().await);

    for good in [with_cookie(10_000), with_fields(20), with_path(1024)] {
        assert_eq!(answer_to(&proxy, &good).await.status, 200, "{good}");
    }
    for (bad, status, words) in [
        (
            with_cookie(10 << 10),
            431,
            "larger than 10 KiB (proxy.max_header_size)",
        ),
        (
            with_cookie(15 << 10),
            431,
            "larger than 10 KiB (proxy.max_header_size)",
        ),
        (
            with_cookie(1 << 20),
            431,
            "larger than 10 KiB (proxy.max_header_size)",
        ),
        (
            with_fields(21),
            431,
            "more than 20 fields (proxy.max_header_fields)",
        ),
        (
            with_fields(40),
            431,
            "more than 20 fields (proxy.max_header_fields)",
        ),
        (
            with_path(1025),
            414,
            "longer than 1 KiB (proxy.max_uri_size)",
        ),
    ] {
        let answer = answer_to(&proxy, &bad).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(words), "{answer:?}");
    }
}

#[tokio::test]
async fn usual_limits_are_generous_and_named_too() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);

    for good in [with_cookie(60 << 10), with_fields(100), with_path(32 << 10)] {
        assert_eq!(answer_to(&proxy, &good).await.status, 200);
    }
    for (bad, status, words) in [
        (with_cookie(64 << 10), 431, "larger than 64 KiB"),
        (with_cookie(500 << 10), 431, "larger than 64 KiB"),
        (with_fields(101), 431, "more than 100 fields"),
        (with_fields(200), 431, "more than 100 fields"),
        (with_path((32 << 10) + 1), 414, "longer than 32 KiB"),
    ] {
        let answer = answer_to(&proxy, &bad).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(words), "{answer:?}");
    }
}

#[tokio::test]
async fn large_bodies_on_a_kept_connection_do_not_count_as_heads() {
    let proxy = start(ProxySettings {
        header_limit: 8 << 10,
        ..settings()
    });
    proxy.add("/", gathering());
    let mut wire = proxy.connect().await;

    for size in [1_000_000, 7_000, 500_000, 9_000, 0, 200_000] {
        let head = format!("POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: {size}\r\n\r\n");
        wire.send([head.into_bytes(), vec![b'x'; size]].concat())
            .await;
        assert_eq!(wire.answer().await.body, size.to_string());
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let proxy = start(ProxySettings {
        idle_timeout: Duration::from_millis(400),
        ..hurried()
    });

    let mut idle = proxy.connect().await;
    assert!(idle.rest().await.is_empty(), "nothing was asked");
    for start in ["GE", "GET / HTTP/1.1\r\nHost: hu"] {
        let answer = answer_to(&proxy, start).await;
        assert_eq!(answer.status, 408);
        let words = "did not come within 0.4 seconds (proxy.client_timeout)";
        assert!(answer.body.contains(words), "{answer:?}");
    }
    until("the end of all", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn a_connection_that_was_used_may_be_idle_for_longer_than_a_head_may_take() {
    let proxy = start(hurried());
    proxy.route("/", mirror().await);
    let mut wire = proxy.connect().await;

    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.status, 200);
        tokio::time::sleep(2 * hurried().client_timeout).await;
    }
    wire.send("GET ").await;
    assert_eq!(wire.answer().await.status, 408);
}

#[tokio::test]
async fn handshake_that_does_not_end_is_not_waited_for() {
    let (proxy, _) = crate::http2::tls_proxy_with(hurried());
    // The beginning of a ClientHello that says it is longer.
    let mut wire = proxy.connect().await;
    wire.send([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await;

    wire.rest().await;
    until("the end of it", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_the_clients_fault_and_answered_so() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: hub.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let proxy = start(hurried());
    proxy.route("/server/", silent().await);
    proxy.add("/hub/", gathering());

    for (what, body, status, kind) in [
        ("no size", "xyz\r\n", 400, "InvalidData"),
        (
            "a size without an end",
            "3\r\nabcdef\r\n0\r\n\r\n",
            400,
            "InvalidData",
        ),
        (
            "too large a size",
            "fffffffffffffffff\r\n",
            400,
            "InvalidData",
        ),
        ("a sign", "-1\r\nx\r\n", 400, "InvalidData"),
        ("nothing", "", 408, "TimedOut"),
        ("half a chunk", "5\r\nab", 408, "TimedOut"),
    ] {
        let head = HEAD.replace(" / ", " /server/ ");
        let answer = answer_to(&proxy, format!("{head}{body}")).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let head = HEAD.replace(" / ", " /hub/ ");
        let answer = answer_to(&proxy, format!("{head}{body}")).await;
        assert!(answer.body.starts_with(kind), "{what}: {answer:?}");
    }
    let short = "POST /server/ HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 9\r\n\r\nhalf";
    let answer = answer_to(&proxy, short).await;
    assert_eq!(answer.status, 408);
    let words =
        "Nothing more of the body of the request came for 0.4 seconds (proxy.client_timeout)";
    assert!(answer.body.contains(words), "{answer:?}");

    assert_eq!(
        proxy.stats.upstream_errors.get(),
        0,
        "no server was to blame"
    );
}

#[tokio::test]
async fn a_body_that_goes_on_coming_may_take_long() {
    let proxy = start(hurried());
    let address = backend(|mut wire| async move {
        wire.head().await;
        let body = wire.text(8).await;
        wire.answer_200(&body).await;
    })
    .await;
    proxy.route("/server/", address);
    proxy.add("/hub/", gathering());

    for (path, answer) in [("/server/", "abcdefgh"), ("/hub/", "8")] {
        let mut wire = proxy.connect().await;
        wire.send(format!(
            "PUT {path} HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 8\r\n\r\n"
        ))
        .await;
        for byte in b'a'..=b'h' {
            tokio::time::sleep(hurried().client_timeout / 4).await;
            wire.send([byte]).await;
        }
        assert_eq!(wire.answer().await.body, answer);
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_is_not_taken_for_a_slow_client() {
    // Long enough for a client on a busy machine that does send.
    let timeout = Duration::from_secs(2);
    let proxy = start(ProxySettings {
        client_timeout: timeout,
        ..settings()
    });
    let (go_on, _) = tokio::sync::broadcast::channel::<()>(1);
    let signal = go_on.clone();
    let address = backend(move |mut wire| {
        let mut wait = signal.subscribe();
        async move {
            wire.head().await;
            soon("the signal", wait.recv()).await.expect("a signal");
            wire.exactly(32 << 20).await;
            wire.answer_200("read").await;
        }
    })
    .await;
    proxy.route("/", address);
    let wire = proxy.connect().await;
    let (mut reader, mut writer) = wire.io.into_split();

    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let size = 32 << 20;
        let head = format!("PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: {size}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.expect("it reads");
        writer
            .write_all(&vec![b'x'; size])
            .await
            .expect("it reads on");
        writer
    });
    tokio::time::sleep(2 * timeout).await;
    go_on.send(()).expect("the server waits");

    let mut answer = vec![0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answer);
    soon("an answer", read).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 200");
    sending.await.expect("all was sent");
}

#[tokio::test]
async fn the_oldest_half_sent_head_goes_when_they_take_too_much() {
    let proxy = start(ProxySettings {
        unfinished_limit: 100 << 10,
        ..settings()
    });
    proxy.route("/", mirror().await);
    let half = |size| with_cookie(size).trim_end().to_owned();
    let mut old = proxy.connect().await;
    old.send(half(40 << 10)).await;
    until("the first head", || proxy.unfinished() > 39 << 10).await;
    let mut second = proxy.connect().await;
    second.send(half(40 << 10)).await;
    until("the second head", || proxy.unfinished() > 79 << 10).await;

    let mut third = proxy.connect().await;
    third.send(half(40 << 10)).await;

    let answer = old.answer().await;
    assert_eq!(answer.status, 408);
    let words = "take more than 100 KiB together (proxy.max_unfinished_size)";
    assert!(answer.body.contains(words), "{answer:?}");
    for wire in [&mut second, &mut third] {
        wire.send("\r\n\r\n").await;
        assert_eq!(wire.answer().await.status, 200);
    }
    until("the end of all counting", || proxy.unfinished() == 0).await;
}

#[tokio::test]
async fn the_oldest_half_sent_body_for_a_local_service_goes_when_they_take_too_much() {
    let proxy = start(ProxySettings {
        unfinished_limit: 100 << 10,
        ..settings()
    });
    proxy.add("/", gathering());
    let head = "PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 60000\r\n\r\n";
    let half = [head.as_bytes(), &b"x".repeat(50_000)].concat();
    let mut old = proxy.connect().await;
    old.send(&half).await;
    until("the first body", || proxy.unfinished() == 50_000).await;
    let mut second = proxy.connect().await;
    second.send(&half).await;
    until("the second body", || proxy.unfinished() == 100_000).await;

    let mut third = proxy.connect().await;
    third.send(&half).await;

    let answer = old.answer().await;
    assert!(answer.body.starts_with("OutOfMemory: "), "{answer:?}");
    for wire in [&mut second, &mut third] {
        wire.send(b"x".repeat(10_000)).await;
        assert_eq!(wire.answer().await.body, "60000");
    }
    until("the end of all counting", || proxy.unfinished() == 0).await;
}

#[tokio::test]
async fn an_address_may_have_so_many_connections_and_hears_so() {
    let proxy = start(counted(3));
    proxy.route("/", mirror().await);
    let mut wires = Vec::new();
    for _ in 0..3 {
        wires.push(proxy.connect().await);
    }
    until("three connections", || proxy.stats.connections.get() == 3).await;

    let mut fourth = proxy.connect().await;
    let answer = fourth.answer().await;
    assert_eq!(answer.status, 429);
    let words = "More than 3 connections or requests of one address at once \
                 (proxy.max_connections_per_address)";
    assert!(answer.body.contains(words), "{answer:?}");
    assert_eq!(proxy.stats.turned_away.get(), 1);

    wires.pop();
    until("an end", || proxy.stats.connections.get() == 2).await;
    assert_eq!(proxy.get("/").await.status, 200);
    let ask = "GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n";
    for wire in &mut wires {
        wire.send(ask).await;
        assert_eq!(wire.answer().await.status, 200, "the others go on");
    }
}

#[tokio::test]
async fn upgraded_connections_do_not_count() {
    let proxy = start(counted(2));
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send(SWITCH).await;
        wire.rest().await;
    })
    .await;
    proxy.route("/", address);

    let mut open = Vec::new();
    for count in 1..=10 {
        let mut wire = proxy.connect().await;
        wire.send(ASK).await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        open.push(wire);
        until("the upgrade", || {
            proxy.stats.upgrades.get() == count && proxy.stats.connections.get() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn clients_of_a_trusted_proxy_are_counted_and_the_proxy_is_not() {
    let proxy = start(ProxySettings {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..counted(3)
    });
    proxy.route("/slow/", silent().await);
    proxy.route("/", mirror().await);
    let ask = |client: &str, path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\nX-Forwarded-For: {client}\r\n\r\n")
    };
    let mut waiting = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2"] {
        for _ in 0..3 {
            let mut wire = proxy.connect().await;
            wire.send(ask(client, "/slow/")).await;
            waiting.push(wire);
        }
    }
    until("all servers", || proxy.stats.upstream_connects.get() == 6).await;

    // The limit waits a little, because a class opens a hundred files at once; here nobody makes room.
    let mut refused = proxy.connect().await;
    refused.send(ask("192.0.2.1", "/")).await;
    for client in ["192.0.2.3", "127.0.0.9"] {
        let mut wire = proxy.connect().await;
        wire.send(ask(client, "/")).await;
        assert_eq!(wire.answer().await.status, 200, "others are served");
    }
    let mut patient = proxy.connect().await;
    patient.send(ask("192.0.2.2", "/")).await;
    waiting.pop();
    assert_eq!(patient.answer().await.status, 200, "it was its turn");
    let answer = refused.answer().await;
    assert_eq!(answer.status, 429);
    assert!(
        answer.body.contains("More than 3 connections"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn there_are_only_so_many_connections_in_all() {
    let proxy = start(ProxySettings {
        connection_limit: 2,
        ..settings()
    });
    let wires = [proxy.connect().await, proxy.connect().await];
    until("two connections", || proxy.stats.connections.get() == 2).await;

    let mut third = proxy.connect().await;
    assert_eq!(third.answer().await.status, 503);
    drop(wires);
    until("their end", || proxy.stats.connections.get() == 0).await;
    assert_eq!(proxy.get("/").await.status, 404);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let proxy = start(ProxySettings {
        send_timeout: Duration::from_secs(1),
        ..settings()
    });
    let address = backend(|mut wire| async move {
        use tokio::io::AsyncWriteExt as _;
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        let chunk = [b"10000\r\n", vec![b'x'; 0x10000].as_slice(), b"\r\n"].concat();
        while wire.io.write_all(&chunk).await.is_ok() {}
    })
    .await;
    proxy.route("/", address);
    let mut wire: Wire<TcpStream> = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
    wire.head().await;

    until("the cut", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn four_hundred_browsers_behind_one_address_find_a_place_with_the_usual_limit() {
    const BROWSERS: usize = 400;
    const CONNECTIONS: usize = 6;
    let proxy = start(counted(ProxySettings::default().connections_per_address));
    let ask = "GET /_chp_healthz HTTP/1.1\r\nHost: hub.test\r\n\r\n";
    let mut wires = Vec::new();
    for _ in 0..BROWSERS * CONNECTIONS {
        wires.push(proxy.connect().await);
    }

    for wire in &mut wires {
        wire.send(ask).await;
        assert_eq!(wire.answer().await.status, 200);
    }
    assert_eq!(proxy.stats.turned_away.get(), 0);
}

#[tokio::test]
async fn hundreds_may_come_at_once_while_the_proxy_is_busy() {
    let proxy = TestProxy::start();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let waiting = Arc::clone(&wait);
    proxy.add(
        "/",
        Target::Local(Arc::new(move |_| {
            // Holds the only thread of the proxy, so that nobody else is accepted.
            let _ = wait.lock().expect("no panic").recv();
            Box::pin(async { Response::new(ProxyBody::full("here")) })
        })),
    );
    let mut first = proxy.connect().await;
    first.send(GET).await;
    until("the busy request", || waiting.try_lock().is_err()).await;

    let others = (0..500).map(|_| proxy.connect());
    let others = soon("500 connections", join_all(others)).await;
    drop(go_on);

    for mut wire in [first].into_iter().chain(others) {
        wire.send(GET).await;
        assert_eq!(wire.answer().await.body, "here");
    }
}
