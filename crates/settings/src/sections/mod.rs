//! The sections of `jansky.toml`, one file each.
//!
//! The comments of sections and keys are what operators read in the reference and in the schema:
//! they are written for them.

mod admission;
mod audience;
mod docker;
mod firecrest;
mod github;
mod header;
mod hub;
mod issuer;
mod ldap;
mod pam;
mod provider;
mod role;
mod spawner;
mod transport;
mod volumes;

use std::collections::BTreeMap;

use jansky_model::{ProviderId, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::admission::{AdmissionKeys, UsernameCase};
pub use self::audience::{Audience, AudienceSource, Broker, IdentityBrokerMode};
pub use self::docker::{
    ContainerRemoval, DescribedImage, DockerSpawner, OfferedImage, Pull, Reach, Tripwire,
};
pub use self::firecrest::FirecrestSpawner;
pub use self::github::GithubProvider;
pub use self::header::HeaderProvider;
pub use self::hub::{Database, Hub, NoLongerAllowed, Session};
pub use self::issuer::{Client, Issuer, IssuerAlgorithm};
pub use self::ldap::LdapProvider;
pub use self::pam::PamProvider;
pub use self::provider::{
    ClaimsSource, ClientAuthentication, Endpoints, LocalProvider, OidcProvider,
    PROTOCOL_PARAMETERS, Provider, SecondFactor, SecurityEvents, SignOut, SignUp,
};
pub use self::role::Role;
pub use self::spawner::{Cgroups, CommonSpawner, ProcessSpawner, RunAs, Spawner};
pub use self::transport::{Log, LogFormat, Proxy, Tls};
pub use self::volumes::{Meeting, VolumeEntry};

use crate::notation::{HttpUrl, Notation, SecretError};

/// The whole configuration of Jansky: one TOML file, by convention `jansky.toml`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Config {
    /// The hub: where it listens, how people reach it and what they may do.
    pub hub: Hub,

    /// The database with users, servers, sessions and tokens.
    pub database: Database,

    /// TLS by Jansky itself. Leave this section out when something in front of it does TLS.
    pub tls: Option<Tls>,

    /// How long sign-ins and tokens are valid.
    pub session: Session,

    /// The ways to sign in, one section for each with an id of your choice: `[provider.<id>]`.
    ///
    /// Several may be configured at the same time; the sign-in page offers all of them, in the
    /// order of their ids.
    #[schemars(with = "BTreeMap<String, Provider>", extend("propertyNames" = { "format": "provider-id" }))]
    pub provider: BTreeMap<ProviderId, Provider>,

    /// Roles: what some people may do beside what everybody may, one section for each with a name of
    /// your choice: `[role.<name>]`.
    ///
    /// The role `user` is everybody's: its section, which has only `scopes`, says what people may do
    /// in place of `self`. Administrators have the role `admin` besides.
    pub role: BTreeMap<String, Role>,

    /// What tokens the code on servers can ask for, one section for each audience with an id of
    /// your choice: `[audience.<id>]`.
    #[schemars(with = "BTreeMap<String, Audience>", extend("propertyNames" = { "format": "provider-id" }))]
    pub audience: BTreeMap<ProviderId, Audience>,

    /// How tokens are handed to the code on servers.
    pub broker: Broker,

    /// Jansky as an issuer of tokens.
    pub issuer: Issuer,

    /// Who may ask Jansky's issuer about tokens, and programs that people may give tokens to:
    /// `[client.<id>]`.
    #[schemars(with = "BTreeMap<String, Client>", extend("propertyNames" = { "format": "provider-id" }))]
    pub client: BTreeMap<ProviderId, Client>,

    /// How servers are started.
    pub spawner: Spawner,

    /// The proxy between browsers and servers.
    pub proxy: Proxy,

    /// What is logged, and how.
    pub log: Log,
}

impl Config {
    /// The URL under which people reach the hub; its path ends in `/`.
    pub fn public_url(&self) -> Url {
        match self
            .hub
            .public_url
            .as_ref()
            .or(self.hub.subdomain_host.as_ref())
        {
            Some(given) => with_trailing_slash(given),
            None => self.url_of_bind(),
        }
    }

    /// The path of [`Config::public_url`], for example `/` or `/jupyter/`.
    pub fn base_path(&self) -> String {
        self.public_url().path().to_owned()
    }

    /// The URL under which single-user servers reach the API of the hub, without `/` at its end.
    pub fn api_url(&self) -> String {
        let url = match &self.hub.api_url {
            Some(given) => return given.as_written().trim_end_matches('/').to_owned(),
            // The certificate is for the public name, so servers must use that name too.
            None if self.tls.is_some() => self.public_url(),
            None => {
                let mut url = self.url_of_bind();
                url.set_path(&self.base_path());
                url
            }
        };
        format!("{url}hub/api")
    }

    /// The URL of the database; the default is an `SQLite` file below the data directory.
    ///
    /// # Errors
    /// When it comes from a secret source that cannot be read.
    pub fn database_url(&self) -> Result<Secret, SecretError> {
        match &self.database.url {
            Some(url) => url.read(),
            None => Ok(Secret::new(format!(
                "sqlite://{}",
                self.hub.data_dir.join("jansky.sqlite").display()
            ))),
        }
    }

    fn url_of_bind(&self) -> Url {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut address = *self.hub.bind.get();
        if address.ip().is_unspecified() {
            // Nobody can go to 0.0.0.0; this machine answers there under its loopback address.
            address.set_ip(match address.ip() {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Url::parse(&format!("{scheme}://{address}/")).expect("an address and port make a URL")
    }
}

fn with_trailing_slash(url: &HttpUrl) -> Url {
    let mut url = Url::clone(url);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

/// Reads a default that is a constant of this program.
fn written<T: Notation>(text: &str) -> crate::Written<T> {
    crate::Written(T::read(text).expect("a default of this program can be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_follow_from_the_address_and_the_public_url() {
        let mut config = Config::default();
        assert_eq!(config.public_url().as_str(), "http://127.0.0.1:8000/");
        assert_eq!(config.api_url(), "http://127.0.0.1:8000/hub/api");

        config.hub.bind = written("0.0.0.0:80");
        config.hub.public_url = Some(written("https://example.org/jupyter"));
        assert_eq!(config.public_url().as_str(), "https://example.org/jupyter/");
        assert_eq!(config.base_path(), "/jupyter/");
        assert_eq!(config.api_url(), "http://127.0.0.1/jupyter/hub/api");

        config.tls = Some(Tls {
            certificate: written("/c"),
            key: written("/k"),
        });
        assert_eq!(config.api_url(), "https://example.org/jupyter/hub/api");

        config.hub.api_url = Some(written("http://10.0.0.1:8000/jupyter/hub/api/"));
        assert_eq!(config.api_url(), "http://10.0.0.1:8000/jupyter/hub/api");
    }

    #[test]
    fn the_database_is_below_the_data_directory_unless_given() {
        let config = Config::default();

        let url = config.database_url().expect("no source to read");

        assert_eq!(url.expose(), "sqlite:///var/lib/jansky/jansky.sqlite");
    }
}
