//! Requests that two servers could understand differently never reach the second one so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{TestProxy, backend, mirror, soon};

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_after_them_is_read() {
    let proxy = TestProxy::start();
    proxy.route("/", mirror().await);
    let post = "POST / HTTP/1.1\r\nHost: hub.test\r\n";

    for (what, request) in [
        (
            "two lengths",
            format!("{post}Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!"),
        ),
        (
            "a list of lengths",
            format!("{post}Content-Length: 4, 5\r\n\r\nbody!"),
        ),
        (
            "a signed length",
            format!("{post}Content-Length: +4\r\n\r\nbody"),
        ),
        (
            "a negative length",
            format!("{post}Content-Length: -4\r\n\r\nbody"),
        ),
        ("a folded header", format!("{post}X-A: b\r\n c\r\n\r\n")),
        (
            "a space before the colon",
            format!("{post}Content-Length : 4\r\n\r\nbody"),
        ),
        (
            "an unknown coding",
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n"),
        ),
        (
            "two codings",
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "a coding twice",
            format!(
                "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "a coding hidden by another",
            format!(
                "{post}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: hub.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
        ),
        ("no host", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (
            "two hosts",
            "GET / HTTP/1.1\r\nHost: hub.test\r\nHost: evil.test\r\n\r\n".to_owned(),
        ),
        (
            "a bare name as target",
            "GET hub.test HTTP/1.1\r\nHost: hub.test\r\n\r\n".to_owned(),
        ),
        (
            "a tunnel",
            "CONNECT hub.test:80 HTTP/1.1\r\nHost: hub.test\r\n\r\n".to_owned(),
        ),
    ] {
        let mut wire = proxy.connect().await;
        wire.send(format!("{request}GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n"))
            .await;
        let answer = wire.answer().await;

        assert_eq!(answer.status, 400, "{what} got {answer:?}");
        let rest = soon(what, wire.rest()).await;
        assert!(rest.is_empty(), "{what} was followed by {rest:?}");
    }
}

#[tokio::test]
async fn length_beside_chunked_is_dropped_and_the_connection_closed_after_the_answer() {
    let heads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heads);
    let address = backend(move |mut wire| {
        let count = Arc::clone(&count);
        async move {
            while let Some(head) = wire.try_head().await {
                count.fetch_add(1, Ordering::SeqCst);
                assert!(
                    !head.to_ascii_lowercase().contains("content-length"),
                    "{head}"
                );
                while !wire.chunk().await.is_empty() {}
                wire.answer_200("ok").await;
            }
        }
    })
    .await;
    let proxy = TestProxy::start();
    proxy.route("/", address);
    let mut wire = proxy.connect().await;

    wire.send(
        "POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: hub.test\r\n\r\n",
    )
    .await;

    assert_eq!(wire.answer().await.status, 200);
    assert!(wire.rest().await.is_empty(), "a second answer came");
    assert_eq!(heads.load(Ordering::SeqCst), 1);
}
