//! What an operator decides about a provider, and which decisions are refused at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jansky_model::{ProviderId, Secret};
use jsonwebtoken::Algorithm;
use url::Url;

use super::client_key::ClientKey;
use super::kind::OidcKind;

/// The settings of one OpenID Connect provider.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// Which provider it is, for what it does in its own way.
    pub kind: OidcKind,
    /// The text on its sign-in button.
    pub title: String,
    /// The issuer, to the letter as the provider publishes it (a trailing `/` counts).
    pub issuer: String,
    /// Our name at the provider.
    pub client_id: String,
    /// Our secrets at the provider, tried in order when it answers `invalid_client`, so that a
    /// secret can be changed without a gap. None for a public client.
    pub client_secrets: Vec<Secret>,
    /// Our private key at the provider, for [`ClientAuthentication::PrivateKeyJwt`].
    pub client_key: Option<ClientKey>,
    /// How the secret is sent, or that a key is used; chosen from the provider's metadata if not given.
    pub client_authentication: Option<ClientAuthentication>,
    /// The scopes to ask for; must hold `openid`. `offline_access` asks for a refresh token that
    /// outlives the session, in the way that the provider wants it asked.
    pub scopes: Vec<String>,
    /// Parameters added to every authorize request, such as `prompt` or `acr_values`.
    pub extra_authorize_parameters: BTreeMap<String, String>,
    /// Whether the parameters of a sign-in are sent to the provider beforehand (RFC 9126) when it
    /// offers that. One that requires it gets it in any case.
    pub pushed_authorization: bool,
    /// Names that one sign-in may add to its authorize request (`kc_idp_hint`, `idp`,
    /// `login_hint`); see [`LoginAttempt::extra`](crate::LoginAttempt::extra).
    pub hint_parameters: Vec<String>,
    /// Services whose tokens are thrown away when the provider sends them along (`other_tokens`).
    pub exclude_services: Vec<String>,
    /// Endpoints given by hand; discovery is not used then.
    pub endpoints: Option<ManualEndpoints>,
    /// How far the clocks may differ.
    pub leeway: Duration,
    /// How long one request to the provider may take.
    pub http_timeout: Duration,
    /// Where claims come from.
    pub claims_source: ClaimsSource,
    /// Accepts `http` for an issuer, and its endpoints, that are not on this machine.
    pub allow_insecure_issuer: bool,
    /// The signature algorithms that ID tokens may have.
    pub accepted_algorithms: Vec<SigningAlgorithm>,
    /// How the provider tells us of security events; `None` if it is not believed.
    pub security_events: Option<SecurityEventSettings>,
}

impl OidcSettings {
    /// Settings with the usual values: scopes `openid profile email`, claims from the ID token and
    /// userinfo together, 10 seconds of leeway and of patience.
    pub fn new(id: ProviderId, issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            title: id.to_string(),
            id,
            kind: OidcKind::Generic,
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secrets: Vec::new(),
            client_key: None,
            client_authentication: None,
            scopes: ["openid", "profile", "email"].map(String::from).to_vec(),
            extra_authorize_parameters: BTreeMap::new(),
            pushed_authorization: true,
            hint_parameters: Vec::new(),
            exclude_services: Vec::new(),
            endpoints: None,
            leeway: Duration::from_secs(10),
            http_timeout: Duration::from_secs(10),
            claims_source: ClaimsSource::Both,
            allow_insecure_issuer: false,
            accepted_algorithms: SigningAlgorithm::DEFAULT.to_vec(),
            security_events: None,
        }
    }

    /// Finds everything that is wrong with the settings by themselves.
    pub(crate) fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        match Url::parse(&self.issuer) {
            Err(_) => problems.push(SettingsProblem::IssuerNotUrl(self.issuer.clone())),
            Ok(url) if !super::metadata::is_plain(&url) => {
                problems.push(SettingsProblem::IssuerNotUrl(self.issuer.clone()));
            }
            Ok(url) => {
                let secure = url.scheme() == "https"
                    || super::metadata::is_loopback(&url)
                    || self.allow_insecure_issuer;
                if !secure {
                    problems.push(SettingsProblem::IssuerNotSecure(self.issuer.clone()));
                }
            }
        }
        if self.client_id.is_empty() {
            problems.push(SettingsProblem::EmptyClientId);
        }
        if self.client_secrets.iter().any(Secret::is_empty) {
            problems.push(SettingsProblem::EmptyClientSecret);
        }
        let by_key = self.client_authentication == Some(ClientAuthentication::PrivateKeyJwt);
        if by_key && self.client_key.is_none() {
            problems.push(SettingsProblem::NoClientKey);
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            problems.push(SettingsProblem::NoOpenidScope);
        }
        if self.accepted_algorithms.is_empty() {
            problems.push(SettingsProblem::NoAlgorithm);
        }
        if let Some(events) = &self.security_events {
            problems.extend(events.problem(&self.issuer, self.allow_insecure_issuer));
        }
        let added = self
            .extra_authorize_parameters
            .keys()
            .chain(&self.hint_parameters);
        for name in added {
            if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
                problems.push(SettingsProblem::ProtocolParameter(name.clone()));
            }
        }
        problems
    }
}

/// Parameters of the authorize request that keep the sign-in safe and are therefore ours alone.
const PROTOCOL_PARAMETERS: [&str; 12] = [
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

/// Endpoints given by hand, for a provider without discovery.
#[derive(Clone, Debug)]
pub struct ManualEndpoints {
    /// Where the browser goes.
    pub authorization: Url,
    /// Where codes become tokens.
    pub token: Url,
    /// The provider's public keys.
    pub jwks: Url,
    /// Where claims can be read with an access token.
    pub userinfo: Option<Url>,
    /// Where a session at the provider ends.
    pub end_session: Option<Url>,
    /// Where tokens are revoked.
    pub revocation: Option<Url>,
    /// Where the parameters of a sign-in are sent beforehand (RFC 9126).
    pub pushed_authorization: Option<Url>,
}

/// The stream of security events of a provider (OpenID Shared Signals Framework 1.0), as it was
/// agreed with its transmitter.
#[derive(Clone, Debug)]
pub struct SecurityEventSettings {
    /// What the transmitter calls this hub: the `aud` of its tokens.
    pub audience: String,
    /// The `iss` of its tokens; `None` for the issuer of the provider.
    pub issuer: Option<String>,
    /// Where its keys are; `None` for those of the provider.
    pub jwks: Option<Url>,
    /// The `Authorization` header that it sends, to the letter; `None` if its signature is enough.
    pub authorization: Option<Secret>,
}

impl SecurityEventSettings {
    fn problem(&self, provider: &str, allow_insecure: bool) -> Option<SettingsProblem> {
        if self.audience.is_empty() {
            return Some(SettingsProblem::EmptyEventAudience);
        }
        let is_other = self.issuer.as_ref().is_some_and(|own| own != provider);
        if is_other && self.jwks.is_none() {
            return Some(SettingsProblem::NoEventKeys);
        }
        let url = self.jwks.as_ref()?;
        let reason = super::metadata::refuse_transport(url, allow_insecure)?;
        Some(SettingsProblem::Endpoint {
            name: "security event keys",
            url: url.to_string(),
            reason,
        })
    }
}

/// How we prove to the provider who we are (OpenID Connect Core 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// In the `Authorization` header.
    SecretBasic,
    /// In the form.
    SecretPost,
    /// Not at all: requests are signed with [`OidcSettings::client_key`].
    PrivateKeyJwt,
}

/// Where claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsSource {
    /// Only from the ID token.
    IdToken,
    /// From the userinfo endpoint; only what an ID token says about itself comes from there.
    UserInfo,
    /// From both; where they differ userinfo wins, which is fresher. Without a userinfo endpoint
    /// the same as [`ClaimsSource::IdToken`].
    Both,
    /// From both, but userinfo is asked after a sign-in only for those whose ID token, which is as
    /// fresh then, lacks a claim.
    Auto,
}

/// A signature algorithm that an ID token may have.
///
/// `none` and the symmetric `HS*` cannot be expressed: with a public key as the shared secret
/// they would let anybody sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA PKCS #1 with SHA-256.
    Rs256,
    /// RSA PKCS #1 with SHA-384.
    Rs384,
    /// RSA PKCS #1 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// ECDSA on P-521.
    Es512,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them.
    pub const DEFAULT: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its name in the library that checks it; `None` if that one does not know it.
    pub(crate) fn jws(self) -> Option<Algorithm> {
        Some(match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::Es512 => return None,
            Self::EdDsa => Algorithm::EdDSA,
        })
    }

    /// Its name in a JWT header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::DEFAULT
            .into_iter()
            .find(|own| own.as_str() == text)
            .ok_or_else(|| {
                let names = Self::DEFAULT.map(Self::as_str).join(", ");
                format!("`{text}` is not a usable signature algorithm; choose among {names}")
            })
    }
}

/// Settings that cannot work, all problems at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity provider `{provider}`: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidSettings {
    /// The provider.
    pub provider: ProviderId,
    /// What is wrong.
    pub problems: Vec<SettingsProblem>,
}

/// One thing that is wrong with the settings of a provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsProblem {
    /// The issuer is not a URL of the form that issuers have.
    #[error("issuer `{0}` is not an http(s) URL without query, fragment and password")]
    IssuerNotUrl(String),
    /// The issuer is reached without TLS.
    #[error("issuer `{0}` is not https; use https, or set `allow_insecure_issuer` for a test")]
    IssuerNotSecure(String),
    /// An endpoint given by hand may not be used.
    #[error("{name} endpoint `{url}` is refused: {reason}")]
    Endpoint {
        /// Which endpoint.
        name: &'static str,
        /// Its URL.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// No client id.
    #[error("`client_id` is empty")]
    EmptyClientId,
    /// A client secret is the empty text.
    #[error("a client secret is empty")]
    EmptyClientSecret,
    /// Requests are to be signed and there is nothing to sign with.
    #[error("the client is to authenticate with `private_key_jwt`, so it needs a private key")]
    NoClientKey,
    /// Without `openid` there is no ID token.
    #[error("`scopes` must hold `openid`")]
    NoOpenidScope,
    /// No algorithm would be accepted.
    #[error("`accepted_algorithms` is empty")]
    NoAlgorithm,
    /// A parameter that is part of the protocol cannot be set by hand.
    #[error("authorize parameter `{0}` is part of the protocol and cannot be set")]
    ProtocolParameter(String),
    /// Nothing tells our security events from those for others.
    #[error("the audience of security events is empty")]
    EmptyEventAudience,
    /// The keys of another issuer are not those of the provider.
    #[error("security events come from another issuer, so the address of its keys is needed")]
    NoEventKeys,
    /// Claims are to come from userinfo and there is no such endpoint.
    #[error("claims are to come from userinfo, so a userinfo endpoint is needed")]
    NoUserinfoEndpoint,
}
