//! A route table that can be looked at.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jansky_hub::{RouteTable, Server, ServerRoute};
use jansky_model::{ServerId, Timestamp};

/// Keeps routes and carries nothing; what was used is what the test says.
#[derive(Debug, Default)]
pub struct RecordedRoutes {
    table: Mutex<BTreeMap<String, String>>,
    used: Mutex<Vec<(ServerId, Timestamp)>>,
}

impl RecordedRoutes {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.table.lock().expect("no test panicked here")
    }

    /// The paths that have a route.
    pub fn paths(&self) -> Vec<String> {
        self.table().keys().cloned().collect()
    }

    /// Where the route of a path leads.
    pub fn url(&self, path: &str) -> Option<String> {
        self.table().get(path).cloned()
    }

    /// Says that a server was used.
    pub fn note_use(&self, server: &Server, at: Timestamp) {
        let mut used = self.used.lock().expect("no test panicked here");
        used.push((server.id, at));
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
        std::mem::take(&mut *self.used.lock().expect("no test panicked here"))
    }
}
