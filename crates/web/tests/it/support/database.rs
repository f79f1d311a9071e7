//! A database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
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
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let maintenance = std::env::var("JANSKY_TEST_POSTGRES").expect(
            "JANSKY_TEST_POSTGRES names no server: run `tests/services/postgres start DIR` and \
             `export $(cat DIR/postgres.env)`, or use the project's test command",
        );
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("jansky_web_{}_{number}", std::process::id());
        let connected = PgConnection::connect(&maintenance).await;
        let mut connection = connected.expect("the server answers");
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            let done = sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await;
            done.expect("databases can be made");
        }
        let (server, _) = maintenance
            .rsplit_once('/')
            .expect("the URL ends in the name of a database");
        Self {
            url: format!("{server}/{name}"),
            _directory: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
