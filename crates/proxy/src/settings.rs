//! The limits of the proxy and what it is made of.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request;
use ipnet::IpNet;
use jansky_model::Clock;

use crate::addresses::Addresses;
use crate::pages::{ErrorPages, PlainPages};
use crate::route::Route;
use crate::stats::{LogLimit, ProxyStats};
use crate::table::Routes;
use crate::unfinished::Unfinished;

/// Limits and trust. The defaults are those of the configuration.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Threads that serve connections; each has its own connections to the servers behind.
    pub workers: NonZeroUsize,
    /// Peers whose `X-Forwarded-*` headers are believed and extended instead of replaced.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest size of a request's header in bytes: names, values and the path.
    pub header_limit: usize,
    /// Largest number of header fields of a request.
    pub header_fields: usize,
    /// Largest size of a request's path and query in bytes.
    pub uri_limit: usize,
    /// How much of requests that have not come as a whole may be held in bytes, over all clients: of heads,
    /// and of bodies for local services.
    pub unfinished_limit: usize,
    /// How long a client may take for a handshake of TLS, for a header, and from one part of a body to the
    /// next.
    pub client_timeout: Duration,
    /// How long a client's connection may be without a request, before its first one and between two;
    /// upgraded connections are not affected.
    pub idle_timeout: Duration,
    /// How long a connection to a server behind a route is kept for the next request.
    pub server_idle_timeout: Duration,
    /// How long bytes for a client may wait for it to take them.
    pub send_timeout: Duration,
    /// How many connections a peer may have at once, upgraded ones not counted. Requests of one client of a
    /// trusted proxy are held to the same number.
    pub connections_per_address: usize,
    /// Addresses to which that does not apply.
    pub uncounted: Vec<IpNet>,
    /// How many connections of clients there may be in all, upgraded ones counted.
    pub connection_limit: usize,
    /// Longest time to connect to a server behind a route.
    pub connect_timeout: Duration,
    /// How long requests may go on after the shutdown began.
    pub drain_timeout: Duration,
    /// How long a connection that was just accepted when its end comes may still take to its first
    /// request.
    pub newcomer_timeout: Duration,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self::new(&jansky_settings::Proxy::default())
    }
}

impl ProxySettings {
    /// What a section says. No other proxy is trusted, and there may be any number of connections.
    pub fn new(section: &jansky_settings::Proxy) -> Self {
        let loopback = [
            IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8),
            IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
        ];
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: NonZeroUsize::new(section.threads.into()).unwrap_or_else(all),
            trusted_proxies: Vec::new(),
            header_limit: section.max_header_size.as_usize(),
            header_fields: section.max_header_fields.into(),
            uri_limit: section.max_uri_size.as_usize(),
            unfinished_limit: section.max_unfinished_size.as_usize(),
            client_timeout: *section.client_timeout,
            idle_timeout: *section.idle_timeout,
            server_idle_timeout: *section.server_idle_timeout,
            send_timeout: *section.send_timeout,
            connections_per_address: section.max_connections_per_address as usize,
            uncounted: loopback.into(),
            connection_limit: usize::MAX,
            connect_timeout: *section.connect_timeout,
            drain_timeout: *section.drain_timeout,
            newcomer_timeout: Duration::from_millis(500),
        }
    }
}

/// A place to change requests before they go to a server behind a route.
///
/// It sees the head after hop-by-hop headers were removed and `X-Forwarded-*` were set, and is not
/// called for [`Target::Local`](crate::Target::Local). For a request that has to be sent again it is
/// called again, with what it was given the first time. This is where cookies that belong to the hub
/// alone are to be taken out, so that a user's server never sees them.
pub trait RequestFilter: Send + Sync {
    /// Changes `head` in place.
    fn filter(&self, route: &Route, head: &mut request::Parts);

    /// What ends a request before its time, if anything can; `head` is as it came from the client.
    ///
    /// It is asked for what may last: upgraded connections, and bodies of requests and responses that
    /// are long or whose length nobody knows.
    fn revocation(&self, _route: &Route, _head: &request::Parts) -> Option<Revocation> {
        None
    }
}

/// Resolves when a session or token behind an exchange has ended; both of its connections are cut then.
pub type Revocation = BoxFuture<'static, ()>;

/// The proxy: its routes, limits and counters. Clones share everything.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) routes: Routes,
    pub(crate) settings: Arc<ProxySettings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pages: Arc<dyn ErrorPages>,
    pub(crate) filter: Option<Arc<dyn RequestFilter>>,
    pub(crate) stats: Arc<ProxyStats>,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) unfinished: Arc<Unfinished>,
    pub(crate) turned_away: Arc<LogLimit>,
}

impl Proxy {
    /// Makes a proxy for `routes` with plain error pages and no filter.
    pub fn new(routes: Routes, settings: ProxySettings, clock: Arc<dyn Clock>) -> Self {
        let stats = Arc::default();
        Self {
            routes,
            addresses: Addresses::new(&settings),
            unfinished: Unfinished::new(settings.unfinished_limit, &stats),
            settings: Arc::new(settings),
            clock,
            pages: Arc::new(PlainPages),
            filter: None,
            stats,
            turned_away: Arc::default(),
        }
    }

    /// Uses `pages` for answers of the proxy itself.
    #[must_use]
    pub fn with_pages(mut self, pages: Arc<dyn ErrorPages>) -> Self {
        self.pages = pages;
        self
    }

    /// Passes each forwarded request through `filter`.
    #[must_use]
    pub fn with_filter(mut self, filter: Arc<dyn RequestFilter>) -> Self {
        self.filter = Some(filter);
        self
    }

    /// The routes it serves.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The counters.
    pub fn stats(&self) -> &Arc<ProxyStats> {
        &self.stats
    }
}
