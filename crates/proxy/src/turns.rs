//! Whose turn it is on a connection, and how long the client may take for its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::addresses::Place;
use crate::client::Client;
use crate::refusal::Refusal;
use crate::settings::ProxySettings;

/// How many times a client is looked at before its time is over.
const CHECKS: u32 = 4;

/// Counts the turns of the proxy. It is the client's turn while none is under way.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    begun: AtomicU64,
    ended: AtomicU64,
    /// How much of the next head has come; always 0 on HTTP/2.
    head: AtomicUsize,
}

impl Turns {
    /// Whether the client is to send a head.
    pub(crate) fn is_clients(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed)
    }

    /// How many have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Notes how much of the next head has come.
    pub(crate) fn set_head(&self, size: usize) {
        self.head.store(size, Ordering::Relaxed);
    }
}

/// The proxy's turn, from a request's header to the end of its response.
pub(crate) struct Turn {
    client: Arc<Client>,
    /// Where a trusted proxy speaks for many clients: the place of the one whose request it is.
    place: Option<Place>,
}

impl Turn {
    pub(crate) fn begin(client: Arc<Client>) -> Self {
        client.turns.begun.fetch_add(1, Ordering::Relaxed);
        client.turns.set_head(0);
        Self {
            client,
            place: None,
        }
    }

    /// Whose request is answered.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Keeps a place until the end of the turn.
    pub(crate) fn keep(&mut self, place: Place) {
        self.place = Some(place);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.client.turns.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Notices that a client took too long to send a header, or nothing at all.
///
/// hyper can do this too, with a timer that is set for each request; that is 2 to 4 % of a small one.
/// This looks at the connection a few times per timeout instead, and so is late by up to a quarter.
pub(crate) struct Patience {
    /// How long nothing may come.
    idle: Duration,
    /// How long a head may take that has begun to come.
    head: Duration,
    period: Duration,
    sleep: Pin<Box<Sleep>>,
    /// The sleep knows whom to wake.
    is_armed: bool,
    seen: u64,
    waited: Duration,
    waited_for_head: Duration,
}

impl Patience {
    pub(crate) fn new(settings: &ProxySettings) -> Self {
        let period = settings.idle_timeout.min(settings.client_timeout) / CHECKS;
        Self {
            idle: settings.idle_timeout,
            head: settings.client_timeout,
            period,
            sleep: Box::pin(sleep(period)),
            is_armed: false,
            seen: 0,
            waited: Duration::ZERO,
            waited_for_head: Duration::ZERO,
        }
    }

    /// Ready when it is over, with an answer if a request has begun. It is always the same task that has
    /// to poll it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, turns: &Turns) -> Poll<Option<Refusal>> {
        // Polling a sleep costs more than looking at it.
        if self.is_armed && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.is_armed = true;
        while self.sleep.as_mut().poll(cx).is_ready() {
            let begun = turns.begun();
            // The first look may come right after the turn began.
            if turns.is_clients() && begun == self.seen {
                let has_head = turns.head.load(Ordering::Relaxed) > 0;
                let waited = if has_head {
                    &mut self.waited_for_head
                } else {
                    &mut self.waited
                };
                *waited += self.period;
            } else {
                (self.waited, self.waited_for_head) = (Duration::ZERO, Duration::ZERO);
            }
            self.seen = begun;
            if self.waited_for_head > self.head {
                return Poll::Ready(Some(Refusal::SlowHead(self.head)));
            }
            if self.waited > self.idle {
                return Poll::Ready(None);
            }
            self.sleep.as_mut().reset(Instant::now() + self.period);
        }
        Poll::Pending
    }
}
