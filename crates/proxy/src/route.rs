//! A route: which requests it takes, where they go, and when it was last used.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::BoxFuture;
use jansky_model::Timestamp;
use serde_json::{Map, Value};

use crate::body::ProxyBody;
use crate::client_body::ClientBody;
use crate::path;
use crate::target::HttpTarget;

/// Why a route cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The spec is not `/path/` or `host/path/`.
    #[error("route spec `{spec}` is not valid: {reason}")]
    Spec {
        /// The spec as given.
        spec: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The target is not `http://host:port`.
    #[error("target `{url}` is not valid: {reason}")]
    Target {
        /// The target as given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A service inside this program that answers requests, such as the hub's router.
///
/// The request carries [`ClientInfo`] in its extensions. The service begins on a thread of the
/// proxy, which must not be kept busy; from its first wait on it is a task of the runtime that
/// called [`serve`](crate::serve()), and runs to its end even if the client leaves. What it spawns
/// runs there in any case.
pub type LocalService = Arc<
    dyn Fn(http::Request<ClientBody>) -> BoxFuture<'static, http::Response<ProxyBody>>
        + Send
        + Sync,
>;

/// Who sent a request, as far as the proxy knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The peer's address, or what a trusted proxy in front said (the port is 0 then).
    pub addr: SocketAddr,
    /// The other end of the connection itself, whatever it says.
    pub peer: IpAddr,
    /// Whether the client spoke TLS, to us or to a trusted proxy in front.
    pub secure: bool,
}

/// Where the requests of a route go.
#[derive(Clone)]
pub enum Target {
    /// To a server that speaks HTTP/1.1.
    Http(HttpTarget),
    /// To a service inside this program.
    Local(LocalService),
}

impl Target {
    /// Reads a target such as `http://127.0.0.1:41234`.
    ///
    /// # Errors
    /// [`RouteError::Target`] when it is not a URL of scheme `http` with a host.
    pub fn http(url: &str) -> Result<Self, RouteError> {
        HttpTarget::parse(url).map(Self::Http)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(target) => f.write_str(target.url()),
            Self::Local(_) => f.write_str("local"),
        }
    }
}

/// One entry of the [`RouteTable`](crate::RouteTable).
#[derive(Debug)]
pub struct Route {
    spec: String,
    key: Arc<str>,
    target: Target,
    data: Map<String, Value>,
    last_activity: AtomicI64,
}

impl Route {
    /// Makes a route for all paths at or below `spec`: `/user/river/`, or `host/path/` for one host.
    ///
    /// The path may be percent-encoded; a slash at its end makes no difference. `now` is the first
    /// activity.
    ///
    /// # Errors
    /// [`RouteError::Spec`] when `spec` has no slash or its encoding is broken.
    pub fn new(spec: &str, target: Target, now: Timestamp) -> Result<Self, RouteError> {
        Ok(Self {
            key: key_of(spec)?.into(),
            spec: spec.to_owned(),
            target,
            data: Map::new(),
            last_activity: AtomicI64::new(now.micros()),
        })
    }

    /// Attaches what the owner of the route wants to remember, for example the user's name.
    #[must_use]
    pub fn with_data(mut self, data: Map<String, Value>) -> Self {
        self.data = data;
        self
    }

    /// The spec as given.
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// The path of the spec as given, without its host.
    pub(crate) fn path(&self) -> &str {
        &self.spec[self.spec.find('/').unwrap_or(0)..]
    }

    /// Whether other routes have the same origin: all have that are not for one host alone.
    pub(crate) fn shares_origin(&self) -> bool {
        self.spec.starts_with('/')
    }

    /// Where requests go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What the owner attached.
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }

    /// When the route was last used: body bytes of a request, bytes of an upgraded connection in
    /// either direction, or the end of a response with a status below 300.
    pub fn last_activity(&self) -> Timestamp {
        Timestamp::from_micros(self.last_activity.load(Ordering::Relaxed))
    }

    /// Records use at `now`; an earlier time than the recorded one changes nothing.
    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_activity
            .fetch_max(now.micros(), Ordering::Relaxed);
    }

    /// The decoded spec without the slash at its end, under which the table finds this route.
    pub(crate) fn key(&self) -> &Arc<str> {
        &self.key
    }
}

/// The key of a spec: the decoded path without its final slashes, after the lowered host if any.
pub(crate) fn key_of(spec: &str) -> Result<String, RouteError> {
    let refuse = |reason| RouteError::Spec {
        spec: spec.to_owned(),
        reason,
    };
    let start = spec
        .find('/')
        .ok_or_else(|| refuse("it must contain `/`, as in `/path/` or `host/path/`"))?;
    let (host, path) = spec.split_at(start);
    let path = path::decode(path).map_err(|_| refuse("its percent-encoding is broken"))?;
    Ok(host.to_ascii_lowercase() + path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_decoded_spec_without_final_slash() {
        assert_eq!(key_of("/"), Ok(String::new()));
        assert_eq!(key_of("/user/al@ex%20b/"), Ok("/user/al@ex b".to_owned()));
        assert_eq!(
            key_of("Hub.Example.org/user/x"),
            Ok("hub.example.org/user/x".to_owned())
        );
        assert!(key_of("user").is_err());
        assert!(key_of("/user/%zz").is_err());
    }

    #[test]
    fn activity_never_goes_back() {
        let target = Target::http("http://127.0.0.1:1").expect("a valid target");
        let route = Route::new("/", target, Timestamp::from_seconds(5)).expect("a valid route");

        route.touch(Timestamp::from_seconds(9));
        route.touch(Timestamp::from_seconds(7));

        assert_eq!(route.last_activity(), Timestamp::from_seconds(9));
    }
}
