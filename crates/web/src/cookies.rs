//! The cookies of the hub, with JupyterHub's names and paths.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use jansky_hub::Settings;

/// Proves that a browser is signed in.
pub(crate) const SIGN_IN: &str = "jupyterhub-hub-login";

/// The name and the path of a cookie that the hub alone reads, which is otherwise sent below `path`.
///
/// Where servers have hosts of their own and browsers use TLS, browsers take it from the hub's host alone:
/// anything else a page on a host below that one could set for all.
pub(crate) fn own<'a>(
    settings: &Settings,
    name: &'a str,
    path: &'a str,
) -> (Cow<'a, str>, &'a str) {
    if settings.subdomain_host.is_some() && settings.is_public_secure() {
        (Cow::Owned(format!("__Host-{name}")), "/")
    } else {
        (Cow::Borrowed(name), path)
    }
}

/// A cookie that servers on hosts of their own are sent, too.
pub(crate) fn for_servers(cookie: &str, settings: &Settings) -> String {
    match settings.session_domain() {
        Some(domain) => format!("{cookie}; Domain={domain}"),
        None => cookie.to_owned(),
    }
}

/// Names the session to single-user servers, so that signing out takes effect in them at once.
pub(crate) const SESSION_ID: &str = "jupyterhub-session-id";

/// The token against cross-site request forgery. Programs read it from the answer, and scripts of ours
/// from their page: to others it is not readable.
pub(crate) const XSRF: &str = "_xsrf";

/// A random value that names a browser before anybody has signed in, so that the token of a form can
/// be bound to it. Network addresses change between two requests behind gateways and on phones.
pub(crate) const VISITOR: &str = "jansky-visitor";

/// Says that somebody has signed in here with a password before, so that strangers who try the same
/// name do not keep them out.
pub(crate) const DEVICE: &str = "jansky-device";

/// Begins the name of the cookies that tie sign-in attempts to a browser, one for each attempt so
/// that two tabs do not disturb each other.
pub(crate) const ATTEMPT_PREFIX: &str = "jansky-sign-in-";

/// Ties the step between the password and the second factor to a browser.
pub(crate) const SECOND_STEP: &str = "jansky-second-step";

/// All values of a cookie in a request: a browser sends several when paths overlap.
pub(crate) fn values<'a>(
    headers: &'a HeaderMap,
    name: impl AsRef<str> + 'a,
) -> impl Iterator<Item = &'a str> + 'a {
    pairs(headers)
        .filter(move |(key, _)| *key == name.as_ref())
        .map(|(_, value)| value)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        // A page that shares the origin may set a cookie of any bytes, which must hide no other one.
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
        .map(|(key, value)| (key, value.trim_matches('"')))
}

/// A cookie to be set.
pub(crate) struct SetCookie<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its value, which must need no escaping.
    pub(crate) value: &'a str,
    /// The path below which it is sent.
    pub(crate) path: &'a str,
    /// Whether it is only sent over TLS.
    pub(crate) secure: bool,
    /// Whether scripts cannot read it.
    pub(crate) http_only: bool,
    /// How long it lives; `None` until the browser closes.
    pub(crate) max_age: Option<Duration>,
}

impl SetCookie<'_> {
    /// The value of the header `Set-Cookie`.
    pub(crate) fn to_header(&self) -> String {
        let mut text = format!(
            "{}={}; Path={}; SameSite=Lax",
            self.name, self.value, self.path
        );
        if let Some(age) = self.max_age {
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        if self.secure {
            text.push_str("; Secure");
        }
        text
    }
}

/// The header that takes a cookie away.
pub(crate) fn removal(name: &str, path: &str, secure: bool) -> String {
    let cookie = SetCookie {
        name,
        value: "",
        path,
        secure,
        http_only: true,
        max_age: Some(Duration::ZERO),
    };
    cookie.to_header()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn every_value_of_a_name_is_found_and_garbage_is_passed_over() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("a=1; b=\"2\"; ; =; c; a=3"),
        );
        headers.append(COOKIE, HeaderValue::from_static("a=4"));
        headers.append(
            COOKIE,
            HeaderValue::from_bytes(b"a=\xff; a=5").expect("an opaque header"),
        );

        let found: Vec<_> = values(&headers, "a").collect();
        assert_eq!(found, ["1", "3", "4", "5"]);
        assert_eq!(values(&headers, "b").collect::<Vec<_>>(), ["2"]);
        assert_eq!(values(&headers, "d").count(), 0);
    }

    #[test]
    fn a_cookie_carries_its_protections() {
        let cookie = SetCookie {
            name: SIGN_IN,
            value: "x",
            path: "/hub/",
            secure: true,
            http_only: true,
            max_age: Some(Duration::from_mins(1)),
        };

        assert_eq!(
            cookie.to_header(),
            "jupyterhub-hub-login=x; Path=/hub/; SameSite=Lax; Max-Age=60; HttpOnly; Secure"
        );
    }
}
