//! The relying party of OpenID Connect.
//!
//! One [`OidcProvider`] per configured issuer. What it knows (metadata, keys) it learns when it is
//! first needed and learns again by itself; nothing it knows has to survive a restart.

mod back_channel;
mod discovery;
mod id_token;
mod key_cache;
mod keys;
mod metadata;
mod relying_party;
mod settings;
mod token_endpoint;

pub use back_channel::http_client;
pub use id_token::{Expectations, verify_id_token};
pub use keys::Jwks;
pub use metadata::{Metadata, MetadataProblem};
pub use relying_party::OidcProvider;
pub use settings::{
    ClaimsSource, ClientAuthentication, InvalidSettings, ManualEndpoints, OidcSettings,
    SettingsProblem, SigningAlgorithm,
};
