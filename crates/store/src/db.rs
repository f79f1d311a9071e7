//! One way to run a statement on either database.
//!
//! [`Db`] runs single statements, [`Transaction`] several as one; both take a [`Statement`] and give
//! back [`Row`]s. Nothing outside this file, `row.rs`, `sqlite/` and `open.rs` knows which database it
//! is; the change feed knows whether it is in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgPool, Postgres};

use crate::StoreError;
use crate::change_listener::{ChangeListener, ListenConnection, NOTIFY};
use crate::faults::{Call, Faults};
use crate::memory_feed::{MemoryFeed, PendingChanges};
use crate::row::Row;
use crate::sqlite::{Connection, Readers, WriteTransaction, Writer};
use crate::stale_connections::StaleConnections;
use crate::statement::{Statement, Value, sql};

/// How long one statement may take on PostgreSQL before the connection is taken for dead.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The database.
pub(crate) struct Db {
    pub(crate) engine: Engine,
    pub(crate) faults: Faults,
}

/// Which one it is.
pub(crate) enum Engine {
    Sqlite {
        writer: Writer,
        readers: Readers,
        feed: Arc<MemoryFeed>,
    },
    Postgres {
        pool: PgPool,
        listener: ListenConnection,
        doubt: StaleConnections,
    },
}

/// Several statements that happen together or not at all; dropping it undoes them.
pub(crate) struct Transaction {
    engine: TransactionOf,
    faults: Faults,
}

enum TransactionOf {
    Sqlite {
        transaction: WriteTransaction,
        feed: Arc<MemoryFeed>,
        pending: PendingChanges,
    },
    Postgres {
        transaction: sqlx::Transaction<'static, Postgres>,
        doubt: StaleConnections,
    },
}

/// The query of a statement for PostgreSQL.
fn query(statement: Statement) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    let mut query = sqlx::query(statement.text);
    for value in statement.values {
        query = match value {
            Value::Text(value) => query.bind(value),
            Value::Int(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
        };
    }
    query
}

/// Runs something on PostgreSQL, but not for ever: its machine may be gone without a word.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    ask(&StaleConnections::default(), work).await
}

/// Runs something on PostgreSQL, and doubts its connections when the server says that it is not the
/// right one.
async fn ask<T>(
    doubt: &StaleConnections,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(STATEMENT_TIMEOUT, work).await {
        Ok(Err(error)) => {
            doubt.note_error(&error);
            Err(error.into())
        }
        Ok(Ok(answer)) => Ok(answer),
        Err(elapsed) => Err(StoreError::unavailable(elapsed)),
    }
}

/// Reads with the connection that writes if nobody uses it: it has in its cache what was just changed.
fn read_sqlite<T>(
    writer: &Writer,
    readers: &Readers,
    read: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    writer
        .try_read(&read)
        .unwrap_or_else(|| readers.read(&read))
}

impl Db {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            faults: Faults::default(),
        }
    }

    /// Runs one writing statement and says how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.faults.before(Call::Change)?;
        let touched = match &self.engine {
            Engine::Sqlite { writer, .. } => writer.execute(&statement).await?,
            Engine::Postgres { pool, doubt, .. } => ask(doubt, query(statement).execute(pool))
                .await?
                .rows_affected(),
        };
        self.faults.after(Call::Change)?;
        Ok(touched)
    }

    /// Runs one writing statement and gives back its only row: `DELETE … RETURNING`.
    pub(crate) async fn change_optional(
        &self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        self.faults.before(Call::Change)?;
        let row = match &self.engine {
            Engine::Sqlite { writer, .. } => {
                let rows = writer.fetch_all(&statement).await?;
                rows.into_iter().next().map(Row::Sqlite)
            }
            Engine::Postgres { pool, doubt, .. } => {
                ask(doubt, query(statement).fetch_optional(pool))
                    .await?
                    .map(Row::Postgres)
            }
        };
        self.faults.after(Call::Change)?;
        Ok(row)
    }

    /// Runs one reading statement and gives back its only row, if there is one.
    pub(crate) async fn fetch_optional(
        &self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        self.faults.before(Call::Look)?;
        Ok(match &self.engine {
            Engine::Sqlite {
                writer, readers, ..
            } => read_sqlite(writer, readers, |connection| {
                connection.fetch_optional(&statement)
            })?
            .map(Row::Sqlite),
            Engine::Postgres { pool, doubt, .. } => {
                ask(doubt, query(statement).fetch_optional(pool))
                    .await?
                    .map(Row::Postgres)
            }
        })
    }

    /// Runs one reading statement and gives back all its rows.
    pub(crate) async fn fetch_all(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.faults.before(Call::Look)?;
        Ok(match &self.engine {
            Engine::Sqlite {
                writer, readers, ..
            } => {
                let rows = read_sqlite(writer, readers, |connection| {
                    connection.fetch_all(&statement)
                })?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Engine::Postgres { pool, doubt, .. } => {
                let rows = ask(doubt, query(statement).fetch_all(pool)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Begins a transaction that may write.
    ///
    /// On SQLite it is the only one from here on (`BEGIN IMMEDIATE`); on PostgreSQL it is `READ
    /// COMMITTED`, so a decision on what was read needs a condition in the statement that writes.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        self.faults.before(Call::Look)?;
        let engine = match &self.engine {
            Engine::Sqlite { writer, feed, .. } => TransactionOf::Sqlite {
                transaction: writer.begin().await?,
                feed: Arc::clone(feed),
                pending: PendingChanges::default(),
            },
            Engine::Postgres { pool, doubt, .. } => TransactionOf::Postgres {
                transaction: ask(doubt, pool.begin()).await?,
                doubt: doubt.clone(),
            },
        };
        Ok(Transaction {
            engine,
            faults: self.faults.clone(),
        })
    }

    /// The change feed, where it is in memory.
    pub(crate) fn feed(&self) -> Option<&MemoryFeed> {
        match &self.engine {
            Engine::Sqlite { feed, .. } => Some(feed),
            Engine::Postgres { .. } => None,
        }
    }

    /// Listens for commits with a change in them, unless somebody else has the turn.
    pub(crate) fn listen_at_once(&self) -> Option<ChangeListener<'_>> {
        match &self.engine {
            Engine::Sqlite { feed, .. } => Some(ChangeListener::Sqlite(feed.listen())),
            Engine::Postgres { pool, listener, .. } => Some(ChangeListener::Postgres {
                pool,
                listener: listener.try_lock().ok()?,
            }),
        }
    }

    /// Waits for its turn to listen for commits with a change in them.
    pub(crate) async fn listen(&self) -> ChangeListener<'_> {
        match &self.engine {
            Engine::Sqlite { feed, .. } => ChangeListener::Sqlite(feed.listen()),
            Engine::Postgres { pool, listener, .. } => ChangeListener::Postgres {
                pool,
                listener: listener.lock().await,
            },
        }
    }
}

impl Transaction {
    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        self.faults.before(Call::Look)?;
        Ok(match &mut self.engine {
            TransactionOf::Sqlite { transaction, .. } => transaction.execute(&statement)?,
            TransactionOf::Postgres { transaction, doubt } => {
                ask(doubt, query(statement).execute(&mut **transaction))
                    .await?
                    .rows_affected()
            }
        })
    }

    /// Runs a statement and gives back its only row, if there is one.
    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        self.faults.before(Call::Look)?;
        Ok(match &mut self.engine {
            TransactionOf::Sqlite { transaction, .. } => {
                transaction.fetch_optional(&statement)?.map(Row::Sqlite)
            }
            TransactionOf::Postgres { transaction, doubt } => {
                ask(doubt, query(statement).fetch_optional(&mut **transaction))
                    .await?
                    .map(Row::Postgres)
            }
        })
    }

    /// Runs a statement that always gives back exactly one row, such as `INSERT … RETURNING`.
    pub(crate) async fn fetch_one(&mut self, statement: Statement) -> Result<Row, StoreError> {
        self.fetch_optional(statement)
            .await?
            .ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Runs a statement and gives back all its rows.
    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.faults.before(Call::Look)?;
        Ok(match &mut self.engine {
            TransactionOf::Sqlite { transaction, .. } => {
                let rows = transaction.fetch_all(&statement)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            TransactionOf::Postgres { transaction, doubt } => {
                let rows = ask(doubt, query(statement).fetch_all(&mut **transaction)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Where changes are told once this is committed, if the change feed is in memory.
    pub(crate) fn pending(&mut self) -> Option<&mut PendingChanges> {
        match &mut self.engine {
            TransactionOf::Sqlite { pending, .. } => Some(pending),
            TransactionOf::Postgres { .. } => None,
        }
    }

    /// Tells those who wait for changes in other processes once this is committed.
    pub(crate) async fn announce(&mut self) -> Result<(), StoreError> {
        if let TransactionOf::Postgres { .. } = self.engine {
            // PostgreSQL sends equal notifications of one transaction once.
            self.execute(sql(NOTIFY)).await?;
        }
        Ok(())
    }

    /// Makes everything in it last; after this it survives the death of the process.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.faults.before(Call::Change)?;
        match self.engine {
            TransactionOf::Sqlite {
                transaction,
                feed,
                pending,
            } => transaction.commit(|| feed.publish(pending))?,
            TransactionOf::Postgres { transaction, doubt } => {
                ask(&doubt, transaction.commit()).await?;
            }
        }
        self.faults.after(Call::Change)
    }
}
