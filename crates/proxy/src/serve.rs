//! Starting the workers and waiting for their end.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::settings::Proxy;
use crate::worker::Worker;

/// How many connections may wait to be accepted, as far as the kernel lets us (`net.core.somaxconn`).
///
/// With the 128 of the standard library more browsers than that cannot come back at once: the kernel
/// drops what they send, and they try again after a second, and after two more.
const QUEUE: i32 = 4096;

/// The current TLS configuration of a listener.
pub(crate) type Tls = Arc<ArcSwap<rustls::ServerConfig>>;

/// Why serving ended before the shutdown was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A thread or its runtime could not be started, or a listener not be used by it.
    #[error("could not start a proxy worker")]
    Start(#[source] io::Error),
    /// A worker ended on its own; its thread's panic message says why.
    #[error("a proxy worker ended unexpectedly")]
    WorkerEnded,
}

/// A socket to accept clients on.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// How to speak TLS on it; a new configuration is used from the next connection on. HTTP/2 is
    /// spoken if its `alpn_protocols` has `h2`.
    pub tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
}

/// How the drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut in the middle of a request at the end of the drain timeout.
    pub cut: u64,
}

/// Serves `listeners` until `shutdown`, then drains: requests under way are finished, within the drain
/// timeout. Until then new connections are served, too; after it upgraded connections are cut, and
/// whoever comes waits in the queue of the socket if somebody else has it open.
///
/// Each worker is a thread with a runtime of its own, so that no request passes from thread to
/// thread. [`Target::Local`](crate::Target::Local) services run on the runtime that calls this.
/// Dropping the future shuts down like `shutdown` does, without waiting.
///
/// # Errors
/// [`ServeError`] when the workers cannot start or one of them fails; the others are shut down.
pub async fn serve(
    listeners: Vec<Listener>,
    proxy: Proxy,
    shutdown: CancellationToken,
) -> Result<Drained, ServeError> {
    let stop = shutdown.child_token();
    let _stop_at_the_end = stop.clone().drop_guard();
    let mut workers = Vec::new();
    for listener in &listeners {
        // On a socket that is listened on already this sets the length of its queue.
        rustix::net::listen(&listener.socket, QUEUE)
            .map_err(|error| ServeError::Start(error.into()))?;
    }
    for number in 0..proxy.settings.workers.get() {
        let sockets = listeners.iter().map(share).collect::<io::Result<_>>();
        let worker = sockets.and_then(|sockets| start(number, sockets, &proxy, &stop));
        workers.push(worker.map_err(ServeError::Start)?);
    }
    drop(listeners);
    let ends = futures_util::future::try_join_all(workers).await;
    let cut = ends.map_err(|_| ServeError::WorkerEnded)?.iter().sum();
    Ok(Drained { cut })
}

type Socket = (TcpListener, Option<Tls>);

/// The same socket once more: all workers accept from one queue, so none is lost when one ends.
fn share(listener: &Listener) -> io::Result<Socket> {
    let socket = listener.socket.try_clone()?;
    socket.set_nonblocking(true)?;
    Ok((socket, listener.tls.clone()))
}

/// Starts a worker; the receiver gets the number of connections that it cut in the end.
fn start(
    number: usize,
    sockets: Vec<Socket>,
    proxy: &Proxy,
    stop: &CancellationToken,
) -> io::Result<oneshot::Receiver<u64>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let sockets = {
        let _in_runtime = runtime.enter();
        sockets
            .into_iter()
            .map(|(socket, tls)| Ok((tokio::net::TcpListener::from_std(socket)?, tls)))
            .collect::<io::Result<Vec<_>>>()?
    };
    let worker = Arc::new(Worker::new(proxy.clone(), Handle::current()));
    let stop = stop.clone();
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("proxy-{number}"))
        .spawn(move || {
            let cut = runtime.block_on(worker.run(sockets, stop));
            // The runtime goes first: what was to be cut is cut when the caller hears of it.
            drop(runtime);
            let _ = end.send(cut);
        })?;
    Ok(ended)
}
