//! Links that work once: the one that makes the first administrator, and those with which a user
//! chooses a password.

use jansky_model::{Timestamp, UserId};

use crate::audit::{Record, commit_on_record};
use crate::statement::{Statement, sql};
use crate::users::user_columns;
use crate::{Digest, Store, StoreError, User};

/// The statement that uses a link up, if it is valid. A link for another purpose is left alone.
pub(crate) fn use_link((digest, purpose): (&Digest, &str), now: Timestamp) -> Statement {
    sql("DELETE FROM links WHERE digest = $1 AND purpose = $2 AND expires_at > $3")
        .bind(digest)
        .bind(purpose)
        .bind(now)
}

impl Store {
    /// Keeps a link for one purpose.
    pub async fn create_link(
        &self,
        digest: &Digest,
        purpose: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql("INSERT INTO links (digest, purpose, expires_at) VALUES ($1, $2, $3)")
            .bind(digest)
            .bind(purpose)
            .bind(expires_at);
        self.db
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| "a link with this digest".to_owned()))?;
        Ok(())
    }

    /// Keeps a link of one user in the place of those that they had for the same purpose.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn create_user_link(
        &self,
        digest: &Digest,
        purpose: &str,
        user: UserId,
        expires_at: Timestamp,
        record: Option<Record>,
    ) -> Result<(), StoreError> {
        let clear = sql("DELETE FROM links WHERE user_id = $1 AND purpose = $2")
            .bind(user)
            .bind(purpose);
        let insert = sql("INSERT INTO links (digest, purpose, expires_at, user_id)
             VALUES ($1, $2, $3, $4)")
        .bind(digest)
        .bind(purpose)
        .bind(expires_at)
        .bind(user);
        let mut transaction = self.db.begin().await?;
        transaction.execute(clear).await?;
        transaction
            .execute(insert)
            .await
            .map_err(|error| error.naming(|| "a link with this digest".to_owned()))?;
        commit_on_record(transaction, record).await
    }

    /// The user that a link is for, if it is valid; it is not used up.
    pub async fn user_of_link(
        &self,
        digest: &Digest,
        purpose: &str,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            user_columns!(),
            " FROM links JOIN users ON users.id = links.user_id
              WHERE links.digest = $1 AND links.purpose = $2 AND links.expires_at > $3"
        );
        let statement = sql(SQL).bind(digest).bind(purpose).bind(now);
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(User::from_row).transpose()
    }

    /// Whether a link is valid, without using it up.
    pub async fn link_exists(
        &self,
        digest: &Digest,
        purpose: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement =
            sql("SELECT purpose FROM links WHERE digest = $1 AND purpose = $2 AND expires_at > $3")
                .bind(digest)
                .bind(purpose)
                .bind(now);
        Ok(self.db.fetch_optional(statement).await?.is_some())
    }
}
