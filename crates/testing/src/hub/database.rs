//! A database of a test's own.

use std::sync::Arc;

use tempfile::TempDir;

/// A new and empty database, and with a clone the same one for another process. An SQLite file goes
/// away with the last clone.
#[derive(Clone, Debug)]
pub struct Database {
    url: String,
    _directory: Option<Arc<TempDir>>,
}

impl Database {
    /// A file in a temporary directory.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            url: format!("sqlite://{}/jansky.db", directory.path().display()),
            _directory: Some(Arc::new(directory)),
        }
    }

    /// A database on the server that `JANSKY_TEST_POSTGRES` names.
    pub async fn postgres() -> Self {
        Self {
            url: jansky_store::testing::new_postgres_database("hub").await,
            _directory: None,
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}
