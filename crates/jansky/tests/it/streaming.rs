//! Large and long streams through the whole program.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::browser::Browser;
use crate::house::{ADMIN, House, Hub, PATIENCE};
use crate::processes::{memory, reset_peak_memory};

const MIB: u64 = 1 << 20;

/// How much more memory the hub may need for a stream of any size, in KiB.
const GROWTH: u64 = 64 << 10;

/// The longest that a stream may take on a busy machine.
const LONG: Duration = Duration::from_mins(5);

/// A connection on which a request was sent.
async fn ask(hub: &Hub<'_>, head: &str) -> TcpStream {
    let address = hub.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("{head}\r\nHost: {address}\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream
}

/// Reads the head of an answer and returns it.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8(head).expect("heads are text")
}

async fn download(hub: &Hub<'_>, bytes: u64) -> TcpStream {
    let request = format!("GET /user/{ADMIN}/one/download?bytes={bytes} HTTP/1.1");
    let mut stream = ask(hub, &request).await;
    stream.write_all(b"\r\n").await.expect("it reads");
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    stream
}

/// Reads until so many bytes have come.
async fn drain(stream: &mut TcpStream, bytes: u64) {
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = stream.read(&mut buffer[..wanted]).await;
        let read = read.expect("the stream goes on");
        assert!(read > 0, "the stream ended {left} bytes early");
        left -= read as u64;
    }
}

async fn with_server(house: &House) -> Hub<'_> {
    let hub = house.start(&[]).await;
    let admin = hub.make_admin().await;
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);
    hub
}

/// Runs something and asserts that the hub's memory did not grow by more than allowed.
async fn without_growth(hub: &Hub<'_>, what: &str, work: impl Future<Output = ()>) {
    let before = memory(hub.pid(), "VmRSS");
    reset_peak_memory(hub.pid());
    let in_time = tokio::time::timeout(LONG, work).await;
    assert!(in_time.is_ok(), "{what} took longer than {LONG:?}");
    let growth = memory(hub.pid(), "VmHWM").saturating_sub(before);
    assert!(growth < GROWTH, "{what} took {growth} KiB");
}

#[tokio::test]
async fn streams_of_any_size_pass_in_little_memory() {
    let house = House::new();
    let hub = with_server(&house).await;

    without_growth(&hub, "a download of 1 GiB", async {
        let mut stream = download(&hub, 1024 * MIB).await;
        drain(&mut stream, 1024 * MIB).await;
    })
    .await;
    without_growth(&hub, "an upload of 256 MiB", async {
        let size = 256 * MIB;
        let request = format!("PUT /user/{ADMIN}/one/upload HTTP/1.1\r\nContent-Length: {size}");
        let mut stream = ask(&hub, &request).await;
        stream.write_all(b"\r\n").await.expect("it reads");
        let chunk = vec![0; 1 << 20];
        for _ in 0..256 {
            stream.write_all(&chunk).await.expect("it reads on");
        }
        let head = head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let mut body = vec![0; format!("{{\"received\": {size}}}").len()];
        stream.read_exact(&mut body).await.expect("a body");
        assert_eq!(
            String::from_utf8_lossy(&body),
            format!("{{\"received\": {size}}}")
        );
    })
    .await;
}

#[tokio::test]
async fn readers_that_do_not_read_hold_nobody_up() {
    let house = House::new();
    let hub = with_server(&house).await;

    without_growth(&hub, "16 readers that do not read", async {
        let mut idle = Vec::new();
        for _ in 0..16 {
            idle.push(download(&hub, 1024 * MIB).await);
        }
        let visitor = Browser::new(&hub.url);
        for _ in 0..50 {
            let path = format!("user/{ADMIN}/one/self");
            visitor.get(&path).await.must_be(200);
            visitor.get("hub/health").await.must_be(200);
        }
        let mut stream = download(&hub, 64 * MIB).await;
        drain(&mut stream, 64 * MIB).await;
        // And they themselves get on as soon as they read.
        for stream in &mut idle {
            drain(stream, 8 * MIB).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_websocket_passes_frames_both_ways() {
    let house = House::new();
    let hub = with_server(&house).await;
    let request = format!(
        "GET /user/{ADMIN}/one/echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    );
    let mut stream = ask(&hub, &request).await;
    stream.write_all(b"\r\n").await.expect("it reads");
    let head = head(&mut stream).await.to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    // RFC 6455 section 1.3 has the answer to this key.
    let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
    assert!(head.contains(accept), "{head}");

    for round in 0..200_u8 {
        let text = format!("frame {round}");
        let length = u8::try_from(text.len()).expect("a short text");
        let mask = [round, 1, 2, 3];
        let masked = text.bytes().zip(mask.iter().cycle()).map(|(a, b)| a ^ b);
        let mut frame = vec![0x81, 0x80 | length];
        frame.extend(mask);
        frame.extend(masked);
        stream.write_all(&frame).await.expect("it reads");
        let mut echo = vec![0; 2 + text.len()];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut echo));
        read.await.expect("an echo in time").expect("an echo");
        assert_eq!(&echo[2..], text.as_bytes());
    }
}
