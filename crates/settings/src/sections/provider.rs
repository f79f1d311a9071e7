//! `[provider.<id>]`: the ways to sign in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admission::{AdmissionKeys, say};
use super::github::GithubProvider;
use super::header::HeaderProvider;
use super::ldap::LdapProvider;
use super::pam::PamProvider;
use super::written;
use crate::notation::{HttpUrl, SecretSource, SecretSources, Texts, Written};

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
    /// Keycloak. People can be sent on to an identity provider behind it by
    /// `…/hub/oauth_login?kc_idp_hint=…`.
    ///
    /// A mapper of the type "Group Membership" with full paths makes groups such as `/radio/evn`.
    Keycloak(Box<OidcProvider>),
    /// INDIGO IAM, as ESCAPE and WLCG run it. Its issuer ends in `/`.
    ///
    /// Add the scope `wlcg.groups` if the client may have it.
    IndigoIam(Box<OidcProvider>),
    /// Globus Auth.
    ///
    /// Names are those of identities, such as `river@example.org`. The scope `offline_access` asks
    /// for refresh tokens in Globus' own way. Tokens for services of Globus, asked for by their
    /// scopes, are kept apart for each service.
    Globus(Box<OidcProvider>),
    /// Accounts at Google.
    ///
    /// `hosted_domains` looks only at what Google itself vouches for (`hd`). The scope
    /// `offline_access` asks for refresh tokens in Google's own way.
    Google(Box<OidcProvider>),
    /// `CILogon`, for accounts of many universities and institutes.
    Cilogon(Box<OidcProvider>),
    /// EGI Check-in. Groups are made from entitlements: `/vo.example.org:role=member` is a member of
    /// the virtual organization `vo.example.org`.
    EgiCheckin(Box<OidcProvider>),
    /// Accounts at GitHub. Organizations and teams are groups, if `scopes` has `read:org`.
    Github(Box<GithubProvider>),
    /// A reverse proxy in front of Jansky that has signed people in already, such as Apache with
    /// Shibboleth or oauth2-proxy, and says in headers who they are.
    Header(Box<HeaderProvider>),
    /// Unix accounts of this machine, checked by PAM. Jansky must run as root, or as an account
    /// that PAM lets check others.
    Pam(Box<PamProvider>),
    /// Accounts in an LDAP directory, such as `OpenLDAP`, `FreeIPA` or Active Directory.
    Ldap(Box<LdapProvider>),
}

impl Provider {
    /// Those who may vouch for the provider in place of those whom this machine believes.
    pub fn ca_file(&self) -> Option<&Path> {
        let file = match self {
            Self::Github(github) => github.ca_file.as_ref(),
            Self::Ldap(ldap) => ldap.ca_file.as_ref(),
            _ => self.oidc()?.ca_file.as_ref(),
        };
        file.map(|file| file.as_path())
    }

    /// The settings of a provider that speaks OpenID Connect.
    pub fn oidc(&self) -> Option<&OidcProvider> {
        match self {
            Self::Oidc(oidc)
            | Self::Keycloak(oidc)
            | Self::IndigoIam(oidc)
            | Self::Globus(oidc)
            | Self::Google(oidc)
            | Self::Cilogon(oidc)
            | Self::EgiCheckin(oidc) => Some(oidc),
            Self::Local(_) | Self::Github(_) | Self::Header(_) | Self::Pam(_) | Self::Ldap(_) => {
                None
            }
        }
    }

    /// The text on the sign-in page, if one is given.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::Local(local) => Some(&local.title),
            Self::Github(github) => github.title.as_deref(),
            Self::Header(header) => header.title.as_deref(),
            Self::Pam(pam) => Some(&pam.title),
            Self::Ldap(ldap) => Some(&ldap.title),
            _ => self.oidc()?.title.as_deref(),
        }
    }

    /// Whether people who are not signed in are sent there at once.
    pub fn auto_login(&self) -> bool {
        match self {
            Self::Github(github) => github.auto_login,
            Self::Header(header) => header.auto_login,
            _ => self.oidc().is_some_and(|oidc| oidc.auto_login),
        }
    }

    /// The keys that decide who comes in; none for local accounts.
    pub fn admission(&self) -> Option<&AdmissionKeys> {
        match self {
            Self::Local(_) => None,
            Self::Github(github) => Some(&github.admission),
            Self::Header(header) => Some(&header.admission),
            Self::Pam(pam) => Some(&pam.admission),
            Self::Ldap(ldap) => Some(&ldap.admission),
            _ => self.oidc().map(|oidc| &oidc.admission),
        }
    }
}

/// Accounts with a password that Jansky keeps itself.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct LocalProvider {
    /// The text on the sign-in page.
    #[schemars(length(min = 1), example = &"Guest account")]
    pub title: String,

    /// How many times a minute somebody may try to sign in with one name from one network (an IPv4
    /// address, or 64 bits of an IPv6 one).
    ///
    /// A network may try twenty times as often with different names. All networks together may try ten
    /// times as often with one name, and after that as often as one of them; a browser in which
    /// somebody has signed in with the name in the last 180 days is counted for itself and does not
    /// wait for that.
    #[schemars(range(min = 1), example = 5)]
    pub attempts_per_minute: u32,

    /// The shortest password that a person may choose, in characters.
    #[schemars(range(min = 8, max = 128), example = 15)]
    pub minimum_password_length: u32,

    /// Whether people show a code from an app (TOTP, RFC 6238) beside their password. Each sets it
    /// up on their account page.
    #[schemars(example = SecondFactor::Required)]
    pub second_factor: SecondFactor,

    /// Whether people make accounts themselves, at `…/hub/signup`.
    #[schemars(example = SignUp::Approval)]
    pub sign_up: SignUp,
}

/// Whether people show something beside their password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SecondFactor {
    /// Nobody is asked for one.
    Off,
    /// Whoever has set it up is asked.
    #[default]
    Optional,
    /// Everybody has to set it up before they get anywhere.
    Required,
}

/// Whether people make accounts themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SignUp {
    /// Only administrators make accounts.
    #[default]
    Off,
    /// An administrator says yes or no to each.
    Approval,
    /// Whoever reaches the page gets an account at once.
    Open,
}

impl Default for LocalProvider {
    fn default() -> Self {
        Self {
            title: "Local account".to_owned(),
            attempts_per_minute: 10,
            minimum_password_length: 12,
            second_factor: SecondFactor::default(),
            sign_up: SignUp::default(),
        }
    }
}

/// An identity provider that speaks OpenID Connect, such as Keycloak.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_terms_of_oidc)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key that operators read by itself"
)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct OidcProvider {
    /// The text on the sign-in button.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the provider"), length(min = 1), example = &"JIVE account")]
    pub title: Option<String>,

    /// The issuer exactly as the provider publishes it; a `/` at its end counts. The endpoints are
    /// found below it (OpenID Connect Discovery).
    #[schemars(example = &"https://sso.example.org/realms/astronomy")]
    pub issuer: Written<HttpUrl>,

    /// The name of this hub at the provider.
    #[schemars(length(min = 1), example = &"jupyterhub")]
    pub client_id: String,

    /// The secret of this hub at the provider, from a file or variable. During a change it may be a
    /// list of two, of which the first is tried first. Needed unless there is a `client_key`.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/keycloak" }]))]
    pub client_secret: Option<SecretSources>,

    /// The private key of this hub in PEM (PKCS #8; RSA, P-256, P-384 or Ed25519), of which the
    /// provider knows the public half or its certificate. It signs each request, so that no secret
    /// leaves this machine (`private_key_jwt`).
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/client-key.pem" }]))]
    pub client_key: Option<SecretSource>,

    /// The id of `client_key` at the provider (`kid`), where the provider wants one.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"jansky-2026")]
    pub client_key_id: Option<String>,

    /// How this hub proves to the provider who it is.
    #[serde(default)]
    #[schemars(extend("x-default" = "`client_key` if there is one, else what the provider says it supports"), example = ClientAuthentication::Post)]
    pub client_authentication: Option<ClientAuthentication>,

    /// The scopes to ask for. `openid` must be among them. `offline_access` asks for a refresh token
    /// that outlives the session at the provider.
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

    /// The identity provider behind this one that people are sent to directly.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"google")]
    pub idp_hint: Option<String>,

    /// The parameter in which `idp_hint` is sent.
    #[serde(default = "idp_hint_parameter")]
    #[schemars(length(min = 1), example = &"selected_idp")]
    pub idp_hint_parameter: String,

    /// Whether sign-in requests are sent to the provider beforehand when it offers that (RFC 9126),
    /// so that nobody can read or change them in the address of the browser. A provider that
    /// requires it gets it in any case.
    #[serde(default = "yes")]
    #[schemars(example = false)]
    pub pushed_authorization: bool,

    /// Parameters that the address of the sign-in page may hand on to the provider.
    #[serde(default)]
    #[schemars(extend("examples" = [["kc_idp_hint", "login_hint"]]))]
    pub hint_parameters: Vec<String>,

    /// Services whose tokens are thrown away when the provider sends them along with a sign-in, as
    /// Globus does: they are never kept.
    #[serde(default)]
    #[schemars(extend("examples" = [["groups.api.globus.org"]]))]
    pub exclude_services: Vec<String>,

    /// Where the provider sends the browser back to, when it is not the usual address below
    /// `hub.public_url`. Give JupyterHub's `…/hub/oauth_callback` to keep a client as it was
    /// registered for JupyterHub.
    ///
    /// With `…/hub/oauth_callback/<name>` the provider has an address of its own, and nothing that
    /// comes to another one counts: what a provider without `iss` in its answers (RFC 9207) needs
    /// beside others that are not trusted alike.
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

    /// A file with the certificates of those who may vouch for the provider, in PEM.
    #[serde(default)]
    #[schemars(extend("x-default" = "those that this machine believes"), example = &"/etc/ssl/institute-ca.pem")]
    pub ca_file: Option<Written<PathBuf>>,

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

    /// Who comes in.
    #[serde(flatten)]
    pub admission: AdmissionKeys,

    /// What signing out here does at the provider, if it can end sessions (OpenID Connect
    /// RP-Initiated Logout).
    #[serde(default)]
    #[schemars(example = SignOut::Offer)]
    pub sign_out: SignOut,

    /// The claim, or claims, with the groups of a person: each a name, or a path with dots. The
    /// value is a list, or a text with spaces between groups. A value of another shape changes
    /// nobody's groups and is told in the log.
    #[serde(default = "groups_claim")]
    #[schemars(example = &"realm_access.roles")]
    pub groups_claim: Texts,

    /// What stands between two groups where a provider sends them in one text.
    #[serde(default)]
    #[schemars(extend("x-default" = "white space"), length(min = 1), example = &";")]
    pub groups_separator: Option<String>,

    /// The namespaces of entitlements (AARC-G069) that are groups:
    /// `<namespace>:group:radio:evn#<authority>` becomes `/radio/evn`, and with a role
    /// `/radio/evn:role=chief`. Entitlements of other namespaces are then ignored.
    #[serde(default)]
    #[schemars(extend("x-default" = "none; entitlements are groups as they stand"), example = &"urn:geant:example.org")]
    pub entitlement_namespace: Option<Texts>,

    /// The authorities whose entitlements are believed. Only with `entitlement_namespace`.
    #[serde(default)]
    #[schemars(extend("x-default" = "any"), example = &"login.example.org")]
    pub entitlement_authority: Option<Texts>,

    /// The domains of e-mail addresses that people must have; only verified addresses count. This
    /// keeps people out and lets nobody in by itself.
    #[serde(default)]
    #[schemars(extend("examples" = [["example.org"]]))]
    pub hosted_domains: Vec<String>,

    /// The claim in which the provider itself vouches for the domain, in place of the domain of the
    /// address.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"hd")]
    pub hosted_domain_claim: Option<String>,

    /// The identity providers behind this one from which people must come, as
    /// `identity_provider_claim` names them. This keeps people out and lets nobody in by itself.
    #[serde(default)]
    #[schemars(extend("examples" = [["https://idp.example.org/shibboleth"]]))]
    pub identity_providers: Vec<String>,

    /// The claim that names the identity provider behind this one.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"idp")]
    pub identity_provider_claim: Option<String>,

    /// Whether a logout token of the provider that names one session ends all sessions of that
    /// person. For Keycloak, which sends only one when an administrator ends all sessions of
    /// somebody.
    #[serde(default)]
    #[schemars(example = true)]
    pub logout_ends_all_sessions: bool,

    /// What was agreed with a provider that tells of security events (OpenID Shared Signals): that a
    /// session was revoked, an account disabled, a password or a right changed. Its transmitter
    /// pushes them to `…/hub/oidc/security-events`.
    #[serde(default)]
    #[schemars(extend("x-default" = "none; security events are not accepted"))]
    pub security_events: Option<SecurityEvents>,
}

/// Parameters of the authorize request that keep the sign-in safe and are therefore ours alone: no key
/// may set one.
pub const PROTOCOL_PARAMETERS: [&str; 12] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl OidcProvider {
    /// The provider at this issuer, with every other key as it is when nobody writes it.
    pub fn new(issuer: &Written<HttpUrl>, client_id: impl Into<String>) -> Self {
        let needed = json!({ "issuer": issuer, "client_id": client_id.into() });
        serde_json::from_value(needed).expect("every other key has a default")
    }

    /// The parameters that every sign-in request gets: the extra ones and the hint.
    pub fn authorize_parameters(&self) -> BTreeMap<String, String> {
        let mut parameters = self.extra_authorize_parameters.clone();
        if let Some(hint) = &self.idp_hint {
            parameters.insert(self.idp_hint_parameter.clone(), hint.clone());
        }
        parameters
    }
}

/// The endpoints of a provider without discovery.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
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

    /// Where sign-in requests are sent beforehand (RFC 9126).
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), example = &"https://sso.example.org/par")]
    pub pushed_authorization: Option<Written<HttpUrl>>,
}

/// What was agreed with a provider that tells of security events.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct SecurityEvents {
    /// What the transmitter calls this hub: the audience (`aud`) of its tokens.
    #[schemars(length(min = 1), example = &"https://jupyter.example.org")]
    pub audience: String,

    /// The issuer of its tokens, exactly as they have it.
    #[serde(default)]
    #[schemars(extend("x-default" = "the issuer of the provider"), example = &"https://events.example.org")]
    pub issuer: Option<Written<HttpUrl>>,

    /// The public keys of the transmitter. Needed with another `issuer` than that of the provider.
    #[serde(default)]
    #[schemars(extend("x-default" = "the keys of the provider"), example = &"https://events.example.org/jwks")]
    pub jwks: Option<Written<HttpUrl>>,

    /// The whole `Authorization` header that the transmitter sends, from a file or variable. Without
    /// it the signature of each token is all that is asked for.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/run/credentials/jansky.service/events" }]))]
    pub authorization: Option<SecretSource>,
}

/// What signing out here does at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SignOut {
    /// The browser goes there and ends that session, too.
    #[default]
    Provider,
    /// The person is asked whether to end it.
    Offer,
    /// Only the session here ends.
    Hub,
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
    Both,
    /// From both, but after a sign-in userinfo is only asked when the ID token lacks the user name,
    /// the groups, or what `hosted_domains` and `identity_providers` need.
    #[default]
    Auto,
}

/// How this hub proves to the provider who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ClientAuthentication {
    /// By the secret in the `Authorization` header (`client_secret_basic`).
    Basic,
    /// By the secret in the form (`client_secret_post`).
    Post,
    /// By requests signed with `client_key` (`private_key_jwt`).
    PrivateKeyJwt,
}

fn in_terms_of_oidc(schema: &mut Schema) {
    say(
        schema,
        &json!({
            "allow_all": { "description": "Lets everybody in who can sign in at the provider." },
            "allowed_groups": { "examples": [["/astronomers"]] },
            "admin_groups": { "examples": [["/operators"]] },
        }),
    );
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn username_claim() -> String {
    "preferred_username".to_owned()
}

fn groups_claim() -> Texts {
    Texts::one("groups")
}

fn idp_hint_parameter() -> String {
    "kc_idp_hint".to_owned()
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> Written<Duration> {
    written("10s")
}
