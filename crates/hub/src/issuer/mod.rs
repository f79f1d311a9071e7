//! The hub as an issuer of access tokens, so that services get proper ones also where no other
//! issuer is: signed, for one audience, short (RFC 9068).
//!
//! Its keys are made here, sealed in the database and shared by all processes; they change on
//! schedule. Services check tokens with the published keys, or ask ([introspection](introspect)).
//! Programs on a command line get a token by way of a person's browser ([device flow](device)).

mod client;
mod device;
mod error;
mod introspect;
mod keys;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::sealed::KeyRing;
use jansky_crypto::{Random, SignatureAlgorithm};
use jansky_model::{Clock, Secret};
use jansky_store::Store;

pub use client::{COMMAND_LINE_CLIENT, ClientCredentials};
pub use device::{DeviceAuthorization, DeviceAuthorizationRequest, DeviceQuestion};
pub use error::IssuerError;
pub use tokens::IssuedAccess;
pub(crate) use tokens::TokenContent;

/// The longest that a token of ours may be valid: keys are published so much longer than they sign.
pub const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_hours(24);

/// What the operator decides about the issuer.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// How long a key signs before the next one does.
    pub key_lifetime: Duration,
    /// How tokens are signed.
    pub algorithm: SignatureAlgorithm,
    /// Those who may ask about tokens, and programs that may get some, by their client ids.
    pub clients: BTreeMap<String, IssuerClient>,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            key_lifetime: Duration::from_hours(30 * 24),
            algorithm: SignatureAlgorithm::Es256,
            clients: BTreeMap::new(),
        }
    }
}

/// A client of the issuer: a service that asks about tokens, or a program on a command line.
#[derive(Clone, Debug, Default)]
pub struct IssuerClient {
    /// Its name for people.
    pub title: Option<String>,
    /// Its secrets, any of which is good. Without one it is a public client, which may ask people
    /// for a token and give its own back, and nothing else.
    pub secrets: Vec<Secret>,
}

/// The issuer's part of a hub.
pub(crate) struct Issuer {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ring: Arc<KeyRing>,
    settings: IssuerSettings,
    keys: keys::KeyCache,
    device_throttle: device::DeviceThrottle,
}

impl Issuer {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        ring: Arc<KeyRing>,
        settings: IssuerSettings,
    ) -> Self {
        Self {
            device_throttle: device::DeviceThrottle::new(&clock),
            store,
            clock,
            random,
            ring,
            settings,
            keys: keys::KeyCache::default(),
        }
    }
}
