//! A route table that can be looked at.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jansky_hub::{RouteTable, ServerRoute};
use jansky_model::{ServerId, Timestamp};

/// Keeps routes and does not carry anything.
#[derive(Default)]
pub(crate) struct RecordedRoutes(Mutex<BTreeMap<String, String>>);

impl RecordedRoutes {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().expect("no test panicked here")
    }

    /// The paths that have a route.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.table().keys().cloned().collect()
    }
}

impl RouteTable for RecordedRoutes {
    fn add(&self, route: &ServerRoute<'_>) {
        let (path, url) = (route.path.to_owned(), route.url.to_owned());
        self.table().insert(path, url);
    }

    fn remove(&self, path: &str) {
        self.table().remove(path);
    }

    fn has(&self, path: &str) -> bool {
        self.table().contains_key(path)
    }

    fn activity(&self) -> Vec<(ServerId, Timestamp)> {
        Vec::new()
    }
}
