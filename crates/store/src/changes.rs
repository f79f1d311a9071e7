//! The change feed: what other processes must know of, in the order of its commits. On SQLite there is
//! no other process, and the feed is in memory (see `feed.rs`).
//!
//! A change is written in the transaction of what it is about. It says only that something is no
//! longer as it was; who cares reads again.
//!
//! The number of a change is counted up in one row of `change_counter`, whose lock is held until the
//! commit. So numbers have no gaps and are committed in their order, on PostgreSQL, too, where those
//! of a sequence are not: a reader who asks for everything after the last number it saw never
//! misses one. The price is that two transactions with a change commit one after the other; to
//! keep that short, and free of deadlocks, the change comes last in each.

use std::time::Duration;

use jansky_model::{Timestamp, UserId};
use tokio::time::timeout;

use crate::db::Transaction;
use crate::row::Row;
use crate::statement::sql;
use crate::{Store, StoreError};

/// The topic of changes of a user: rights, name, sessions, tokens and servers that ended, or the
/// end of the user. The key is the id of the user.
pub const USER_CHANGED: &str = "user";

/// The topic of changes of a grant: its tokens, its state, or its end. The key is the id of the grant.
pub const GRANT_CHANGED: &str = "grant";

/// The topic of browser sessions that ended before their time. The key is the id of the session.
pub const SESSION_ENDED: &str = "session";

/// The topic of servers that are to stop, recorded by somebody who does not stop servers. The key is the
/// id of the user whose servers they are.
pub const SERVERS_STOPPING: &str = "servers_stopping";

/// How long a lost notification can delay a change: because a connection died without a word, or
/// because there is a pooler in between that does not pass notifications on.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Something that is no longer as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number; the one after it has the next higher one.
    pub seq: i64,
    /// What kind of thing it is about, such as [`USER_CHANGED`]; others may come from newer programs.
    pub topic: String,
    /// Which one it is about.
    pub key: String,
    /// When it was made.
    pub at: Timestamp,
}

impl Change {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.get("seq")?,
            topic: row.get("topic")?,
            key: row.get("key")?,
            at: row.get("at")?,
        })
    }
}

/// Records a change as the last thing in a transaction.
pub(crate) async fn record_change(
    transaction: &mut Transaction,
    topic: &str,
    key: i64,
    at: Timestamp,
) -> Result<(), StoreError> {
    record_named_change(transaction, topic, &key.to_string(), at).await
}

/// Records a change of something whose name is a text, as the last thing in a transaction.
pub(crate) async fn record_named_change(
    transaction: &mut Transaction,
    topic: &str,
    key: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    if let Some(pending) = transaction.pending() {
        pending.push(topic, key, at);
        // Servers must hear of these also after a restart.
        if topic != SESSION_ENDED {
            return Ok(());
        }
    }
    let count = sql("UPDATE change_counter SET last_seq = last_seq + 1");
    transaction.execute(count).await?;
    let insert = sql("INSERT INTO changes (seq, topic, key, at)
             SELECT last_seq, $1, $2, $3 FROM change_counter")
    .bind(topic)
    .bind(key)
    .bind(at);
    transaction.execute(insert).await?;
    transaction.announce().await
}

/// Records a change of each of these users, in the order of their ids and each once.
pub(crate) async fn record_users(
    transaction: &mut Transaction,
    mut users: Vec<UserId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    users.sort_unstable();
    users.dedup();
    for user in users {
        record_change(transaction, USER_CHANGED, user.0, at).await?;
    }
    Ok(())
}

impl Store {
    /// Records a change that stands alone: one that is about nothing in the database.
    pub async fn record_change(
        &self,
        topic: &str,
        key: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.db.begin().await?;
        record_change(&mut transaction, topic, key, at).await?;
        transaction.commit().await
    }

    /// The changes after the one with number `seq`, in their order.
    ///
    /// If the first of them is not number `seq + 1`, the reader was away for so long that some are
    /// purged, and must forget everything that it remembers.
    pub async fn changes_after(&self, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        if let Some(feed) = self.db.feed() {
            return feed.after(seq, limit);
        }
        let statement = sql("SELECT seq, topic, key, at FROM changes
             WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(seq)
        .bind(i64::from(limit));
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(Change::from_row).collect()
    }

    /// The keys of the changes of one kind that were made at a time or later, in their order.
    pub async fn changed_since(
        &self,
        topic: &str,
        since: Timestamp,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let statement =
            sql("SELECT key, at FROM changes WHERE topic = $1 AND at >= $2 ORDER BY seq")
                .bind(topic)
                .bind(since);
        let rows = self.db.fetch_all(statement).await?;
        rows.iter()
            .map(|row| Ok((row.get("key")?, row.get("at")?)))
            .collect()
    }

    /// The number of the last change; zero before the first.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        if let Some(feed) = self.db.feed() {
            return Ok(feed.last_seq());
        }
        let row = self
            .db
            .fetch_optional(sql("SELECT last_seq FROM change_counter"))
            .await?;
        row.map_or(Ok(0), |row| row.get("last_seq"))
    }

    /// Waits at most for `patience` until there are changes after the one with number `seq`, and
    /// gives them as [`Store::changes_after`] does; none when it took longer.
    ///
    /// It is meant for one reader in each process: on PostgreSQL all callers share one connection
    /// and listen in turn. It can be dropped at any time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database is away; wait before calling again.
    pub async fn wait_for_changes(
        &self,
        seq: i64,
        limit: u32,
        patience: Duration,
    ) -> Result<Vec<Change>, StoreError> {
        timeout(patience, self.next_changes(seq, limit))
            .await
            .unwrap_or_else(|_| Ok(Vec::new()))
    }

    async fn next_changes(&self, seq: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let mut listener = if let Some(listener) = self.db.listen_at_once() {
            listener
        } else {
            // Before waiting for a turn to listen.
            let found = self.changes_after(seq, limit).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            self.db.listen().await
        };
        let mut notified = true;
        loop {
            // Listening begins before the look, so that nothing comes in between.
            listener.open().await;
            let found = self.changes_after(seq, limit).await?;
            if !found.is_empty() {
                if !notified {
                    listener.close();
                }
                return Ok(found);
            }
            notified = timeout(POLL_INTERVAL, listener.wait()).await.is_ok();
        }
    }

    /// Deletes the changes that were made before a time and says how many that were.
    pub async fn purge_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        let statement = sql("DELETE FROM changes WHERE at < $1").bind(before);
        let purged = self.db.execute(statement).await?;
        Ok(self.db.feed().map_or(purged, |feed| feed.purge(before)))
    }
}
