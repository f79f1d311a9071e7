//! Hashing passwords, which anybody can make us do: each takes a processor for a while, and 19 MiB.

use std::sync::Arc;

use jansky_crypto::Random;

use crate::people::fair_share::FairShare;
use crate::shared::error::HubError;
use crate::shared::request_context;

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
