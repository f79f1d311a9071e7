//! The issuer's keys: made when needed, sealed, shared by all processes, and changed on schedule.
//!
//! The next key is published a while before it signs, so that services know it by then; an old one
//! stays published until the last token that it signed has ended.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jansky_crypto::SigningKey;
use jansky_crypto::sealed::{Place, RowId};
use jansky_model::{Secret, Timestamp};
use jansky_store::{IssuerKey, NewIssuerKey, Sealed};
use serde_json::Value;
use tracing::{info, warn};

use super::{Issuer, LONGEST_TOKEN_LIFETIME};
use crate::broker::Broker;
use crate::shared::error::HubError;

const TABLE: &str = "issuer_keys";
const COLUMN: &str = "private_key";

/// How long what was read is used before the database is asked again: so long it takes until a
/// process knows a key that another one made ahead of time.
const READ_AGAIN: Duration = Duration::from_mins(1);

/// The shortest time between two looks at the database because of a key that is not known.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(5);

/// The longest time by which the next key is published ahead.
const LONGEST_AHEAD: Duration = Duration::from_hours(24);

/// What this process knows.
#[derive(Default)]
pub(super) struct KeyCache {
    known: RwLock<Option<Known>>,
    /// Held while the database is asked.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
pub(super) struct Known {
    read_at: Timestamp,
    signs_until: Timestamp,
    signing: Arc<SigningKey>,
    published: Arc<Vec<Value>>,
}

impl Issuer {
    /// The key that signs now.
    pub(super) async fn signing_key(&self) -> Result<Arc<SigningKey>, HubError> {
        Ok(self.current(READ_AGAIN).await?.signing)
    }

    /// The public halves of all keys that a valid token may have been signed with, or soon will be.
    pub(super) async fn published_keys(&self) -> Result<Arc<Vec<Value>>, HubError> {
        Ok(self.current(READ_AGAIN).await?.published)
    }

    /// The public key of this name. Another process may have made it just now.
    pub(super) async fn published_key(&self, id: &str) -> Result<Option<Value>, HubError> {
        let find = |known: &Known| {
            let mut keys = known.published.iter();
            keys.find(|key| key["kid"] == id).cloned()
        };
        if let Some(key) = find(&self.current(READ_AGAIN).await?) {
            return Ok(Some(key));
        }
        Ok(find(&self.current(UNKNOWN_KEY_PAUSE).await?))
    }

    fn known(&self, youngest: Duration) -> Option<Known> {
        let known = self.keys.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner).clone()?;
        let now = self.clock.now();
        let is_fresh = now.since(known.read_at) < youngest && now < known.signs_until;
        is_fresh.then_some(known)
    }

    async fn current(&self, youngest: Duration) -> Result<Known, HubError> {
        if let Some(known) = self.known(youngest) {
            return Ok(known);
        }
        let _turn = self.keys.reading.lock().await;
        if let Some(known) = self.known(youngest) {
            return Ok(known);
        }
        let known = self.read().await?;
        let mut place = self
            .keys
            .known
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(known.clone());
        Ok(known)
    }

    /// Reads the keys, and makes one if one is missing. Whoever makes the same one at the same time
    /// loses, and reads it.
    async fn read(&self) -> Result<Known, HubError> {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let keys = self.store.issuer_keys(now).await?;
            let Some((row, signing)) = self.signing_one(&keys, now) else {
                self.make_key(now).await?;
                continue;
            };
            let has_next = keys.iter().any(|key| key.number > row.number);
            if !has_next && row.signs_until.since(now) <= self.ahead() {
                self.make_key(row.signs_until).await?;
                continue;
            }
            let published = keys
                .iter()
                .filter_map(|key| serde_json::from_str(&key.public_jwk).ok());
            return Ok(Known {
                read_at: now,
                signs_until: row.signs_until,
                signing,
                published: Arc::new(published.collect()),
            });
        }
        Err(HubError::internal(
            "could not make a key for signing",
            "the keys in the database are always different ones",
        ))
    }

    /// The newest key whose time has come, of those that open and have the configured algorithm.
    fn signing_one<'k>(
        &self,
        keys: &'k [IssuerKey],
        now: Timestamp,
    ) -> Option<(&'k IssuerKey, Arc<SigningKey>)> {
        keys.iter()
            .filter(|key| key.algorithm == self.settings.algorithm.as_str())
            .filter(|key| key.signs_from <= now && now < key.signs_until)
            .find_map(|key| Some((key, Arc::new(self.open(key)?))))
    }

    fn open(&self, key: &IssuerKey) -> Option<SigningKey> {
        let opened = self.open_sealed(key)?;
        SigningKey::from_secret(self.settings.algorithm, &opened).ok()
    }

    fn open_sealed(&self, key: &IssuerKey) -> Option<Secret> {
        let opened = self.ring.open(&key.private_key.as_ref()?.0, &place(key.id));
        if let Err(error) = &opened {
            warn!(key.id = %key.key_id, error = %error, "a signing key does not open; a new one is made");
        }
        opened.ok()
    }

    async fn make_key(&self, signs_from: Timestamp) -> Result<(), HubError> {
        let number = self.store.last_issuer_key().await? + 1;
        let algorithm = self.settings.algorithm;
        // An RSA key takes a while to be found.
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
        let key = made.map_err(|error| HubError::internal("could not make a key", error))?;
        let signs_until = signs_from.plus(self.settings.key_lifetime);
        let new = NewIssuerKey {
            number,
            key_id: key.id().to_owned(),
            algorithm: algorithm.as_str().to_owned(),
            public_jwk: key.public_jwk().to_string(),
            signs_from,
            signs_until,
            published_until: signs_until.plus(LONGEST_TOKEN_LIFETIME),
        };
        let seal = |row| self.seal(row, &key.to_secret());
        if self.store.add_issuer_key(&new, seal).await? {
            info!(key.id = %new.key_id, key.signs_from = %signs_from, "made a key for signing tokens");
        }
        Ok(())
    }

    fn seal(&self, row: i64, key: &Secret) -> Sealed {
        Sealed(self.ring.seal(&*self.random, key, &place(row)))
    }

    /// How long before the end of a key the next one is published.
    fn ahead(&self) -> Duration {
        LONGEST_AHEAD.min(self.settings.key_lifetime / 4)
    }

    /// Seals again, with the active key of the ring, what another one sealed; returns how many.
    pub(crate) async fn seal_again(&self) -> Result<u64, HubError> {
        let prefix = self.ring.active_prefix();
        let mut count = 0;
        for key in self.store.issuer_keys(self.clock.now()).await? {
            let sealed = key.private_key.as_ref().map(|sealed| &sealed.0);
            if sealed.is_none_or(|sealed| sealed.starts_with(&prefix)) {
                continue;
            }
            if let Some(opened) = self.open_sealed(&key) {
                let sealed = self.seal(key.id, &opened);
                self.store.replace_issuer_key_seal(key.id, &sealed).await?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn place(row: i64) -> Place<'static> {
    Place {
        table: TABLE,
        column: COLUMN,
        row: RowId::Number(row),
    }
}

impl Broker {
    /// The public keys of the issuer, each a JSON Web Key.
    pub async fn issuer_keys(&self) -> Result<Arc<Vec<Value>>, HubError> {
        self.issuer.published_keys().await
    }
}
