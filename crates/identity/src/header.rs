//! A reverse proxy that has signed people in already says in headers who is there.
//!
//! Everybody can write a header, so only the connection counts: it must come from an address of the
//! proxy and, where others can use that address too, carry a secret that only the proxy knows.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use jansky_model::{ProviderId, Secret};
use serde_json::{Value, json};

use crate::error::IdentityError;
use crate::identity::ExternalIdentity;
use crate::oidc::same;
use crate::provider::{HeaderLogin, IdentityProvider, LoginMethod, ProviderStatus};

/// How a trusted proxy is used: the section of the configuration, and the secret that was read for it.
#[derive(Clone, Debug)]
pub struct HeaderSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// What the operator wrote.
    pub section: jansky_settings::HeaderProvider,
    /// The secret that proves a request comes through the proxy.
    pub secret: Option<Secret>,
}

/// A key of the section that is to name a header, and does not.
#[derive(Debug, thiserror::Error)]
#[error("{key}: `{text}` is not the name of a header")]
pub struct NoHeaderName {
    /// The key.
    pub key: &'static str,
    /// What stands there.
    pub text: String,
}

/// A trusted proxy, seen from us.
pub struct HeaderProvider {
    id: ProviderId,
    title: String,
    issuer: String,
    /// The addresses from which the proxy connects.
    trusted_addresses: Vec<IpNet>,
    /// The header with the secret, and the secret.
    secret: Option<(HeaderName, Secret)>,
    /// The header with the name of the person, who is bound to it.
    user_header: HeaderName,
    /// The header with their e-mail address.
    email_header: Option<HeaderName>,
    /// The header with their groups. What stands between two of them is for
    /// [`GroupRules`](crate::claim_rules::GroupRules) to know.
    groups_header: Option<HeaderName>,
}

impl HeaderProvider {
    /// Takes the settings.
    ///
    /// # Errors
    /// [`NoHeaderName`] when one of the headers cannot be one.
    pub fn new(settings: HeaderSettings) -> Result<Self, NoHeaderName> {
        let HeaderSettings {
            id,
            section,
            secret,
        } = settings;
        let name = |key, text: &str| {
            HeaderName::try_from(text).map_err(|_| NoHeaderName {
                key,
                text: text.to_owned(),
            })
        };
        let optional =
            |key, text: &Option<String>| text.as_ref().map(|text| name(key, text)).transpose();
        let secret_header = name("secret_header", &section.secret_header)?;
        Ok(Self {
            issuer: format!("header:{id}"),
            trusted_addresses: section.trusted_addresses.iter().map(|net| **net).collect(),
            secret: secret.map(|secret| (secret_header, secret)),
            user_header: name("user_header", &section.user_header)?,
            email_header: optional("email_header", &section.email_header)?,
            groups_header: optional("groups_header", &section.groups_header)?,
            title: section.title.unwrap_or_else(|| id.to_string()),
            id,
        })
    }

    fn is_trusted(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let peer = peer.to_canonical();
        let mut networks = self.trusted_addresses.iter();
        networks.any(|network| network.contains(&peer))
            && self.secret.as_ref().is_none_or(|(name, secret)| {
                // One of several could be the client's, but it would have to know the secret.
                let mut sent = headers.get_all(name).iter();
                sent.any(|value| value.to_str().is_ok_and(|sent| same(sent, secret.expose())))
            })
    }

    fn groups(&self, headers: &HeaderMap) -> Result<Option<Value>, IdentityError> {
        let Some(name) = &self.groups_header else {
            return Ok(None);
        };
        // Proxies leave the header out for people without groups.
        Ok(Some(one(headers, name)?.map_or(json!([]), Value::from)))
    }
}

impl IdentityProvider for HeaderProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn title(&self) -> &str {
        &self.title
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Header(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }
}

impl HeaderLogin for HeaderProvider {
    fn identify(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<ExternalIdentity, IdentityError> {
        if !self.is_trusted(peer, headers) {
            return Err(if headers.contains_key(&self.user_header) {
                IdentityError::UntrustedProxy {
                    peer,
                    header: self.user_header.to_string(),
                }
            } else {
                not_told(format!("the request came from {peer} and past the proxy"))
            });
        }
        let user = one(headers, &self.user_header)?.ok_or_else(|| {
            not_told(format!(
                "the header `{}` is missing or empty",
                self.user_header
            ))
        })?;
        let email = self.email_header.as_ref().map(|name| one(headers, name));
        let email = email.transpose()?.flatten();
        let groups = self.groups(headers)?;
        Ok(
            ExternalIdentity::named(&self.id, &self.issuer, user, Some(user), groups)
                .with_text("email", email),
        )
    }
}

/// The value of a header that may be there once. Two of them mean that the proxy adds its own to
/// what the client sent, and nobody knows which is which.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, IdentityError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(not_told(format!(
            "the header `{name}` is there twice; let the proxy replace what clients send"
        )));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| not_told(format!("the header `{name}` is not UTF-8")))?;
    let text = text.trim();
    Ok((!text.is_empty()).then_some(text))
}

fn not_told(reason: String) -> IdentityError {
    IdentityError::NotTold { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(change: impl FnOnce(&mut HeaderSettings)) -> HeaderProvider {
        let section = serde_json::from_value(json!({
            "user_header": "x-remote-user",
            "trusted_addresses": ["10.0.0.0/8"],
            "email_header": "x-remote-email",
            "groups_header": "x-remote-groups",
        }));
        let mut settings = HeaderSettings {
            id: "sso".parse().expect("a valid id"),
            section: section.expect("a section"),
            secret: None,
        };
        change(&mut settings);
        HeaderProvider::new(settings).expect("these are names of headers")
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            })
            .collect()
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_proxy_says_who_is_there_with_which_groups() {
        let sent = headers(&[
            ("x-remote-user", "River"),
            ("x-remote-email", "river@example.org"),
            ("x-remote-groups", "radio, evn,,"),
        ]);

        let river = proxy(|_| {}).identify(peer("10.1.2.3"), &sent);

        let river = river.expect("the proxy is trusted");
        assert_eq!(river.issuer, "header:sso");
        assert_eq!(river.subject, "River");
        assert_eq!(river.claims["groups"], "radio, evn,,");
        assert_eq!(river.claims["email"], "river@example.org");
        assert!(!river.claims.contains_key("email_verified"));
        assert!(river.tokens.is_none());
        let mapped = proxy(|_| {}).identify(peer("::ffff:10.1.2.3"), &sent);
        assert!(mapped.is_ok(), "the same address in another notation");
    }

    #[test]
    fn nobody_but_the_proxy_is_believed() {
        let sent = headers(&[("x-remote-user", "river")]);
        for from in ["192.0.2.1", "127.0.0.1", "::1"] {
            let refused = proxy(|_| {}).identify(peer(from), &sent);
            assert!(
                matches!(refused, Err(IdentityError::UntrustedProxy { .. })),
                "{refused:?}"
            );
        }
        let past = proxy(|_| {}).identify(peer("192.0.2.1"), &HeaderMap::new());
        assert!(matches!(past, Err(IdentityError::NotTold { .. })));
    }

    #[test]
    fn where_there_is_a_secret_the_address_alone_is_not_enough() {
        let proxy = proxy(|settings| {
            settings.secret = Some(Secret::new("eleven stars"));
        });
        let ask = |pairs| proxy.identify(peer("10.0.0.1"), &headers(pairs));

        for wrong in [
            &[("x-remote-user", "river")] as &[_],
            &[("x-remote-user", "river"), ("x-proxy-secret", "")],
            &[("x-remote-user", "river"), ("x-proxy-secret", "eleven")],
        ] {
            let refused = ask(wrong);
            assert!(
                matches!(refused, Err(IdentityError::UntrustedProxy { .. })),
                "{refused:?}"
            );
        }
        let right = &[
            ("x-remote-user", "river"),
            ("x-proxy-secret", "eleven stars"),
        ];
        assert!(ask(right).is_ok());
        assert!(
            proxy.identify(peer("192.0.2.1"), &headers(right)).is_err(),
            "nor is the secret alone"
        );
    }

    #[test]
    fn an_unclear_word_is_none() {
        let mut twice = headers(&[("x-remote-user", "river")]);
        twice.append("x-remote-user", "mallory".parse().expect("a value"));
        for sent in [
            headers(&[]),
            headers(&[("x-remote-user", "  ")]),
            headers(&[("x-remote-groups", "radio")]),
            twice,
        ] {
            let refused = proxy(|_| {}).identify(peer("10.0.0.1"), &sent);
            assert!(
                matches!(refused, Err(IdentityError::NotTold { .. })),
                "{sent:?} gave {refused:?}"
            );
        }
    }
}
