//! The route table: an immutable value; a change makes a new one that shares nearly everything. What
//! whoever runs the proxy holds is a handle to the current one, the one interface through which it
//! learns routes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::path::{self, MalformedPath};
use crate::route::{Route, key_of};

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
        // A host with a slash would be taken for the beginning of the path.
        let host = host.filter(|host| self.with_host > 0 && !host.contains('/'));
        if let Some(host) = host {
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

/// A shared handle to the current [`RouteTable`]; clones show the same table.
///
/// A change is visible to the next request. Requests under way keep the route they found.
#[derive(Clone, Default)]
pub struct Routes {
    table: Arc<ArcSwap<RouteTable>>,
}

impl Routes {
    /// A handle to an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route, in place of the one with the same spec if there was one.
    pub fn add(&self, route: Route) -> Arc<Route> {
        let route = Arc::new(route);
        self.table.rcu(|table| table.with(Arc::clone(&route)));
        route
    }

    /// Removes the route with this spec and returns it; `None` if there was none.
    pub fn remove(&self, spec: &str) -> Option<Arc<Route>> {
        let key = key_of(spec).ok()?;
        let mut removed = None;
        self.table.rcu(|table| {
            let (smaller, route) = table.without(&key);
            removed = route;
            smaller
        });
        removed
    }

    /// Puts `routes` in place of all routes at once.
    pub fn replace_all(&self, routes: impl IntoIterator<Item = Route>) {
        let table = RouteTable::new(routes.into_iter().map(Arc::new));
        self.table.store(Arc::new(table));
    }

    /// Finds the route of a request; see [`RouteTable::find`].
    ///
    /// # Errors
    /// [`MalformedPath`] when the path cannot be decoded.
    pub fn find(
        &self,
        host: Option<&str>,
        path: &str,
    ) -> Result<Option<Arc<Route>>, MalformedPath> {
        Ok(self.table.load().find(host, path)?.map(Arc::clone))
    }

    /// All routes, sorted by spec.
    pub fn list(&self) -> Vec<Arc<Route>> {
        let mut routes: Vec<_> = self.table.load().iter().map(Arc::clone).collect();
        routes.sort_by(|a, b| a.key().cmp(b.key()));
        routes
    }

    /// The number of routes.
    pub fn len(&self) -> usize {
        self.table.load().len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

#[cfg(test)]
mod tests {
    use jansky_model::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::route::Target;

    fn route(spec: &str) -> Arc<Route> {
        let target = Target::http("http://127.0.0.1:1").expect("a valid target");
        Arc::new(Route::new(spec, target, Timestamp::from_seconds(0)).expect("a valid spec"))
    }

    fn found<'a>(table: &'a RouteTable, host: Option<&str>, path: &str) -> Option<&'a str> {
        let route = table.find(host, path).expect("a well-formed path");
        route.map(|route| route.spec())
    }

    /// The rule in other words: of the specs whose segments begin the path, the longest.
    fn expected(specs: &[String], path: &str) -> Option<String> {
        let segments = |text: &str| {
            let text = text.trim_start_matches('/');
            text.split('/').map(str::to_owned).collect::<Vec<_>>()
        };
        let fits = |spec: &&String| {
            **spec == "/" || segments(path).starts_with(&segments(spec.trim_end_matches('/')))
        };
        specs
            .iter()
            .filter(fits)
            .max_by_key(|spec| spec.len())
            .cloned()
    }

    proptest! {
        #[test]
        fn the_longest_prefix_of_whole_segments_is_found(
            specs in prop::collection::btree_set("(/[ab]{1,2}){0,4}/", 0..12),
            path in "(/[ab]{1,2}){1,5}/?",
        ) {
            let specs: Vec<_> = specs.into_iter().collect();
            let table = RouteTable::new(specs.iter().map(|spec| route(spec)));

            let expected = expected(&specs, &path);

            prop_assert_eq!(found(&table, None, &path), expected.as_deref());
        }

        #[test]
        fn removing_undoes_adding(specs in prop::collection::btree_set("(h?/[ab]){1,3}", 1..8)) {
            let specs: Vec<_> = specs.into_iter().filter(|spec| spec.contains('/')).collect();
            let mut table = RouteTable::default();
            for spec in &specs {
                table = table.with(route(spec));
            }
            prop_assert_eq!(table.len(), specs.len());
            for spec in &specs {
                let (smaller, removed) = table.without(spec);
                let removed = removed.expect("it was added");
                prop_assert_eq!(removed.spec(), spec);
                table = smaller;
            }
            prop_assert!(table.is_empty());
            prop_assert_eq!(table.with_host, 0);
        }
    }

    #[test]
    fn a_change_leaves_earlier_tables_as_they_were() {
        let before = RouteTable::new([route("/a/")]);

        let after = before.with(route("/b/"));

        assert_eq!(found(&before, None, "/b/x"), None);
        assert_eq!(found(&after, None, "/b/x"), Some("/b/"));
    }

    #[test]
    fn the_last_of_equal_specs_stays() {
        let table = RouteTable::new([route("/a b/"), route("/a%20b")]);

        assert_eq!(table.len(), 1);
        assert_eq!(found(&table, None, "/a%20b/"), Some("/a%20b"));
    }

    #[test]
    fn a_host_is_not_taken_for_the_beginning_of_a_path() {
        let table = RouteTable::new([route("/"), route("/user/river/"), route("a.test/x/")]);

        assert_eq!(found(&table, Some("/user/river"), "/y"), Some("/"));
        assert_eq!(found(&table, Some("a.test/x"), "/y"), Some("/"));
    }

    #[test]
    fn hosts_are_compared_without_port_and_case() {
        let table = RouteTable::new([route("/"), route("a.test/x/"), route("[::1]/")]);

        assert_eq!(found(&table, Some("A.test:80"), "/x/y"), Some("a.test/x/"));
        assert_eq!(found(&table, Some("a.test"), "/y"), Some("/"));
        assert_eq!(found(&table, Some("[::1]:80"), "/y"), Some("[::1]/"));
        assert_eq!(found(&table, Some("[::1]"), "/y"), Some("[::1]/"));
        assert_eq!(found(&table, None, "/x/y"), Some("/"));
    }
}
