//! The route table: an immutable value; a change makes a new one that shares nearly everything.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::path::{self, MalformedPath};
use crate::route::Route;

/// Parts of the table that are copied separately. At 50,000 routes a change copies the pointers of
/// about 200 routes and of the shards, which takes microseconds.
const SHARDS: usize = 256;

type Shard = HashMap<Arc<str>, Arc<Route>>;

/// Finds the route of a request: by host, then by the longest prefix of whole path segments.
///
/// Matching is done on the percent-decoded path and is case-sensitive; a host is compared without
/// its port and without case, and a route with a host wins over one without. All methods that
/// change something return a new table.
#[derive(Clone)]
pub struct RouteTable {
    shards: Vec<Arc<Shard>>,
    hasher: RandomState,
    /// No key has more segments than this (removals do not lower it), so longer prefixes of a path
    /// need no look-up.
    deepest: usize,
    /// How many routes are bound to a host; without any, hosts cost nothing.
    with_host: usize,
    len: usize,
}

impl Default for RouteTable {
    fn default() -> Self {
        Self {
            shards: vec![Arc::default(); SHARDS],
            hasher: RandomState::new(),
            deepest: 0,
            with_host: 0,
            len: 0,
        }
    }
}

impl RouteTable {
    /// Makes a table of `routes`; of two with the same spec the later one stays.
    pub fn new(routes: impl IntoIterator<Item = Arc<Route>>) -> Self {
        let mut table = Self::default();
        for route in routes {
            table.insert(route);
        }
        table
    }

    /// This table with `route`, in place of the one with the same spec if there was one.
    #[must_use]
    pub fn with(&self, route: Arc<Route>) -> Self {
        let mut table = self.clone();
        table.insert(route);
        table
    }

    /// This table without the route that `key` names, and that route if there was one.
    pub(crate) fn without(&self, key: &str) -> (Self, Option<Arc<Route>>) {
        let mut table = self.clone();
        let route = table.shard_mut(key).remove(key);
        if route.is_some() {
            table.len -= 1;
            table.with_host -= usize::from(has_host(key));
        }
        (table, route)
    }

    /// Finds the route of a request for `path` (as received, without the query) at `host`.
    ///
    /// # Errors
    /// [`MalformedPath`] when the path cannot be decoded.
    pub fn find(
        &self,
        host: Option<&str>,
        path: &str,
    ) -> Result<Option<&Arc<Route>>, MalformedPath> {
        let path = path::decode(path)?;
        if self.with_host > 0
            && let Some(host) = host
        {
            let mut key = without_port(host).to_ascii_lowercase();
            let start = key.len();
            key.push_str(&path);
            if let Some(route) = self.longest(&key, start) {
                return Ok(Some(route));
            }
        }
        Ok(self.longest(&path, 0))
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All routes, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// The route whose key is the longest prefix of `text` that ends at a segment's end; the path
    /// begins at `start`.
    fn longest(&self, text: &str, start: usize) -> Option<&Arc<Route>> {
        // `/a/b/c` has the prefixes ``, `/a`, `/a/b` and itself: each ends at a slash or at the end.
        let slashes = text[start..].bytes().enumerate();
        let mut end = slashes
            .filter(|(_, byte)| *byte == b'/')
            .nth(self.deepest)
            .map_or(text.len(), |(position, _)| start + position);
        loop {
            if let Some(route) = self.get(&text[..end]) {
                return Some(route);
            }
            end = start + text[start..end].rfind('/')?;
        }
    }

    fn get(&self, key: &str) -> Option<&Arc<Route>> {
        self.shards[self.shard_of(key)].get(key)
    }

    fn insert(&mut self, route: Arc<Route>) {
        let key = Arc::clone(route.key());
        let host = has_host(&key);
        self.deepest = self
            .deepest
            .max(key.bytes().filter(|byte| *byte == b'/').count());
        if self.shard_mut(&key).insert(key, route).is_none() {
            self.len += 1;
            self.with_host += usize::from(host);
        }
    }

    fn shard_mut(&mut self, key: &str) -> &mut Shard {
        let index = self.shard_of(key);
        Arc::make_mut(&mut self.shards[index])
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "only the lowest bits are used"
    )]
    fn shard_of(&self, key: &str) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }
}

fn has_host(key: &str) -> bool {
    !key.is_empty() && !key.starts_with('/')
}

/// The host of a `Host` header without the port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
