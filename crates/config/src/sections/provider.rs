//! `[provider.<id>]`: the ways to sign in.

use std::collections::BTreeMap;
use std::time::Duration;

use jansky_model::UserName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{HttpUrl, SecretSources, Written};

/// A way to sign in.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Provider {
    /// Accounts with a password that Jansky keeps itself. Whoever has an account may sign in.
    Local(LocalProvider),
    /// An identity provider that speaks OpenID Connect, such as Keycloak.
    ///
    /// Signing in there is not enough: nobody gets in unless `allow_all`, `allowed_users`,
    /// `allowed_groups`, `admin_groups` or `hub.admin_users` lets them in.
    Oidc(Box<OidcProvider>),
}

impl Provider {
    /// The text on the sign-in page, if one is given.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::Local(local) => Some(&local.title),
            Self::Oidc(oidc) => oidc.title.as_deref(),
        }
    }
}

/// Accounts with a password that Jansky keeps itself.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LocalProvider {
    /// The text on the sign-in page.
    #[schemars(example = &"Guest account")]
    pub title: String,

    /// How many wrong passwords per minute are accepted for one name and from one address before
    /// further attempts are refused for a while.
    #[schemars(range(min = 1), example = 5)]
    pub attempts_per_minute: u32,

    /// The shortest password that a person may choose, in characters.
    #[schemars(range(min = 8, max = 128), example = 15)]
    pub minimum_password_length: u32,
}

impl Default for LocalProvider {
    fn default() -> Self {
        Self {
            title: "Local account".to_owned(),
            attempts_per_minute: 10,
            minimum_password_length: 12,
        }
    }
}

/// An identity provider that speaks OpenID Connect, such as Keycloak.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// The text on the sign-in button.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the provider"), example = &"JIVE account")]
    pub title: Option<String>,

    /// The issuer exactly as the provider publishes it; a `/` at its end counts. The endpoints are
    /// found below it (OpenID Connect Discovery).
    #[schemars(example = &"https://sso.example.org/realms/astronomy")]
    pub issuer: Written<HttpUrl>,

    /// The name of this hub at the provider.
    #[schemars(length(min = 1), example = &"jupyterhub")]
    pub client_id: String,

    /// The secret of this hub at the provider, from a file or variable. During a change it may be a
    /// list of two, of which the first is tried first.
    #[schemars(extend("examples" = [{ "file": "/run/credentials/jansky.service/keycloak" }]))]
    pub client_secret: SecretSources,

    /// How the secret is sent to the provider.
    #[serde(default)]
    #[schemars(extend("x-default" = "what the provider says it supports"), example = ClientAuthentication::Post)]
    pub client_authentication: Option<ClientAuthentication>,

    /// The scopes to ask for. `openid` must be among them.
    #[serde(default = "scopes")]
    #[schemars(length(min = 1), extend("examples" = [["openid", "email", "offline_access"]]))]
    pub scopes: Vec<String>,

    /// The claim from which the user name comes: a name, or a path with dots.
    #[serde(default = "username_claim")]
    #[schemars(length(min = 1), example = &"email")]
    pub username_claim: String,

    /// Parameters that are added to each sign-in request.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "prompt": "consent" }]))]
    pub extra_authorize_parameters: BTreeMap<String, String>,

    /// The identity provider behind this one that people are sent to directly, as Keycloak's
    /// `kc_idp_hint`.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"google")]
    pub idp_hint: Option<String>,

    /// Parameters that the address of the sign-in page may hand on to the provider.
    #[serde(default)]
    #[schemars(extend("examples" = [["kc_idp_hint", "login_hint"]]))]
    pub hint_parameters: Vec<String>,

    /// Where the provider sends the browser back to, when it is not the usual address below
    /// `hub.public_url`. Give JupyterHub's `…/hub/oauth_callback` to keep a client as it was
    /// registered for JupyterHub.
    #[serde(default)]
    #[schemars(extend("x-default" = "an address below `hub.public_url`"), example = &"https://jupyter.example.org/hub/oauth_callback")]
    pub callback_url: Option<Written<HttpUrl>>,

    /// The endpoints by hand, for a provider without discovery.
    #[serde(default)]
    #[schemars(extend("x-default" = "found by discovery"))]
    pub endpoints: Option<Endpoints>,

    /// Where claims come from.
    #[serde(default)]
    #[schemars(example = ClaimsSource::IdToken)]
    pub claims_source: ClaimsSource,

    /// How far the clock of the provider may differ from ours.
    #[serde(default = "ten_seconds")]
    #[schemars(example = &"30s")]
    pub clock_leeway: Written<Duration>,

    /// How long one request to the provider may take.
    #[serde(default = "ten_seconds")]
    #[schemars(example = &"5s")]
    pub http_timeout: Written<Duration>,

    /// Accepts an issuer with `http` that is not on this machine. Only for trials: everybody on the
    /// way can read and change what the provider says.
    #[serde(default)]
    #[schemars(example = true)]
    pub allow_insecure_issuer: bool,

    /// Sends people who are not signed in to this provider at once, without a sign-in page. Only one
    /// provider can have it.
    #[serde(default)]
    #[schemars(example = true)]
    pub auto_login: bool,

    /// Lets everybody in who can sign in at the provider.
    #[serde(default)]
    #[schemars(example = true)]
    pub allow_all: bool,

    /// The names of people who may come in.
    #[serde(default)]
    #[schemars(extend("examples" = [["river", "wash"]]))]
    pub allowed_users: Vec<Written<UserName>>,

    /// The groups whose members may come in.
    #[serde(default)]
    #[schemars(extend("examples" = [["/astronomers"]]))]
    pub allowed_groups: Vec<String>,

    /// The groups whose members may come in and are administrators.
    #[serde(default)]
    #[schemars(extend("examples" = [["/operators"]]))]
    pub admin_groups: Vec<String>,

    /// The names of people who may not come in whatever the other rules say.
    #[serde(default)]
    #[schemars(extend("examples" = [["mallory"]]))]
    pub blocked_users: Vec<Written<UserName>>,

    /// The claim with the groups of a person: a name, or a path with dots.
    #[serde(default = "groups_claim")]
    #[schemars(length(min = 1), example = &"realm_access.roles")]
    pub groups_claim: String,
}

impl OidcProvider {
    /// The parameters that every sign-in request gets: the extra ones and the hint.
    pub fn authorize_parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = self.extra_authorize_parameters.clone();
        if let Some(hint) = &self.idp_hint {
            parameters.insert("kc_idp_hint".to_owned(), hint.clone());
        }
        parameters
    }
}

/// The endpoints of a provider without discovery.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Where browsers go to sign in.
    #[schemars(example = &"https://sso.example.org/authorize")]
    pub authorization: Written<HttpUrl>,

    /// Where Jansky gets tokens.
    #[schemars(example = &"https://sso.example.org/token")]
    pub token: Written<HttpUrl>,

    /// The public keys of the provider.
    #[schemars(example = &"https://sso.example.org/jwks")]
    pub jwks: Written<HttpUrl>,

    /// Where claims are read.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), example = &"https://sso.example.org/userinfo")]
    pub userinfo: Option<Written<HttpUrl>>,

    /// Where browsers go to sign out.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), example = &"https://sso.example.org/logout")]
    pub end_session: Option<Written<HttpUrl>>,

    /// Where tokens are revoked.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), example = &"https://sso.example.org/revoke")]
    pub revocation: Option<Written<HttpUrl>>,
}

/// Where claims come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ClaimsSource {
    /// Only from the ID token.
    IdToken,
    /// From the userinfo endpoint.
    Userinfo,
    /// From both; where they differ, userinfo counts.
    #[default]
    Both,
}

/// How the client secret is sent to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ClientAuthentication {
    /// In the `Authorization` header (`client_secret_basic`).
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn username_claim() -> String {
    "preferred_username".to_owned()
}

fn groups_claim() -> String {
    "groups".to_owned()
}

fn ten_seconds() -> Written<Duration> {
    written("10s")
}
