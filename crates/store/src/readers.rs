//! The connections that read an SQLite file.
//!
//! The driver's own pool asks a connection whether it is alive after every use, which for a file
//! doubles the cost of a look-up (measured: 39 µs of CPU instead of 21). A connection to a file
//! does not die, so here it is only locked.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

/// A fixed number of connections, each used by one task at a time.
pub(crate) struct Readers {
    /// `None` when it is closed.
    connections: Vec<Mutex<Option<SqliteConnection>>>,
    /// The one to wait for when all are in use.
    next: AtomicUsize,
}

impl Readers {
    /// Opens `count` connections.
    pub(crate) async fn open(options: &SqliteConnectOptions, count: usize) -> sqlx::Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Mutex::new(Some(options.connect().await?)));
        }
        Ok(Self {
            connections,
            next: AtomicUsize::new(0),
        })
    }

    /// A connection that nobody else uses until the guard is dropped.
    ///
    /// The first free one is taken, so that few tasks share few warm caches.
    pub(crate) async fn acquire(&self) -> sqlx::Result<MappedMutexGuard<'_, SqliteConnection>> {
        let free = self.connections.iter().find_map(|one| one.try_lock().ok());
        let guard = if let Some(guard) = free {
            guard
        } else {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            self.connections[next % self.connections.len()].lock().await
        };
        MutexGuard::try_map(guard, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Waits until each connection is free and closes it.
    pub(crate) async fn close(&self) {
        for connection in &self.connections {
            let taken = connection.lock().await.take();
            if let Some(connection) = taken
                && let Err(error) = connection.close().await
            {
                tracing::warn!(%error, "a connection to the database file did not close");
            }
        }
    }
}
