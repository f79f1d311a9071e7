//! The address of a server behind the proxy.

use std::sync::Arc;

use url::{Host, Url};

use crate::route::RouteError;

/// A server that speaks HTTP/1.1 in the clear, `http://host:port`, with an optional path that is
/// put in front of the paths of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    url: Arc<str>,
    authority: Arc<str>,
    base_path: Arc<str>,
}

impl HttpTarget {
    /// Reads a URL such as `http://127.0.0.1:41234` or `http://[::1]:80/below`.
    ///
    /// # Errors
    /// [`RouteError::Target`] when it is not a URL, its scheme is not `http`, or it has
    /// credentials, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let refuse = |reason| RouteError::Target {
            url: text.to_owned(),
            reason,
        };
        let mut url = Url::parse(text).map_err(|_| refuse("it is not a URL"))?;
        if url.scheme() != "http" {
            return Err(refuse("its scheme must be `http`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Not to be repeated in a message.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            return Err(RouteError::Target {
                url: url.into(),
                reason: "it must not contain a user name or a password",
            });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must not have a query or a fragment"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => format!("[{ip}]"),
            None => return Err(refuse("it has no host")),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self {
            url: text.into(),
            authority: format!("{host}:{port}").into(),
            base_path: url.path().trim_end_matches('/').into(),
        })
    }

    /// The URL as given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port`, to which connections are made and by which they are shared.
    pub fn authority(&self) -> &Arc<str> {
        &self.authority
    }

    /// The path in front of all requests' paths, without a slash at its end; usually empty.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_plain_http_urls() {
        let target = HttpTarget::parse("http://127.0.0.1:41234").expect("a valid target");
        assert_eq!(&**target.authority(), "127.0.0.1:41234");
        assert_eq!(target.base_path(), "");

        let target = HttpTarget::parse("http://[::1]/below/").expect("a valid target");
        assert_eq!(&**target.authority(), "[::1]:80");
        assert_eq!(target.base_path(), "/below");

        for bad in [
            "127.0.0.1:80",
            "https://127.0.0.1",
            "http://a:b@127.0.0.1",
            "http://127.0.0.1/?q",
            "http://",
        ] {
            assert!(HttpTarget::parse(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn credentials_in_a_target_are_not_repeated() {
        let error = HttpTarget::parse("http://river:serenity@127.0.0.1").expect_err("refused");

        assert!(!error.to_string().contains("serenity"), "{error}");
    }
}
