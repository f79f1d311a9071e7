use std::sync::Arc;

use jansky_model::Clock as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{TestProxy, Wire, backend, header, nobody, until};

pub const ASK: &str = "GET /ws HTTP/1.1\r\nHost: hub.test\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: WebSocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";

/// A server that upgrades and then runs `script`.
async fn upgrading<F, S>(proxy: &TestProxy, script: S) -> Arc<jansky_proxy::Route>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Wire<TcpStream>) -> F + Clone + Send + Sync + 'static,
{
    let address = backend(move |mut wire| {
        let script = script.clone();
        async move {
            let head = wire.head().await;
            assert_eq!(header(&head, "connection"), Some("Upgrade"));
            assert_eq!(header(&head, "upgrade"), Some("WebSocket"));
            assert_eq!(header(&head, "sec-websocket-key"), Some("x"));
            script(wire).await;
        }
    })
    .await;
    proxy.route("/", address)
}

/// Echoes four bytes at a time.
async fn echo(mut wire: Wire<TcpStream>) {
    wire.send(SWITCH).await;
    loop {
        let message = wire.exactly(4).await;
        wire.send(message).await;
    }
}

#[tokio::test]
async fn both_ends_are_joined_after_101() {
    let proxy = TestProxy::start();
    upgrading(&proxy, echo).await;
    let mut wire = proxy.connect().await;

    wire.send(ASK).await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "connection"), Some("Upgrade"));
    assert_eq!(header(&head, "upgrade"), Some("websocket"));
    assert_eq!(header(&head, "sec-websocket-accept"), Some("y"));
    for message in ["ping", "pong", "\0\x01\x02\x03"] {
        wire.send(message).await;
        assert_eq!(wire.text(4).await, message);
    }
    assert_eq!(proxy.stats.upgrades.get(), 1);
    drop(wire);
    until("the end of the tunnel", || proxy.stats.upgrades.get() == 0).await;
    assert_eq!(proxy.stats.received_bytes.get(), 12);
    assert_eq!(proxy.stats.sent_bytes.get(), 12);
}

#[tokio::test]
async fn bytes_sent_together_with_the_heads_are_not_lost() {
    let proxy = TestProxy::start();
    upgrading(&proxy, |mut wire| async move {
        wire.send(format!("{SWITCH}hello")).await;
        let early = wire.exactly(5).await;
        wire.send(early).await;
    })
    .await;
    let mut wire = proxy.connect().await;

    wire.send(format!("{ASK}early")).await;
    wire.head().await;

    assert_eq!(wire.rest().await, b"helloearly");
}

#[tokio::test]
async fn refusal_of_an_upgrade_passes_as_a_response_and_the_connection_goes_on() {
    let proxy = TestProxy::start();
    upgrading(&proxy, |mut wire| async move {
        wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .await;
        while wire.try_head().await.is_some() {
            wire.answer_200("yes").await;
        }
    })
    .await;
    let mut wire = proxy.connect().await;

    wire.send(ASK).await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "no"));
    wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;

    assert_eq!(wire.answer().await.body, "yes");
    assert_eq!(proxy.stats.upgrades.get(), 0);
}

#[tokio::test]
async fn upgrade_to_a_server_that_is_not_there_is_answered_with_503() {
    let proxy = TestProxy::start();
    proxy.route("/", nobody().await);

    assert_eq!(proxy.ask(ASK).await.status, 503);
}

#[tokio::test]
async fn protocol_switch_that_nobody_asked_for_is_answered_with_503() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send(SWITCH).await;
    })
    .await;
    proxy.route("/", address);

    assert_eq!(proxy.get("/").await.status, 503);
}

#[tokio::test]
async fn half_closed_client_still_gets_what_the_server_sends() {
    let proxy = TestProxy::start();
    upgrading(&proxy, |mut wire| async move {
        wire.send(SWITCH).await;
        let all = wire.rest().await;
        wire.send(all).await;
        wire.send(" and more").await;
    })
    .await;
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;

    wire.send("question").await;
    wire.io.shutdown().await.expect("an open socket");

    assert_eq!(wire.rest().await, b"question and more");
    until("the end of the tunnel", || proxy.stats.upgrades.get() == 0).await;
}

#[tokio::test]
async fn half_closed_server_still_gets_what_the_client_sends() {
    let proxy = TestProxy::start();
    let (seen, mut all) = tokio::sync::mpsc::unbounded_channel();
    upgrading(&proxy, move |mut wire| {
        let seen = seen.clone();
        async move {
            wire.send(format!("{SWITCH}bye")).await;
            wire.io.shutdown().await.expect("an open socket");
            seen.send(wire.rest().await).expect("the test goes on");
        }
    })
    .await;
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;

    assert_eq!(wire.rest().await, b"bye");
    wire.send("late").await;
    wire.io.shutdown().await.expect("an open socket");

    assert_eq!(
        crate::support::soon("the rest", all.recv())
            .await
            .as_deref(),
        Some(&b"late"[..])
    );
}

#[tokio::test]
async fn server_that_vanishes_closes_the_client() {
    let proxy = TestProxy::start();
    upgrading(&proxy, |mut wire| async move {
        wire.send(SWITCH).await;
        wire.exactly(4).await;
        // Unread bytes make the kernel send a reset.
    })
    .await;
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;

    wire.send("stop, and this will never be read").await;

    assert!(wire.rest().await.is_empty());
    drop(wire);
    until("the end of the tunnel", || proxy.stats.upgrades.get() == 0).await;
}

#[tokio::test]
async fn a_side_that_does_not_read_stops_the_other() {
    let proxy = TestProxy::start();
    upgrading(&proxy, |mut wire| async move {
        wire.send(SWITCH).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;

    let block = vec![0; 64 << 10];
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(std::time::Duration::from_millis(300), wire.io.write(&block)).await
    {
        sent += written.expect("an open socket");
        assert!(sent < 24 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn bytes_in_either_direction_are_activity() {
    let proxy = TestProxy::start();
    let route = upgrading(&proxy, |mut wire| async move {
        wire.send(SWITCH).await;
        wire.exactly(4).await;
        wire.exactly(4).await;
        wire.send("back").await;
        wire.rest().await;
    })
    .await;
    let mut wire = proxy.connect().await;
    wire.send(ASK).await;
    wire.head().await;
    let hour = std::time::Duration::from_hours(1);

    proxy.clock.advance(hour);
    wire.send("sent").await;
    until("activity by the client", || {
        route.last_activity() == proxy.clock.now()
    })
    .await;
    proxy.clock.advance(hour);
    wire.send("more").await;
    wire.exactly(4).await;

    assert_eq!(route.last_activity(), proxy.clock.now());
}

/// A filter on whose lifeline everything hangs that asks for one.
struct Hanging(tokio_util::sync::CancellationToken);

impl jansky_proxy::RequestFilter for Hanging {
    fn filter(&self, _: &jansky_proxy::Route, head: &mut http::request::Parts) {
        head.headers.remove("authorization");
    }

    fn revocation(
        &self,
        route: &jansky_proxy::Route,
        head: &http::request::Parts,
    ) -> Option<jansky_proxy::Revocation> {
        assert_eq!(route.spec(), "/");
        // As it came from the client, before anything was taken out.
        head.headers.get("authorization")?;
        Some(Box::pin(self.0.clone().cancelled_owned()))
    }
}

fn hanging() -> (TestProxy, tokio_util::sync::CancellationToken) {
    let line = tokio_util::sync::CancellationToken::new();
    let filter = Arc::new(Hanging(line.clone()));
    let proxy = TestProxy::with(crate::support::settings(), |proxy| {
        proxy.with_filter(filter)
    });
    (proxy, line)
}

#[tokio::test]
async fn a_tunnel_is_cut_at_both_ends_when_what_it_hangs_on_ends() {
    let (proxy, line) = hanging();
    let (told, mut ended) = tokio::sync::mpsc::channel(1);
    let backend = backend(move |mut wire| {
        let told = told.clone();
        async move {
            wire.head().await;
            wire.send(SWITCH).await;
            let rest = wire.rest().await;
            told.send(rest).await.expect("the test listens");
        }
    })
    .await;
    proxy.route("/", backend);
    let with = |more: &str| ASK.replacen("\r\n\r\n", &format!("\r\n{more}\r\n\r\n"), 1);
    let mut bound = proxy.connect().await;
    bound.send(with("Authorization: token x")).await;
    bound.head().await;
    let mut free = proxy.connect().await;
    free.send(ASK).await;
    free.head().await;
    until("both tunnels", || proxy.stats.upgrades.get() == 2).await;

    line.cancel();

    assert_eq!(bound.rest().await, b"", "the client's end is closed");
    let heard = crate::support::soon("the server's end", ended.recv()).await;
    assert_eq!(heard.expect("it ended"), b"");
    until("the end of one", || proxy.stats.upgrades.get() == 1).await;
    drop(free);
}

#[tokio::test]
async fn an_answer_that_lasts_is_cut_and_a_short_one_asks_nobody() {
    let (proxy, line) = hanging();
    let backend = backend(|mut wire| async move {
        while let Some(head) = wire.try_head().await {
            if head.starts_with("GET /stream") {
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                    .await;
                wire.rest().await;
                return;
            }
            wire.answer_200("short").await;
        }
    })
    .await;
    proxy.route("/", backend);
    let ask = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\nAuthorization: token x\r\n\r\n")
    };
    let mut stream = proxy.connect().await;
    stream.send(ask("/stream")).await;
    stream.head().await;
    assert_eq!(stream.text(10).await, "5\r\nfirst\r\n");

    line.cancel();

    let rest = stream.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look finished");
    assert_eq!(proxy.ask(&ask("/short")).await.body, "short");
}
