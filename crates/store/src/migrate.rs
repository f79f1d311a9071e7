//! Bringing a database to the schema that this program knows.
//!
//! The files in `migrations/` are numbered, run in order, each in a transaction of its own, and
//! only ever forward. They are one text for both databases; where the two differ, a file has a
//! placeholder:
//!
//! | placeholder    | SQLite                              | PostgreSQL                                 |
//! |----------------|-------------------------------------|--------------------------------------------|
//! | `{{identity}}` | `INTEGER PRIMARY KEY AUTOINCREMENT` | `BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY` |
//! | `{{bytes}}`    | `BLOB`                              | `BYTEA`                                    |
//! | `{{ordered}}`  | `TEXT`                              | `TEXT COLLATE "C"`                         |
//! | `{{by_key}}`   | ` WITHOUT ROWID`                    |                                            |
//!
//! A change expands first and contracts in a later version, so that the version before keeps
//! working while replicas are replaced one by one.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::StoreError;
use crate::row::Row;
use crate::sqlite::Connection;
use crate::statement::sql;

/// Version, name and text of each migration, oldest first.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "grants", include_str!("../migrations/0002_grants.sql")),
    (3, "shares", include_str!("../migrations/0003_shares.sql")),
    (4, "issuer", include_str!("../migrations/0004_issuer.sql")),
    (5, "broker", include_str!("../migrations/0005_broker.sql")),
    (6, "people", include_str!("../migrations/0006_people.sql")),
    (
        7,
        "local_accounts",
        include_str!("../migrations/0007_local_accounts.sql"),
    ),
    (
        8,
        "sign_ins",
        include_str!("../migrations/0008_sign_ins.sql"),
    ),
    (9, "lean", include_str!("../migrations/0009_lean.sql")),
    (
        10,
        "share_codes",
        include_str!("../migrations/0010_share_codes.sql"),
    ),
    (11, "groups", include_str!("../migrations/0011_groups.sql")),
    (
        12,
        "addresses",
        include_str!("../migrations/0012_addresses.sql"),
    ),
    (
        13,
        "entries",
        include_str!("../migrations/0013_entries.sql"),
    ),
    (
        14,
        "begun_sign_ins",
        include_str!("../migrations/0014_begun_sign_ins.sql"),
    ),
    (15, "names", include_str!("../migrations/0015_names.sql")),
    (
        16,
        "lean_sign_ins",
        include_str!("../migrations/0016_lean_sign_ins.sql"),
    ),
    (
        17,
        "client_ids",
        include_str!("../migrations/0017_client_ids.sql"),
    ),
    (
        18,
        "used_codes",
        include_str!("../migrations/0018_used_codes.sql"),
    ),
];

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
)";

const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_migrations";

const RECORD: &str = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)";

/// The advisory lock that one replica holds while it migrates: "jansky" in ASCII.
const LOCK: i64 = 0x6a61_6e73_6b79;

/// How long to wait for another replica that is migrating.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);

/// The migrations that a database at `version` still needs.
fn pending(version: i64) -> Result<&'static [(i64, &'static str, &'static str)], StoreError> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if version > known {
        return Err(StoreError::NewerSchema {
            found: version,
            known,
        });
    }
    let applied = MIGRATIONS.partition_point(|(number, ..)| *number <= version);
    Ok(&MIGRATIONS[applied..])
}

/// Migrates an SQLite database; the lock on the file keeps others away.
///
/// The connection must be closed, not used again, when this fails: a transaction may be open.
pub(crate) fn sqlite(connection: &Connection) -> Result<(), StoreError> {
    connection.run_script(LEDGER)?;
    let newest = connection.fetch_optional(&sql(NEWEST))?.map(Row::Sqlite);
    let version = newest.map_or(Ok(0), |row| row.get("version"))?;
    for (version, name, text) in pending(version)? {
        let text = text
            .replace("{{identity}}", "INTEGER PRIMARY KEY AUTOINCREMENT")
            .replace("{{bytes}}", "BLOB")
            .replace("{{ordered}}", "TEXT")
            .replace("{{by_key}}", " WITHOUT ROWID");
        connection.run_script("BEGIN IMMEDIATE")?;
        connection.run_script(&text)?;
        connection.execute(&sql(RECORD).bind(*version).bind(*name))?;
        connection.run_script("COMMIT")?;
        tracing::info!(version, name, "database schema is migrated");
    }
    Ok(())
}

/// Migrates a PostgreSQL database while no other replica does.
///
/// The connection must be closed, not used again, when this fails: it may hold the lock.
pub(crate) async fn postgres(connection: &mut PgConnection) -> Result<(), StoreError> {
    lock(connection).await?;
    sqlx::query(LEDGER).execute(&mut *connection).await?;
    let row = sqlx::query(NEWEST).fetch_one(&mut *connection).await?;
    for (version, name, text) in pending(row.try_get("version")?)? {
        let text = text
            .replace(
                "{{identity}}",
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            )
            .replace("{{bytes}}", "BYTEA")
            .replace("{{ordered}}", "TEXT COLLATE \"C\"")
            .replace("{{by_key}}", "");
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(RECORD)
            .bind(version)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(version, name, "database schema is migrated");
    }
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Takes the advisory lock by asking again and again: a replica that waits inside the database
/// holds a snapshot, and a migration such as `CREATE INDEX CONCURRENTLY` would wait for that one.
async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    let attempts = async {
        loop {
            let row = sqlx::query("SELECT pg_try_advisory_lock($1) AS locked")
                .bind(LOCK)
                .fetch_one(&mut *connection)
                .await?;
            if row.try_get("locked")? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LOCK_PATIENCE, attempts)
        .await
        .unwrap_or_else(|elapsed| Err(StoreError::unavailable(elapsed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps() {
        let numbers = MIGRATIONS.iter().map(|(version, ..)| *version);

        assert!(numbers.eq(1..=i64::try_from(MIGRATIONS.len()).expect("few migrations")));
    }

    #[test]
    fn only_what_is_missing_is_pending() {
        assert_eq!(pending(0).expect("a new database").len(), MIGRATIONS.len());
        let newest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
        assert!(pending(newest).expect("up to date").is_empty());
        assert!(matches!(
            pending(99),
            Err(StoreError::NewerSchema { found: 99, .. })
        ));
    }
}
