//! A database of a test's own.

use tempfile::TempDir;

/// A new and empty database; an SQLite file goes away with this value.
pub(crate) struct Database {
    url: String,
    _directory: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            url: format!("sqlite://{}/jansky.db", directory.path().display()),
            _directory: Some(directory),
        }
    }

    /// A database on the server that `JANSKY_TEST_POSTGRES` names.
    pub(crate) async fn postgres() -> Self {
        Self {
            url: jansky_store::testing::new_postgres_database("web").await,
            _directory: None,
        }
    }

    /// The same database for another hub, as long as the first one lasts.
    pub(crate) fn shared(other: &Self) -> Self {
        Self {
            url: other.url.clone(),
            _directory: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
