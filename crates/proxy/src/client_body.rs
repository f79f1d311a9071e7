//! The body of a request, as it comes from the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::client::Client;
use crate::refusal::Refusal;
use crate::unfinished::Held;

/// So much of a body costs less than to count it.
const UNCOUNTED: usize = 16 << 10;

/// The body of a request as it comes from the client, which may not stop for longer than the client timeout.
///
/// Its errors are of these kinds, and all of them the client's doing: `TimedOut` when it stopped,
/// `OutOfMemory` when it had to go because too much is held of requests that have not come as a whole,
/// `InvalidData` when it is not what its head says, and others when the client left.
pub struct ClientBody(Option<Box<Coming>>);

/// Boxed, because nearly all requests have no body, and are moved many times.
struct Coming {
    body: Incoming,
    client: Arc<Client>,
    /// Runs while nothing comes.
    sleep: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// How much has come, where all of it is gathered in memory.
    gathered: Option<usize>,
    held: Option<Held>,
}

impl ClientBody {
    /// A body without bytes.
    pub(crate) const fn empty() -> Self {
        Self(None)
    }

    /// A body that is passed on as it comes.
    pub(crate) fn streamed(body: Incoming, client: &Arc<Client>) -> Self {
        Self::new(body, client, None)
    }

    /// A body that its receiver buffers, so that it counts towards the limit until it is complete.
    pub(crate) fn gathered(body: Incoming, client: &Arc<Client>) -> Self {
        Self::new(body, client, Some(0))
    }

    fn new(body: Incoming, client: &Arc<Client>, gathered: Option<usize>) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self(Some(Box::new(Coming {
            body,
            client: Arc::clone(client),
            sleep: None,
            is_waiting: false,
            gathered,
            held: None,
        })))
    }
}

impl Coming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return match (self.is_too_late(cx), self.count(0, cx)) {
                (_, Err(error)) | (Err(error), _) => Poll::Ready(Some(Err(error))),
                (Ok(()), Ok(())) => Poll::Pending,
            };
        };
        self.is_waiting = false;
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                Some(self.count(size, cx).map(|()| frame))
            }
            Some(Err(error)) => Some(Err(fault_of(error))),
            None => {
                self.held = None;
                None
            }
        })
    }

    /// Lets the time run while nothing comes.
    fn is_too_late(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let timeout = self.client.worker.proxy.settings.client_timeout;
        let sleep = self.sleep.get_or_insert_with(|| {
            self.is_waiting = true;
            Box::pin(sleep(timeout))
        });
        if !self.is_waiting {
            self.is_waiting = true;
            sleep.as_mut().reset(Instant::now() + timeout);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        let refusal = Refusal::SlowBody(timeout);
        Err(io::Error::new(io::ErrorKind::TimedOut, refusal))
    }

    fn count(&mut self, more: usize, cx: &Context<'_>) -> io::Result<()> {
        let Some(gathered) = &mut self.gathered else {
            return Ok(());
        };
        *gathered += more;
        if *gathered < UNCOUNTED || self.body.is_end_stream() {
            self.held = None;
            return Ok(());
        }
        let all = &self.client.worker.proxy.unfinished;
        let held = self.held.get_or_insert_with(|| all.hold(cx));
        held.set(*gathered, cx).map_err(|_| {
            let refusal = Refusal::Unfinished(all.limit());
            io::Error::new(io::ErrorKind::OutOfMemory, refusal)
        })
    }
}

/// What the client did that its body cannot be read on.
fn fault_of(error: hyper::Error) -> io::Error {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    let kind = match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            io::ErrorKind::InvalidData
        }
        Some(kind) => kind,
        None => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, error)
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Some(coming) => coming.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let coming = self.0.as_ref();
        coming.is_none_or(|coming| coming.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let coming = self.0.as_ref();
        coming.map_or(SizeHint::with_exact(0), |coming| coming.body.size_hint())
    }
}
