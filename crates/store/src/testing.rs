//! Databases for tests (feature `testing`).

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Store;
pub use crate::faults::{Failing, Faults};

impl Store {
    /// Lets calls of this store fail.
    pub fn faults(&self) -> &Faults {
        &self.db.faults
    }
}

/// Makes an empty database on the server that `JANSKY_TEST_POSTGRES` names and returns its URL.
///
/// `owner` is a word for whoever tests; with it the databases of test programs that run at the same
/// time are told apart.
///
/// # Panics
/// When there is no such server, or it makes no database.
pub async fn new_postgres_database(owner: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let maintenance = std::env::var("JANSKY_TEST_POSTGRES").expect(
        "JANSKY_TEST_POSTGRES names no server: run `tests/services/postgres start DIR` and \
         `export $(cat DIR/postgres.env)`, or use the project's test command",
    );
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("jansky_{owner}_{}_{number}", std::process::id());
    let mut connection = PgConnection::connect(&maintenance)
        .await
        .expect("the server named by JANSKY_TEST_POSTGRES answers");
    for statement in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .expect("databases can be made");
    }
    let (server, _) = maintenance
        .rsplit_once('/')
        .expect("the URL ends in the name of a database");
    format!("{server}/{name}")
}
