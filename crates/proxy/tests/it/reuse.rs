use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jansky_proxy::ProxySettings;

use crate::support::{TestProxy, answers, backend, header, settings, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn connections_to_a_server_are_used_again() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("hub").await);

    for _ in 0..5 {
        assert_eq!(proxy.get("/").await.body, "hub");
    }

    assert_eq!(proxy.stats.upstream_connects.get(), 1);
}

#[tokio::test]
async fn connection_is_used_again_after_every_kind_of_response() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        while let Some(head) = wire.try_head().await {
            let path = head.split(' ').nth(1).expect("a path");
            if head.starts_with("PUT") {
                wire.exactly(4).await;
            }
            wire.send(match path {
                "/empty" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "/chunked" => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
                }
                "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/same" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            })
            .await;
            if path == "/body" && !head.starts_with("HEAD") {
                wire.send("content").await;
            }
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    for (request, body) in [
        ("GET /body", "content"),
        ("GET /empty", ""),
        ("GET /chunked", "x"),
        ("GET /none", ""),
        ("GET /body", "content"),
    ] {
        wire.send(format!("{request} HTTP/1.1\r\nHost: hub.test\r\n\r\n"))
            .await;
        assert_eq!(wire.answer().await.body, body, "{request}");
    }
    wire.send("GET /same HTTP/1.1\r\nHost: hub.test\r\n\r\n")
        .await;
    assert!(wire.head().await.starts_with("HTTP/1.1 304 "));
    wire.send("HEAD /body HTTP/1.1\r\nHost: hub.test\r\n\r\n")
        .await;
    let head = wire.head().await;
    assert_eq!(
        crate::support::header(&head, "content-length"),
        Some("7"),
        "{head}"
    );
    wire.send("PUT /body HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    assert_eq!(wire.answer().await.body, "content");
    wire.send(GET).await;
    assert_eq!(wire.head().await.split(' ').nth(1), Some("200"));

    assert_eq!(proxy.stats.upstream_connects.get(), 1);
}

/// A server that answers once per connection; then `end` says what the second request finds.
async fn fickle(end: End) -> (SocketAddr, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let address = backend(move |mut wire| {
        let count = Arc::clone(&count);
        async move {
            wire.head().await;
            count.fetch_add(1, Ordering::SeqCst);
            wire.answer_200("ok").await;
            if end == End::AfterTheNextRequest && wire.try_head().await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    (address, requests)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    BeforeTheNextRequest,
    AfterTheNextRequest,
}

#[tokio::test]
async fn kept_connection_that_the_server_closed_is_not_noticed_by_clients() {
    let proxy = TestProxy::start();
    let (address, requests) = fickle(End::BeforeTheNextRequest).await;
    proxy.route("/", address);

    for request in [GET, POST, GET, POST] {
        assert_eq!(proxy.ask(request).await.status, 200);
    }

    assert_eq!(requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn get_is_sent_again_when_a_kept_connection_ends_without_an_answer() {
    let proxy = TestProxy::start();
    let (address, requests) = fickle(End::AfterTheNextRequest).await;
    proxy.route("/", address);

    assert_eq!(proxy.ask(GET).await.status, 200);
    assert_eq!(proxy.ask(GET).await.status, 200);

    assert_eq!(requests.load(Ordering::SeqCst), 3);
    assert_eq!(proxy.stats.upstream_retries.get(), 1);
}

#[tokio::test]
async fn request_that_is_sent_again_is_the_same() {
    let proxy = TestProxy::start();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let address = backend(move |mut wire| {
        let seen = Arc::clone(&seen);
        async move {
            let head = wire.head().await;
            seen.lock().expect("nobody panicked").push(head);
            wire.answer_200("ok").await;
            if let Some(head) = wire.try_head().await {
                seen.lock().expect("nobody panicked").push(head);
            }
        }
    })
    .await;
    proxy.route("/", address);

    assert_eq!(proxy.ask(GET).await.status, 200);
    assert_eq!(proxy.ask(GET).await.status, 200);

    let heads = heads.lock().expect("nobody panicked");
    assert_eq!(header(&heads[0], "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(*heads, vec![heads[0].clone(); 3]);
}

#[tokio::test]
async fn post_is_never_sent_twice() {
    let proxy = TestProxy::start();
    let (address, requests) = fickle(End::AfterTheNextRequest).await;
    proxy.route("/", address);

    assert_eq!(proxy.ask(GET).await.status, 200);
    assert_eq!(proxy.ask(POST).await.status, 503);

    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn unused_connections_are_closed_after_a_while() {
    let impatient = ProxySettings {
        server_idle_timeout: Duration::from_millis(100),
        ..settings()
    };
    let proxy = TestProxy::with(impatient, |proxy| proxy);
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let address = backend(move |mut wire| {
        let count = Arc::clone(&count);
        async move {
            while wire.try_head().await.is_some() {
                wire.answer_200("ok").await;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    proxy.route("/", address);

    proxy.get("/").await;

    until("the close", || closed.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn as_many_connections_are_kept_as_were_needed_lately() {
    const CLIENTS: usize = 200;
    let proxy = TestProxy::start();
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    // Answers nobody before all have asked, so that all need a connection at once.
    let all_asked = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    let address = backend(move |mut wire| {
        let (count, all_asked) = (Arc::clone(&count), Arc::clone(&all_asked));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            while wire.try_head().await.is_some() {
                all_asked.wait().await;
                wire.answer_200("ok").await;
            }
            count.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    proxy.route("/", address);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(proxy.connect().await);
    }

    for _ in 0..5 {
        for wire in &mut clients {
            wire.send(GET).await;
        }
        for wire in &mut clients {
            assert_eq!(wire.answer().await.status, 200);
        }
    }

    assert_eq!(proxy.stats.upstream_connects.get(), CLIENTS as u64);
    // Nobody needs them any more but for the few of a person who clicks now and then.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while open.load(Ordering::SeqCst) > 4 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(open.load(Ordering::SeqCst), 4);
}
