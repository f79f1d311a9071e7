//! A proxy to test, servers behind it that follow a script, and clients that speak in bytes.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jansky_model::{Clock as _, ManualClock, Timestamp};
use jansky_proxy::{
    Drained, Listener, Proxy, ProxySettings, ProxyStats, Route, Routes, ServeError, Target, serve,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No step of a test takes longer, unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for `future` until the deadline.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

/// Asks again and again until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub struct TestProxy {
    pub address: SocketAddr,
    pub routes: Routes,
    pub stats: Arc<ProxyStats>,
    pub clock: Arc<ManualClock>,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<Result<Drained, ServeError>>,
}

/// Settings with one worker, so that connections are found again where they were left.
pub fn settings() -> ProxySettings {
    ProxySettings {
        workers: NonZeroUsize::MIN,
        ..ProxySettings::default()
    }
}

impl TestProxy {
    pub fn start() -> Self {
        Self::with(settings(), |proxy| proxy)
    }

    pub fn with(settings: ProxySettings, configure: impl FnOnce(Proxy) -> Proxy) -> Self {
        Self::with_tls(settings, configure, None)
    }

    pub fn with_tls(
        settings: ProxySettings,
        configure: impl FnOnce(Proxy) -> Proxy,
        tls: Option<rustls::ServerConfig>,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_000)));
        let routes = Routes::new();
        let proxy = configure(Proxy::new(routes.clone(), settings, clock.clone()));
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("a bound socket");
        let listener = Listener {
            socket,
            tls: tls.map(|config| Arc::new(arc_swap::ArcSwap::from_pointee(config))),
        };
        let shutdown = CancellationToken::new();
        Self {
            address,
            routes,
            stats: Arc::clone(proxy.stats()),
            clock,
            shutdown: shutdown.clone(),
            served: tokio::spawn(serve(vec![listener], proxy, shutdown)),
        }
    }

    /// How much is held of requests that have not come as a whole.
    pub fn unfinished(&self) -> u64 {
        self.stats.unfinished_bytes.get()
    }

    /// Adds a route to a server.
    pub fn route(&self, spec: &str, backend: SocketAddr) -> Arc<Route> {
        self.add(
            spec,
            Target::http(&format!("http://{backend}")).expect("a valid target"),
        )
    }

    pub fn add(&self, spec: &str, target: Target) -> Arc<Route> {
        let route = Route::new(spec, target, self.clock.now()).expect("a valid spec");
        self.routes.add(route)
    }

    pub async fn connect(&self) -> Wire<TcpStream> {
        Wire::new(
            TcpStream::connect(self.address)
                .await
                .expect("the proxy listens"),
        )
    }

    /// Sends a GET on a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\n\r\n"))
            .await
    }

    /// Sends any request without a body on a connection of its own.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await
    }
}

/// Runs `script` for each connection to a new server; returns its address.
pub async fn backend<F, S>(script: S) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Wire<TcpStream>) -> F + Send + Sync + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(Wire::new(stream)));
        }
    });
    address
}

/// A server that answers every request with 200 and `body`, and keeps the connection.
pub async fn answers(body: &'static str) -> SocketAddr {
    backend(move |mut wire| async move {
        while wire.try_head().await.is_some() {
            wire.answer_200(body).await;
        }
    })
    .await
}

/// A server that answers every request with 200 and the head of the request.
pub async fn mirror() -> SocketAddr {
    backend(|mut wire| async move {
        while let Some(head) = wire.try_head().await {
            wire.answer_200(&head).await;
        }
    })
    .await
}

/// An address at which nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    listener.local_addr().expect("a bound socket")
}

/// A response as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header, if there is exactly one.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header in a head, if there is exactly one.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let value = values.next();
    assert!(
        values.next().is_none(),
        "`{name}` occurs more than once in {head}"
    );
    value
}

/// One end of a connection, in bytes.
pub struct Wire<T> {
    pub io: T,
    read: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub fn new(io: T) -> Self {
        Self {
            io,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("sending", self.io.write_all(bytes.as_ref()))
            .await
            .expect("the other end reads");
    }

    /// Reads more; `false` at the end.
    async fn more(&mut self) -> bool {
        self.read.reserve(16 << 10);
        soon("reading", self.io.read_buf(&mut self.read))
            .await
            .unwrap_or(0)
            > 0
    }

    /// Reads up to and including `end`; `None` if the connection ends before.
    pub async fn up_to(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(position) = self
                .read
                .windows(end.len())
                .position(|part| part == end.as_bytes())
            {
                let rest = self.read.split_off(position + end.len());
                let text = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8(text).expect("text"));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads a head; `None` if the connection ends before.
    pub async fn try_head(&mut self) -> Option<String> {
        self.up_to("\r\n\r\n").await
    }

    pub async fn head(&mut self) -> String {
        self.try_head().await.expect("a head")
    }

    /// Reads exactly `count` bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().await, "the connection ended in the middle");
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    pub async fn text(&mut self, count: usize) -> String {
        String::from_utf8(self.exactly(count).await).expect("text")
    }

    /// Reads until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// Reads a chunk of a chunked body; empty for the last.
    pub async fn chunk(&mut self) -> String {
        let size = self.up_to("\r\n").await.expect("the size of a chunk");
        let size = usize::from_str_radix(size.trim(), 16).expect("a hexadecimal number");
        let chunk = self.text(size).await;
        assert_eq!(self.text(2).await, "\r\n");
        chunk
    }

    /// Reads a response with its body.
    pub async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let status = head[9..12].parse().expect("a status");
        let body = if let Some(length) = header(&head, "content-length") {
            self.text(length.parse().expect("a length")).await
        } else if header(&head, "transfer-encoding").is_some() {
            let mut body = String::new();
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break body;
                }
                body += &chunk;
            }
        } else {
            String::new()
        };
        Answer { status, head, body }
    }

    pub async fn answer_200(&mut self, body: &str) {
        self.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    }
}
