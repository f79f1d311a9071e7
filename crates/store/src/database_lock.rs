//! Keeping other processes away from a database, as long as this one lives.
//!
//! On SQLite it is a lock on a file beside it, which the system releases when we die. On PostgreSQL it
//! is an advisory lock within a transaction that stays open on a connection of its own: it is gone with
//! the connection, also behind a pooler that gives each transaction another one. The transaction has
//! no snapshot and no number, so it keeps nothing from being cleaned up.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::StoreError;
use crate::db::in_time;

/// The advisory lock: "janskh" in ASCII. The one of migrations is another one.
const LOCK: i64 = 0x6a61_6e73_6b68;

/// How long to wait for a process that is ending, or that only looks, as `jansky doctor` does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to get the lock, or to get it again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(250);

/// How often the connection is looked at.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Lets the server drop a holder whose machine is gone within half a minute, and one that only idles
/// never.
const BEGIN: &str = "BEGIN;
     SET LOCAL idle_in_transaction_session_timeout = 0;
     SET LOCAL tcp_keepalives_idle = 10;
     SET LOCAL tcp_keepalives_interval = 5;
     SET LOCAL tcp_keepalives_count = 3";

/// Who has the lock.
const WHO: &str = "SELECT activity.application_name AS name,
         COALESCE(host(activity.client_addr), 'its own machine') AS address
     FROM pg_locks JOIN pg_stat_activity AS activity ON activity.pid = pg_locks.pid
     WHERE locktype = 'advisory' AND granted AND objsubid = 1
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND (classid::bigint << 32) | objid::bigint = $1";

/// Named as the holder when the server no longer knows who it was.
const UNKNOWN_HOLDER: &str = "it has just ended, or does not show itself";

/// The right to be the only process on a database, until it is dropped.
pub struct DatabaseLock(Option<Lock>);

/// A lock of PostgreSQL.
struct Lock {
    connection: PgConnection,
    options: PgConnectOptions,
}

impl DatabaseLock {
    /// For a database whose file is locked.
    pub(crate) const fn of_file() -> Self {
        Self(None)
    }

    /// Takes the lock; `options` say how to connect, and in which name.
    pub(crate) async fn take(options: PgConnectOptions) -> Result<Self, StoreError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match attempt(&options).await {
                Err(StoreError::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                }
                taken => {
                    let connection = taken?;
                    return Ok(Self(Some(Lock {
                        connection,
                        options,
                    })));
                }
            }
        }
    }

    /// Waits until another process has taken the database, which can be when the connection of the
    /// lock broke, and says who. A lock that broke is taken again as soon as the database is back.
    pub async fn lost(&mut self) -> StoreError {
        let Some(lock) = &mut self.0 else {
            return std::future::pending().await;
        };
        loop {
            while in_time(lock.connection.ping()).await.is_ok() {
                tokio::time::sleep(HEARTBEAT).await;
            }
            tracing::warn!("the connection that keeps other processes from the database broke");
            lock.connection = match retake(&lock.options).await {
                Ok(connection) => connection,
                Err(taken) => return taken,
            };
            tracing::info!("other processes are kept from the database again");
        }
    }
}

/// Takes the lock again, however long that takes; fails only when somebody else has it and keeps it.
async fn retake(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut others_since = None;
    loop {
        match attempt(options).await {
            Ok(connection) => return Ok(connection),
            Err(StoreError::InUse { holder, database }) if is_another(&holder, options) => {
                let now = tokio::time::Instant::now();
                if now - *others_since.get_or_insert(now) >= PATIENCE {
                    return Err(StoreError::InUse { holder, database });
                }
            }
            // It is away, or has not noticed yet that our own connection is gone.
            Err(_) => others_since = None,
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

/// Whether a holder is known and not we ourselves.
fn is_another(holder: &str, options: &PgConnectOptions) -> bool {
    holder != UNKNOWN_HOLDER && options.get_application_name() != Some(holder_name(holder))
}

async fn attempt(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = in_time(options.connect()).await?;
    in_time(sqlx::raw_sql(BEGIN).execute(&mut connection)).await?;
    let question = sqlx::query("SELECT pg_try_advisory_xact_lock($1) AS taken").bind(LOCK);
    let row = in_time(question.fetch_one(&mut connection)).await?;
    if row.try_get("taken")? {
        return Ok(connection);
    }
    let question = sqlx::query(WHO).bind(LOCK);
    let row = in_time(question.fetch_optional(&mut connection)).await?;
    let who = row.map(|row| {
        let name: String = row.try_get("name").unwrap_or_default();
        let address: String = row.try_get("address").unwrap_or_default();
        format!("{name}, connected from {address}")
    });
    let name = options.get_database().unwrap_or("jansky");
    Err(StoreError::InUse {
        database: format!("{name}` at `{}", options.get_host()),
        holder: who.unwrap_or_else(|| UNKNOWN_HOLDER.to_owned()),
    })
}

/// The name in what [`attempt`] says of a holder.
fn holder_name(holder: &str) -> &str {
    holder
        .split_once(", connected from")
        .map_or(holder, |(name, _)| name)
}
