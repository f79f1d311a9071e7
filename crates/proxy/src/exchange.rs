//! One request and its response, and what both bodies do on their way.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use crate::body::{BodyError, ProxyBody};
use crate::client::Client;
use crate::client_body::ClientBody;
use crate::route::Route;
use crate::settings::Revocation;
use crate::turns::Turn;
use crate::upstream::{Link, Upstream, poll_unpin};
use crate::worker::Worker;

/// What both bodies of an exchange need to know.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) client: Arc<Client>,
    pub(crate) route: Arc<Route>,
    /// `host:port` of the server behind the route.
    pub(crate) authority: Arc<str>,
}

impl Exchange {
    pub(crate) fn worker(&self) -> &Worker {
        &self.client.worker
    }

    /// Records activity on the route.
    pub(crate) fn touch(&self) {
        self.route.touch(self.worker().proxy.clock.now());
    }

    /// What ends this exchange before its time, if anything can.
    pub(crate) fn revocation(&self, head: &request::Parts) -> Option<Revocation> {
        let filter = self.worker().proxy.filter.as_ref()?;
        filter.revocation(&self.route, head)
    }

    fn keep(&self, upstream: Box<Upstream>) {
        self.worker().pool.keep(&self.authority, upstream);
    }
}

/// The body of a request on its way to the server behind a route.
///
/// Boxed, because nearly all requests have none, and hyper moves it with the request many times.
pub(crate) struct RequestBody(Option<Box<(ClientBody, Exchange)>>);

impl RequestBody {
    pub(crate) const fn empty() -> Self {
        Self(None)
    }

    pub(crate) fn new(body: Incoming, exchange: Exchange) -> Self {
        let body = ClientBody::streamed(body, &exchange.client);
        Self(Some(Box::new((body, exchange))))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some((body, exchange)) = self.0.as_deref_mut() else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            let stats = &exchange.worker().proxy.stats;
            stats.received_bytes.add(data.len() as u64);
            exchange.touch();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|both| both.0.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or(SizeHint::with_exact(0), |both| both.0.size_hint())
    }
}

/// Who drives the connection from which a response comes.
pub(crate) enum Driver {
    /// The body of the response itself.
    Inline(Box<Upstream>),
    /// A task, which takes the sender back when the response has ended; see [`spawn_driver`].
    Spawned(
        SendRequest<RequestBody>,
        oneshot::Sender<SendRequest<RequestBody>>,
    ),
}

/// Drives a connection in a task of its own until the response has ended, and keeps it then.
///
/// A request with a body needs this: the server may read the body while the client does not read
/// the response, and a body that is not read does not drive anything.
pub(crate) fn spawn_driver(
    mut link: Link,
    exchange: Exchange,
) -> oneshot::Sender<SendRequest<RequestBody>> {
    let (ended, mut ending) = oneshot::channel();
    tokio::spawn(async move {
        let sender = std::future::poll_fn(|cx| {
            if !link.drive(cx) {
                return Poll::Ready(None);
            }
            poll_unpin(&mut ending, cx).map(Result::ok)
        });
        if let Some(sender) = sender.await {
            let mut upstream = Upstream::unite(sender, link);
            if upstream.is_ready() {
                exchange.keep(upstream);
            }
        }
    });
    ended
}

/// The body of a response on its way to the client.
pub(crate) struct ResponseBody {
    kind: Kind,
    /// Lasts as long as the body.
    turn: Option<Turn>,
}

enum Kind {
    Own(ProxyBody),
    Upstream(UpstreamBody),
}

struct UpstreamBody {
    body: Incoming,
    driver: Option<Driver>,
    exchange: Exchange,
    /// The status is below 300, so the end of the body counts as activity.
    is_success: bool,
    /// Cuts a body that may last.
    revocation: Option<Revocation>,
}

/// Bodies of at most so many bytes are not waited for by anybody.
const SHORT: u64 = 64 << 10;

/// Whether a body may last long after it began.
pub(crate) fn may_last(body: &Incoming) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|size| size > SHORT)
}

/// Why a body ended before its time.
#[derive(Debug, thiserror::Error)]
#[error("what the request hung on has ended")]
struct Cut;

impl ResponseBody {
    /// A body from the server behind a route.
    pub(crate) fn upstream(
        body: Incoming,
        driver: Driver,
        exchange: Exchange,
        is_success: bool,
        revocation: Option<Revocation>,
    ) -> Self {
        let mut body = UpstreamBody {
            body,
            driver: Some(driver),
            exchange,
            is_success,
            revocation,
        };
        // Nobody may poll a body without bytes.
        if body.body.is_end_stream() {
            body.finish();
        }
        Self {
            kind: Kind::Upstream(body),
            turn: None,
        }
    }

    /// Lets the turn of the proxy end with this body.
    pub(crate) fn end_turn(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }
}

impl From<ProxyBody> for ResponseBody {
    fn from(body: ProxyBody) -> Self {
        Self {
            kind: Kind::Own(body),
            turn: None,
        }
    }
}

impl UpstreamBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(revocation) = &mut self.revocation
            && revocation.as_mut().poll(cx).is_ready()
        {
            // The connection to the server ends with it, so that nobody goes on over there either.
            (self.revocation, self.driver) = (None, None);
            return Poll::Ready(Some(Err(Cut.into())));
        }
        let body = Pin::new(&mut self.body);
        let frame = if let Some(Driver::Inline(upstream)) = &mut self.driver {
            // Only this task drives the connection, so its frames have nobody to wake.
            let mut nobody = Context::from_waker(Waker::noop());
            let body = body.get_mut();
            match Pin::new(&mut *body).poll_frame(&mut nobody) {
                Poll::Pending => {
                    upstream.drive(cx);
                    Pin::new(body).poll_frame(&mut nobody)
                }
                ready @ Poll::Ready(_) => ready,
            }
        } else {
            body.poll_frame(cx)
        };
        match &frame {
            Poll::Pending => {}
            Poll::Ready(None) => self.finish(),
            Poll::Ready(Some(Err(_))) => self.driver = None,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let stats = &self.exchange.worker().proxy.stats;
                    stats.sent_bytes.add(data.len() as u64);
                }
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
        }
        frame.map_err(Into::into)
    }

    /// The response has come as a whole: its connection can be used again.
    fn finish(&mut self) {
        let Some(driver) = self.driver.take() else {
            return;
        };
        if self.is_success {
            self.exchange.touch();
        }
        match driver {
            Driver::Inline(mut upstream) => {
                if upstream.is_ready() {
                    self.exchange.keep(upstream);
                }
            }
            // If the task has ended, so has the connection.
            Driver::Spawned(sender, ended) => drop(ended.send(sender)),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Own(body) => Pin::new(body).poll_frame(cx),
            Kind::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own(body) => body.is_end_stream(),
            Kind::Upstream(body) => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own(body) => body.size_hint(),
            Kind::Upstream(body) => body.body.size_hint(),
        }
    }
}
