//! Waits for commits that contain a change.
//!
//! On SQLite a channel within the process is enough (`memory_feed.rs`). On PostgreSQL notifications come
//! over one connection, which is opened by the first wait. A notification can be lost either way, so
//! the caller also polls the table.

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::db::in_time;
use crate::open::ACQUIRE_TIMEOUT;

/// The PostgreSQL channel of the notifications.
const CHANNEL: &str = "jansky_changes";

/// The statement that sends a notification with the commit, if there is one.
pub(crate) const NOTIFY: &str = "SELECT pg_notify('jansky_changes', '')";

/// The connection that listens, once there is one.
pub(crate) type ListenConnection = Mutex<Option<PgListener>>;

/// Is notified of every commit from the moment it is open.
pub(crate) enum ChangeListener<'a> {
    Sqlite(watch::Receiver<()>),
    Postgres {
        pool: &'a PgPool,
        listener: MutexGuard<'a, Option<PgListener>>,
    },
}

impl ChangeListener<'_> {
    /// Begins to listen. If that fails, only the polling is left.
    pub(crate) async fn open(&mut self) {
        if let Self::Postgres { pool, listener } = self
            && listener.is_none()
        {
            match in_time(connect(pool)).await {
                Ok(connected) => **listener = Some(connected),
                Err(error) => {
                    tracing::warn!(%error, "the database does not tell of changes at once");
                }
            }
        }
    }

    /// Waits for a commit, or for something after which the caller has to poll. It may be dropped.
    pub(crate) async fn wait(&mut self) {
        match self {
            Self::Sqlite(receiver) => {
                // It fails when the store is gone, which the caller has at hand.
                let _ = receiver.changed().await;
            }
            Self::Postgres { pool, listener } => {
                let Some(open) = listener.as_mut() else {
                    return std::future::pending().await;
                };
                // An answer without a notification means that the connection is a new one.
                let heard = pool.close_event().do_until(open.try_recv()).await;
                if let Ok(Ok(_)) = heard {
                    while open.next_buffered().is_some() {}
                } else {
                    self.close();
                }
            }
        }
    }

    /// Closes a connection that missed a notification.
    pub(crate) fn close(&mut self) {
        if let Self::Postgres { listener, .. } = self {
            **listener = None;
        }
    }
}

/// Opens a connection of its own: it would otherwise be missing for statements.
async fn connect(pool: &PgPool) -> sqlx::Result<PgListener> {
    let alone = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&alone).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
