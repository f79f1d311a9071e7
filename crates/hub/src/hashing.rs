//! Hashing passwords, which anybody can make us do: each takes a processor for a while, and 19 MiB.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use jansky_crypto::Random;
use tokio::sync::Semaphore;

use crate::error::HubError;

/// Where passwords are hashed: off the event loop, and no more at once than there are processors.
pub(crate) struct Hashing {
    random: Arc<dyn Random>,
    places: Arc<Semaphore>,
}

impl Hashing {
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            random,
            places: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Does something with passwords when its turn has come. The place is free again when it is done,
    /// also when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Random) -> T + Send + 'static,
    ) -> Result<T, HubError> {
        let failed = "could not work on a password";
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|error| HubError::internal(failed, error))?;
        let random = Arc::clone(&self.random);
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&*random);
            drop(place);
            done
        });
        working
            .await
            .map_err(|error| HubError::internal(failed, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;
    use jansky_crypto::SystemRandom;

    use super::*;

    #[tokio::test]
    async fn no_more_passwords_are_hashed_at_once_than_there_are_processors() {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let hashing = Hashing::new(Arc::new(SystemRandom));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

        let all = (0..4 * processors).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            hashing.run(move |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // The work.
                std::thread::sleep(Duration::from_millis(20));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in join_all(all).await {
            done.expect("the work is done");
        }

        assert!(most.load(Ordering::SeqCst) <= processors, "{most:?}");
    }
}
