//! Who asks the issuer.

use jansky_crypto::token::digest;
use jansky_model::Secret;

use super::{Issuer, IssuerError};
use crate::shared::settings::IssuerClient;

/// The client that is always there: programs on a command line, which cannot keep a secret.
pub const COMMAND_LINE_CLIENT: &str = "jansky-cli";

/// What a request says about who sent it.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// The client id.
    pub id: Option<String>,
    /// The secret, from the header or from the form.
    pub secret: Option<Secret>,
}

/// A client that is who it says it is, as far as it can be known.
#[derive(Clone, Debug)]
pub(super) struct AuthenticatedClient {
    pub(super) id: String,
    pub(super) title: String,
    /// Whether it proved it with a secret.
    pub(super) is_authenticated: bool,
}

impl Issuer {
    /// Recognizes a client. One that has a secret must present it.
    pub(super) fn recognize(
        &self,
        presented: &ClientCredentials,
    ) -> Result<AuthenticatedClient, IssuerError> {
        let id = presented.id.as_deref().ok_or(IssuerError::InvalidClient)?;
        let built_in = IssuerClient {
            title: Some("A program on a command line".to_owned()),
            secrets: Vec::new(),
        };
        let client = match self.settings.clients.get(id) {
            Some(client) => client,
            None if id == COMMAND_LINE_CLIENT => &built_in,
            None => return Err(IssuerError::InvalidClient),
        };
        let is_authenticated = !client.secrets.is_empty();
        if is_authenticated {
            // By their digests: comparing those tells nothing about where secrets differ.
            let secret = presented
                .secret
                .as_ref()
                .ok_or(IssuerError::InvalidClient)?;
            let presented = digest(secret);
            if !client.secrets.iter().any(|own| digest(own) == presented) {
                return Err(IssuerError::InvalidClient);
            }
        }
        Ok(AuthenticatedClient {
            id: id.to_owned(),
            title: client.title.clone().unwrap_or_else(|| id.to_owned()),
            is_authenticated,
        })
    }

    /// A client that proved with a secret who it is.
    pub(super) fn authenticate(
        &self,
        presented: &ClientCredentials,
    ) -> Result<AuthenticatedClient, IssuerError> {
        let client = self.recognize(presented)?;
        if client.is_authenticated {
            Ok(client)
        } else {
            Err(IssuerError::InvalidClient)
        }
    }
}
