//! Links that work once, such as the one that makes the first administrator.

use jansky_model::Timestamp;

use crate::db::sql;
use crate::{Digest, Store, StoreError};

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

    /// Uses a link up; says whether it was valid. A link for another purpose is left alone.
    pub async fn take_link(
        &self,
        digest: &Digest,
        purpose: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement =
            sql("DELETE FROM links WHERE digest = $1 AND purpose = $2 AND expires_at > $3")
                .bind(digest)
                .bind(purpose)
                .bind(now);
        Ok(self.db.execute(statement).await? > 0)
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
