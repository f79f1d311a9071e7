use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::support::{TestProxy, Wire, answers, backend, soon, until};

/// More than all buffers of sockets and proxy between a server and its client.
const FAR_TOO_MUCH: usize = 512 << 20;
/// What these buffers may take at most: two sockets of up to 10 MiB, and ours.
const BUFFERS: usize = 24 << 20;

#[tokio::test]
async fn first_bytes_of_a_response_arrive_before_the_last_are_sent() {
    let proxy = TestProxy::start();
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = Arc::new(tokio::sync::Mutex::new(Some(wait)));
    let address = backend(move |mut wire| {
        let wait = Arc::clone(&wait);
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                .await;
            let wait = wait.lock().await.take().expect("one request");
            soon("the first part", wait)
                .await
                .expect("the test goes on");
            wire.send("4\r\nlast\r\n0\r\n\r\n").await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
    wire.head().await;
    assert_eq!(wire.chunk().await, "first");
    go_on.send(()).expect("the server waits");

    assert_eq!(wire.chunk().await, "last");
    assert_eq!(wire.chunk().await, "");
}

#[tokio::test]
async fn first_bytes_of_a_request_arrive_before_the_last_are_sent() {
    let proxy = TestProxy::start();
    let (seen, first) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(move |mut wire| {
        let seen = seen.clone();
        async move {
            wire.head().await;
            seen.send(wire.text(5).await).expect("the test goes on");
            let rest = wire.text(4).await;
            wire.answer_200(&rest).await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut first = first;
    let mut wire = proxy.connect().await;

    wire.send("PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 9\r\n\r\nfirst")
        .await;
    assert_eq!(
        soon("the first part", first.recv()).await.as_deref(),
        Some("first")
    );
    wire.send("last").await;

    assert_eq!(wire.answer().await.body, "last");
}

#[tokio::test]
async fn chunked_request_stays_chunked_whatever_its_method() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        for _ in 0..2 {
            wire.head().await;
            let mut body = String::new();
            loop {
                let chunk = wire.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body += &chunk;
            }
            wire.answer_200(&body).await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    for method in ["GET", "POST"] {
        wire.send(format!(
            "{method} / HTTP/1.1\r\nHost: hub.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.answer().await.body, "abcde");
    }
}

#[tokio::test]
async fn client_that_expects_100_continue_gets_it_and_the_server_is_not_asked() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        let head = wire.head().await;
        assert!(!head.to_ascii_lowercase().contains("expect"), "{head}");
        let body = wire.text(4).await;
        wire.answer_200(&body).await;
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    wire.send(
        "POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert_eq!(wire.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.send("body").await;

    assert_eq!(wire.answer().await.body, "body");
}

/// A server that sends or receives without end and counts the bytes.
async fn counting(upload: bool) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let moved = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&moved);
    let address = backend(move |mut wire| {
        let counter = Arc::clone(&counter);
        async move {
            wire.head().await;
            if upload {
                // Never reads the body.
                return std::future::pending().await;
            }
            wire.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n"
            ))
            .await;
            pour(&mut wire, &counter).await;
        }
    })
    .await;
    (address, moved)
}

async fn pour(wire: &mut Wire<tokio::net::TcpStream>, counter: &AtomicUsize) {
    let block = vec![b'x'; 64 << 10];
    while let Ok(written) = wire.io.write(&block).await {
        counter.fetch_add(written, Ordering::SeqCst);
    }
}

/// Waits until nothing has moved for a while; returns how much has.
async fn stalled(moved: &AtomicUsize) -> usize {
    until("the first bytes", || moved.load(Ordering::SeqCst) > 0).await;
    soon("a stall", async {
        loop {
            let before = moved.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            if moved.load(Ordering::SeqCst) == before {
                return before;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_does_not_read_stops_the_server_and_nobody_else() {
    let proxy = TestProxy::start();
    let (address, moved) = counting(false).await;
    proxy.route("/big", address);
    proxy.route("/", answers("small").await);
    let mut slow = proxy.connect().await;
    slow.send("GET /big HTTP/1.1\r\nHost: hub.test\r\n\r\n")
        .await;

    let in_flight = stalled(&moved).await;

    assert!(in_flight < BUFFERS, "{in_flight} bytes are under way");
    assert_eq!(proxy.get("/").await.body, "small");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_does_not_read_stops_the_client_and_nobody_else() {
    let proxy = TestProxy::start();
    let (address, _) = counting(true).await;
    proxy.route("/big", address);
    proxy.route("/", answers("small").await);
    let moved = Arc::new(AtomicUsize::new(0));
    let mut fast = proxy.connect().await;
    fast.send(format!(
        "PUT /big HTTP/1.1\r\nHost: hub.test\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n"
    ))
    .await;
    let counter = Arc::clone(&moved);
    let pouring = tokio::spawn(async move { pour(&mut fast, &counter).await });

    let in_flight = stalled(&moved).await;

    assert!(in_flight < BUFFERS, "{in_flight} bytes are under way");
    assert_eq!(proxy.get("/").await.body, "small");
    pouring.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_goes_on_while_the_client_does_not_read_the_response() {
    const SIZE: usize = 64 << 20;
    let proxy = TestProxy::start();
    let (done, mut uploaded) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(move |mut wire| {
        let done = done.clone();
        async move {
            wire.head().await;
            let (mut read, mut write) = wire.io.into_split();
            tokio::spawn(async move {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n");
                let _ = write.write_all(head.as_bytes()).await;
                let block = vec![b'y'; 64 << 10];
                while write.write_all(&block).await.is_ok() {}
            });
            let mut buffer = vec![0; 64 << 10];
            let mut received = 0;
            while received < SIZE - (64 << 10) {
                received += tokio::io::AsyncReadExt::read(&mut read, &mut buffer)
                    .await
                    .expect("a body");
            }
            done.send(()).expect("the test goes on");
            std::future::pending::<()>().await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    wire.send(format!(
        "PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: {SIZE}\r\n\r\n"
    ))
    .await;
    let body = vec![b'x'; SIZE];
    wire.send(&body).await;

    soon("the upload", uploaded.recv())
        .await
        .expect("the server has it all");
}
