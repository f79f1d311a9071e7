//! The connections that read an SQLite file.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Connection, OpenFlags};
use crate::StoreError;

/// A fixed number of connections, each used by one thread at a time.
pub(crate) struct Readers {
    /// `None` when it is closed.
    connections: Vec<Mutex<Option<Connection>>>,
    /// The one to wait for when all are in use.
    next: AtomicUsize,
}

impl Readers {
    /// Opens `count` connections to a file that is there.
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let open = |_| Connection::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let opened = (0..count)
            .map(open)
            .map(|connection| Ok(Mutex::new(Some(connection?))));
        Ok(Self {
            connections: opened.collect::<Result<_, StoreError>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// Reads with a connection that nobody else uses meanwhile.
    ///
    /// The first free one is taken, so that few callers share few warm caches.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let free = self.connections.iter().find_map(|one| one.try_lock().ok());
        let guard = free.unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            wait_for(&self.connections[next % self.connections.len()])
        });
        Ok(read(guard.as_ref().ok_or_else(StoreError::closed)?)?)
    }

    /// Waits until each connection is free and closes it.
    pub(crate) fn close(&self) {
        for connection in &self.connections {
            wait_for(connection).take();
        }
    }
}

/// One whose reader panicked is as good as before: a statement is finished when it is dropped.
fn wait_for(one: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}
