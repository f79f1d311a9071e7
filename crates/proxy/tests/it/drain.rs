use std::net::SocketAddr;
use std::time::Duration;

use jansky_proxy::{Drained, ProxySettings};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, Sender};

use crate::support::{TestProxy, answers, backend, settings, soon, until};
use crate::upgrade::{ASK, SWITCH};

const GET: &str = "GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n";

fn draining_for(drain_timeout: Duration) -> TestProxy {
    let settings = ProxySettings {
        drain_timeout,
        ..settings()
    };
    TestProxy::with(settings, |proxy| proxy)
}

async fn ended(proxy: TestProxy) -> Drained {
    let served = soon("the end", proxy.served).await;
    served.expect("no panic").expect("no error")
}

#[tokio::test]
async fn idle_connections_are_closed_at_once_and_no_new_ones_taken() {
    let proxy = draining_for(Duration::from_hours(1));
    proxy.route("/", answers("hub").await);
    let untouched = proxy.connect().await;
    let mut used = proxy.connect().await;
    used.send(GET).await;
    used.answer().await;
    until("both connections", || proxy.stats.connections.get() == 2).await;

    proxy.shutdown.cancel();

    assert!(used.rest().await.is_empty());
    drop(untouched);
    let address = proxy.address;
    assert_eq!(ended(proxy).await, Drained { cut: 0 });
    TcpStream::connect(address)
        .await
        .expect_err("nobody listens any more");
}

#[tokio::test]
async fn request_under_way_is_finished() {
    let proxy = draining_for(Duration::from_hours(1));
    let (go_on, _) = broadcast::channel::<()>(1);
    let signal = go_on.clone();
    let address = backend(move |mut wire| {
        let mut wait = signal.subscribe();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
                .await;
            soon("the signal", wait.recv()).await.expect("a signal");
            wire.send("last").await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;
    wire.send(GET).await;
    wire.head().await;
    assert_eq!(wire.text(5).await, "first");

    proxy.shutdown.cancel();
    assert!(!proxy.served.is_finished());
    go_on.send(()).expect("the server waits");

    assert_eq!(wire.rest().await, b"last");
    assert_eq!(ended(proxy).await, Drained { cut: 0 });
}

/// A server that upgrades and echoes.
async fn echo() -> SocketAddr {
    backend(|mut wire| async move {
        wire.head().await;
        wire.send(SWITCH).await;
        loop {
            let message = wire.exactly(4).await;
            wire.send(message).await;
        }
    })
    .await
}

#[tokio::test]
async fn upgraded_connections_are_cut_when_no_request_is_under_way() {
    let proxy = draining_for(Duration::from_hours(1));
    proxy.route("/", echo().await);
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;
    wire.send("ping").await;
    assert_eq!(wire.text(4).await, "ping");

    proxy.shutdown.cancel();

    assert!(wire.rest().await.is_empty());
    assert_eq!(ended(proxy).await, Drained { cut: 0 });
}

/// A server that answers each request when it is told to.
async fn answers_at_the_signal() -> (SocketAddr, Sender<()>) {
    let (go_on, _) = broadcast::channel::<()>(1);
    let signal = go_on.clone();
    let slow = backend(move |mut wire| {
        let mut wait = signal.subscribe();
        async move {
            wire.head().await;
            soon("the signal", wait.recv()).await.expect("a signal");
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
                .await;
        }
    })
    .await;
    (slow, go_on)
}

#[tokio::test]
async fn whoever_comes_while_a_request_is_finished_is_served_and_not_kept() {
    let proxy = draining_for(Duration::from_hours(1));
    let (slow, go_on) = answers_at_the_signal().await;
    proxy.route("/", slow);
    let mut first = proxy.connect().await;
    first.send(GET).await;
    until("it waits", || proxy.stats.connections.get() == 1).await;
    until("its server has it", || go_on.receiver_count() == 1).await;

    proxy.shutdown.cancel();
    proxy.route("/", answers("hub").await);
    let mut late = proxy.connect().await;
    late.send(GET).await;
    let answer = String::from_utf8(late.rest().await).expect("text");

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert!(!proxy.served.is_finished());
    go_on.send(()).expect("the server waits");
    let slow = String::from_utf8(first.rest().await).expect("text");
    assert!(slow.ends_with("slow"), "{slow}");
    assert_eq!(ended(proxy).await, Drained { cut: 0 });
}

#[tokio::test]
async fn request_that_does_not_end_is_cut_at_the_end_of_the_drain() {
    let proxy = draining_for(Duration::from_millis(200));
    let silent = backend(|mut wire| async move {
        wire.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    proxy.route("/", silent);
    let mut wire = proxy.connect().await;
    wire.send(GET).await;
    until("it waits", || proxy.stats.connections.get() == 1).await;
    until("its server has it", || {
        proxy.stats.upstream_connects.get() == 1
    })
    .await;

    proxy.shutdown.cancel();

    assert!(wire.rest().await.is_empty());
    assert_eq!(ended(proxy).await, Drained { cut: 1 });
}

#[tokio::test]
async fn connection_that_was_just_accepted_is_served_before_it_ends() {
    let settings = ProxySettings {
        newcomer_timeout: Duration::from_hours(1),
        ..settings()
    };
    let proxy = TestProxy::with(settings, |proxy| proxy);
    proxy.route("/", answers("hub").await);
    let mut before = proxy.connect().await;
    until("it is accepted", || proxy.stats.connections.get() == 1).await;

    proxy.shutdown.cancel();
    before.send("GE").await;
    before.send(&GET[2..]).await;
    let answer = before.head().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn whoever_came_last_in_the_drain_is_served_when_it_is_over() {
    let settings = ProxySettings {
        drain_timeout: Duration::from_hours(1),
        newcomer_timeout: Duration::from_hours(1),
        ..settings()
    };
    let proxy = TestProxy::with(settings, |proxy| proxy);
    let (slow, go_on) = answers_at_the_signal().await;
    proxy.route("/", slow);
    proxy.route("/echo/", echo().await);
    let mut first = proxy.connect().await;
    first.send(GET).await;
    until("its server has it", || go_on.receiver_count() == 1).await;
    let mut upgraded = proxy.connect().await;
    upgraded.send(ASK.replacen("GET /", "GET /echo/", 1)).await;
    upgraded.head().await;
    until("only the slow one", || proxy.stats.connections.get() == 1).await;

    proxy.shutdown.cancel();
    proxy.route("/", answers("hub").await);
    let mut late = proxy.connect().await;
    until("it is accepted", || proxy.stats.connections.get() == 2).await;

    go_on.send(()).expect("the server waits");
    assert!(upgraded.rest().await.is_empty(), "the drain is over");
    late.send(GET).await;

    let answer = String::from_utf8(late.rest().await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(ended(proxy).await, Drained { cut: 0 });
}
