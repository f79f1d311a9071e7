//! What an operator decides about a provider, and which decisions are refused at once.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

use jansky_model::{ProviderId, Secret};
use jansky_settings::{
    ClientAuthentication, HttpUrl, OidcProvider as Section, PROTOCOL_PARAMETERS, SecurityEvents,
    Written,
};
use jsonwebtoken::Algorithm;

use super::client_key::ClientKey;
use super::kind::OidcKind;

/// How an OpenID Connect provider is used: the section of the configuration, and what was read for it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// Which provider it is, for what it does in its own way.
    pub kind: OidcKind,
    /// What the operator wrote. Who may come in, and where claims stand, is for others to know.
    pub section: Section,
    /// Our secrets at the provider, tried in order when it answers `invalid_client`, so that a
    /// secret can be changed without a gap. None for a public client.
    pub client_secrets: Vec<Secret>,
    /// Our private key at the provider, for [`ClientAuthentication::PrivateKeyJwt`].
    pub client_key: Option<ClientKey>,
    /// The signature algorithms that ID tokens may have.
    pub accepted_algorithms: Vec<SigningAlgorithm>,
    /// The `Authorization` header that the transmitter of security events sends, to the letter; `None` if
    /// its signature is enough.
    pub events_authorization: Option<Secret>,
}

impl Deref for OidcSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl DerefMut for OidcSettings {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.section
    }
}

impl OidcSettings {
    /// What a section says, before any secret or key of it was read.
    pub fn of(id: ProviderId, section: Section) -> Self {
        Self {
            id,
            kind: OidcKind::Generic,
            section,
            client_secrets: Vec::new(),
            client_key: None,
            accepted_algorithms: SigningAlgorithm::DEFAULT.to_vec(),
            events_authorization: None,
        }
    }

    /// A public client at this issuer, with every other key as it is when nobody writes it.
    pub fn new(id: ProviderId, issuer: &Written<HttpUrl>, client_id: impl Into<String>) -> Self {
        Self::of(id, Section::new(issuer, client_id))
    }

    /// The text on its sign-in button.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(self.id.as_str())
    }

    /// The issuer, to the letter as the provider publishes it (a trailing `/` counts).
    pub fn issuer(&self) -> &str {
        self.issuer.as_written()
    }

    /// Finds everything that is wrong with the settings by themselves.
    pub(crate) fn problems(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let (issuer, url) = (self.issuer(), &**self.issuer);
        if !super::metadata::is_plain(url) {
            problems.push(SettingsProblem::IssuerNotUrl(issuer.to_owned()));
        } else if url.scheme() != "https"
            && !super::metadata::is_loopback(url)
            && !self.allow_insecure_issuer
        {
            problems.push(SettingsProblem::IssuerNotSecure(issuer.to_owned()));
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
            problems.extend(event_problem(events, issuer, self.allow_insecure_issuer));
        }
        let fixed = self.authorize_parameters();
        for name in fixed.keys().chain(&self.hint_parameters) {
            if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
                problems.push(SettingsProblem::ProtocolParameter(name.clone()));
            }
        }
        problems
    }
}

/// What is wrong with what was agreed about security events (OpenID Shared Signals Framework 1.0).
fn event_problem(
    events: &SecurityEvents,
    provider: &str,
    allow_insecure: bool,
) -> Option<SettingsProblem> {
    if events.audience.is_empty() {
        return Some(SettingsProblem::EmptyEventAudience);
    }
    let issuer = events.issuer.as_ref();
    let is_other = issuer.is_some_and(|own| own.as_written() != provider);
    if is_other && events.jwks.is_none() {
        return Some(SettingsProblem::NoEventKeys);
    }
    let url = events.jwks.as_ref()?;
    let reason = super::metadata::refuse_transport(url, allow_insecure)?;
    Some(SettingsProblem::Endpoint {
        name: "security event keys",
        url: url.to_string(),
        reason,
    })
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
