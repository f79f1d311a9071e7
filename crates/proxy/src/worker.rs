//! One thread of the proxy: its connections, its pool, its end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Response, StatusCode, request};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Client;
use crate::exchange::ResponseBody;
use crate::forward;
use crate::io::ClientIo;
use crate::pool::Pool;
use crate::serve::Tls;
use crate::settings::Proxy;
use crate::turns::Patience;

/// How much of a body waits for a slow client at most, per connection or HTTP/2 stream.
const BUFFER_SIZE: usize = 256 << 10;

/// How long to wait after accepting failed, for example because no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often the peer of an HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_mins(1);

/// What all connections of one worker thread share.
pub(crate) struct Worker {
    pub(crate) proxy: Proxy,
    pub(crate) pool: Pool,
    /// Connections and upgraded connections.
    pub(crate) tasks: TaskTracker,
    /// Where local services run.
    pub(crate) local: Handle,
    stop: CancellationToken,
    /// Set before `stop`, because it is cheaper to look at.
    is_stopping: AtomicBool,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Worker {
    pub(crate) fn new(proxy: Proxy, local: Handle) -> Self {
        let settings = &proxy.settings;
        // Ours is the limit with a page; beyond twice of it hyper gives a bare answer.
        let header_limit = settings.header_limit * 2;
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(None)
            .max_header_size(header_limit)
            .max_buf_size(BUFFER_SIZE.max(header_limit + 8192));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .max_header_list_size(u32::try_from(header_limit).unwrap_or(u32::MAX))
            .max_send_buf_size(BUFFER_SIZE);
        Self {
            pool: Pool::new(settings.pool_idle_connections),
            tasks: TaskTracker::new(),
            local,
            stop: CancellationToken::new(),
            is_stopping: AtomicBool::new(false),
            http1,
            http2,
            proxy,
        }
    }

    /// The page for an answer of the proxy itself.
    pub(crate) fn page(&self, status: StatusCode, head: &request::Parts) -> Response<ResponseBody> {
        self.proxy.pages.page(status, head).map(Into::into)
    }

    /// Serves until `shutdown`, then drains; returns how many connections had to be cut.
    pub(crate) async fn run(
        self: Arc<Self>,
        listeners: Vec<(TcpListener, Option<Tls>)>,
        shutdown: CancellationToken,
    ) -> u64 {
        for (listener, tls) in listeners {
            tokio::spawn(Arc::clone(&self).accept(listener, tls));
        }
        tokio::spawn(Arc::clone(&self).sweep());
        shutdown.cancelled().await;
        self.is_stopping.store(true, Ordering::SeqCst);
        self.stop.cancel();
        self.tasks.close();
        let drained = self.tasks.wait();
        if tokio::time::timeout(self.proxy.settings.drain_timeout, drained)
            .await
            .is_ok()
        {
            return 0;
        }
        self.tasks.len() as u64
    }

    async fn sweep(self: Arc<Self>) {
        // A connection is dropped in the second sweep after its last use.
        let interval = (self.proxy.settings.pool_idle_timeout / 2).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(interval).await;
            self.pool.sweep();
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<Tls>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let worker = Arc::clone(&self);
                    let tls = tls.as_ref().map(|tls| TlsAcceptor::from(tls.load_full()));
                    self.tasks.spawn(worker.connection(stream, peer, tls));
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "could not accept a connection"
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) {
        let stats = Arc::clone(&self.proxy.stats);
        let _open = stats.connections.enter();
        let client = Arc::new(Client::new(peer, tls.is_some(), Arc::clone(&self)));
        let started = tokio::select! {
            started = begin(stream, tls, self.proxy.settings.header_timeout) => started,
            () = self.stop.cancelled() => return,
        };
        let ended = match started {
            Ok((io, true)) => self.serve_http2(io, client).await,
            Ok((io, false)) => self.serve_http1(io, client).await,
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection ended before its first request"
                );
                return;
            }
        };
        if let Err(error) = ended {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a client's connection broke"
            );
        }
    }

    async fn serve_http1(self: &Arc<Self>, io: ClientIo, client: Arc<Client>) -> hyper::Result<()> {
        let service = service_fn(|request| forward::answer(Arc::clone(&client), request));
        let connection = self.http1.serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection.with_upgrades());
        let mut stop = pin!(self.stop.cancelled());
        let mut stop_is_armed = false;
        let mut is_stopping = false;
        let mut patience = Patience::new(self.proxy.settings.header_timeout);
        std::future::poll_fn(|cx| {
            // Waiting for the stop costs something on each poll, so it is registered only once.
            if !is_stopping && (!stop_is_armed || self.is_stopping.load(Ordering::SeqCst)) {
                stop_is_armed = true;
                if stop.as_mut().poll(cx).is_ready() {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
            let ended = connection.as_mut().poll(cx);
            if ended.is_pending() {
                return patience.poll(cx, &client.turns).map(Ok);
            }
            ended
        })
        .await
    }

    async fn serve_http2(self: &Arc<Self>, io: ClientIo, client: Arc<Client>) -> hyper::Result<()> {
        let service = service_fn(move |request| forward::answer(Arc::clone(&client), request));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

/// Finds out what a client speaks; `true` stands for HTTP/2.
async fn begin(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    timeout: Duration,
) -> io::Result<(ClientIo, bool)> {
    stream.set_nodelay(true)?;
    tokio::time::timeout(timeout, async {
        let Some(tls) = tls else {
            return ClientIo::plain(stream).await;
        };
        let stream = tls.accept(stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((ClientIo::Tls(Box::new(stream)), is_http2))
    })
    .await?
}
