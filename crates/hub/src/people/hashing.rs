//! Hashing passwords, which anybody can make us do: each takes a processor for a while, and 19 MiB. So
//! there are a few places for it, and networks take turns.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use jansky_crypto::{Random, password};
use jansky_model::Secret;
use tokio::sync::oneshot;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::request_context;

/// How much work may wait, of all networks together.
const MOST_WAITING: usize = 10_000;

impl People {
    /// Whether a password has this hash; takes as long without one.
    pub(crate) async fn is_password(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool, HubError> {
        let check = move |random: &dyn Random| password::verify(&password, hash.as_deref(), random);
        self.hashing.run(check).await
    }

    /// The hash of a new password.
    pub(crate) async fn hash_of(&self, password: Secret) -> Result<String, HubError> {
        let make = move |random: &dyn Random| password::hash(&password, random);
        self.hashing.run(make).await
    }
}

/// Where passwords are hashed: off the event loop, and no more at once than there are processors.
/// Networks take turns, so that one with many requests holds up none with few.
pub(crate) struct Hashing {
    random: Arc<dyn Random>,
    places: Arc<FairShare>,
}

impl Hashing {
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self {
            random,
            places: FairShare::of_processors(),
        }
    }

    /// Does something with passwords when its turn has come. The place is free again when it is done,
    /// also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Random) -> T + Send + 'static,
    ) -> Result<T, HubError> {
        let place = self.places.take(&request_context::network()).await?;
        let random = Arc::clone(&self.random);
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&*random);
            drop(place);
            done
        });
        working
            .await
            .map_err(|error| HubError::internal("could not work on a password", error))
    }
}

/// Places that are shared out fairly.
struct FairShare {
    state: Mutex<State>,
}

struct State {
    free: usize,
    waiting: usize,
    /// What waits, by network.
    queues: HashMap<String, VecDeque<oneshot::Sender<Place>>>,
    /// The networks in whose queue something waits, in the order of their turns.
    turns: VecDeque<String>,
}

impl State {
    /// The work whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let network = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.turns.push_back(network);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }
}

/// A place; it is free again when this is dropped.
struct Place(Arc<FairShare>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl FairShare {
    /// As many places as there are processors.
    fn of_processors() -> Arc<Self> {
        Self::new(available_parallelism().map_or(1, NonZeroUsize::get))
    }

    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: places,
                waiting: 0,
                queues: HashMap::new(),
                turns: VecDeque::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is the turn of this network's work.
    ///
    /// # Errors
    /// [`HubError::Busy`] when very much waits already.
    async fn take(self: &Arc<Self>, network: &str) -> Result<Place, HubError> {
        let turn = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Place(Arc::clone(self)));
            }
            if state.waiting >= MOST_WAITING {
                return Err(too_many());
            }
            let (sender, turn) = oneshot::channel();
            let queue = state.queues.entry(network.to_owned()).or_default();
            queue.push_back(sender);
            if queue.len() == 1 {
                state.turns.push_back(network.to_owned());
            }
            state.waiting += 1;
            turn
        };
        turn.await.map_err(|_| too_many())
    }

    /// Gives a free place to the next in the queue, or keeps it.
    fn pass_on(self: &Arc<Self>) {
        let next = {
            let mut state = self.state();
            // A caller that gave up meanwhile is skipped.
            let next = std::iter::from_fn(|| state.next()).find(|next| !next.is_closed());
            state.free += usize::from(next.is_none());
            next
        };
        if let Some(next) = next {
            // If they go away at this moment the place comes back and is passed on again.
            drop(next.send(Place(Arc::clone(self))));
        }
    }
}

fn too_many() -> HubError {
    HubError::Busy {
        message: format!(
            "Too many passwords wait to be checked: {MOST_WAITING}. Try again in a minute."
        ),
        retry_after: Duration::from_mins(1),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn no_more_work_is_done_at_once_than_there_are_places() {
        let shares = FairShare::new(2);

        let first = shares.take("a").await.expect("a place");
        let second = shares.take("a").await.expect("a place");
        let third = tokio::spawn({
            let shares = Arc::clone(&shares);
            async move { shares.take("b").await.map(drop) }
        });
        while shares.state().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!third.is_finished());

        drop(first);
        third.await.expect("no panic").expect("a place");
        drop(second);
        assert_eq!(shares.state().free, 2);
    }

    /// Of each network its number of turns before the one of the network with little to do.
    #[tokio::test]
    async fn a_network_with_much_work_holds_up_none_with_little() {
        const MUCH: usize = 500;
        let shares = FairShare::new(1);
        let done = Arc::new(Mutex::new(Vec::new()));
        let work = |network: &'static str| {
            let (shares, done) = (Arc::clone(&shares), Arc::clone(&done));
            async move {
                let place = shares.take(network).await.expect("a place");
                done.lock().expect("no panic").push(network);
                drop(place);
            }
        };
        let first = shares.take("flood").await.expect("a place");

        let flood = (0..MUCH).map(|_| work("flood"));
        let mut all: Vec<_> = flood.map(tokio::spawn).collect();
        while shares.state().waiting < MUCH {
            tokio::task::yield_now().await;
        }
        all.extend((0..3).map(|_| tokio::spawn(work("home"))));
        while shares.state().waiting < MUCH + 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        join_all(all).await;

        let order = done.lock().expect("no panic").clone();
        assert_eq!(order.len(), MUCH + 3);
        let last = order.iter().rposition(|network| *network == "home");
        assert!(last < Some(6), "{last:?}: they take turns");
    }

    #[tokio::test]
    async fn whoever_goes_away_while_they_wait_takes_no_place() {
        let shares = FairShare::new(1);
        let first = shares.take("a").await.expect("a place");
        let waits = tokio::spawn({
            let shares = Arc::clone(&shares);
            async move { shares.take("a").await.map(drop) }
        });
        while shares.state().waiting == 0 {
            tokio::task::yield_now().await;
        }
        waits.abort();
        assert!(waits.await.is_err());

        drop(first);

        assert_eq!(shares.state().free, 1);
        shares.take("b").await.expect("a place");
    }
}
