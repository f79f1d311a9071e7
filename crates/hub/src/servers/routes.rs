//! Where servers are: their addresses, and the one interface through which the hub tells a proxy.

use jansky_model::name::server_prefix;
use jansky_model::{ServerId, Timestamp};
use jansky_store::Server;

use crate::servers::Servers;

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

impl Servers {
    /// The path of a server, for example `/user/river/`.
    pub fn server_path(&self, server: &Server) -> String {
        server_prefix(&self.settings.base, &server.user, &server.name)
    }

    /// Where browsers find a server: its path, or a whole address where it has a host of its own.
    pub fn server_url(&self, server: &Server) -> String {
        self.settings.server_url(&server.user, &server.name)
    }

    /// Sends requests to a server.
    pub(crate) fn add_route(&self, server: &Server, url: &str) {
        self.routes.add(&ServerRoute {
            path: &self.server_route(server),
            url,
            server: server.id,
            user: server.user.as_str(),
            server_name: server.name.as_str(),
        });
    }

    /// The spec of the route to a server.
    pub(crate) fn server_route(&self, server: &Server) -> String {
        self.settings.server_route(&server.user, &server.name)
    }
}
