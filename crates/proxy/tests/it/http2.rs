use std::sync::Arc;

use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jansky_proxy::ProxySettings;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{TestProxy, Wire, answers, backend, header, mirror, settings};
use crate::upgrade::{ASK, SWITCH};

type Sender = SendRequest<Full<Bytes>>;

/// A proxy that speaks TLS, and its certificate.
fn tls_proxy() -> (TestProxy, rustls::RootCertStore) {
    tls_proxy_with(settings())
}

pub fn tls_proxy_with(settings: ProxySettings) -> (TestProxy, rustls::RootCertStore) {
    let key = rcgen::generate_simple_self_signed(["hub.test".to_owned()]).expect("a certificate");
    let certificate = key.cert.der().clone();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .expect("a matching key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    (
        TestProxy::with_tls(settings, |proxy| proxy, Some(config)),
        roots,
    )
}

async fn connect(
    proxy: &TestProxy,
    roots: rustls::RootCertStore,
    alpn: &str,
) -> TlsStream<TcpStream> {
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(proxy.address)
        .await
        .expect("the proxy listens");
    let name = ServerName::try_from("hub.test").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    connector
        .connect(name, stream)
        .await
        .expect("a trusted certificate")
}

async fn http2<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: T) -> Sender {
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn send(
    sender: &mut Sender,
    request: http::request::Builder,
    body: &'static str,
) -> (u16, String) {
    let request = request.body(Full::from(body)).expect("a valid request");
    let response = crate::support::soon("a response", sender.send_request(request)).await;
    let response = response.expect("a response");
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn http2_over_tls_reaches_a_server_that_speaks_http1() {
    let (proxy, roots) = tls_proxy();
    proxy.route("/", mirror().await);
    let mut sender = http2(connect(&proxy, roots, "h2").await).await;

    let (status, head) = send(
        &mut sender,
        Request::get("https://hub.test/user/river?x").header("cookie", "a=b"),
        "",
    )
    .await;

    assert_eq!(status, 200);
    assert!(head.starts_with("GET /user/river?x HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some("hub.test"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("https"));
    assert_eq!(header(&head, "x-forwarded-port"), Some("443"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("hub.test"));
}

#[tokio::test]
async fn cookies_in_several_fields_reach_a_server_as_one() {
    let (proxy, roots) = tls_proxy();
    proxy.route("/", mirror().await);
    let mut sender = http2(connect(&proxy, roots, "h2").await).await;

    let request = Request::get("https://hub.test/")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("x-other", "1")
        .header("cookie", "e=\"f\"");
    let (status, head) = send(&mut sender, request, "").await;

    assert_eq!(status, 200);
    assert_eq!(header(&head, "cookie"), Some("a=b; c=d; e=\"f\""), "{head}");
    assert_eq!(
        head.to_lowercase().matches("\r\ncookie:").count(),
        1,
        "{head}"
    );
}

#[tokio::test]
async fn streams_of_one_connection_go_their_own_ways() {
    let (proxy, roots) = tls_proxy();
    proxy.route("/one", answers("one").await);
    proxy.route("/two", answers("two").await);
    let stuck = backend(|mut wire| async move {
        wire.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    proxy.route("/stuck", stuck);
    let sender = http2(connect(&proxy, roots, "h2").await).await;

    let mut waiting = sender.clone();
    let waiting = tokio::spawn(async move {
        let request = Request::get("https://hub.test/stuck").body(Full::default());
        waiting
            .send_request(request.expect("a valid request"))
            .await
    });
    for (path, body) in [("/one", "one"), ("/two", "two"), ("/one", "one")] {
        let uri = format!("https://hub.test{path}");
        assert_eq!(
            send(&mut sender.clone(), Request::get(uri), "").await,
            (200, body.to_owned())
        );
    }
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn body_of_an_http2_request_is_forwarded() {
    let (proxy, roots) = tls_proxy();
    let address = backend(|mut wire| async move {
        while let Some(head) = wire.try_head().await {
            let length = header(&head, "content-length")
                .expect("a length")
                .parse()
                .expect("a number");
            let body = wire.text(length).await;
            wire.answer_200(&body).await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut sender = http2(connect(&proxy, roots, "h2").await).await;

    let answer = send(&mut sender, Request::post("https://hub.test/"), "some text").await;

    assert_eq!(answer, (200, "some text".to_owned()));
}

#[tokio::test]
async fn http2_with_prior_knowledge_works_in_the_clear() {
    let proxy = TestProxy::start();
    proxy.route("/", answers("hub").await);
    let stream = TcpStream::connect(proxy.address)
        .await
        .expect("the proxy listens");
    let mut sender = http2(stream).await;

    let answer = send(&mut sender, Request::get("http://hub.test/"), "").await;

    assert_eq!(answer, (200, "hub".to_owned()));
}

#[tokio::test]
async fn websocket_works_over_tls() {
    let (proxy, roots) = tls_proxy();
    let address = backend(|mut wire| async move {
        wire.head().await;
        wire.send(SWITCH).await;
        loop {
            let message = wire.exactly(100_000).await;
            wire.send(message).await;
        }
    })
    .await;
    proxy.route("/", address);
    let mut wire = Wire::new(connect(&proxy, roots, "http/1.1").await);

    wire.send(ASK).await;
    wire.head().await;
    for byte in [b'a', b'b'] {
        let message = vec![byte; 100_000];
        wire.send(&message).await;
        assert_eq!(wire.exactly(message.len()).await, message);
    }
}
