//! Tokens that the hub gives out; only their digests are here.

use std::str::FromStr;

use jansky_model::{ServerId, Timestamp, UserId};

use crate::audit::{Record, commit_on_record};
use crate::bound_scopes::{bind, name};
use crate::changes::{USER_CHANGED, record_change};
use crate::db::Transaction;
use crate::row::Row;
use crate::statement::sql;
use crate::users::user_columns;
use crate::{Digest, Store, StoreError, User};

/// The row of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who a token was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A person, who asked for it to use in scripts.
    Api,
    /// A server, at its start.
    Server,
    /// An OAuth client, in exchange for a code.
    OAuth,
}

impl TokenKind {
    /// The kind as one word, as the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Server => "server",
            Self::OAuth => "oauth",
        }
    }
}

impl FromStr for TokenKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Api, Self::Server, Self::OAuth]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of token"))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The row.
    pub id: TokenId,
    /// Who it was given to.
    pub kind: TokenKind,
    /// In whose name it acts.
    pub user_id: UserId,
    /// The server that holds it, for [`TokenKind::Server`].
    pub server_id: Option<ServerId>,
    /// The OAuth client that holds it, for [`TokenKind::OAuth`].
    pub client_id: Option<String>,
    /// The browser session in which it was given out; it ends with that.
    pub session_id: Option<String>,
    /// What it may do, unexpanded.
    pub scopes: Vec<String>,
    /// What it is for, in words.
    pub note: String,
    /// When it was given out.
    pub created_at: Timestamp,
    /// When it expires, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, if ever.
    pub last_used_at: Option<Timestamp>,
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The digest of the secret.
    pub digest: Digest,
    /// Who it is given to.
    pub kind: TokenKind,
    /// In whose name it acts.
    pub user_id: UserId,
    /// The server that holds it, for [`TokenKind::Server`].
    pub server_id: Option<ServerId>,
    /// The OAuth client that holds it, for [`TokenKind::OAuth`].
    pub client_id: Option<String>,
    /// The browser session in which it is given out; the session must exist.
    pub session_id: Option<String>,
    /// What it may do, unexpanded.
    pub scopes: Vec<String>,
    /// What it is for, in words.
    pub note: String,
    /// When it is given out.
    pub created_at: Timestamp,
    /// When it expires, if ever.
    pub expires_at: Option<Timestamp>,
}

macro_rules! token_columns {
    () => {
        "tokens.id AS token_id, tokens.kind AS kind, tokens.user_id AS token_user_id, \
         tokens.server_id AS server_id, tokens.client_id AS client_id, \
         tokens.session_id AS session_id, tokens.scopes AS scopes, tokens.note AS note, \
         tokens.created_at AS token_created_at, tokens.expires_at AS expires_at, \
         tokens.last_used_at AS last_used_at"
    };
}

impl Token {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("token_id")?,
            kind: row.get("kind")?,
            user_id: row.get("token_user_id")?,
            server_id: row.get_optional("server_id")?,
            client_id: row.get_optional("client_id")?,
            session_id: row.get_optional("session_id")?,
            scopes: row.get("scopes")?,
            note: row.get("note")?,
            created_at: row.get("token_created_at")?,
            expires_at: row.get_optional("expires_at")?,
            last_used_at: row.get_optional("last_used_at")?,
        })
    }
}

/// Makes a token as part of something larger.
pub(crate) async fn insert_token(
    transaction: &mut Transaction,
    new: NewToken,
) -> Result<Token, StoreError> {
    let scopes = bind(transaction, &new.scopes).await?;
    let statement = sql(
        "INSERT INTO tokens (digest, kind, user_id, server_id, client_id,
             session_id, scopes, note, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(&new.digest)
    .bind(new.kind.as_str())
    .bind(new.user_id)
    .bind(new.server_id)
    .bind(new.client_id.as_ref())
    .bind(new.session_id.as_ref())
    .bind(scopes.as_slice())
    .bind(&new.note)
    .bind(new.created_at)
    .bind(new.expires_at);
    let row = transaction
        .fetch_one(statement)
        .await
        .map_err(|error| error.naming(|| "a token with this digest".to_owned()))?;
    Ok(Token {
        id: row.get("id")?,
        kind: new.kind,
        user_id: new.user_id,
        server_id: new.server_id,
        client_id: new.client_id,
        session_id: new.session_id,
        scopes: new.scopes,
        note: new.note,
        created_at: new.created_at,
        expires_at: new.expires_at,
        last_used_at: None,
    })
}

impl Store {
    /// Makes a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when its user, server or session is gone, or what a scope names.
    pub async fn create_token(&self, new: NewToken) -> Result<Token, StoreError> {
        let mut transaction = self.db.begin().await?;
        let token = insert_token(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Makes a token as [`Store::create_token`] does, and puts it on record.
    ///
    /// # Errors
    /// As there.
    pub async fn create_token_on_record(
        &self,
        new: NewToken,
        record: impl FnOnce(&Token) -> Record + Send,
    ) -> Result<Token, StoreError> {
        let mut transaction = self.db.begin().await?;
        let token = insert_token(&mut transaction, new).await?;
        let record = record(&token);
        commit_on_record(transaction, Some(record)).await?;
        Ok(token)
    }

    /// How many tokens for the API a user has that are not expired.
    pub async fn count_api_tokens(&self, user: UserId, now: Timestamp) -> Result<u64, StoreError> {
        let statement = sql("SELECT COUNT(*) AS total FROM tokens WHERE user_id = $1
             AND kind = 'api' AND (expires_at IS NULL OR expires_at > $2)");
        let row = self
            .db
            .fetch_optional(statement.bind(user).bind(now))
            .await?;
        let total: i64 = row.map_or(Ok(0), |row| row.get("total"))?;
        Ok(total.unsigned_abs())
    }

    /// The token with this digest, if it is not expired, and its user.
    pub async fn token_by_digest(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(Token, User)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            ", ",
            user_columns!(),
            " FROM tokens JOIN users ON users.id = tokens.user_id
              WHERE tokens.digest = $1 AND (tokens.expires_at IS NULL OR tokens.expires_at > $2)"
        );
        let statement = sql(SQL).bind(digest).bind(now);
        let Some(row) = self.db.fetch_optional(statement).await? else {
            return Ok(None);
        };
        let mut token = Token::from_row(&row)?;
        name(&self.db, [&mut token.scopes]).await?;
        Ok(Some((token, User::from_row(&row)?)))
    }

    /// Reads tokens, with the names that stand for the rows of their scopes now.
    async fn read_tokens(&self, rows: &[Row]) -> Result<Vec<Token>, StoreError> {
        let tokens = rows.iter().map(Token::from_row);
        let mut tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        name(&self.db, tokens.iter_mut().map(|token| &mut token.scopes)).await?;
        Ok(tokens)
    }

    /// The tokens of a user, the last used first; deletes those that are expired.
    pub async fn tokens_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Token>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens WHERE user_id = $1
              ORDER BY last_used_at DESC NULLS LAST, created_at DESC, id DESC"
        );
        let mut transaction = self.db.begin().await?;
        let expired = sql("DELETE FROM tokens WHERE user_id = $1 AND expires_at <= $2");
        transaction.execute(expired.bind(user).bind(now)).await?;
        let rows = transaction.fetch_all(sql(SQL).bind(user)).await?;
        transaction.commit().await?;
        self.read_tokens(&rows).await
    }

    /// One token of a user, expired or not.
    pub async fn token(&self, user: UserId, id: TokenId) -> Result<Option<Token>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens WHERE user_id = $1 AND id = $2"
        );
        let rows = self.db.fetch_all(sql(SQL).bind(user).bind(id)).await?;
        Ok(self.read_tokens(&rows).await?.pop())
    }

    /// The tokens of a user that an OAuth client holds and that are not expired, newest first.
    pub async fn client_tokens(
        &self,
        user: UserId,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Vec<Token>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            token_columns!(),
            " FROM tokens WHERE user_id = $1 AND client_id = $2
              AND (expires_at IS NULL OR expires_at > $3) ORDER BY id DESC"
        );
        let statement = sql(SQL).bind(user).bind(client_id).bind(now);
        let rows = self.db.fetch_all(statement).await?;
        self.read_tokens(&rows).await
    }

    /// Takes back a token of a user; says whether there was one. Only then it goes on record.
    ///
    /// Taking back an OAuth token takes back everything that its client holds of the user.
    pub async fn delete_token(
        &self,
        user: UserId,
        id: TokenId,
        at: Timestamp,
        record: Option<Record>,
    ) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM tokens WHERE user_id = $1 AND (id = $2
             OR (kind = 'oauth' AND client_id IN (SELECT client_id FROM tokens
                 WHERE user_id = $1 AND id = $2 AND kind = 'oauth')))")
        .bind(user)
        .bind(id);
        let mut transaction = self.db.begin().await?;
        let deleted = transaction.execute(statement).await?;
        if deleted > 0 {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        commit_on_record(transaction, record.filter(|_| deleted > 0)).await?;
        Ok(deleted > 0)
    }

    /// Records when tokens were used, unless a later use is known; tokens that are gone are skipped.
    pub async fn touch_tokens(&self, uses: &[(TokenId, Timestamp)]) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        let mut sorted = uses.to_vec();
        // The same order everywhere, so that two of these cannot wait for each other.
        sorted.sort_unstable();
        let mut transaction = self.db.begin().await?;
        for (id, at) in sorted {
            let statement = sql("UPDATE tokens SET last_used_at = $2
                 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)");
            transaction.execute(statement.bind(id).bind(at)).await?;
        }
        transaction.commit().await
    }
}
