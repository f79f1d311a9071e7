//! Opening and closing: which database a URL means and how its connections are set up.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jansky_guard::{Place, must_be_plain};
use jansky_model::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::StoreError;
use crate::change_listener::ListenConnection;
use crate::database_lock::DatabaseLock;
use crate::db::{Db, Engine};
use crate::migrate;
use crate::sqlite::{Connection, OpenFlags, Readers, Writer};
use crate::stale_connections::StaleConnections;
use crate::statement::sql;

/// How long to wait for a free connection.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that read an SQLite file at the same time.
const SQLITE_READERS: usize = 4;

/// How the connection that writes an SQLite file is set up.
///
/// In WAL mode a commit is in the file when it returns and survives the death of the process; only
/// a power failure can take back the last ones, never corrupt the file.
const WRITING: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON;";

/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// A PostgreSQL connection that was idle for longer is asked whether it is alive before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// How long a process may do nothing within a transaction on PostgreSQL. One that was stopped there, by
/// a snapshot of its machine perhaps, keeps the rows that others want to write; then it has lost them.
const LONGEST_PAUSE: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// The database of this installation. Clones share the connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Arc<Db>,
    /// Keeps a second process away from an SQLite file; the system releases it when we die.
    lock: Option<Arc<File>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.kind()).finish()
    }
}

impl Store {
    /// Opens the database behind `url` and brings its schema up to date.
    ///
    /// `sqlite:///absolute/path.db` is made if it is missing (readable by its owner only), but its
    /// directory is not. `postgres://user@host/database` must exist.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], [`StoreError::InUse`] (SQLite), [`StoreError::NewerSchema`], and
    /// [`StoreError::Unavailable`] when the server or the file cannot be reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let store = match scheme {
            "sqlite" => Self::open_sqlite(url, &format!("process {}", std::process::id())),
            "postgres" | "postgresql" => Self::open_postgres(url).await,
            _ => Err(StoreError::BadUrl {
                reason: "write `sqlite:///path/to/jansky.db` or `postgres://user@host/database`"
                    .to_owned(),
            }),
        }?;
        store.brought_up_to_date().await
    }

    /// Does what no statement alone can do to what earlier versions wrote.
    async fn brought_up_to_date(self) -> Result<Self, StoreError> {
        self.bind_earlier_scopes().await?;
        self.fill_in_looks().await?;
        self.name_earlier_groups().await?;
        Ok(self)
    }

    /// Opens the database behind `url` as [`Store::open`] does, as the only process that uses it like
    /// this until the [`DatabaseLock`] is dropped. `holder` is what another one is told of this process, in at
    /// most 63 bytes.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::InUse`] also on PostgreSQL.
    pub async fn open_alone(url: &str, holder: &str) -> Result<(Self, DatabaseLock), StoreError> {
        if url.starts_with("sqlite:") {
            let store = Self::open_sqlite(url, holder)?;
            return Ok((store.brought_up_to_date().await?, DatabaseLock::of_file()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| bad_url(&error))?;
        let options = options.application_name(holder).disable_statement_logging();
        // Before anything is migrated under the feet of the other one.
        let hold = DatabaseLock::take(options).await?;
        Ok((Self::open(url).await?, hold))
    }

    /// Opens the database behind `url` for looking only, also while a hub uses it. Nothing can be
    /// written, and the schema stays as it is.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Unavailable`] when there is no such file.
    pub fn open_to_read(url: &str) -> Result<Self, StoreError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme != "sqlite" {
            let options = PgConnectOptions::from_str(url)
                .map_err(|error| bad_url(&error))?
                .application_name("jansky")
                .options([("default_transaction_read_only", "on")]);
            return Ok(Self {
                db: Arc::new(Db::new(Engine::Postgres {
                    pool: PgPoolOptions::new()
                        .max_connections(1)
                        .acquire_timeout(ACQUIRE_TIMEOUT)
                        .connect_lazy_with(options),
                    listener: ListenConnection::default(),
                    doubt: StaleConnections::default(),
                })),
                lock: None,
            });
        }
        let path = sqlite_path(url)?;
        must_be_a_database(path)?;
        let readers = Readers::open(path, 1)?;
        Ok(Self {
            db: Arc::new(Db::new(Engine::Sqlite {
                writer: Writer::none(),
                readers,
                feed: Arc::default(),
            })),
            lock: None,
        })
    }

    fn open_sqlite(url: &str, holder: &str) -> Result<Self, StoreError> {
        let path = sqlite_path(url)?;
        let lock = lock_file(path, holder)?;
        create_file(path)?;
        must_be_a_database(path)?;

        let connection = Connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.run_script(WRITING)?;
        migrate::sqlite(&connection)?;
        Ok(Self {
            db: Arc::new(Db::new(Engine::Sqlite {
                writer: Writer::new(connection)?,
                readers: Readers::open(path, SQLITE_READERS)?,
                feed: Arc::default(),
            })),
            lock: Some(Arc::new(lock)),
        })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| bad_url(&error))?
            .application_name("jansky")
            .disable_statement_logging();

        let connecting = PgConnection::connect_with(&options);
        let mut connection = tokio::time::timeout(ACQUIRE_TIMEOUT, connecting)
            .await
            .map_err(StoreError::unavailable)??;
        migrate::postgres(&mut connection).await?;
        connection.close().await?;

        let doubt = StaleConnections::default();
        let doubted = doubt.clone();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // Not a parameter of the start: poolers refuse those that they do not know.
                    connection.execute(LONGEST_PAUSE).await?;
                    Ok(())
                })
            })
            .before_acquire(move |connection, idle| {
                let is_trusted = doubted.is_fresh(idle.age);
                Box::pin(async move {
                    if !is_trusted {
                        return Ok(false);
                    }
                    if idle.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            db: Arc::new(Db::new(Engine::Postgres {
                pool,
                listener: ListenConnection::default(),
                doubt,
            })),
            lock: None,
        })
    }

    /// Which database this is: `sqlite` or `postgresql`.
    pub fn kind(&self) -> &'static str {
        match self.db.engine {
            Engine::Sqlite { .. } => "sqlite",
            Engine::Postgres { .. } => "postgresql",
        }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db
            .fetch_optional(sql("SELECT 1 AS alive"))
            .await
            .map(|_| ())
    }

    /// Deletes whatever is expired at `now` and says how many rows that were.
    ///
    /// The end of a session ends the OAuth tokens that were given out in it.
    pub async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        for statement in [
            "DELETE FROM codes WHERE expires_at <= $1",
            "DELETE FROM tokens WHERE expires_at <= $1",
            "DELETE FROM sessions WHERE expires_at <= $1",
            "DELETE FROM login_attempts WHERE expires_at <= $1",
            "DELETE FROM links WHERE expires_at <= $1",
            "DELETE FROM second_steps WHERE expires_at <= $1",
            "DELETE FROM share_codes WHERE expires_at <= $1",
            "DELETE FROM sign_ups WHERE expires_at <= $1",
            // An hour is enough to scan a picture.
            "DELETE FROM second_factors
             WHERE confirmed_at IS NULL AND created_at + 3600000000 <= $1",
            "DELETE FROM logout_tokens_seen WHERE expires_at <= $1",
            "DELETE FROM issuer_keys WHERE published_until <= $1",
            "DELETE FROM revoked_tokens WHERE expires_at <= $1",
            // An hour more, so that the command line still hears that it took too long.
            "DELETE FROM device_requests WHERE expires_at + 3600000000 <= $1",
        ] {
            purged += self.db.execute(sql(statement).bind(now)).await?;
        }
        Ok(purged)
    }

    /// Waits for what is under way, closes all connections and frees the file for others.
    pub async fn close(&self) {
        match &self.db.engine {
            Engine::Sqlite {
                writer,
                readers,
                feed,
            } => {
                feed.close();
                readers.close();
                writer.close().await;
            }
            Engine::Postgres { pool, listener, .. } => {
                pool.close().await;
                // That wakes the task that listens, which then releases the lock.
                listener.lock().await.take();
            }
        }
        if let Some(lock) = &self.lock
            && let Err(error) = lock.unlock()
        {
            tracing::warn!(%error, "the lock of the database file could not be released");
        }
    }
}

/// The path in `sqlite:///path/to/jansky.db`.
fn sqlite_path(url: &str) -> Result<&Path, StoreError> {
    let bad = |reason: &str| StoreError::BadUrl {
        reason: reason.to_owned(),
    };
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(bad("a database in memory would be lost; name a file"));
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if path.contains('?') => Err(bad(
            "an SQLite database has no parameters; write `sqlite:///path/to/jansky.db`",
        )),
        Some(path) if !path.is_empty() => Ok(Path::new(path)),
        _ => Err(bad("name a file: `sqlite:///path/to/jansky.db`")),
    }
}

/// Takes the lock on the side file `<database>.lock`, which stays when the lock is gone.
/// It says who has it.
fn lock_file(database: &Path, holder: &str) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let mut file = open_or_make(Path::new(&path))?;
    match file.try_lock() {
        Ok(()) => {
            // Only for people: on a full disk the lock is as good without it.
            let written = file
                .set_len(0)
                .and_then(|()| file.write_all(holder.as_bytes()));
            if let Err(error) = written {
                tracing::warn!(%error, "could not write down who has the database");
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(256).read_to_string(&mut holder);
            Err(StoreError::InUse {
                database: database.display().to_string(),
                holder: if holder.is_empty() {
                    "which does not say who it is".to_owned()
                } else {
                    holder
                },
            })
        }
        Err(TryLockError::Error(error)) => Err(StoreError::unavailable(error)),
    }
}

/// Makes the database file before SQLite does, so that nobody but its owner can read it.
fn create_file(path: &Path) -> Result<(), StoreError> {
    open_or_make(path).map(drop)
}

/// Looks at what SQLite is going to open by its name: root opens the database, too, and it lies in a
/// directory of the hub's.
fn must_be_a_database(path: &Path) -> Result<(), StoreError> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(ending);
        must_be_plain(Path::new(&beside)).map_err(StoreError::unavailable)?;
    }
    Ok(())
}

/// Opens a file without following a link.
fn open_or_make(path: &Path) -> Result<File, StoreError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(std::io::ErrorKind::InvalidInput);
    let directory = path.parent().unwrap_or(Path::new(""));
    let open = || Place::open(directory)?.append(name?, 0o600);
    open().map_err(StoreError::unavailable)
}

/// The driver's message names the part of the URL that is wrong, not its password.
fn bad_url(error: &sqlx::Error) -> StoreError {
    StoreError::BadUrl {
        reason: error.to_string(),
    }
}
