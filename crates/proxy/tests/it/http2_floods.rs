//! What HTTP/2 lets a single connection ask for, and where that ends.

use std::time::Duration;

use jansky_proxy::ProxySettings;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::limits::silent;
use crate::support::{TestProxy, Wire, settings, soon, until};

/// GET, http, /, and the authority `hub.test`.
const GET: &[u8] = b"\x82\x86\x84\x41\x08hub.test";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, GET)
}

/// A connection on which HTTP/2 has begun.
async fn begin(proxy: &TestProxy) -> Wire<TcpStream> {
    let mut wire = proxy.connect().await;
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.send(frame(SETTINGS, 0, 0, &[])).await;
    wire
}

/// Sends again and again until the other end has had enough; says how many bytes it took.
async fn flood(wire: Wire<TcpStream>, mut next: impl FnMut() -> Vec<u8>) -> usize {
    const FAR_TOO_MUCH: usize = 256 << 20;
    let (mut reader, mut writer) = wire.io.into_split();
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    let mut sent = 0;
    while sent < FAR_TOO_MUCH && !reading.is_finished() {
        let part = next();
        if soon("taking", writer.write_all(&part)).await.is_err() {
            break;
        }
        sent += part.len();
    }
    drop(soon("the end", reading).await);
    sent
}

#[tokio::test]
async fn headers_without_an_end_end_the_connection() {
    let proxy = TestProxy::start();
    let mut wire = begin(&proxy).await;
    wire.send(frame(HEADERS, END_STREAM, 1, GET)).await;
    // A field without an index: `x: yyy…`.
    let field = [b"\x00\x01x\x7f\x81\x06".as_slice(), &[b'y'; 896 + 127]].concat();

    let sent = flood(wire, || frame(CONTINUATION, 0, 1, &field)).await;

    assert!(sent < 8 << 20, "{sent} bytes were taken");
    until("the end of it", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn headers_that_stop_coming_end_the_connection() {
    let proxy = TestProxy::with(
        ProxySettings {
            idle_timeout: Duration::from_millis(400),
            client_timeout: Duration::from_millis(400),
            ..settings()
        },
        |proxy| proxy,
    );
    let mut half = begin(&proxy).await;
    half.send(frame(HEADERS, END_STREAM, 1, GET)).await;
    let mut idle = begin(&proxy).await;

    half.rest().await;
    idle.rest().await;
    until("the end of both", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let proxy = TestProxy::start();
    proxy.route("/", silent().await);
    let wire = begin(&proxy).await;
    let mut stream = 1;

    let sent = flood(wire, || {
        let mut frames = Vec::new();
        for _ in 0..500 {
            frames.extend(get(stream));
            frames.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            stream += 2;
        }
        frames
    })
    .await;

    assert!(sent < 8 << 20, "{sent} bytes were taken");
    until("the end of it", || proxy.stats.connections.get() == 0).await;
}

#[tokio::test]
async fn a_connection_may_have_128_requests_under_way() {
    let proxy = TestProxy::start();
    proxy.route("/", silent().await);
    let mut wire = begin(&proxy).await;

    for stream in 0..1000 {
        wire.send(get(2 * stream + 1)).await;
    }
    until("the most", || proxy.stats.upstream_connects.get() >= 128).await;
    // One that is there later is answered later than all of them.
    let mut other = begin(&proxy).await;
    other.send(get(1)).await;
    until("another one", || proxy.stats.upstream_connects.get() > 128).await;

    assert_eq!(proxy.stats.upstream_connects.get(), 129);
    drop(wire);
}
