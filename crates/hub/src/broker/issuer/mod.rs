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

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::Random;
use jansky_crypto::sealed::KeyRing;
use jansky_model::Clock;
use jansky_store::Store;

use crate::shared::settings::IssuerSettings;

pub use client::{COMMAND_LINE_CLIENT, ClientCredentials};
pub use device::{DeviceAuthorization, DeviceAuthorizationRequest, DeviceQuestion};
pub use error::IssuerError;
pub use tokens::IssuedAccess;
pub(crate) use tokens::TokenContent;

/// The longest that a token of ours may be valid: keys are published so much longer than they sign.
pub const LONGEST_TOKEN_LIFETIME: Duration = Duration::from_hours(24);

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
