//! `[audience.<id>]` and `[broker]`: tokens for the code on servers.

use std::collections::BTreeMap;
use std::time::Duration;

use jansky_model::{ProviderId, UserName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{SecretSources, Written};

/// Something that takes tokens, such as an archive.
///
/// Code on a server asks for a token for it by its id, and gets an access token that is valid for a
/// short time. Refresh tokens never leave Jansky. Nobody gets tokens unless `allow_all`,
/// `allowed_users` or `allowed_groups` lets them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Audience {
    /// The name for people.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the audience"), length(min = 1), example = &"EVN archive")]
    pub title: Option<String>,

    /// How tokens are obtained.
    #[schemars(example = AudienceSource::Exchange)]
    pub source: AudienceSource,

    /// The provider that gives the tokens; not for the source `jansky`. With the source `login` and
    /// another provider than the one of the sign-in it is that of an identity which the person has
    /// connected.
    #[serde(default)]
    #[schemars(extend("x-default" = "the one with which the person signed in"), with = "Option<String>", example = &"keycloak")]
    pub provider: Option<Written<ProviderId>>,

    /// The name of the service at whoever issues the token; it stands in `aud`. With the source
    /// `login` it is only checked.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the audience; nothing with the source `login`"), length(min = 1), example = &"https://archive.example.org")]
    pub audience: Option<String>,

    /// The scopes that may be asked for. Who names none gets all of them.
    #[serde(default)]
    #[schemars(extend("examples" = [["archive:read"]]))]
    pub scopes: Vec<String>,

    /// How long a token is valid; only with the source `jansky`.
    #[serde(default = "ten_minutes")]
    #[schemars(example = &"5m")]
    pub lifetime: Written<Duration>,

    /// What the identity provider behind Keycloak is called there; only with the source
    /// `identity-broker`.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the audience"), length(min = 1), example = &"github")]
    pub alias: Option<String>,

    /// In which of Keycloak's ways the token of that provider is fetched; only with the source
    /// `identity-broker`.
    #[serde(default)]
    #[schemars(example = IdentityBrokerMode::V2)]
    pub mode: IdentityBrokerMode,

    /// The service at Globus, which has a token and a refresh token of its own; only with the source
    /// `service`.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the audience"), length(min = 1), example = &"transfer.api.globus.org")]
    pub service: Option<String>,

    /// The client that is the service account, when it is another one than that of the provider; only
    /// with the source `client-credentials`.
    #[serde(default)]
    #[schemars(extend("x-default" = "the client of the provider"), length(min = 1), example = &"jansky-poller")]
    pub client_id: Option<String>,

    /// The secret of `client_id`.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/poller" }]))]
    pub client_secret: Option<SecretSources>,

    /// Gives tokens to everybody.
    #[serde(default)]
    #[schemars(example = true)]
    pub allow_all: bool,

    /// The names of people who get tokens.
    #[serde(default)]
    #[schemars(extend("examples" = [["river", "wash"]]))]
    pub allowed_users: Vec<Written<UserName>>,

    /// The groups whose members get tokens.
    #[serde(default)]
    #[schemars(extend("examples" = [["/astronomers"]]))]
    pub allowed_groups: Vec<String>,

    /// Gives tokens only to servers that were started with one of these values, for each option that is
    /// named. The option `image` of containers holds an id of `spawner.images`. Command lines, which
    /// are no servers, then get none.
    #[serde(default)]
    #[schemars(extend("x-default" = "every server", "examples" = [{ "image": ["casa"] }]))]
    pub server_options: BTreeMap<String, Vec<String>>,

    /// Gives tokens also to servers that are shared with others, who then act in the name of the
    /// owner.
    #[serde(default)]
    #[schemars(example = true)]
    pub shared: bool,

    /// Keeps a token in a file in memory that `BEARER_TOKEN_FILE` names, for programs that know
    /// nothing else. Every program of the person can read it.
    #[serde(default)]
    #[schemars(example = true)]
    pub token_file: bool,
}

fn ten_minutes() -> Written<Duration> {
    written("10m")
}

/// How tokens are obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum AudienceSource {
    /// Jansky issues them itself.
    Jansky,
    /// The access token of the sign-in as it is, or that of a connected identity.
    Login,
    /// The provider exchanges the token of the sign-in (RFC 8693).
    Exchange,
    /// Keycloak hands on the token of an identity provider behind it.
    IdentityBroker,
    /// A token of its own for one service, as Globus gives them at sign-in.
    Service,
    /// A service account of this hub, the same for everybody.
    ClientCredentials,
}

/// Keycloak's ways to hand on the token of an identity provider behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum IdentityBrokerMode {
    /// Whichever works, the newest first.
    #[default]
    Auto,
    /// The second version of the identity brokering API (Keycloak 26.7 and later).
    V2,
    /// The first version, which takes the person's token.
    V1,
    /// Token exchange with `requested_issuer`.
    Legacy,
}

/// How tokens are handed to the code on servers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Broker {
    /// How many tokens the servers of one person may ask for in a minute. The agent beside a server
    /// keeps tokens, so that few are needed.
    #[schemars(range(min = 1), example = 60)]
    pub requests_per_minute: u32,

    /// For notebooks written for JupyterHub's `TokenExchangeAuthenticator`: the path below `/hub` at
    /// which a server reads access tokens of its user with its own API token.
    ///
    /// That token stands in the environment of the server, so whoever reads the environment can
    /// read the tokens as well. Prefer the agent.
    #[schemars(extend("x-default" = "switched off"), length(min = 2), example = &"/custom/userinfo")]
    pub local_user_exposed_path: Option<String>,

    /// For programs written for JupyterHub: shows the access token of the sign-in in `auth_state` of
    /// `GET /hub/api/users/{name}` to whoever holds the scope `admin:auth_state`, which `admin:users`
    /// contains as in JupyterHub. It is `null` for people who hold rights over others, or get tokens for
    /// services, that the token in use does not have. Refresh tokens and ID tokens are never shown.
    #[schemars(example = true)]
    pub auth_state: bool,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            requests_per_minute: 600,
            local_user_exposed_path: None,
            auth_state: false,
        }
    }
}
