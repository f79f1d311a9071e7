//! The one connection that writes an SQLite file, and transactions over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Connection, SqliteRow};
use crate::StoreError;
use crate::open::ACQUIRE_TIMEOUT;
use crate::statement::{Statement, sql};

/// Pages in the write-ahead log from which on it is copied into the file: 16 MiB. A page that
/// changes all the time is copied once for many changes; with the 1,000 pages that SQLite would
/// take, copying was a third of what a sign-in wrote.
const FULL_LOG: u32 = 4000;

/// The connection that writes; clones share it.
#[derive(Clone)]
pub(crate) struct Writer {
    /// `None` when it is closed, or when nothing may be written.
    connection: Arc<Mutex<Option<Connection>>>,
    /// Pages in the write-ahead log after the last commit.
    logged: Arc<AtomicU32>,
}

/// The right to write, until it is dropped.
struct WriteLock {
    guard: OwnedMutexGuard<Option<Connection>>,
    logged: Arc<AtomicU32>,
}

impl Writer {
    pub(crate) fn new(mut connection: Connection) -> Result<Self, StoreError> {
        let logged = Arc::new(AtomicU32::new(0));
        let in_hook = Arc::clone(&logged);
        connection.on_commit(move |pages| in_hook.store(pages, Ordering::Relaxed))?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            logged,
        })
    }

    /// For a database that is only read.
    pub(crate) fn none() -> Self {
        Self {
            connection: Arc::default(),
            logged: Arc::default(),
        }
    }

    /// Waits for the turn; those who wait get it in their order.
    async fn turn(&self) -> Result<WriteLock, StoreError> {
        let waiting = Arc::clone(&self.connection).lock_owned();
        let guard = tokio::time::timeout(ACQUIRE_TIMEOUT, waiting)
            .await
            .map_err(StoreError::unavailable)?;
        Ok(WriteLock {
            guard,
            logged: Arc::clone(&self.logged),
        })
    }

    /// Runs one statement that is a transaction of its own; says how many rows it touched.
    pub(crate) async fn execute(&self, statement: &Statement) -> Result<u64, StoreError> {
        let turn = self.turn().await?;
        let touched = turn.connection()?.execute(statement)?;
        turn.end();
        Ok(touched)
    }

    /// Runs one statement that is a transaction of its own; gives back its rows.
    pub(crate) async fn fetch_all(
        &self,
        statement: &Statement,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let turn = self.turn().await?;
        let rows = turn.connection()?.fetch_all(statement)?;
        turn.end();
        Ok(rows)
    }

    /// Reads, unless somebody has the turn or nothing may be written.
    pub(crate) fn try_read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<Result<T, StoreError>> {
        let guard = self.connection.try_lock().ok()?;
        Some(read(guard.as_ref()?).map_err(StoreError::from))
    }

    /// Begins a transaction, which has the turn from here on.
    pub(crate) async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let turn = self.turn().await?;
        // The lock on the file at once, so that what is read is still so when it is written.
        turn.connection()?.execute(&sql("BEGIN IMMEDIATE"))?;
        Ok(WriteTransaction(Some(turn)))
    }

    /// Waits for the turn and closes the connection.
    pub(crate) async fn close(&self) {
        self.connection.lock().await.take();
    }
}

impl WriteLock {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.guard.as_ref().ok_or_else(StoreError::closed)
    }

    /// Gives the turn to the next one, after a commit; before that it may be time to copy the log.
    /// Other writers wait for that; readers do not.
    fn end(self) {
        if self.logged.load(Ordering::Relaxed) < FULL_LOG {
            return;
        }
        tokio::task::spawn_blocking(move || {
            if let Some(connection) = self.guard.as_ref()
                && let Err(error) = connection.checkpoint()
            {
                tracing::warn!(%error, "the write-ahead log could not be copied into the database");
            }
        });
    }
}

/// Several statements that happen together or not at all; dropping it undoes them.
pub(crate) struct WriteTransaction(Option<WriteLock>);

impl WriteTransaction {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.0.as_ref().ok_or_else(StoreError::closed)?.connection()
    }

    pub(crate) fn execute(&self, statement: &Statement) -> Result<u64, StoreError> {
        Ok(self.connection()?.execute(statement)?)
    }

    pub(crate) fn fetch_optional(
        &self,
        statement: &Statement,
    ) -> Result<Option<SqliteRow>, StoreError> {
        Ok(self.connection()?.fetch_optional(statement)?)
    }

    pub(crate) fn fetch_all(&self, statement: &Statement) -> Result<Vec<SqliteRow>, StoreError> {
        Ok(self.connection()?.fetch_all(statement)?)
    }

    /// Makes everything in it last, and does `then` before somebody else gets the turn.
    pub(crate) fn commit(mut self, then: impl FnOnce()) -> Result<(), StoreError> {
        self.execute(&sql("COMMIT"))?;
        then();
        if let Some(turn) = self.0.take() {
            turn.end();
        }
        Ok(())
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if let Ok(connection) = self.connection()
            // Some errors have undone everything already.
            && !connection.is_idle()
            && let Err(error) = connection.execute(&sql("ROLLBACK"))
        {
            tracing::warn!(%error, "a transaction could not be taken back");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{OpenFlags, SqliteValue};
    use super::*;

    fn writer(directory: &tempfile::TempDir) -> Writer {
        let path = directory.path().join("dishes.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open(&path, flags).expect("a database");
        connection
            .run_script(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE dishes (name TEXT PRIMARY KEY, metres BIGINT)",
            )
            .expect("a table");
        Writer::new(connection).expect("a writer")
    }

    fn dish(name: &str, metres: i64) -> Statement {
        let statement = sql("INSERT INTO dishes (metres, name) VALUES ($2, $1)");
        statement.bind(name).bind(metres)
    }

    async fn names(writer: &Writer) -> Vec<String> {
        let all = sql("SELECT name FROM dishes ORDER BY name");
        let rows = writer.fetch_all(&all).await.expect("rows");
        let name = |row: &SqliteRow| match row.value("name") {
            Some(SqliteValue::Text(name)) => name.clone(),
            other => panic!("{other:?} is no name"),
        };
        rows.iter().map(name).collect()
    }

    #[tokio::test]
    async fn values_go_where_their_numbers_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let writer = writer(&directory);
        let transaction = writer.begin().await.expect("the turn");
        transaction.execute(&dish("effelsberg", 100)).expect("done");
        transaction.execute(&dish("lovell", 75)).expect("done");
        let grow = sql("UPDATE dishes SET metres = metres + $2 WHERE name = $1 AND metres > $2");
        let grow = grow.bind("lovell").bind(1);
        assert_eq!(transaction.execute(&grow).expect("done"), 1);
        let metres = sql("SELECT metres FROM dishes WHERE name = $1").bind("lovell");
        let row = transaction.fetch_optional(&metres).expect("an answer");
        let row = row.expect("it is there");
        assert_eq!(row.value("metres"), Some(&SqliteValue::Integer(76)));
        assert_eq!(row.value("seconds"), None);
        transaction.commit(|| ()).expect("done");

        assert_eq!(names(&writer).await, ["effelsberg", "lovell"]);
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let writer = writer(&directory);
        let transaction = writer.begin().await.expect("the turn");
        transaction.execute(&dish("lovell", 76)).expect("done");
        drop(transaction);

        assert_eq!(names(&writer).await, [""; 0]);
        writer.execute(&dish("medicina", 32)).await.expect("done");
        assert_eq!(names(&writer).await, ["medicina"]);
    }

    #[tokio::test]
    async fn a_statement_that_fails_leaves_its_transaction_to_be_undone() {
        let directory = tempfile::tempdir().expect("a directory");
        let writer = writer(&directory);
        let transaction = writer.begin().await.expect("the turn");
        transaction.execute(&dish("effelsberg", 100)).expect("done");
        let error = transaction.execute(&dish("effelsberg", 101));
        assert!(matches!(error, Err(StoreError::AlreadyExists { .. })));
        drop(transaction);

        let transaction = writer.begin().await.expect("the turn");
        transaction.execute(&dish("lovell", 76)).expect("done");
        transaction.commit(|| ()).expect("done");
        assert_eq!(names(&writer).await, ["lovell"]);
    }

    #[tokio::test]
    async fn a_full_log_is_copied_and_used_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let writer = writer(&directory);
        let big = "x".repeat(1 << 20);
        let bytes = |name: &str| {
            let path: &Path = directory.path();
            std::fs::metadata(path.join(name)).map_or(0, |file| file.len())
        };
        // 64 MiB go through a log of 16.
        for number in 0..64 {
            let statement = dish(&format!("{number} {big}"), number);
            writer.execute(&statement).await.expect("done");
        }
        // The last copying may still be under way; it has the turn.
        let turn = tokio::time::timeout(Duration::from_mins(1), writer.turn()).await;
        assert!(turn.expect("in time").is_ok());

        assert!(bytes("dishes.db") > 40 << 20, "{}", bytes("dishes.db"));
        assert!(
            bytes("dishes.db-wal") < 24 << 20,
            "{}",
            bytes("dishes.db-wal")
        );
    }
}
