//! Sign-ins under way at an identity provider.

use jansky_model::{ProviderId, Secret, Timestamp};

use crate::statement::sql;
use crate::{Digest, Store, StoreError};

/// What must be known when the browser comes back from the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttemptRow {
    /// Where the browser was sent.
    pub provider: ProviderId,
    /// The nonce that the ID token must repeat.
    pub nonce: String,
    /// The PKCE verifier (RFC 7636 4.1).
    pub verifier: Secret,
    /// The redirect URI that was sent.
    pub redirect_uri: String,
    /// Where the person wanted to go.
    pub next: Option<String>,
    /// The digest of the cookie that ties the attempt to one browser.
    pub browser_digest: Digest,
    /// The session of somebody who is signed in and links another identity; `None` for a sign-in.
    pub link_session: Option<String>,
    /// Whether the provider was asked to let the person prove again who they are.
    pub reauthenticates: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it is too late to come back.
    pub expires_at: Timestamp,
}

/// How many sign-ins may be under way from one network: several courses that sign in at once.
const MOST_OF_NETWORK: i64 = 2000;

/// How many may be under way in all.
const MOST: i64 = 20_000;

impl Store {
    /// Keeps an attempt under the digest of its `state`. Of those that began in the same `network`,
    /// and of all, only so many are kept: the oldest go, since they are the least likely to end well.
    pub async fn create_login_attempt(
        &self,
        state_digest: &Digest,
        attempt: &LoginAttemptRow,
        network: &str,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "INSERT INTO login_attempts (state_digest, provider, nonce, verifier,
                 redirect_uri, next, browser_digest, link_session, reauthenticates,
                 created_at, expires_at, network)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(state_digest)
        .bind(&attempt.provider)
        .bind(&attempt.nonce)
        .bind(&attempt.verifier)
        .bind(&attempt.redirect_uri)
        .bind(attempt.next.as_ref())
        .bind(&attempt.browser_digest)
        .bind(attempt.link_session.as_ref())
        .bind(attempt.reauthenticates)
        .bind(attempt.created_at)
        .bind(attempt.expires_at)
        .bind(network);
        let mut transaction = self.db.begin().await?;
        transaction
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| "a sign-in with this state".to_owned()))?;
        let of_network = sql(
            "DELETE FROM login_attempts WHERE network = $1 AND created_at <=
                 (SELECT created_at FROM login_attempts WHERE network = $1
                  ORDER BY created_at DESC LIMIT 1 OFFSET $2)",
        );
        let of_network = of_network.bind(network).bind(MOST_OF_NETWORK);
        transaction.execute(of_network).await?;
        let of_all = sql("DELETE FROM login_attempts WHERE expires_at <=
                 (SELECT expires_at FROM login_attempts
                  ORDER BY expires_at DESC LIMIT 1 OFFSET $1)");
        transaction.execute(of_all.bind(MOST)).await?;
        transaction.commit().await
    }

    /// Takes an attempt, which makes its `state` worthless; `None` if it is expired or was taken.
    pub async fn take_login_attempt(
        &self,
        state_digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<LoginAttemptRow>, StoreError> {
        let statement = sql("DELETE FROM login_attempts WHERE state_digest = $1
             RETURNING provider, nonce, verifier, redirect_uri, next, browser_digest,
                 link_session, reauthenticates, created_at, expires_at")
        .bind(state_digest);
        let Some(row) = self.db.change_optional(statement).await? else {
            return Ok(None);
        };
        let attempt = LoginAttemptRow {
            provider: row.get("provider")?,
            nonce: row.get("nonce")?,
            verifier: row.get("verifier")?,
            redirect_uri: row.get("redirect_uri")?,
            next: row.get_optional("next")?,
            browser_digest: row.get("browser_digest")?,
            link_session: row.get_optional("link_session")?,
            reauthenticates: row.get("reauthenticates")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
        };
        Ok((attempt.expires_at > now).then_some(attempt))
    }
}
