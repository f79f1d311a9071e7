//! What a head may take that has not come as a whole.

use std::sync::Arc;
use std::task::Context;

use crate::client::Client;
use crate::refusal::Refusal;
use crate::unfinished::Held;

/// So much of a head is in the buffer that each connection has anyway.
const UNCOUNTED: usize = 8 << 10;

/// Counts what comes while the client is to send a head.
///
/// A head that is there is answered before anything more is read. So whenever there is something to read in
/// the same turn of the client, all that came before it belongs to a head without an end.
pub(crate) struct HeadWatch {
    client: Arc<Client>,
    /// The client's turn that `size` is about.
    turn: u64,
    size: usize,
    held: Option<Held>,
}

impl HeadWatch {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            turn: 0,
            size: 0,
            held: None,
        }
    }

    /// How much may be read next.
    ///
    /// # Errors
    /// The refusal of a head that is too large, or has to make room for others.
    pub(crate) fn room(&mut self, cx: &Context<'_>) -> Result<usize, Refusal> {
        let turns = &self.client.turns;
        let turn = turns.begun();
        if turn != self.turn || !turns.is_clients() {
            (self.turn, self.size, self.held) = (turn, 0, None);
        }
        if !turns.is_clients() {
            return Ok(usize::MAX);
        }
        let proxy = &self.client.worker.proxy;
        let limit = proxy.settings.header_limit;
        if self.size > limit {
            return Err(Refusal::HeaderTooLarge(limit));
        }
        if self.size > UNCOUNTED {
            let all = &proxy.unfinished;
            let held = self.held.get_or_insert_with(|| all.hold(cx));
            held.set(self.size, cx)
                .map_err(|_| Refusal::Unfinished(all.limit()))?;
        }
        Ok(limit + 1 - self.size)
    }

    /// Notes what was read.
    pub(crate) fn count(&mut self, count: usize) {
        let turns = &self.client.turns;
        if count > 0 && turns.is_clients() {
            self.size += count;
            turns.set_head(self.size);
        }
    }
}
