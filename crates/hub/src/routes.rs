//! The one interface through which the hub tells a proxy where servers are.

use jansky_model::{ServerId, Timestamp};
use jansky_store::Server;

/// A proxy as the hub sees it: in this process, or another one behind an API.
pub trait RouteTable: Send + Sync {
    /// Sends everything below `path`, which may begin with the one host for which it holds, to `url`;
    /// replaces an earlier route of that path.
    fn add(&self, server: &Server, path: &str, url: &str);

    /// Sends what is below `path` to the hub again.
    fn remove(&self, path: &str);

    /// Whether what is below `path` is sent to a server.
    fn has(&self, path: &str) -> bool;

    /// The servers that were used since this was last asked, and when.
    fn activity(&self) -> Vec<(ServerId, Timestamp)>;
}
