use std::time::Duration;

use jansky_model::Clock as _;

use crate::support::{TestProxy, backend, until};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn only_the_end_of_a_successful_response_is_activity() {
    for (status, counts) in [
        ("200 OK", true),
        ("201 Created", true),
        ("304 Not Modified", false),
        ("302 Found", false),
        ("404 Not Found", false),
        ("500 Internal Server Error", false),
    ] {
        let proxy = TestProxy::start();
        let address = backend(move |mut wire| async move {
            wire.head().await;
            wire.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
                .await;
        })
        .await;
        let route = proxy.route("/", address);
        let added = proxy.clock.now();
        assert_eq!(route.last_activity(), added, "adding a route is activity");
        proxy.clock.advance(HOUR);

        proxy.get("/").await;

        let expected = if counts { proxy.clock.now() } else { added };
        assert_eq!(route.last_activity(), expected, "{status}");
    }
}

#[tokio::test]
async fn response_counts_when_it_ends_and_not_before() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
            .await;
        wire.send("lf").await;
    })
    .await;
    let route = proxy.route("/", address);
    let mut wire = proxy.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: hub.test\r\n\r\n").await;
    proxy.clock.advance(HOUR);

    wire.answer().await;

    assert_eq!(route.last_activity(), proxy.clock.now());
}

#[tokio::test]
async fn body_of_a_request_is_activity_even_if_it_is_refused() {
    let proxy = TestProxy::start();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.exactly(4).await;
        wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .await;
    })
    .await;
    let route = proxy.route("/", address);
    proxy.clock.advance(HOUR);
    let mut wire = proxy.connect().await;

    wire.send("PUT / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 4\r\n\r\nbo")
        .await;
    until("activity", || route.last_activity() == proxy.clock.now()).await;
    proxy.clock.advance(HOUR);
    wire.send("dy").await;
    assert_eq!(wire.answer().await.status, 403);

    assert_eq!(route.last_activity(), proxy.clock.now());
}
