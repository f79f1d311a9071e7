//! One connection to an SQLite file: statements with their values in, rows out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::CachedStatement;
pub(crate) use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
pub(crate) use rusqlite::types::Value as SqliteValue;

use crate::statement::{Statement, Value};

/// How long to wait for a program that is not ours and has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Prepared statements that are kept; there are fewer different ones.
const KEPT_STATEMENTS: usize = 300;

/// A connection that one caller uses at a time.
pub(crate) struct Connection(rusqlite::Connection);

/// A row of an answer, read out of the database.
pub(crate) struct SqliteRow {
    names: Arc<[String]>,
    values: Vec<SqliteValue>,
}

impl SqliteRow {
    /// The value of a column; `None` when there is no such column.
    pub(crate) fn value(&self, column: &str) -> Option<&SqliteValue> {
        let index = self.names.iter().position(|name| name == column)?;
        self.values.get(index)
    }
}

impl Connection {
    pub(crate) fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Self> {
        // Each is used by one thread at a time.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Otherwise a statement over a partial index is planned anew for each value.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
        Ok(Self(connection))
    }

    /// Runs any number of statements without values.
    pub(crate) fn run_script(&self, text: &str) -> rusqlite::Result<()> {
        self.0.execute_batch(text)
    }

    /// Calls `hook` after each commit with the number of pages in the write-ahead log.
    pub(crate) fn on_commit(
        &mut self,
        mut hook: impl FnMut(u32) + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.0.wal_hook(Some(move |_: &mut _, pages: i32| {
            hook(u32::try_from(pages).unwrap_or_default());
            Ok(())
        }))
    }

    /// Copies the write-ahead log into the file, as far as nobody reads from it. Waits for the disk.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        let text = "PRAGMA wal_checkpoint(PASSIVE)";
        self.0.query_row(text, (), |_| Ok(()))
    }

    /// Whether no transaction is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_autocommit()
    }

    /// Runs a statement; says how many rows it touched.
    pub(crate) fn execute(&self, statement: &Statement) -> rusqlite::Result<u64> {
        let touched = self.prepare(statement)?.raw_execute()?;
        Ok(touched as u64)
    }

    /// Runs a statement; gives back its first row, if there is one.
    pub(crate) fn fetch_optional(
        &self,
        statement: &Statement,
    ) -> rusqlite::Result<Option<SqliteRow>> {
        self.fetch(statement, 1).map(|mut rows| rows.pop())
    }

    /// Runs a statement; gives back its rows.
    pub(crate) fn fetch_all(&self, statement: &Statement) -> rusqlite::Result<Vec<SqliteRow>> {
        self.fetch(statement, usize::MAX)
    }

    fn fetch(&self, statement: &Statement, limit: usize) -> rusqlite::Result<Vec<SqliteRow>> {
        let mut prepared = self.prepare(statement)?;
        let names: Arc<[String]> = prepared.column_names().map(Into::into).collect();
        let mut found = Vec::new();
        let mut rows = prepared.raw_query();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let values = (0..names.len()).map(|index| row.get(index));
            found.push(SqliteRow {
                names: Arc::clone(&names),
                values: values.collect::<Result<_, _>>()?,
            });
        }
        Ok(found)
    }

    /// The prepared statement with its values. `$1` is the name of a parameter to SQLite.
    fn prepare(&self, statement: &Statement) -> rusqlite::Result<CachedStatement<'_>> {
        let mut prepared = self.0.prepare_cached(statement.text.as_str())?;
        for index in 1..=prepared.parameter_count() {
            let name = prepared.parameter_name(index).unwrap_or_default();
            let number = name
                .strip_prefix('$')
                .and_then(|digits| digits.parse().ok());
            let value =
                number.and_then(|number: usize| statement.values.get(number.checked_sub(1)?));
            match value {
                Some(Value::Text(text)) => prepared.raw_bind_parameter(index, text.as_deref()),
                Some(Value::Int(number)) => prepared.raw_bind_parameter(index, number),
                Some(Value::Bytes(bytes)) => prepared.raw_bind_parameter(index, bytes.as_deref()),
                None => Err(rusqlite::Error::InvalidParameterName(name.to_owned())),
            }?;
        }
        Ok(prepared)
    }
}
