//! Whose turn it is on an HTTP/1 connection, and how long the client may take for its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::client::Client;

/// How many times a client is looked at before its time is over.
const CHECKS: u32 = 4;

/// Counts turns: even while the client is to send a header, odd while a request is answered.
#[derive(Debug, Default)]
pub(crate) struct Turns(AtomicU64);

impl Turns {
    fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The proxy's turn, from a request's header to the end of its response.
pub(crate) struct Turn(Arc<Client>);

impl Turn {
    pub(crate) fn begin(client: Arc<Client>) -> Self {
        client.turns.next();
        Self(client)
    }

    /// Whose request is answered.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turns.next();
    }
}

/// Notices that a client took too long to send a header, or nothing at all.
///
/// hyper can do this too, with a timer that is set for each request; that is 2 to 4 % of a small one.
/// This looks at the connection a few times per timeout instead, and so is late by up to a quarter.
pub(crate) struct Patience {
    period: Duration,
    sleep: Pin<Box<Sleep>>,
    /// The sleep knows whom to wake.
    is_armed: bool,
    seen: u64,
    strikes: u32,
}

impl Patience {
    pub(crate) fn new(timeout: Duration) -> Self {
        let period = timeout / CHECKS;
        Self {
            period,
            sleep: Box::pin(sleep(period)),
            is_armed: false,
            seen: 0,
            strikes: 0,
        }
    }

    /// Ready when it is over. It is always the same task that has to poll it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, turns: &Turns) -> Poll<()> {
        // Polling a sleep costs more than looking at it.
        if self.is_armed && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.is_armed = true;
        while self.sleep.as_mut().poll(cx).is_ready() {
            let turn = turns.0.load(Ordering::Relaxed);
            let waits = turn.is_multiple_of(2) && turn == self.seen;
            self.seen = turn;
            self.strikes = if waits { self.strikes + 1 } else { 0 };
            // The first check may come right after the turn began.
            if self.strikes > CHECKS {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(Instant::now() + self.period);
        }
        Poll::Pending
    }
}
