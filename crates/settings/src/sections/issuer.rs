//! `[issuer]` and `[client.<id>]`: Jansky as an issuer of access tokens.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{SecretSources, Written};

/// How Jansky signs the tokens that it issues itself, for audiences with the source `jansky`.
///
/// Services check them with the keys at `…/hub/oidc/jwks`, which change by themselves; all that
/// they need to know is the issuer, `…/hub/oidc` below `hub.public_url`. The private keys are
/// sealed in the database and shared by all processes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Issuer {
    /// How long a key signs before the next one does. The next key is published a while before, and
    /// the old one until the last token that it signed has ended.
    #[schemars(example = &"7d")]
    pub key_lifetime: Written<Duration>,

    /// How tokens are signed. A change takes effect at once: a new key is made.
    #[schemars(example = IssuerAlgorithm::Rs256)]
    pub algorithm: IssuerAlgorithm,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            key_lifetime: written("30d"),
            algorithm: IssuerAlgorithm::Es256,
        }
    }
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub enum IssuerAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA with SHA-256, for services that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
}

/// A client of Jansky's issuer: a service that asks about tokens, or a program on a command line
/// that asks people for one. The id of the section is its client id.
///
/// The client `jansky-cli` is always there: a program without a secret.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Client {
    /// The name for people, who see it when they are asked for a token.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the client"), length(min = 1), example = &"EVN archive")]
    pub title: Option<String>,

    /// Its secret, from a file or variable; during a change it may be a list of two. Only clients
    /// with a secret may ask about tokens (introspection). A program that runs on people's own
    /// machines cannot keep one, so it has none.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/archive" }]))]
    pub secret: Option<SecretSources>,
}
