//! One connection to a server behind a route.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::exchange::RequestBody;
use crate::io::{Dry, Socket};

/// How much of a response is read ahead of its client at most.
const BUFFER_SIZE: usize = 256 << 10;

/// A connection and the means to send requests on it.
///
/// Nobody drives it in the background: whoever waits for its response or body drives it, in the same
/// task, so that a request does not pass from task to task.
pub(crate) struct Upstream {
    sender: SendRequest<RequestBody>,
    link: Link,
}

/// The receiving half of [`Upstream`], which has to be driven.
pub(crate) enum Link {
    Open(Connection<TokioIo<Socket>, RequestBody>, Dry),
    /// HTTP has ended on it: it was closed or upgraded.
    Ended(Connection<TokioIo<Socket>, RequestBody>),
    Gone,
}

impl Link {
    /// Moves bytes in both directions; `true` while the connection is open.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let Self::Open(connection, dry) = self else {
            return false;
        };
        dry.reset();
        if connection.poll_without_shutdown(cx).is_pending() {
            return true;
        }
        // What went wrong, if anything, is reported by the response or its body.
        if let Self::Open(connection, _) = std::mem::replace(self, Self::Gone) {
            *self = Self::Ended(connection);
        }
        false
    }
}

type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

impl Upstream {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Those of the resolver and the socket, and `TimedOut`.
    pub(crate) async fn connect(authority: &str, timeout: Duration) -> io::Result<Box<Self>> {
        let io = tokio::time::timeout(timeout, TcpStream::connect(authority)).await??;
        io.set_nodelay(true)?;
        let dry = Dry::default();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_SIZE)
            .handshake(TokioIo::new(Socket::new(io, Some(dry.clone()))))
            .await
            .map_err(io::Error::other)?;
        Ok(Box::new(Self {
            sender,
            link: Link::Open(connection, dry),
        }))
    }

    /// Sends a request and drives the connection until the head of its response is there.
    ///
    /// # Errors
    /// With the request itself if nothing of it was sent.
    pub(crate) async fn send(&mut self, request: Request<RequestBody>) -> Sent {
        let mut response = std::pin::pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            // It can only become ready while this task drives the link, so it has nobody to wake.
            let mut nobody = Context::from_waker(Waker::noop());
            let open = self.link.drive(cx);
            let sent = response.as_mut().poll(&mut nobody);
            if open || sent.is_ready() {
                return sent;
            }
            // Dropping the connection makes it give an unsent request back.
            self.link = Link::Gone;
            response.as_mut().poll(&mut nobody)
        })
        .await
    }

    /// Moves bytes in both directions.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.link.drive(cx);
    }

    /// Whether another request can be sent after a response has come as a whole.
    pub(crate) fn is_ready(&mut self) -> bool {
        // hyper says so in the same round in which it hands the end of the response over, but for
        // one that ended without our having driven it.
        self.sender.is_ready() || self.is_open()
    }

    /// Whether it is ready and the server has not closed it. Nobody is woken when that changes.
    pub(crate) fn is_open(&mut self) -> bool {
        let open = self.link.drive(&mut Context::from_waker(Waker::noop()));
        open && self.sender.is_ready()
    }

    /// Takes the socket back after the response said 101, with what was read too much.
    pub(crate) async fn into_socket(mut self: Box<Self>) -> Option<(TcpStream, Bytes)> {
        std::future::poll_fn(|cx| {
            if self.link.drive(cx) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        let Link::Ended(connection) = self.link else {
            return None;
        };
        let parts = connection.into_parts();
        Some((parts.io.into_inner().stream, parts.read_buf))
    }

    /// Separates both halves, for a request whose body must go on while nobody reads the response.
    pub(crate) fn split(self: Box<Self>) -> (SendRequest<RequestBody>, Link) {
        (self.sender, self.link)
    }

    /// Undoes [`split`](Self::split).
    pub(crate) fn unite(sender: SendRequest<RequestBody>, link: Link) -> Box<Self> {
        Box::new(Self { sender, link })
    }
}

/// Polls a future that is `Unpin` without naming `Pin` everywhere.
pub(crate) fn poll_unpin<F: Future + Unpin>(
    future: &mut F,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    Pin::new(future).poll(cx)
}
