//! Joining the two ends of an upgraded connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once. Only what the other side did not take at once is kept, so an idle
/// connection holds no buffer at all.
const READ_SIZE: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// One end of the tunnel: its socket, and bytes that were read from it while it spoke HTTP.
pub(crate) struct End<T> {
    pub(crate) io: T,
    pub(crate) early: Bytes,
}

/// Copies bytes both ways until both sides have closed; a closed side is closed to the other one
/// while the opposite direction goes on.
///
/// `moved` is called with the number of bytes received from `client` and `upstream`. Each message
/// costs one read and one write, and a side that does not read stops the other one from being read.
///
/// # Errors
/// The first error of either socket; both are closed then.
pub(crate) async fn join<A, B>(
    mut client: End<A>,
    mut upstream: End<B>,
    mut moved: impl FnMut(usize, usize),
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut to_upstream = Direction::new(client.early);
    let mut to_client = Direction::new(upstream.early);
    std::future::poll_fn(|cx| {
        let out = to_upstream.poll(cx, &mut client.io, &mut upstream.io);
        let back = to_client.poll(cx, &mut upstream.io, &mut client.io);
        let (sent, received) = (to_upstream.take_moved(), to_client.take_moved());
        if sent + received > 0 {
            moved(sent, received);
        }
        match (out, back) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    })
    .await
}

struct Direction {
    /// Read, but not yet taken by the other side.
    pending: Bytes,
    state: State,
    moved: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Copying,
    Flushing,
    Closing,
    Closed,
}

impl Direction {
    fn new(pending: Bytes) -> Self {
        Self {
            moved: pending.len(),
            pending,
            state: State::Copying,
        }
    }

    fn take_moved(&mut self) -> usize {
        std::mem::take(&mut self.moved)
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.pending.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.pending.advance(written);
                self.state = State::Flushing;
            }
            match self.state {
                State::Copying => {}
                State::Flushing => {
                    // Nothing for a socket; TLS may hold the end of its last record back.
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.state = State::Copying;
                }
                State::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
            if self.state == State::Copying {
                ready!(self.poll_copy(cx, from, to))?;
            }
        }
    }

    /// Reads once and writes what came right away; what is not taken waits in `pending`.
    fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.state = State::Closing;
                return Poll::Ready(Ok(()));
            }
            self.moved += bytes.len();
            self.state = State::Flushing;
            let written = match Pin::new(to).poll_write(cx, bytes) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            if written < bytes.len() {
                self.pending = Bytes::copy_from_slice(&bytes[written..]);
            }
            Poll::Ready(Ok(()))
        })
    }
}
