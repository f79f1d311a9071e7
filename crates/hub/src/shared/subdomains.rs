//! Hosts of their own for people's servers, as JupyterHub's `subdomain_host` makes them: what one
//! person's server answers is then for browsers another origin than the hub and everybody else's.

use std::fmt::Write as _;

use jansky_crypto::token::digest_text;
use jansky_model::name::server_prefix;
use jansky_model::{ServerName, UserName};
use url::Url;

use crate::shared::settings::Settings;

/// The longest part of a host name between two dots (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// How many characters of a name that cannot be a host are kept, so that people recognize it.
const RECOGNIZABLE: usize = 8;

/// How many bytes of the digest tell such names apart. JupyterHub has three and a half, for which
/// somebody who chooses their own name can find another one with the same host.
const DIGEST_BYTES: usize = 8;

impl Settings {
    /// The origin of a person's servers; `None` when it is that of the hub.
    pub fn origin_of(&self, user: &UserName) -> Option<Url> {
        let mut url = self.subdomain_host.clone()?;
        let host = format!("{}.{}", host_label(user.as_str()), url.host_str()?);
        url.set_host(Some(&host)).ok()?;
        Some(url)
    }

    /// Where browsers find a server: a path on the hub's origin, or a whole address on one of its own.
    pub fn server_url(&self, user: &UserName, name: &ServerName) -> String {
        let path = server_prefix(&self.base, user, name);
        match self.origin_of(user).map(|origin| origin.join(&path)) {
            Some(Ok(url)) => url.into(),
            _ => path,
        }
    }

    /// The spec of a server's route: its path, after its host if it has one.
    pub fn server_route(&self, user: &UserName, name: &ServerName) -> String {
        let path = server_prefix(&self.base, user, name);
        let origin = self.origin_of(user);
        let host = origin.as_ref().and_then(Url::host_str).unwrap_or_default();
        format!("{host}{path}")
    }

    /// Whether a `Host` header names the host of somebody's servers, on which the hub shows nothing.
    pub fn is_server_host(&self, host: &str) -> bool {
        let Some(hub) = self.subdomain_host.as_ref().and_then(Url::host_str) else {
            return false;
        };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let label = name.strip_suffix(hub);
        label.is_some_and(|label| label.ends_with('.'))
    }

    /// The hosts of all servers as a source of a content security policy.
    pub fn server_origins(&self) -> Option<String> {
        let url = self.subdomain_host.as_ref()?;
        let port = url.port().map(|port| format!(":{port}"));
        Some(format!(
            "{}://*.{}{}",
            url.scheme(),
            url.host_str()?,
            port.unwrap_or_default()
        ))
    }

    /// The domain of the cookie with the session id, which servers on other hosts need to see.
    pub fn session_domain(&self) -> Option<&str> {
        self.subdomain_host.as_ref()?.host_str()
    }
}

/// The first part of the host of a person's servers. No two names have the same.
///
/// As JupyterHub's hook `idna`: the name itself if it can be one, else its form for international
/// domains, else some characters of it and a digest.
fn host_label(name: &str) -> String {
    // Whatever is encoded has two dashes.
    if !name.contains("--") {
        if is_label(name) {
            return name.to_owned();
        }
        if let Some(label) = international(name) {
            return label;
        }
    }
    let plain = name.to_lowercase();
    let plain = plain
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let mut label = "u-".to_owned();
    label.extend(plain.take(RECOGNIZABLE));
    if label.len() == 2 {
        label.push('x');
    }
    label.push_str("--");
    for byte in &digest_text(name)[..DIGEST_BYTES] {
        let _ = write!(label, "{byte:02x}");
    }
    label
}

/// Whether a name is a label of a host just as it is. Hosts have no case, so capitals are not.
fn is_label(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The label of an international name, if nothing but this name has it: several ways to write a name
/// may otherwise end in one.
fn international(name: &str) -> Option<String> {
    if name.is_ascii() || name.contains('.') {
        return None;
    }
    let label = idna::domain_to_ascii(name).ok()?;
    let (back, is_valid) = idna::domain_to_unicode(&label);
    (is_valid.is_ok() && back == name && is_label(&label)).then_some(label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings() -> Settings {
        Settings {
            base: "/j/".to_owned(),
            subdomain_host: Url::parse("https://Hub.example.org:8443/").ok(),
            ..Settings::default()
        }
    }

    #[test]
    fn names_are_encoded_as_jupyterhub_does() {
        for (name, label) in [
            ("river", "river"),
            ("a-b2", "a-b2"),
            ("müller", "xn--mller-kva"),
            ("straße", "xn--strae-oqa"),
        ] {
            assert_eq!(host_label(name), label);
        }
        for (name, begin) in [
            ("river@example.org", "u-riverexa--"),
            ("a--b", "u-ab--"),
            ("xn--mller-kva", "u-xnmllerk--"),
            ("1234", "u-1234--"),
            ("-a", "u-a--"),
            ("a.b", "u-ab--"),
            ("a_b", "u-ab--"),
            ("@", "u-x--"),
            ("River", "u-river--"),
            ("MÜLLER", "u-mller--"),
        ] {
            let label = host_label(name);
            assert!(label.starts_with(begin), "{name}: {label}");
            assert!(is_label(&label), "{label}");
        }
    }

    #[test]
    fn no_two_names_have_one_host() {
        let long = "a".repeat(64);
        let names = [
            "river",
            "River",
            "RIVER",
            "ｒiver",
            "müller",
            "Müller",
            "mu\u{308}ller",
            "straße",
            "strasse",
            "xn--mller-kva",
            "xn--strae-oqa",
            "a.b",
            "a_b",
            "ab",
            "a-b",
            "a--b",
            "K",
            "k",
            "\u{212a}",
            "ﬁ",
            "fi",
            "u-ab--1",
            "u-ab",
            "①",
            "1",
            "x",
            "u-x",
            &long,
            &long[1..],
        ];
        let mut seen = BTreeMap::new();
        for name in names {
            let label = host_label(name);
            assert!(label.len() <= LONGEST_LABEL);
            if let Some(other) = seen.insert(label.clone(), name) {
                panic!("{name} and {other} have the host {label}");
            }
        }
    }

    #[test]
    fn addresses_and_routes_of_servers_have_the_host_of_their_owner() {
        let settings = settings();
        let river: UserName = "river".parse().expect("a name");
        let lab: ServerName = "lab".parse().expect("a name");

        assert_eq!(
            settings.server_url(&river, &lab),
            "https://river.hub.example.org:8443/j/user/river/lab/"
        );
        assert_eq!(
            settings.server_route(&river, &lab),
            "river.hub.example.org/j/user/river/lab/"
        );
        assert_eq!(
            settings.server_origins().as_deref(),
            Some("https://*.hub.example.org:8443")
        );
        let shared = Settings::default();
        assert_eq!(shared.server_url(&river, &lab), "/user/river/lab/");
        assert_eq!(shared.server_route(&river, &lab), "/user/river/lab/");
    }

    #[test]
    fn hosts_of_servers_are_told_from_that_of_the_hub() {
        let settings = settings();
        for host in [
            "river.hub.example.org",
            "RIVER.hub.example.org:8443",
            "a.b.hub.example.org",
            "river.hub.example.org.",
        ] {
            assert!(settings.is_server_host(host), "{host}");
            assert!(!Settings::default().is_server_host(host), "{host}");
        }
        for host in [
            "hub.example.org",
            "hub.example.org:8443",
            "127.0.0.1:8000",
            "rhub.example.org",
            "example.org",
            "",
        ] {
            assert!(!settings.is_server_host(host), "{host}");
        }
    }
}
