//! One thread of the proxy: its connections, its pool, its end.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addresses::Place;
use crate::client::Client;
use crate::forward;
use crate::io::{ClientIo, refusal_in};
use crate::pool::{Pool, SWEEP_INTERVAL};
use crate::refusal::Refusal;
use crate::serve::Tls;
use crate::settings::{Proxy, ProxySettings};
use crate::turns::Patience;

/// How much of a body waits for a slow client at most, per connection or HTTP/2 stream.
const BUFFER_SIZE: usize = 64 << 10;

/// How many requests may be under way on an HTTP/2 connection.
const HTTP2_STREAMS: u32 = 128;

/// How much of the bodies of requests may wait on an HTTP/2 connection for their receivers, and how much
/// of a single one.
const HTTP2_WINDOWS: (u32, u32) = (1 << 20, 256 << 10);

/// How many streams of an HTTP/2 connection may be begun and reset before they are looked at (the attack
/// "rapid reset"), and how many we may reset because of the client's errors. A client that exceeds either
/// loses its connection, and so does one that sends more CONTINUATION frames than its largest header has use for.
const HTTP2_RESETS: (usize, usize) = (20, 1024);

/// How long a client is given to read why its connection ends, and how much of what it goes on sending is
/// read meanwhile; with that unread it would not see the answer.
const LINGER: (Duration, u64) = (Duration::from_secs(2), 1 << 20);

/// How often it is said that clients were turned away.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// How long to wait after accepting failed, for example because no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// By how much a buffer is larger than the largest head.
const HEAD_SLACK: usize = 8 << 10;

/// How long those who came during the drain may take to the end of their request when it is over.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// How often the peer of an HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_mins(1);

/// What all connections of one worker thread share.
pub(crate) struct Worker {
    pub(crate) proxy: Proxy,
    pub(crate) pool: Pool,
    /// Connections that were there before the end began.
    tasks: TaskTracker,
    /// Those that came afterwards, and all upgraded connections: none of them is waited for.
    pub(crate) late: TaskTracker,
    /// Where local services run.
    pub(crate) local: Handle,
    /// The end has begun: requests under way are finished, and no connection is kept.
    stop: CancellationToken,
    /// It has come: nobody is taken any more, and upgraded connections are cut.
    pub(crate) closing: CancellationToken,
    /// Set before `stop`, because it is cheaper to look at.
    is_stopping: AtomicBool,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Worker {
    pub(crate) fn new(proxy: Proxy, local: Handle) -> Self {
        let settings = &proxy.settings;
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(None)
            // A head beyond our own limit ends before it is so large; see `HeadWatch`.
            .max_buf_size(BUFFER_SIZE.max(settings.header_limit) + HEAD_SLACK);
        http1.max_headers(settings.header_fields * 2);
        let (connection_window, stream_window) = HTTP2_WINDOWS;
        let (pending_resets, error_resets) = HTTP2_RESETS;
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .max_concurrent_streams(HTTP2_STREAMS)
            .initial_connection_window_size(connection_window)
            .initial_stream_window_size(stream_window)
            .max_pending_accept_reset_streams(pending_resets)
            .max_local_error_reset_streams(error_resets)
            // Ours is the limit with a page; beyond twice of it hyper gives a bare answer.
            .max_header_list_size(u32::try_from(settings.header_limit * 2).unwrap_or(u32::MAX))
            .max_send_buf_size(BUFFER_SIZE);
        Self {
            pool: Pool::new(settings.server_idle_timeout, sweep_interval(settings)),
            tasks: TaskTracker::new(),
            local,
            late: TaskTracker::new(),
            stop: CancellationToken::new(),
            closing: CancellationToken::new(),
            is_stopping: AtomicBool::new(false),
            http1,
            http2,
            proxy,
        }
    }

    /// Serves until `shutdown`, then drains; returns how many connections had to be cut.
    ///
    /// New connections are still served during the drain, one request on each, because the next process
    /// may not listen yet. Upgraded connections are cut at its end, so that clients which reconnect at
    /// once reach the next process.
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
        let _ = tokio::time::timeout(self.proxy.settings.drain_timeout, drained).await;
        self.closing.cancel();
        self.late.close();
        let _ = tokio::time::timeout(LAST_REQUESTS, self.late.wait()).await;
        (self.tasks.len() + self.late.len()) as u64
    }

    async fn sweep(self: Arc<Self>) {
        let interval = sweep_interval(&self.proxy.settings);
        loop {
            tokio::time::sleep(interval).await;
            self.pool.sweep();
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<Tls>) {
        loop {
            // Who is in the queue by then belongs to the next process.
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let tls = tls.as_ref().map(|tls| TlsAcceptor::from(tls.load_full()));
                    match self.admit(peer) {
                        Ok(place) => {
                            let is_late = self.is_stopping.load(Ordering::SeqCst);
                            let tracker = if is_late { &self.late } else { &self.tasks };
                            let client =
                                Client::new(peer, tls.is_some(), Arc::clone(&self), is_late);
                            let worker = Arc::clone(&self);
                            tracker.spawn(worker.connection(stream, client, tls, place));
                        }
                        Err(refusal) => self.turn_away(stream, peer, tls.is_some(), refusal),
                    }
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

    /// Finds a place for one more connection.
    fn admit(&self, peer: SocketAddr) -> Result<Place, Refusal> {
        let Proxy {
            settings, stats, ..
        } = &self.proxy;
        let open = stats.connections.get() + stats.upgrades.get();
        if open >= settings.connection_limit as u64 {
            return Err(Refusal::Full);
        }
        // A proxy in front speaks for many; its clients are counted by their requests.
        let ip = peer.ip().to_canonical();
        if settings.trusted_proxies.iter().any(|net| net.contains(&ip)) {
            return Ok(Place::uncounted());
        }
        let place = self.proxy.addresses.try_enter(ip);
        place.ok_or(Refusal::TooManyAtOnce(settings.connections_per_address))
    }

    /// Ends a connection for which there is no place, with a word where that costs nothing.
    fn turn_away(&self, stream: TcpStream, peer: SocketAddr, is_tls: bool, refusal: Refusal) {
        let proxy = &self.proxy;
        proxy.stats.turned_away.add(1);
        if proxy
            .turned_away
            .is_due(proxy.clock.now(), WARNING_INTERVAL)
        {
            tracing::warn!(
                client.address = %peer.ip(),
                total = proxy.stats.turned_away.get(),
                "turned a connection away: {refusal}"
            );
        }
        if !is_tls && let Ok(mut stream) = stream.into_std() {
            use std::io::Write as _;
            // The buffer of a new socket takes it at once, or the client gets nothing.
            let _ = stream.write(&refusal.to_http1());
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        client: Client,
        tls: Option<TlsAcceptor>,
        _place: Place,
    ) {
        let stats = Arc::clone(&self.proxy.stats);
        let _open = stats.connections.enter();
        let client = Arc::new(client);
        let started = tokio::select! {
            biased;
            started = begin(stream, tls, &self.proxy.settings) => started,
            () = self.end_of(&client) => return,
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

    /// Waits until a connection has to end: one that was accepted late may still send a request.
    ///
    /// Its client knows itself connected, and closing before its first request would lose that request.
    async fn end_of(&self, client: &Client) {
        let end = if client.is_late {
            &self.closing
        } else {
            &self.stop
        };
        end.cancelled().await;
        let newcomer = client.accepted + self.proxy.settings.newcomer_timeout;
        // The task in which the request comes is the one that waits here.
        let has_asked = std::future::poll_fn(|_| {
            if client.turns.begun() > 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        tokio::select! {
            biased;
            () = has_asked => {}
            () = tokio::time::sleep_until(newcomer) => {}
        }
    }

    async fn serve_http1(self: &Arc<Self>, io: ClientIo, client: Arc<Client>) -> hyper::Result<()> {
        let service = service_fn(|request| forward::answer(Arc::clone(&client), request));
        let io = TokioIo::new(io.watched(Arc::clone(&client)));
        let mut http1 = self.http1.clone();
        if client.is_late {
            http1.keep_alive(false);
        }
        let mut connection = http1.serve_connection(io, service).with_upgrades();
        let mut stop = pin!(self.end_of(&client));
        let mut stop_is_armed = false;
        let mut is_stopping = false;
        let mut patience = Patience::new(&self.proxy.settings);
        let ended = std::future::poll_fn(|cx| {
            // What has come of a request is taken before the stop, which would close on it.
            let mut polled = Pin::new(&mut connection).poll(cx);
            // Waiting for the stop costs something on each poll, so it is registered only once.
            if polled.is_pending()
                && !is_stopping
                && (!stop_is_armed || self.is_stopping.load(Ordering::SeqCst))
            {
                stop_is_armed = true;
                if stop.as_mut().poll(cx).is_ready() {
                    is_stopping = true;
                    Pin::new(&mut connection).graceful_shutdown();
                    polled = Pin::new(&mut connection).poll(cx);
                }
            }
            match polled {
                Poll::Ready(ended) => Poll::Ready(Err(ended)),
                Poll::Pending => patience.poll(cx, &client.turns).map(Ok),
            }
        })
        .await;
        let refusal = match ended {
            Ok(Some(refusal)) => refusal,
            Ok(None) | Err(Ok(())) => return Ok(()),
            Err(Err(error)) => match refusal_in(&error) {
                Some(refusal) => refusal,
                None => return Err(error),
            },
        };
        if let Some(parts) = connection.into_parts() {
            self.refuse(parts.io.into_inner(), refusal).await;
        }
        Ok(())
    }

    /// Says on a connection on which HTTP has ended why it did.
    async fn refuse(&self, io: ClientIo, refusal: Refusal) {
        self.proxy.stats.count_response(refusal.status());
        let (patience, size) = LINGER;
        let mut io = io.unwatched();
        let answered = async {
            io.write_all(&refusal.to_http1()).await?;
            io.shutdown().await?;
            tokio::io::copy(&mut io.take(size), &mut tokio::io::sink()).await
        };
        // If the client does not read it, nothing is lost here.
        let _ = tokio::time::timeout(patience, answered).await;
    }

    async fn serve_http2(self: &Arc<Self>, io: ClientIo, client: Arc<Client>) -> hyper::Result<()> {
        let settings = &self.proxy.settings;
        let turns = Arc::clone(&client);
        let mut end = pin!(self.end_of(&turns));
        let service = service_fn(move |request| forward::answer(Arc::clone(&client), request));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(io), service));
        let mut patience = Patience::new(settings);
        let idle = std::future::poll_fn(|cx| patience.poll(cx, &turns.turns));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = idle => {
                connection.as_mut().graceful_shutdown();
                let patience = settings.client_timeout;
                let ended = tokio::time::timeout(patience, connection).await;
                return ended.unwrap_or(Ok(()));
            }
            () = end.as_mut() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

/// How often unused connections to servers are looked at.
fn sweep_interval(settings: &ProxySettings) -> Duration {
    let interval = SWEEP_INTERVAL.min(settings.server_idle_timeout / 2);
    interval.max(Duration::from_millis(10))
}

/// Finds out what a client speaks; `true` stands for HTTP/2.
async fn begin(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    settings: &ProxySettings,
) -> io::Result<(ClientIo, bool)> {
    stream.set_nodelay(true)?;
    // The kernel sees better than we do whether a client takes what it is sent.
    let timeout = u32::try_from(settings.send_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, timeout)?;
    let Some(tls) = tls else {
        return tokio::time::timeout(settings.idle_timeout, ClientIo::plain(stream)).await?;
    };
    let stream = tokio::time::timeout(settings.client_timeout, tls.accept(stream)).await??;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((ClientIo::tls(stream), is_http2))
}
