//! OAuth authorization codes.

use jansky_model::{Timestamp, UserId};

use crate::bound_scopes::{bind, name};
use crate::changes::{USER_CHANGED, record_change};
use crate::statement::sql;
use crate::tokens::insert_token;
use crate::{Digest, NewToken, Store, StoreError, Token, TokenId};

/// The PKCE challenge that a client sent (RFC 7636 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `code_challenge`.
    pub challenge: String,
    /// `code_challenge_method`: `S256` or `plain`.
    pub method: String,
}

/// What stands behind an authorization code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The client that may redeem it.
    pub client_id: String,
    /// Who gave the consent.
    pub user_id: UserId,
    /// The browser session in which it was given; the code ends with it.
    pub session_id: String,
    /// The redirect URI that must be repeated (RFC 6749 4.1.3).
    pub redirect_uri: String,
    /// What the token may do.
    pub scopes: Vec<String>,
    /// The PKCE challenge, if the client sent one.
    pub challenge: Option<Challenge>,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps a code.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the user or the session is gone, or what a scope names.
    pub async fn create_code(&self, digest: &Digest, code: &Code) -> Result<(), StoreError> {
        let challenge = code.challenge.as_ref();
        let mut transaction = self.db.begin().await?;
        let scopes = bind(&mut transaction, &code.scopes).await?;
        let statement = sql("INSERT INTO codes (digest, client_id, user_id, session_id,
                 redirect_uri, scopes, challenge, challenge_method, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(digest)
        .bind(&code.client_id)
        .bind(code.user_id)
        .bind(&code.session_id)
        .bind(&code.redirect_uri)
        .bind(scopes.as_slice())
        .bind(challenge.map(|pair| &pair.challenge))
        .bind(challenge.map(|pair| &pair.method))
        .bind(code.expires_at);
        transaction
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| "a code with this digest".to_owned()))?;
        transaction.commit().await
    }

    /// Looks at a code, if it is neither used nor expired, without using it up.
    pub async fn code(&self, digest: &Digest, now: Timestamp) -> Result<Option<Code>, StoreError> {
        let statement = sql(
            "SELECT client_id, user_id, session_id, redirect_uri, scopes,
                 challenge, challenge_method, expires_at
             FROM codes WHERE digest = $1 AND expires_at > $2 AND token_id IS NULL",
        )
        .bind(digest)
        .bind(now);
        let Some(row) = self.db.fetch_optional(statement).await? else {
            return Ok(None);
        };
        let challenge = row.get_optional("challenge")?;
        let method = row.get_optional("challenge_method")?;
        let mut scopes = row.get("scopes")?;
        name(&self.db, [&mut scopes]).await?;
        Ok(Some(Code {
            client_id: row.get("client_id")?,
            user_id: row.get("user_id")?,
            session_id: row.get("session_id")?,
            redirect_uri: row.get("redirect_uri")?,
            scopes,
            challenge: challenge
                .zip(method)
                .map(|(challenge, method)| Challenge { challenge, method }),
            expires_at: row.get("expires_at")?,
        }))
    }

    /// Exchanges a code for a token; of several who try, one gets it and the others `None`.
    ///
    /// A code that is expired at the token's `created_at` or whose session ended gives `None`, too.
    pub async fn redeem_code(
        &self,
        digest: &Digest,
        token: NewToken,
    ) -> Result<Option<Token>, StoreError> {
        let mut transaction = self.db.begin().await?;
        // Takes the lock on the session before that on the code, as the end of a session does:
        // the other way round the two could wait for each other.
        let hold = sql(
            "UPDATE sessions SET expires_at = expires_at WHERE session_id IN
             (SELECT session_id FROM codes WHERE digest = $1)",
        )
        .bind(digest);
        transaction.execute(hold).await?;
        let claim = sql("UPDATE codes SET token_id = 0
             WHERE digest = $1 AND expires_at > $2 AND token_id IS NULL")
        .bind(digest)
        .bind(token.created_at);
        if transaction.execute(claim).await? == 0 {
            return Ok(None);
        }
        let token = insert_token(&mut transaction, token).await?;
        let used = sql("UPDATE codes SET token_id = $2 WHERE digest = $1");
        transaction
            .execute(used.bind(digest).bind(token.id))
            .await?;
        transaction.commit().await?;
        Ok(Some(token))
    }

    /// Ends a code, and the token that it was exchanged for (RFC 6749 4.1.2). Says whose token that was.
    pub async fn burn_code(
        &self,
        digest: &Digest,
        at: Timestamp,
    ) -> Result<Option<UserId>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let code = sql("DELETE FROM codes WHERE digest = $1 RETURNING token_id").bind(digest);
        let token = match transaction.fetch_optional(code).await? {
            Some(row) => row.get_optional::<TokenId>("token_id")?,
            None => None,
        };
        let mut owner = None;
        if let Some(token) = token {
            let token = sql("DELETE FROM tokens WHERE id = $1 RETURNING user_id").bind(token);
            if let Some(row) = transaction.fetch_optional(token).await? {
                let user: UserId = row.get("user_id")?;
                record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
                owner = Some(user);
            }
        }
        transaction.commit().await?;
        Ok(owner)
    }
}
