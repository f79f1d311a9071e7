//! The one interface through which the proxy learns routes.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::path::MalformedPath;
use crate::route::{Route, key_of};
use crate::table::RouteTable;

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
