//! Tokens of the issuer that were taken back before their end.

use jansky_model::Timestamp;

use crate::statement::sql;
use crate::{Digest, Store, StoreError};

impl Store {
    /// Takes a token back, by the digest of its `jti`, until it expires.
    pub async fn revoke_token_id(
        &self,
        jti: &Digest,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "INSERT INTO revoked_tokens (jti_digest, expires_at) VALUES ($1, $2)
             ON CONFLICT (jti_digest) DO NOTHING",
        );
        self.db
            .execute(statement.bind(jti).bind(expires_at))
            .await?;
        Ok(())
    }

    /// Whether a token was taken back.
    pub async fn is_token_id_revoked(&self, jti: &Digest) -> Result<bool, StoreError> {
        let statement = sql("SELECT expires_at FROM revoked_tokens WHERE jti_digest = $1");
        Ok(self.db.fetch_optional(statement.bind(jti)).await?.is_some())
    }
}
