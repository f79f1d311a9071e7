//! The one connection that writes an SQLite file, and transactions over it.
//!
//! Every message to the driver's thread and back costs about as much CPU time as a small statement
//! itself (measured: 25 to 50 µs). So a transaction sends what nobody waits for together with the
//! next statement whose answer is wanted, or with the commit.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Either, Executor};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::db::{Composed, Statement, query};

/// How long to wait for the turn to write.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection that writes; clones share it.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<Writing>>);

struct Writing {
    /// `None` when it is closed, or when nothing may be written.
    connection: Option<SqliteConnection>,
    /// A transaction was begun and not brought to its end: its future was dropped, or it failed.
    is_unfinished: bool,
}

/// The right to write, until it is dropped.
struct Turn(OwnedMutexGuard<Writing>);

impl Writer {
    pub(crate) fn new(connection: SqliteConnection) -> Self {
        Self::of(Some(connection))
    }

    /// For a database that is only read.
    pub(crate) fn none() -> Self {
        Self::of(None)
    }

    fn of(connection: Option<SqliteConnection>) -> Self {
        Self(Arc::new(Mutex::new(Writing {
            connection,
            is_unfinished: false,
        })))
    }

    /// Waits for the turn; those who wait get it in their order.
    async fn turn(&self) -> sqlx::Result<Turn> {
        let waiting = Arc::clone(&self.0).lock_owned();
        let guard = tokio::time::timeout(TURN_TIMEOUT, waiting)
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?;
        let mut turn = Turn(guard);
        if turn.0.is_unfinished {
            // It fails when the commit was the last thing that the driver did for it.
            let _ = turn.connection()?.execute("ROLLBACK").await;
            turn.0.is_unfinished = false;
        }
        Ok(turn)
    }

    /// Runs one statement that is a transaction of its own; says how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> sqlx::Result<u64> {
        self.turn().await?.execute(statement).await
    }

    /// Runs one statement that is a transaction of its own; gives back its rows.
    pub(crate) async fn fetch_all(&self, statement: Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let mut turn = self.turn().await?;
        query!(statement).fetch_all(turn.connection()?).await
    }

    /// Begins a transaction, which has the turn from here on.
    pub(crate) async fn begin(&self) -> sqlx::Result<WriteTransaction> {
        let mut unsent = Composed::default();
        // The lock on the file at once, so that what is read is still so when it is written.
        unsent.push("BEGIN IMMEDIATE");
        Ok(WriteTransaction {
            turn: self.turn().await?,
            unsent,
        })
    }

    /// Waits for the turn and closes the connection.
    pub(crate) async fn close(&self) {
        let taken = self.0.lock().await.connection.take();
        if let Some(connection) = taken
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the connection that writes the database did not close");
        }
    }
}

impl Turn {
    fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        self.0.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Runs one or several statements; says how many rows the last of them touched.
    async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        let mut answers = self.connection()?.fetch_many(query!(statement));
        let mut touched = 0;
        while let Some(answer) = answers.try_next().await? {
            if let Either::Left(done) = answer {
                touched = done.rows_affected();
            }
        }
        Ok(touched)
    }
}

/// Several statements that happen together or not at all; dropping it undoes them.
pub(crate) struct WriteTransaction {
    turn: Turn,
    /// What is sent with the next statement; it gives back no rows.
    unsent: Composed,
}

impl WriteTransaction {
    /// Runs a statement later: with the next one, or with the commit.
    pub(crate) fn later(&mut self, statement: Statement) {
        self.unsent.push("; ").push_statement(statement);
    }

    /// The statement with everything that is to run before it.
    fn with_unsent(&mut self, statement: Statement) -> Statement {
        // From here on there is something to undo, also when the future is dropped.
        self.turn.0.is_unfinished = true;
        if self.unsent.is_empty() {
            return statement;
        }
        self.later(statement);
        std::mem::take(&mut self.unsent).finish()
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        let statement = self.with_unsent(statement);
        self.turn.execute(statement).await
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> sqlx::Result<Option<SqliteRow>> {
        let statement = self.with_unsent(statement);
        query!(statement)
            .fetch_optional(self.turn.connection()?)
            .await
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let statement = self.with_unsent(statement);
        query!(statement).fetch_all(self.turn.connection()?).await
    }

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        self.execute(crate::db::sql("COMMIT")).await?;
        self.turn.0.is_unfinished = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::db::sql;

    async fn writer(file: &tempfile::NamedTempFile) -> Writer {
        let options = SqliteConnectOptions::new().filename(file.path());
        let writer = Writer::new(options.connect().await.expect("a database"));
        let table = sql("CREATE TABLE dishes (name TEXT PRIMARY KEY, metres BIGINT)");
        writer.execute(table).await.expect("a table");
        writer
    }

    fn dish(name: &str, metres: i64) -> Statement {
        let statement = sql("INSERT INTO dishes (metres, name) VALUES ($2, $1)");
        statement.bind(name).bind(metres)
    }

    async fn dishes(writer: &Writer) -> Vec<(String, i64)> {
        use sqlx::Row as _;
        let all = sql("SELECT name, metres FROM dishes ORDER BY name");
        let rows = writer.fetch_all(all).await.expect("rows");
        rows.iter()
            .map(|row| (row.get("name"), row.get("metres")))
            .collect()
    }

    #[tokio::test]
    async fn statements_that_are_sent_together_keep_their_values() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = writer(&file).await;
        let mut transaction = writer.begin().await.expect("the turn");
        transaction.later(dish("effelsberg", 100));
        transaction.later(dish("lovell", 76));
        let grow = sql("UPDATE dishes SET metres = metres + $1 WHERE name = $2");
        let touched = transaction.execute(grow.bind(1).bind("lovell")).await;
        // Not what the statements before it touched.
        assert_eq!(touched.expect("done"), 1);
        transaction.later(dish("medicina", 32));
        transaction.commit().await.expect("done");

        let all = [("effelsberg", 100), ("lovell", 77), ("medicina", 32)];
        assert_eq!(
            dishes(&writer).await,
            all.map(|(name, metres)| (name.to_owned(), metres))
        );
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_leaves_nothing_behind() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = writer(&file).await;
        let mut unsent = writer.begin().await.expect("the turn");
        unsent.later(dish("effelsberg", 100));
        drop(unsent);
        let mut sent = writer.begin().await.expect("the turn");
        sent.execute(dish("lovell", 76)).await.expect("done");
        drop(sent);

        assert_eq!(dishes(&writer).await, []);
        writer.execute(dish("medicina", 32)).await.expect("done");
        assert_eq!(dishes(&writer).await.len(), 1);
    }

    #[tokio::test]
    async fn a_statement_that_fails_takes_back_what_was_sent_with_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = writer(&file).await;
        let mut transaction = writer.begin().await.expect("the turn");
        transaction.later(dish("effelsberg", 100));
        transaction.later(dish("effelsberg", 101));
        transaction.later(dish("lovell", 76));
        assert!(transaction.commit().await.is_err(), "the name is taken");

        assert_eq!(dishes(&writer).await, []);
        let mut transaction = writer.begin().await.expect("the turn");
        transaction.later(dish("lovell", 76));
        transaction.commit().await.expect("done");
        assert_eq!(dishes(&writer).await.len(), 1);
    }
}
