//! Share codes: links with which an owner shares a server without naming whom with.
//!
//! A code stands for the same thing as a share, and becomes one for each user who accepts it. What
//! became of it stays when the code ends.

use jansky_model::{ServerId, Timestamp, UserId, UserName};

use crate::bound_scopes::of_server;
use crate::row::Row;
use crate::shares::{add_share, lock_server};
use crate::statement::{Statement, sql};
use crate::{Digest, Share, ShareWith, Store, StoreError};

/// A code that shares a server with whoever accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCode {
    /// The row; not a secret.
    pub id: i64,
    /// The server.
    pub server_id: ServerId,
    /// What it lets people do: scopes with a filter for this server, sorted.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is accepted.
    pub expires_at: Timestamp,
    /// How often it was accepted.
    pub exchange_count: i64,
    /// When it was last accepted.
    pub last_exchanged_at: Option<Timestamp>,
}

/// A code that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewShareCode<'a> {
    /// The digest of the code.
    pub digest: &'a Digest,
    /// The server.
    pub server: ServerId,
    /// What it lets people do.
    pub scopes: &'a [String],
    /// When it is made.
    pub created_at: Timestamp,
    /// Until when it is accepted.
    pub expires_at: Timestamp,
}

/// Which of a server's codes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareCodes<'a> {
    /// All of them.
    All,
    /// The one with this id.
    Id(i64),
    /// The one with this digest.
    Digest(&'a Digest),
}

macro_rules! select_codes {
    ($rest:literal) => {
        concat!(
            "SELECT share_codes.id AS id, share_codes.server_id AS server_id,
                 share_codes.scopes AS scopes, share_codes.created_at AS created_at,
                 share_codes.expires_at AS expires_at,
                 share_codes.exchange_count AS exchange_count,
                 share_codes.last_exchanged_at AS last_exchanged_at,
                 owners.name AS of_owner, shared.name AS of_server
             FROM share_codes JOIN servers AS shared ON shared.id = share_codes.server_id
             JOIN users AS owners ON owners.id = shared.user_id ",
            $rest
        )
    };
}

impl ShareCode {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            server_id: row.get("server_id")?,
            scopes: of_server(row)?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            exchange_count: row.get("exchange_count")?,
            last_exchanged_at: row.get_optional("last_exchanged_at")?,
        })
    }
}

impl Store {
    /// Makes a code.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such server.
    pub async fn create_share_code(&self, new: NewShareCode<'_>) -> Result<ShareCode, StoreError> {
        let statement = sql("INSERT INTO share_codes
                 (server_id, digest, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(new.server)
        .bind(new.digest)
        .bind(new.scopes)
        .bind(new.created_at)
        .bind(new.expires_at);
        let mut transaction = self.db.begin().await?;
        lock_server(&mut transaction, new.server).await?;
        transaction.execute(statement).await?;
        transaction.commit().await?;
        let made = self.share_code(new.digest, new.created_at).await?;
        made.ok_or_else(|| StoreError::not_found(format!("server {}", new.server)))
    }

    /// The code with this digest, if it is not expired.
    pub async fn share_code(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<ShareCode>, StoreError> {
        const SQL: &str =
            select_codes!("WHERE share_codes.digest = $1 AND share_codes.expires_at > $2");
        let statement = sql(SQL).bind(digest).bind(now);
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(ShareCode::from_row).transpose()
    }

    /// The codes of one server that are not expired, in the order in which they were made.
    pub async fn share_codes_of_server(
        &self,
        server: ServerId,
        now: Timestamp,
    ) -> Result<Vec<ShareCode>, StoreError> {
        const SQL: &str = select_codes!(
            "WHERE share_codes.server_id = $1 AND share_codes.expires_at > $2
             ORDER BY share_codes.id"
        );
        self.all_share_codes(sql(SQL).bind(server).bind(now)).await
    }

    /// The codes of all servers of a user that are not expired, in the order in which they were made.
    pub async fn share_codes_of_owner(
        &self,
        owner: UserId,
        now: Timestamp,
    ) -> Result<Vec<ShareCode>, StoreError> {
        const SQL: &str = select_codes!(
            "WHERE shared.user_id = $1 AND share_codes.expires_at > $2
             ORDER BY share_codes.id"
        );
        self.all_share_codes(sql(SQL).bind(owner).bind(now)).await
    }

    /// Shares a server with a user who accepts a code; `None` when there is no such code (any more).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn accept_share_code(
        &self,
        digest: &Digest,
        user: &UserName,
        at: Timestamp,
    ) -> Result<Option<Share>, StoreError> {
        // The server comes first, as for everybody who changes what is shared of it.
        let Some(code) = self.share_code(digest, at).await? else {
            return Ok(None);
        };
        let mut transaction = self.db.begin().await?;
        match lock_server(&mut transaction, code.server_id).await {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            locked => locked?,
        }
        let count = sql("UPDATE share_codes
             SET exchange_count = exchange_count + 1, last_exchanged_at = $2
             WHERE digest = $1 AND expires_at > $2");
        if transaction.execute(count.bind(digest).bind(at)).await? == 0 {
            return Ok(None);
        }
        let with = ShareWith::User(user);
        let share = add_share(&mut transaction, code.server_id, with, &code.scopes, at).await?;
        transaction.commit().await?;
        Ok(Some(share))
    }

    /// Ends codes of a server; says how many there were.
    pub async fn delete_share_codes(
        &self,
        server: ServerId,
        which: ShareCodes<'_>,
    ) -> Result<u64, StoreError> {
        let statement = match which {
            ShareCodes::All => sql("DELETE FROM share_codes WHERE server_id = $1").bind(server),
            ShareCodes::Id(id) => sql("DELETE FROM share_codes WHERE server_id = $1 AND id = $2")
                .bind(server)
                .bind(id),
            ShareCodes::Digest(digest) => {
                sql("DELETE FROM share_codes WHERE server_id = $1 AND digest = $2")
                    .bind(server)
                    .bind(digest)
            }
        };
        self.db.execute(statement).await
    }

    async fn all_share_codes(&self, statement: Statement) -> Result<Vec<ShareCode>, StoreError> {
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(ShareCode::from_row).collect()
    }
}
