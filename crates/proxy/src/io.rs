//! The byte streams of both sides: a socket, and for clients TLS on it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::client::Client;
use crate::head_watch::HeadWatch;
use crate::refusal::Refusal;

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
pub(crate) struct ClientIo {
    stream: Stream,
    /// Looks at what comes while HTTP/1 is spoken.
    watch: Option<HeadWatch>,
}

enum Stream {
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
        Ok((Self::new(Stream::Plain { first, io }), http2))
    }

    /// A connection through TLS, whose handshake is over.
    pub(crate) fn tls(io: TlsStream<TcpStream>) -> Self {
        Self::new(Stream::Tls(Box::new(io)))
    }

    fn new(stream: Stream) -> Self {
        Self {
            stream,
            watch: None,
        }
    }

    /// Bounds the heads that come; a head that has to go ends reading with a [`Refusal`] as the error.
    pub(crate) fn watched(mut self, client: Arc<Client>) -> Self {
        self.watch = Some(HeadWatch::new(client));
        self
    }

    /// Lets everything through: what follows is not HTTP/1.
    pub(crate) fn unwatched(mut self) -> Self {
        self.watch = None;
        self
    }
}

/// The refusal with which a [`ClientIo`] ended.
pub(crate) fn refusal_in(error: &hyper::Error) -> Option<Refusal> {
    let cause = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    cause.get_ref()?.downcast_ref().copied()
}

impl AsyncRead for Stream {
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

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, watch } = self.get_mut();
        let stream = Pin::new(stream);
        let Some(watch) = watch else {
            return stream.poll_read(cx, buffer);
        };
        let before = buffer.filled().len();
        let read = match watch.room(cx) {
            Err(refusal) => return Poll::Ready(Err(io::Error::other(refusal))),
            Ok(room) if room >= buffer.remaining() => stream.poll_read(cx, buffer),
            Ok(room) => {
                let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
                let read = stream.poll_read(cx, &mut part);
                let count = part.filled().len();
                buffer.advance(count);
                read
            }
        };
        watch.count(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain { io, .. } => Pin::new(io).poll_write(cx, bytes),
            Stream::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain { io, .. } => Pin::new(io).poll_write_vectored(cx, slices),
            Stream::Tls(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain { io, .. } => io.is_write_vectored(),
            Stream::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain { io, .. } => Pin::new(io).poll_flush(cx),
            Stream::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain { io, .. } => Pin::new(io).poll_shutdown(cx),
            Stream::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
