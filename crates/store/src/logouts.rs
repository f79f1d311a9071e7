//! Logout tokens and security event tokens that were accepted, so that none is accepted twice.

use jansky_model::Timestamp;

use crate::statement::sql;
use crate::{Digest, Store, StoreError};

impl Store {
    /// Remembers the `jti` of a logout token until the token expires; false when it was
    /// there already (OpenID Connect Back-Channel Logout 1.0 section 2.6).
    ///
    /// `jti` is the digest of the issuer and the `jti` together: each issuer counts for itself.
    pub async fn remember_jti(
        &self,
        jti: &Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = sql(
            "INSERT INTO logout_tokens_seen (jti_digest, expires_at) VALUES ($1, $2)
             ON CONFLICT (jti_digest) DO UPDATE SET expires_at = excluded.expires_at
             WHERE logout_tokens_seen.expires_at <= $3",
        )
        .bind(jti)
        .bind(expires_at)
        .bind(now);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// Whether [`Store::remember_jti`] has remembered it, and it still counts.
    pub async fn has_seen_jti(&self, jti: &Digest, now: Timestamp) -> Result<bool, StoreError> {
        let statement = sql("SELECT jti_digest FROM logout_tokens_seen
             WHERE jti_digest = $1 AND expires_at > $2");
        let row = self
            .db
            .fetch_optional(statement.bind(jti).bind(now))
            .await?;
        Ok(row.is_some())
    }
}
