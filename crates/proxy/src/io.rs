//! The byte streams of both sides: a socket, and for clients TLS on it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The first bytes of every HTTP/2 connection (RFC 9113 section 3.4); no HTTP/1 method begins so.
const HTTP2_START: &[u8; 4] = b"PRI ";

/// Up to this many bytes are copied together and sent with one plain write, which costs the kernel
/// less than a vectored one.
const SMALL_WRITE: usize = 1024;

/// A socket that gathers small writes.
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    /// Notes that there was nothing more to read, where somebody resets it.
    dry: Option<Dry>,
}

/// Whether a socket had nothing more to read the last time it was asked.
///
/// hyper asks up to four times in one round, and each time costs a lock. So the socket is asked no
/// more, after it has noted whom to wake, until the next round resets this.
#[derive(Clone, Default)]
pub(crate) struct Dry(Arc<AtomicBool>);

impl Dry {
    /// To be called before each round.
    pub(crate) fn reset(&self) {
        self.set(false);
    }

    // Only the task that drives the connection uses it, so no order has to be kept.
    fn set(&self, is_dry: bool) {
        self.0.store(is_dry, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, dry: Option<Dry>) -> Self {
        Self { stream, dry }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.dry.as_ref().is_some_and(Dry::is_set) {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Some(dry) = &self.dry {
            dry.set(read.is_pending());
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.stream);
        if let [slice] = slices {
            return socket.poll_write(cx, slice);
        }
        let length = slices.iter().map(|slice| slice.len()).sum();
        if length > SMALL_WRITE {
            return socket.poll_write_vectored(cx, slices);
        }
        let mut gathered = [0; SMALL_WRITE];
        let mut rest = &mut gathered[..];
        for slice in slices {
            let (place, after) = rest.split_at_mut(slice.len());
            place.copy_from_slice(slice);
            rest = after;
        }
        socket.poll_write(cx, &gathered[..length])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A client's connection.
pub(crate) enum ClientIo {
    /// In the clear; the bytes that were looked at to tell the protocol come first.
    Plain { first: FirstBytes, io: Socket },
    /// Through TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Up to four bytes that were read before their time.
#[derive(Default)]
pub(crate) struct FirstBytes {
    bytes: [u8; HTTP2_START.len()],
    start: usize,
    end: usize,
}

impl ClientIo {
    /// Waits for the first bytes of a connection in the clear and says whether it is HTTP/2.
    ///
    /// # Errors
    /// Those of the socket; a client that closes before four bytes gets HTTP/1's treatment.
    pub(crate) async fn plain(mut io: TcpStream) -> io::Result<(Self, bool)> {
        let mut first = FirstBytes::default();
        while first.end < HTTP2_START.len() && HTTP2_START.starts_with(&first.bytes[..first.end]) {
            let read = io.read(&mut first.bytes[first.end..]).await?;
            if read == 0 {
                break;
            }
            first.end += read;
        }
        let http2 = first.bytes == *HTTP2_START;
        let io = Socket::new(io, None);
        Ok((Self::Plain { first, io }, http2))
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { first, .. } if first.start < first.end => {
                let count = buffer.remaining().min(first.end - first.start);
                buffer.put_slice(&first.bytes[first.start..first.start + count]);
                first.start += count;
                Poll::Ready(Ok(()))
            }
            Self::Plain { io, .. } => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { io, .. } => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { io, .. } => Pin::new(io).poll_write_vectored(cx, slices),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain { io, .. } => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { io, .. } => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { io, .. } => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
