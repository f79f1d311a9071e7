//! What a provider publishes about itself, and which of its endpoints we are willing to call.

use std::net::IpAddr;

use jansky_settings::{Endpoints, HttpUrl, Written};
use serde::Deserialize;
use url::{Host, Url};

use super::json::read_json;
use super::settings::{OidcSettings, SettingsProblem};
use crate::error::clean;

/// The parts of a provider's metadata that sign-in needs, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
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
    /// Whether the provider takes no other sign-ins.
    pub requires_pushed_authorization: bool,
    /// How the token endpoint wants clients to authenticate; empty if it does not say.
    pub token_authentication: Vec<String>,
    /// Whether callbacks carry `iss` (RFC 9207).
    pub sends_issuer: bool,
}

/// Why published metadata are not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataProblem {
    /// It is not the JSON that OpenID Connect Discovery describes.
    #[error("the metadata are not those of an OpenID provider: {0}")]
    Malformed(String),
    /// It is somebody else's.
    #[error("the metadata are those of issuer `{0}`")]
    Issuer(String),
    /// An endpoint that we refuse to call.
    #[error("{name} endpoint is refused: {reason}")]
    Endpoint {
        /// Which endpoint.
        name: &'static str,
        /// Why.
        reason: &'static str,
    },
}

/// OpenID Connect Discovery 3; unknown fields are ignored.
#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    pushed_authorization_request_endpoint: Option<Url>,
    // Some providers write `null` where they mean nothing.
    require_pushed_authorization_requests: Option<bool>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

fn malformed(error: &dyn std::fmt::Display) -> MetadataProblem {
    MetadataProblem::Malformed(clean(&error.to_string(), &[]))
}

impl Metadata {
    /// Reads a discovery document.
    ///
    /// # Errors
    /// When the issuer in it is not the configured one to the letter (OpenID Connect Discovery
    /// 4.3), or it sends us to an address that [`refuse_endpoint`] does not let pass.
    pub fn parse(document: &[u8], settings: &OidcSettings) -> Result<Self, MetadataProblem> {
        #[derive(Deserialize)]
        struct Name {
            issuer: String,
        }
        // First only the issuer: a document of another provider is a mismatch whatever else it is.
        let name: Name = read_json(document).map_err(MetadataProblem::Malformed)?;
        if name.issuer != settings.issuer() {
            return Err(MetadataProblem::Issuer(name.issuer));
        }
        let document: DiscoveryDocument =
            read_json(document).map_err(MetadataProblem::Malformed)?;
        let metadata = Self {
            authorization: document.authorization_endpoint,
            token: document.token_endpoint,
            jwks: document.jwks_uri,
            userinfo: document.userinfo_endpoint,
            end_session: document.end_session_endpoint,
            revocation: document.revocation_endpoint,
            pushed_authorization: document.pushed_authorization_request_endpoint,
            requires_pushed_authorization: document
                .require_pushed_authorization_requests
                .unwrap_or_default(),
            token_authentication: document
                .token_endpoint_auth_methods_supported
                .unwrap_or_default(),
            sends_issuer: document
                .authorization_response_iss_parameter_supported
                .unwrap_or_default(),
        };
        let issuer = Url::parse(&document.issuer).map_err(|error| malformed(&error))?;
        for (name, url) in metadata.endpoints() {
            if let Some(reason) = refuse_endpoint(&issuer, url, settings.allow_insecure_issuer) {
                return Err(MetadataProblem::Endpoint { name, reason });
            }
        }
        Ok(metadata)
    }

    /// Takes endpoints that the operator gave. They may be on any host, private ones included, but
    /// need TLS like all others.
    pub(crate) fn by_hand(
        endpoints: &Endpoints,
        settings: &OidcSettings,
    ) -> Result<Self, Vec<SettingsProblem>> {
        let plain = |url: &Written<HttpUrl>| Url::clone(url);
        let metadata = Self {
            authorization: plain(&endpoints.authorization),
            token: plain(&endpoints.token),
            jwks: plain(&endpoints.jwks),
            userinfo: endpoints.userinfo.as_ref().map(plain),
            end_session: endpoints.end_session.as_ref().map(plain),
            revocation: endpoints.revocation.as_ref().map(plain),
            pushed_authorization: endpoints.pushed_authorization.as_ref().map(plain),
            requires_pushed_authorization: false,
            token_authentication: Vec::new(),
            sends_issuer: false,
        };
        let problems: Vec<_> = metadata
            .endpoints()
            .filter_map(|(name, url)| {
                let reason = refuse_transport(url, settings.allow_insecure_issuer)?;
                Some(SettingsProblem::Endpoint {
                    name,
                    url: url.to_string(),
                    reason,
                })
            })
            .collect();
        if problems.is_empty() {
            Ok(metadata)
        } else {
            Err(problems)
        }
    }

    fn endpoints(&self) -> impl Iterator<Item = (&'static str, &Url)> {
        [
            ("authorization", Some(&self.authorization)),
            ("token", Some(&self.token)),
            ("jwks", Some(&self.jwks)),
            ("userinfo", self.userinfo.as_ref()),
            ("end_session", self.end_session.as_ref()),
            ("revocation", self.revocation.as_ref()),
            ("pushed_authorization", self.pushed_authorization.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, url)| Some((name, url?)))
    }
}

/// Where a provider publishes its metadata (OpenID Connect Discovery 4).
pub(crate) fn discovery_url(issuer: &str) -> Option<Url> {
    let issuer = issuer.trim_end_matches('/');
    Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok()
}

/// Says why an endpoint that `issuer` published is not called, if it is not.
///
/// Endpoints may be on another host, as some large providers have them, but metadata must not
/// turn us against our own network: a provider out there cannot send us to a private address.
pub(crate) fn refuse_endpoint(
    issuer: &Url,
    endpoint: &Url,
    allow_insecure: bool,
) -> Option<&'static str> {
    if let Some(reason) = refuse_transport(endpoint, allow_insecure) {
        return Some(reason);
    }
    if allow_insecure || endpoint.host() == issuer.host() || is_loopback(issuer) {
        return None;
    }
    is_private(endpoint).then_some("it is a private address and not the issuer's own host")
}

pub(crate) fn refuse_transport(endpoint: &Url, allow_insecure: bool) -> Option<&'static str> {
    if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host().is_none() {
        return Some("it is not an http(s) URL");
    }
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        return Some("it holds a user name or password");
    }
    if endpoint.fragment().is_some() {
        return Some("it has a fragment");
    }
    if endpoint.scheme() != "https" && !is_loopback(endpoint) && !allow_insecure {
        return Some("it is not https");
    }
    None
}

/// Whether a URL has the form of an issuer: http(s), a host, no password, query or fragment.
pub(crate) fn is_plain(url: &Url) -> bool {
    refuse_transport(url, true).is_none() && url.query().is_none()
}

/// Whether a URL is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL names, by its text alone, an address that the public network does not reach.
fn is_private(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical(),
        Some(Host::Domain(_)) | None => return is_loopback(url),
    };
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("the test writes a URL")
    }

    #[test]
    fn endpoints_need_tls_unless_they_are_on_this_machine() {
        let issuer = url("https://id.example.org/realm");

        for refused in [
            "http://id.example.org/token",
            "ftp://id.example.org/token",
            "https://me:pw@id.example.org/token",
            "https://id.example.org/token#x",
        ] {
            assert!(
                refuse_endpoint(&issuer, &url(refused), false).is_some(),
                "{refused}"
            );
        }
        for accepted in [
            "https://id.example.org/token",
            "https://tokens.example.net/token",
        ] {
            assert_eq!(
                refuse_endpoint(&issuer, &url(accepted), false),
                None,
                "{accepted}"
            );
        }
        let local = url("http://127.0.0.1:8080");
        assert_eq!(
            refuse_endpoint(&local, &url("http://localhost:8081/token"), false),
            None
        );
        assert!(refuse_endpoint(&local, &url("http://id.example.org/token"), false).is_some());
    }

    #[test]
    fn a_provider_out_there_cannot_send_us_to_a_private_address() {
        let issuer = url("https://id.example.org");

        for inside in [
            "http://127.0.0.1:8081/api",
            "https://localhost/api",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:192.168.1.1]/",
            "https://[fd00::1]/",
            "https://0.0.0.0/",
            "https://2130706433/",
        ] {
            assert!(
                refuse_endpoint(&issuer, &url(inside), false).is_some(),
                "{inside}"
            );
        }
        let inside = url("https://10.0.0.1");
        assert_eq!(
            refuse_endpoint(&inside, &url("https://10.0.0.1/token"), false),
            None
        );
    }

    #[test]
    fn the_discovery_url_does_not_double_the_slash() {
        for issuer in [
            "https://id.example.org/realm",
            "https://id.example.org/realm/",
        ] {
            assert_eq!(
                discovery_url(issuer).as_ref().map(Url::as_str),
                Some("https://id.example.org/realm/.well-known/openid-configuration")
            );
        }
    }

    #[test]
    fn metadata_of_another_issuer_are_a_mismatch_whatever_else_they_hold() {
        let id = "op".parse().expect("it is a provider id");
        let settings = OidcSettings::new(
            id,
            &"https://id.example.org".parse().expect("a URL"),
            "jansky",
        );

        assert_eq!(
            Metadata::parse(br#"{"issuer": "https://id.example.org/"}"#, &settings),
            Err(MetadataProblem::Issuer(
                "https://id.example.org/".to_owned()
            ))
        );
    }

    #[test]
    fn metadata_that_cannot_be_used_say_what_is_wrong_with_them() {
        let id = "op".parse().expect("it is a provider id");
        let settings = OidcSettings::new(
            id,
            &"https://id.example.org".parse().expect("a URL"),
            "jansky",
        );
        let issuer = r#""issuer": "https://id.example.org""#;
        let endpoint = r#""authorization_endpoint": "https://id.example.org/auth""#;

        for (document, expected) in [
            ("<html>".to_owned(), "it is not JSON"),
            (
                format!("{{{issuer}}}"),
                "`authorization_endpoint` is missing",
            ),
            (
                format!("{{{issuer}, {endpoint}, \"token_endpoint\": \"/token\"}}"),
                "`token_endpoint`: relative URL without a base",
            ),
            (
                format!("{{{issuer}, {endpoint}, \"token_endpoint\": 7}}"),
                "`token_endpoint` is a number where a URL is expected",
            ),
        ] {
            let problem = Metadata::parse(document.as_bytes(), &settings).expect_err("unusable");
            let problem = problem.to_string();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn what_is_null_is_not_there() {
        let id = "op".parse().expect("it is a provider id");
        let settings = OidcSettings::new(
            id,
            &"https://id.example.org".parse().expect("a URL"),
            "jansky",
        );
        let document = br#"{
            "issuer": "https://id.example.org",
            "authorization_endpoint": "https://id.example.org/auth",
            "token_endpoint": "https://id.example.org/token",
            "jwks_uri": "https://id.example.org/jwks",
            "userinfo_endpoint": null,
            "require_pushed_authorization_requests": null,
            "token_endpoint_auth_methods_supported": null,
            "authorization_response_iss_parameter_supported": null
        }"#;

        let metadata = Metadata::parse(document, &settings).expect("it is all there");

        assert_eq!(metadata.userinfo, None);
        assert!(metadata.token_authentication.is_empty());
        assert!(!metadata.requires_pushed_authorization && !metadata.sends_issuer);
    }
}
