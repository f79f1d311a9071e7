use std::sync::Arc;

use http::{Response, request};
use jansky_proxy::{ClientInfo, ErrorPages, ProxyBody, Refusal};

use crate::support::{TestProxy, backend, nobody, settings, soon, until};

struct Pages;

impl ErrorPages for Pages {
    fn page(
        &self,
        refusal: Refusal,
        head: &request::Parts,
        client: &ClientInfo,
    ) -> Response<ProxyBody> {
        let status = refusal.status();
        let text = format!("{} {} {status} {}", head.method, head.uri, client.peer);
        let mut response = Response::new(ProxyBody::full(text));
        *response.status_mut() = status;
        response
    }
}

#[tokio::test]
async fn pages_of_the_program_are_shown() {
    let proxy = TestProxy::with(settings(), |proxy| proxy.with_pages(Arc::new(Pages)));
    proxy.route("/dead/", nobody().await);

    let refused = proxy.get("/dead/x?y").await;
    let unknown = proxy.get("/other").await;

    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.body,
        "GET /dead/x?y 503 Service Unavailable 127.0.0.1"
    );
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.body, "GET /other 404 Not Found 127.0.0.1");
    assert_eq!(proxy.stats.upstream_errors.get(), 1);
    assert_eq!(
        proxy
            .stats
            .responses
            .each_ref()
            .map(jansky_proxy::Counter::get),
        [0, 0, 0, 1, 1]
    );
}

#[tokio::test]
async fn server_that_closes_without_an_answer_is_answered_with_503() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
    })
    .await;
    proxy.route("/", address);

    assert_eq!(proxy.get("/").await.status, 503);
    assert_eq!(
        proxy
            .ask("POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 4\r\n\r\nbody")
            .await
            .status,
        503
    );
}

#[tokio::test]
async fn server_that_does_not_speak_http_is_answered_with_503() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    proxy.route("/", address);

    assert_eq!(proxy.get("/").await.status, 503);
}

#[tokio::test]
async fn server_that_cannot_be_connected_in_time_is_answered_with_503() {
    // A listener whose queue is full does not answer: the kernel drops what comes.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let address = socket.local_addr().expect("a bound socket");
    let _listener = socket.listen(1).expect("a bound socket");
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(
        std::time::Duration::from_millis(200),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        waiting.push(stream.expect("a place in the queue"));
    }
    let mut hurried = settings();
    hurried.connect_timeout = std::time::Duration::from_millis(200);
    let proxy = TestProxy::with(hurried, |proxy| proxy);
    proxy.route("/", address);

    assert_eq!(proxy.get("/").await.status, 503);
}

#[tokio::test]
async fn response_that_breaks_off_reaches_the_client_as_broken() {
    let proxy = TestProxy::start();
    for (path, response) in [
        (
            "/length",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        ),
        (
            "/chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
    ] {
        let (go_on, _) = tokio::sync::broadcast::channel::<()>(1);
        let signal = go_on.clone();
        let address = backend(move |mut wire| {
            let mut wait = signal.subscribe();
            async move {
                wire.head().await;
                wire.send(response).await;
                soon("the signal", wait.recv()).await.expect("a signal");
            }
        })
        .await;
        proxy.route(path, address);
        let mut wire = proxy.connect().await;

        wire.send(format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\n\r\n"))
            .await;
        assert!(wire.head().await.starts_with("HTTP/1.1 200 "));
        let part = wire.up_to("half").await.expect("the part that was sent");
        go_on.send(()).expect("the server waits");
        let rest = String::from_utf8(wire.rest().await).expect("text");

        assert!(
            part.len() + rest.len() < 10,
            "{path} got more than was sent: {part}{rest}"
        );
        assert!(
            !rest.contains('0'),
            "{path} ended as if it were whole: {rest}"
        );
    }
}

#[tokio::test]
async fn client_that_leaves_frees_the_server() {
    let proxy = TestProxy::start();
    let (left, mut leaving) = tokio::sync::mpsc::unbounded_channel();
    let address = backend(move |mut wire| {
        let left = left.clone();
        async move {
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                .await;
            wire.rest().await;
            left.send(()).expect("the test goes on");
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
    wire.head().await;

    drop(wire);

    soon("the end at the server", leaving.recv())
        .await
        .expect("an end");
    until("the end of the connection", || {
        proxy.stats.connections.get() == 0
    })
    .await;
}

#[tokio::test]
async fn early_answer_to_an_upload_reaches_the_client() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nno!")
            .await;
        wire.rest().await;
    })
    .await;
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    wire.send("PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 1000000\r\n\r\nstart")
        .await;
    let answer = wire.answer().await;

    assert_eq!((answer.status, answer.body.as_str()), (413, "no!"));
}
