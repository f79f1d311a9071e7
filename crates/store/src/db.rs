//! One way to run a statement on either database.
//!
//! A [`Statement`] is a text with `$1` parameters that means the same to SQLite and PostgreSQL,
//! plus its values. [`Db`] runs single statements, [`Transaction`] several as one; both give back
//! [`Row`]s that are read by the name of a column. Nothing outside this file, `sqlite/` and `open.rs`
//! knows which database it is; the change feed knows whether it is in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jansky_model::{
    ProviderId, Secret, ServerId, ServerName, StartId, Timestamp, UserId, UserName,
};
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Decode, Row as _, SqlStr, Type};

use crate::StoreError;
use crate::ear::{Ear, Listener, NOTIFY};
use crate::feed::{Feed, Unsaid};
use crate::sqlite::{Connection, Readers, SqliteRow, SqliteValue, WriteTransaction, Writer};

/// How long one statement may take on PostgreSQL before the connection is taken for dead.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A value for a parameter; each kind has its own NULL because PostgreSQL types it.
#[derive(Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

/// A text and the values of its parameters.
pub(crate) struct Statement {
    pub(crate) text: SqlStr,
    pub(crate) values: Vec<Value>,
}

/// A statement with a fixed text.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement {
        text: SqlStr::from_static(text),
        values: Vec::new(),
    }
}

impl Statement {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A statement whose text depends on the question; it is put together from fixed pieces only.
#[derive(Clone, Default)]
pub(crate) struct Composed {
    text: String,
    values: Vec<Value>,
}

impl Composed {
    /// Appends a fixed piece.
    pub(crate) fn push(&mut self, piece: &'static str) -> &mut Self {
        self.text.push_str(piece);
        self
    }

    /// Appends a parameter with this value.
    pub(crate) fn push_value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Appends a list of parameters in parentheses, for `IN`; `values` must not be empty.
    pub(crate) fn push_list<V: Into<Value>>(
        &mut self,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        let mut separator = "(";
        for value in values {
            self.push(separator).push_value(value);
            separator = ", ";
        }
        self.push(")")
    }

    /// Appends another composition, which must not have parameters if this one has some already.
    pub(crate) fn append(&mut self, other: Self) -> &mut Self {
        debug_assert!(self.values.is_empty() || other.values.is_empty());
        self.text.push_str(&other.text);
        self.values.extend(other.values);
        self
    }

    /// The finished statement.
    pub(crate) fn finish(self) -> Statement {
        Statement {
            text: sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(self.text)),
            values: self.values,
        }
    }
}

macro_rules! value_from {
    ($($source:ty => $kind:ident($value:ident) $convert:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($value: $source) -> Self {
                Self::$kind(Some($convert))
            }
        }
        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                Self::$kind(value.map(|$value| $convert))
            }
        }
    )*};
}

value_from! {
    &str => Text(value) storable(value);
    &String => Text(value) storable(value);
    &UserName => Text(value) value.as_str().to_owned();
    &ServerName => Text(value) value.as_str().to_owned();
    &ProviderId => Text(value) value.as_str().to_owned();
    &Secret => Text(value) value.expose().to_owned();
    &serde_json::Value => Text(value) value.to_string();
    i64 => Int(value) value;
    bool => Int(value) i64::from(value);
    Timestamp => Int(value) value.micros();
    UserId => Int(value) value.0;
    ServerId => Int(value) value.0;
    StartId => Int(value) value.0;
    crate::TokenId => Int(value) value.0;
    crate::IdentityId => Int(value) value.0;
    crate::GrantId => Int(value) value.0;
    crate::GroupId => Int(value) value.0;
    crate::AgentSessionId => Int(value) value.0;
    &crate::Sealed => Bytes(value) value.0.clone();
    &[u8] => Bytes(value) value.to_vec();
    &crate::Digest => Bytes(value) value.to_vec();
}

/// PostgreSQL refuses the character NUL in a text; a log can hold one.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<&[String]> for Value {
    /// A list of texts is stored as JSON.
    fn from(texts: &[String]) -> Self {
        let list = texts.iter().map(String::as_str).collect::<Vec<_>>();
        Self::Text(Some(serde_json::Value::from(list).to_string()))
    }
}

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases can decode.
pub(crate) trait Raw: for<'r> Decode<'r, Postgres> + Type<Postgres> {
    /// Decodes it; `None` when the value is of another kind.
    fn from_sqlite(value: &SqliteValue) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! raw {
    ($($raw:ty: $kind:ident;)*) => {$(
        impl Raw for $raw {
            fn from_sqlite(value: &SqliteValue) -> Option<Self> {
                match value {
                    SqliteValue::$kind(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

raw! {
    String: Text;
    i64: Integer;
    Vec<u8>: Blob;
}

/// A type that a column can be read as.
pub(crate) trait FromColumn: Sized {
    /// How the databases store it.
    type Raw: Raw;

    /// Reads it, or says what is wrong.
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;
}

macro_rules! from_column {
    ($($target:ty: $raw:ty => |$value:ident| $convert:expr;)*) => {$(
        impl FromColumn for $target {
            type Raw = $raw;

            fn from_raw($value: $raw) -> Result<Self, String> {
                $convert
            }
        }
    )*};
}

from_column! {
    String: String => |raw| Ok(raw);
    i64: i64 => |raw| Ok(raw);
    bool: i64 => |raw| Ok(raw != 0);
    Timestamp: i64 => |raw| Ok(Self::from_micros(raw));
    UserId: i64 => |raw| Ok(Self(raw));
    ServerId: i64 => |raw| Ok(Self(raw));
    StartId: i64 => |raw| Ok(Self(raw));
    crate::TokenId: i64 => |raw| Ok(Self(raw));
    crate::IdentityId: i64 => |raw| Ok(Self(raw));
    crate::GrantId: i64 => |raw| Ok(Self(raw));
    crate::GroupId: i64 => |raw| Ok(Self(raw));
    crate::AgentSessionId: i64 => |raw| Ok(Self(raw));
    crate::Sealed: Vec<u8> => |raw| Ok(Self(raw));
    Secret: String => |raw| Ok(Self::new(raw));
    UserName: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    ServerName: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    ProviderId: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    crate::TokenKind: String => |raw| raw.parse();
    crate::GrantKind: String => |raw| raw.parse();
    crate::GrantState: String => |raw| raw.parse();
    crate::DeviceState: String => |raw| raw.parse();
    crate::FreezeReason: String => |raw| raw.parse();
    crate::Digest: Vec<u8> => |raw| {
        raw.try_into().map_err(|raw: Vec<u8>| format!("{} bytes instead of 32", raw.len()))
    };
    serde_json::Value: String => |raw| {
        serde_json::from_str(&raw).map_err(|error| error.to_string())
    };
    Vec<String>: String => |raw| {
        serde_json::from_str(&raw).map_err(|error| error.to_string())
    };
}

impl Row {
    /// Reads a column that is never NULL.
    pub(crate) fn get<T: FromColumn>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get_optional(column)?
            .ok_or(StoreError::InconsistentRow {
                column,
                reason: "it is NULL".to_owned(),
            })
    }

    /// Reads a column that may be NULL.
    pub(crate) fn get_optional<T: FromColumn>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let raw: Result<Option<T::Raw>, String> = match self {
            Self::Sqlite(row) => match row.value(column) {
                Some(SqliteValue::Null) => Ok(None),
                Some(value) => T::Raw::from_sqlite(value)
                    .map(Some)
                    .ok_or_else(|| format!("it is of type {}", value.data_type())),
                None => Err("the statement does not ask for it".to_owned()),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        };
        raw.and_then(|raw| raw.map(T::from_raw).transpose())
            .map_err(|reason| StoreError::InconsistentRow { column, reason })
    }
}

/// The database.
pub(crate) enum Db {
    Sqlite {
        writer: Writer,
        readers: Readers,
        feed: Arc<Feed>,
    },
    Postgres {
        pool: PgPool,
        listener: Listener,
    },
}

/// Several statements that happen together or not at all; dropping it undoes them.
pub(crate) enum Transaction {
    Sqlite {
        transaction: WriteTransaction,
        feed: Arc<Feed>,
        unsaid: Unsaid,
    },
    Postgres(sqlx::Transaction<'static, Postgres>),
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
    match tokio::time::timeout(STATEMENT_TIMEOUT, work).await {
        Ok(outcome) => Ok(outcome?),
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
    /// Runs one writing statement and says how many rows it touched.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => writer.execute(&statement).await?,
            Self::Postgres { pool, .. } => in_time(query(statement).execute(pool))
                .await?
                .rows_affected(),
        })
    }

    /// Runs one writing statement and gives back its only row: `DELETE … RETURNING`.
    pub(crate) async fn change_optional(
        &self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => {
                let rows = writer.fetch_all(&statement).await?;
                rows.into_iter().next().map(Row::Sqlite)
            }
            Self::Postgres { pool, .. } => in_time(query(statement).fetch_optional(pool))
                .await?
                .map(Row::Postgres),
        })
    }

    /// Runs one reading statement and gives back its only row, if there is one.
    pub(crate) async fn fetch_optional(
        &self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite {
                writer, readers, ..
            } => read_sqlite(writer, readers, |connection| {
                connection.fetch_optional(&statement)
            })?
            .map(Row::Sqlite),
            Self::Postgres { pool, .. } => in_time(query(statement).fetch_optional(pool))
                .await?
                .map(Row::Postgres),
        })
    }

    /// Runs one reading statement and gives back all its rows.
    pub(crate) async fn fetch_all(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite {
                writer, readers, ..
            } => {
                let rows = read_sqlite(writer, readers, |connection| {
                    connection.fetch_all(&statement)
                })?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres { pool, .. } => {
                let rows = in_time(query(statement).fetch_all(pool)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Begins a transaction that may write.
    ///
    /// On SQLite it is the only one from here on (`BEGIN IMMEDIATE`); on PostgreSQL it is `READ
    /// COMMITTED`, so a decision on what was read needs a condition in the statement that writes.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            Self::Sqlite { writer, feed, .. } => Transaction::Sqlite {
                transaction: writer.begin().await?,
                feed: Arc::clone(feed),
                unsaid: Unsaid::default(),
            },
            Self::Postgres { pool, .. } => Transaction::Postgres(in_time(pool.begin()).await?),
        })
    }

    /// The change feed, where it is in memory.
    pub(crate) fn feed(&self) -> Option<&Feed> {
        match self {
            Self::Sqlite { feed, .. } => Some(feed),
            Self::Postgres { .. } => None,
        }
    }

    /// Listens for commits with a change in them, unless somebody else has the turn.
    pub(crate) fn listen_at_once(&self) -> Option<Ear<'_>> {
        match self {
            Self::Sqlite { feed, .. } => Some(Ear::Sqlite(feed.listen())),
            Self::Postgres { pool, listener } => Some(Ear::Postgres {
                pool,
                listener: listener.try_lock().ok()?,
            }),
        }
    }

    /// Waits for its turn to listen for commits with a change in them.
    pub(crate) async fn listen(&self) -> Ear<'_> {
        match self {
            Self::Sqlite { feed, .. } => Ear::Sqlite(feed.listen()),
            Self::Postgres { pool, listener } => Ear::Postgres {
                pool,
                listener: listener.lock().await,
            },
        }
    }
}

impl Transaction {
    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite { transaction, .. } => transaction.execute(&statement)?,
            Self::Postgres(transaction) => in_time(query(statement).execute(&mut **transaction))
                .await?
                .rows_affected(),
        })
    }

    /// Runs a statement and gives back its only row, if there is one.
    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite { transaction, .. } => {
                transaction.fetch_optional(&statement)?.map(Row::Sqlite)
            }
            Self::Postgres(transaction) => {
                in_time(query(statement).fetch_optional(&mut **transaction))
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
        Ok(match self {
            Self::Sqlite { transaction, .. } => {
                let rows = transaction.fetch_all(&statement)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(transaction) => {
                let rows = in_time(query(statement).fetch_all(&mut **transaction)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Where changes are told once this is committed, if the change feed is in memory.
    pub(crate) fn unsaid(&mut self) -> Option<&mut Unsaid> {
        match self {
            Self::Sqlite { unsaid, .. } => Some(unsaid),
            Self::Postgres(_) => None,
        }
    }

    /// Tells those who wait for changes in other processes once this is committed.
    pub(crate) async fn announce(&mut self) -> Result<(), StoreError> {
        if let Self::Postgres(_) = self {
            // PostgreSQL sends equal notifications of one transaction once.
            self.execute(sql(NOTIFY)).await?;
        }
        Ok(())
    }

    /// Makes everything in it last; after this it survives the death of the process.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite {
                transaction,
                feed,
                unsaid,
            } => transaction.commit(|| feed.tell(unsaid)),
            Self::Postgres(transaction) => in_time(transaction.commit()).await,
        }
    }
}
