use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use jansky_proxy::{ClientBody, ClientInfo, ProxyBody, ProxySettings, Target};

use crate::support::{TestProxy, settings, until};

/// A service that answers with who asked and what was sent.
fn service() -> Target {
    Target::Local(Arc::new(|request: Request<ClientBody>| {
        Box::pin(async move {
            let client = *request
                .extensions()
                .get::<ClientInfo>()
                .expect("the client is known");
            let path = request.uri().path().to_owned();
            let body = request
                .into_body()
                .collect()
                .await
                .expect("a whole body")
                .to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Response::new(ProxyBody::full(format!(
                "{} of {} {} {path} {body}",
                client.addr.ip(),
                client.peer,
                client.secure
            )))
        })
    }))
}

#[tokio::test]
async fn local_service_gets_the_request_and_the_client() {
    let proxy = TestProxy::start();
    proxy.add("/hub/", service());

    let answer = proxy
        .ask("POST /hub/api HTTP/1.1\r\nHost: hub.test\r\nX-Forwarded-For: 9.9.9.9\r\nContent-Length: 4\r\n\r\nbody")
        .await;

    assert_eq!(answer.body, "127.0.0.1 of 127.0.0.1 false /hub/api body");
}

#[tokio::test]
async fn client_of_a_trusted_proxy_is_whom_it_speaks_for() {
    let trusting = ProxySettings {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..settings()
    };
    let proxy = TestProxy::with(trusting, |proxy| proxy);
    proxy.add("/", service());
    let ask = |chain: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: hub.test\r\nX-Forwarded-For: {chain}\r\nX-Forwarded-Proto: https\r\n\r\n"
        )
    };

    assert_eq!(
        proxy.ask(&ask("1.1.1.1, 9.9.9.9")).await.body,
        "9.9.9.9 of 127.0.0.1 true / "
    );
    assert_eq!(
        proxy.ask(&ask("9.9.9.9, 127.0.0.7")).await.body,
        "9.9.9.9 of 127.0.0.1 true / "
    );
    assert_eq!(
        proxy.ask(&ask("unknown")).await.body,
        "127.0.0.1 of 127.0.0.1 true / "
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn local_service_spawns_on_the_runtime_that_serves() {
    let proxy = TestProxy::start();
    let flavor = || format!("{:?}", tokio::runtime::Handle::current().runtime_flavor());
    proxy.add(
        "/",
        Target::Local(Arc::new(move |_| {
            Box::pin(async move {
                let begun = flavor();
                let spawned = tokio::spawn(async move { flavor() });
                let spawned = spawned.await.expect("a task");
                Response::new(ProxyBody::full(format!("{begun} {spawned} {}", flavor())))
            })
        })),
    );

    // The threads of the proxy have runtimes of the other kind.
    assert_eq!(
        proxy.get("/").await.body,
        "MultiThread MultiThread MultiThread"
    );
}

#[tokio::test]
async fn panic_of_a_local_service_is_answered_with_500() {
    let proxy = TestProxy::start();
    proxy.add(
        "/",
        Target::Local(Arc::new(|_| Box::pin(async { panic!("on purpose") }))),
    );

    assert_eq!(proxy.get("/").await.status, 500);
    assert_eq!(proxy.get("/_chp_healthz").await.status, 200);
}

#[tokio::test]
async fn local_service_runs_to_its_end_when_the_client_leaves() {
    let proxy = TestProxy::start();
    let (go_on, _) = tokio::sync::broadcast::channel::<()>(1);
    let reached = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (signal, steps) = (go_on.clone(), Arc::clone(&reached));
    proxy.add(
        "/",
        Target::Local(Arc::new(move |_| {
            let (mut wait, steps) = (signal.subscribe(), Arc::clone(&steps));
            Box::pin(async move {
                steps.store(1, std::sync::atomic::Ordering::SeqCst);
                wait.recv().await.expect("a signal");
                steps.store(2, std::sync::atomic::Ordering::SeqCst);
                Response::new(ProxyBody::empty())
            })
        })),
    );
    let step = |number| reached.load(std::sync::atomic::Ordering::SeqCst) == number;
    let mut wire = proxy.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 0\r\n\r\n")
        .await;
    until("the first step", || step(1)).await;

    drop(wire);
    until("the end of the connection", || {
        proxy.stats.connections.get() == 0
    })
    .await;
    go_on.send(()).expect("the service waits");

    until("the second step", || step(2)).await;
}
