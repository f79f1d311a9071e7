//! The relying party of OpenID Connect.
//!
//! One [`OidcProvider`] per configured issuer. What it knows (metadata, keys) it learns when it is
//! first needed and learns again by itself; nothing it knows has to survive a restart.

mod client_key;
mod discovery;
mod exchange;
mod external;
mod http;
mod id_token;
mod json;
mod jws;
mod key_cache;
mod keys;
mod kind;
mod lifetime;
mod logout_token;
mod metadata;
mod relying_party;
mod security_event;
mod service_account;
mod settings;
mod token_endpoint;

pub use client_key::{ClientKey, UnusableKey};
pub(crate) use http::{Answer, send};
pub use http::{http_client, http_client_trusting};
pub use id_token::{Expectations, verify_id_token};
pub(crate) use id_token::{same, token_claims};
pub use jansky_settings::{ClaimsSource, ClientAuthentication, Endpoints, SecurityEvents};
pub(crate) use json::read_json;
pub(crate) use jws::{needed_text, time};
pub use keys::Jwks;
pub use kind::OidcKind;
pub(crate) use lifetime::{end_of, lifetime, moment};
pub use logout_token::{claimed_issuer, verify_logout_token};
pub use metadata::{Metadata, MetadataProblem};
pub use relying_party::OidcProvider;
pub use security_event::verify_security_event;
pub use settings::{InvalidSettings, OidcSettings, SettingsProblem, SigningAlgorithm};
