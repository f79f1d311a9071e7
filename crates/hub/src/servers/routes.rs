//! The one interface through which the hub tells a proxy where servers are.

use jansky_model::{ServerId, Timestamp};

/// Where a server is.
#[derive(Clone, Copy, Debug)]
pub struct ServerRoute<'a> {
    /// Everything below this path goes there. It may begin with the one host for which it holds.
    pub path: &'a str,
    /// The address at which the server answers.
    pub url: &'a str,
    /// The server, as [`RouteTable::activity`] names it.
    pub server: ServerId,
    /// The name of its owner, for whoever lists routes.
    pub user: &'a str,
    /// Its own name, for whoever lists routes.
    pub server_name: &'a str,
}

/// A proxy as the hub sees it: in this process, or another one behind an API.
pub trait RouteTable: Send + Sync {
    /// Sends requests to a server; replaces an earlier route of that path.
    fn add(&self, route: &ServerRoute<'_>);

    /// Sends what is below `path` to the hub again.
    fn remove(&self, path: &str);

    /// Whether what is below `path` is sent to a server.
    fn has(&self, path: &str) -> bool;

    /// The servers that were used since this was last asked, and when.
    fn activity(&self) -> Vec<(ServerId, Timestamp)>;
}
