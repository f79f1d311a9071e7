//! SQLite, called in place.
//!
//! A statement takes microseconds and touches memory only: reading comes from the cache of the
//! system, and a commit (in WAL mode) is a write into it. To hand it to a thread and be woken by the
//! answer would cost several times as much. What does wait for the disk, copying the write-ahead
//! log into the file, is done on a thread that may wait ([`writer`]).

mod connection;
mod readers;
mod writer;

pub(crate) use connection::{Connection, OpenFlags, SqliteRow, SqliteValue};
pub(crate) use readers::Readers;
pub(crate) use writer::{WriteTransaction, Writer};
