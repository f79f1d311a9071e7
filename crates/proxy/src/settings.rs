//! The limits of the proxy and what it is made of.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request;
use ipnet::IpNet;
use jansky_model::Clock;

use crate::pages::{ErrorPages, PlainPages};
use crate::route::Route;
use crate::routes::Routes;
use crate::stats::ProxyStats;

/// Limits and trust. The defaults suit a public site.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Threads that serve connections; each has its own connections to the servers behind.
    pub workers: NonZeroUsize,
    /// Peers whose `X-Forwarded-*` headers are believed and extended instead of replaced.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest size of a request's header in bytes: names, values and the path.
    pub header_limit: usize,
    /// Longest time for a header to arrive, which includes waiting for the next request.
    pub header_timeout: Duration,
    /// Longest time to connect to a server behind a route.
    pub connect_timeout: Duration,
    /// How long an unused connection to a server behind a route is kept.
    pub pool_idle_timeout: Duration,
    /// How many unused connections per server behind a route and worker are kept.
    pub pool_idle_connections: usize,
    /// How long requests and upgraded connections may go on after the shutdown began.
    pub drain_timeout: Duration,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            trusted_proxies: Vec::new(),
            header_limit: 64 << 10,
            header_timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(5),
            pool_idle_timeout: Duration::from_mins(1),
            pool_idle_connections: 64,
            drain_timeout: Duration::from_secs(30),
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
    fn lifeline(&self, _route: &Route, _head: &request::Parts) -> Option<Lifeline> {
        None
    }
}

/// When it is ready, both connections of the exchange that hangs on it are cut.
pub type Lifeline = BoxFuture<'static, ()>;

/// The proxy: its routes, limits and counters. Clones share everything.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) routes: Routes,
    pub(crate) settings: Arc<ProxySettings>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pages: Arc<dyn ErrorPages>,
    pub(crate) filter: Option<Arc<dyn RequestFilter>>,
    pub(crate) stats: Arc<ProxyStats>,
}

impl Proxy {
    /// Makes a proxy for `routes` with plain error pages and no filter.
    pub fn new(routes: Routes, settings: ProxySettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            routes,
            settings: Arc::new(settings),
            clock,
            pages: Arc::new(PlainPages),
            filter: None,
            stats: Arc::default(),
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
