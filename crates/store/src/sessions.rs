//! Browser sessions.

use jansky_model::{ProviderId, Timestamp, UserId};

use crate::audit::{Record, commit_on_record};
use crate::changes::{SESSION_ENDED, record_named_change, record_users};
use crate::db::Transaction;
use crate::grants::put_grant;
use crate::identities::touch_identity;
use crate::row::Row;
use crate::statement::{Composed, Statement, sql};
use crate::users::{touch, user_columns, user_ids};
use crate::{Digest, Grant, GrantId, NewGrant, Sealed, SealedTokens, Store, StoreError, User};

/// A browser in which somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The public id, which is not a secret: it ties tokens and codes to the session.
    pub session_id: String,
    /// Who is signed in.
    pub user_id: UserId,
    /// How they signed in.
    pub provider: ProviderId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When the session expires.
    pub expires_at: Timestamp,
    /// The provider's own session behind it: `sid` of OpenID Connect.
    pub provider_session: Option<String>,
    /// The grant that came with it, as long as there is one.
    pub grant_id: Option<GrantId>,
    /// What the browser called itself, if that is known.
    pub browser: Option<String>,
}

/// A session that is to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The public id.
    pub session_id: String,
    /// The digest of the secret in the cookie.
    pub digest: Digest,
    /// Who is signed in.
    pub user_id: UserId,
    /// The issuer and the subject by whose word they are signed in; `None` with a local account.
    pub identity: Option<(String, String)>,
    /// How they signed in.
    pub provider: ProviderId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When the session expires.
    pub expires_at: Timestamp,
    /// The provider's own session behind it: `sid` of OpenID Connect.
    pub provider_session: Option<String>,
    /// The grant that came with it; it must exist.
    pub grant_id: Option<GrantId>,
    /// The ID token that came with it, sealed for the table `sessions`, the column `id_token` and
    /// the session's id.
    pub id_token: Option<Sealed>,
    /// What the browser calls itself, if that is known.
    pub browser: Option<String>,
}

macro_rules! session_columns {
    () => {
        "sessions.session_id AS session_id, sessions.user_id AS session_user_id, \
         sessions.provider AS provider, sessions.created_at AS session_created_at, \
         sessions.expires_at AS expires_at, sessions.provider_session AS provider_session, \
         sessions.grant_id AS grant_id, sessions.browser AS browser"
    };
}

impl Session {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            session_id: row.get("session_id")?,
            user_id: row.get("session_user_id")?,
            provider: row.get("provider")?,
            created_at: row.get("session_created_at")?,
            expires_at: row.get("expires_at")?,
            provider_session: row.get_optional("provider_session")?,
            grant_id: row.get_optional("grant_id")?,
            browser: row.get_optional("browser")?,
        })
    }
}

/// Selects a session that is not expired, and its user, by what is unique to it.
macro_rules! select_with_user {
    ($column:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            user_columns!(),
            " FROM sessions JOIN users ON users.id = sessions.user_id
              WHERE ",
            $column,
            " = $1 AND sessions.expires_at > $2"
        )
    };
}

impl Store {
    /// Makes a session; its user was active now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the user or the grant is gone.
    pub async fn create_session(
        &self,
        new: NewSession,
        record: Option<Record>,
    ) -> Result<Session, StoreError> {
        let mut transaction = self.db.begin().await?;
        let session = insert_session(&mut transaction, new).await?;
        commit_on_record(transaction, record).await?;
        Ok(session)
    }

    /// Makes a session together with the grant that came of the same sign-in; see
    /// [`Store::keep_grant`] for `seal`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the user is gone.
    pub async fn create_session_with_grant(
        &self,
        mut new: NewSession,
        grant: &NewGrant,
        seal: impl Fn(GrantId) -> SealedTokens + Send,
        record: Option<Record>,
    ) -> Result<(Session, Grant), StoreError> {
        let mut transaction = self.db.begin().await?;
        let grant = put_grant(&mut transaction, grant, seal).await?;
        new.grant_id = Some(grant.id);
        let session = insert_session(&mut transaction, new).await?;
        commit_on_record(transaction, record).await?;
        Ok((session, grant))
    }

    /// The session whose cookie has this digest, if it is not expired, and its user.
    pub async fn session_by_digest(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let statement = sql(select_with_user!("sessions.digest"));
        self.session_with_user(statement.bind(digest).bind(now))
            .await
    }

    /// The session with this public id, if it is not expired, and its user.
    pub async fn session_by_id(
        &self,
        session_id: &str,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let statement = sql(select_with_user!("sessions.session_id"));
        self.session_with_user(statement.bind(session_id).bind(now))
            .await
    }

    async fn session_with_user(
        &self,
        statement: Statement,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| Ok((Session::from_row(&row)?, User::from_row(&row)?)))
            .transpose()
    }

    /// All sessions of a user, newest first, expired ones that are not purged yet included.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, session_id"
        );
        let rows = self.db.fetch_all(sql(SQL).bind(user)).await?;
        rows.iter().map(Session::from_row).collect()
    }

    /// The sessions of several users that are not expired, newest first.
    pub async fn sessions_of_users(
        &self,
        users: &[UserId],
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE expires_at > "
        );
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Composed::default();
        query
            .push(SQL)
            .push_value(now)
            .push(" AND user_id IN ")
            .push_list(users.iter().copied())
            .push(" ORDER BY created_at DESC, session_id");
        let rows = self.db.fetch_all(query.finish()).await?;
        rows.iter().map(Session::from_row).collect()
    }

    /// The ID token with which a session began, if there was one.
    pub async fn id_token_of_session(
        &self,
        session_id: &str,
    ) -> Result<Option<Sealed>, StoreError> {
        let statement = sql("SELECT id_token FROM sessions WHERE session_id = $1").bind(session_id);
        let row = self.db.fetch_optional(statement).await?;
        row.map_or(Ok(None), |row| row.get_optional("id_token"))
    }

    /// ID tokens of sessions that do not begin with `prefix`, by session from above `after`.
    ///
    /// As with [`Store::grants_not_sealed_with`], these are the ones that the active key did not seal.
    pub async fn session_tokens_not_sealed_with(
        &self,
        prefix: &[u8],
        after: &str,
        limit: u32,
    ) -> Result<Vec<(String, Sealed)>, StoreError> {
        let length = i64::try_from(prefix.len()).unwrap_or(i64::MAX);
        let statement = sql("SELECT session_id, id_token FROM sessions
             WHERE session_id > $1 AND substr(id_token, 1, CAST($3 AS INTEGER)) <> $2
             ORDER BY session_id LIMIT $4")
        .bind(after)
        .bind(prefix)
        .bind(length)
        .bind(i64::from(limit));
        let rows = self.db.fetch_all(statement).await?;
        rows.iter()
            .map(|row| Ok((row.get("session_id")?, row.get("id_token")?)))
            .collect()
    }

    /// Puts an ID token under another seal; says whether the session was still there.
    pub async fn replace_session_token_seal(
        &self,
        session_id: &str,
        sealed: &Sealed,
    ) -> Result<bool, StoreError> {
        let statement = sql("UPDATE sessions SET id_token = $2 WHERE session_id = $1")
            .bind(session_id)
            .bind(sealed);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// The sessions that came of one session at a provider, oldest first: `sid` of a logout token.
    pub async fn sessions_by_provider_session(
        &self,
        provider: &ProviderId,
        provider_session: &str,
    ) -> Result<Vec<Session>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE provider = $1 AND provider_session = $2
              ORDER BY created_at, session_id"
        );
        let statement = sql(SQL).bind(provider).bind(provider_session);
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(Session::from_row).collect()
    }

    /// Ends a session, and with it all tokens and codes that were given out in it; says whether
    /// there was one. Only then it goes on record.
    ///
    /// The foreign keys of those see to it, also for one that is being given out right now.
    pub async fn delete_session(
        &self,
        session_id: &str,
        at: Timestamp,
        record: Option<Record>,
    ) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM sessions WHERE session_id = $1
             RETURNING user_id, session_id");
        let mut transaction = self.db.begin().await?;
        let ended = end_sessions(&mut transaction, statement.bind(session_id), at).await?;
        let record = record.filter(|_| !ended.is_empty());
        commit_on_record(transaction, record).await?;
        Ok(!ended.is_empty())
    }

    /// Ends all sessions of a user as [`Store::delete_session`] does; says which they were. It goes on
    /// record also where there was none.
    pub async fn delete_sessions_of(
        &self,
        user: UserId,
        at: Timestamp,
        record: Option<Record>,
    ) -> Result<Vec<String>, StoreError> {
        let statement = sql("DELETE FROM sessions WHERE user_id = $1
             RETURNING user_id, session_id");
        let mut transaction = self.db.begin().await?;
        let ended = end_sessions(&mut transaction, statement.bind(user), at).await?;
        commit_on_record(transaction, record).await?;
        Ok(ended)
    }
}

/// Ends sessions as the last thing in a transaction.
async fn end_sessions(
    transaction: &mut Transaction,
    statement: Statement,
    at: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let rows = transaction.fetch_all(statement).await?;
    record_users(transaction, user_ids(&rows)?, at).await?;
    let mut ended = Vec::with_capacity(rows.len());
    for row in &rows {
        let session: String = row.get("session_id")?;
        record_named_change(transaction, SESSION_ENDED, &session, at).await?;
        ended.push(session);
    }
    Ok(ended)
}

async fn insert_session(
    transaction: &mut Transaction,
    new: NewSession,
) -> Result<Session, StoreError> {
    transaction
        .execute(touch(new.user_id, new.created_at))
        .await?;
    if let Some((issuer, subject)) = &new.identity {
        let seen = touch_identity(issuer, subject, new.created_at);
        transaction.execute(seen).await?;
    }
    let statement = sql("INSERT INTO sessions
         (session_id, digest, user_id, provider, created_at, expires_at,
             provider_session, grant_id, id_token, browser)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(&new.session_id)
    .bind(&new.digest)
    .bind(new.user_id)
    .bind(&new.provider)
    .bind(new.created_at)
    .bind(new.expires_at)
    .bind(new.provider_session.as_ref())
    .bind(new.grant_id)
    .bind(new.id_token.as_ref())
    .bind(new.browser.as_ref());
    transaction
        .execute(statement)
        .await
        .map_err(|error| error.naming(|| format!("session `{}`", new.session_id)))?;
    Ok(Session {
        session_id: new.session_id,
        user_id: new.user_id,
        provider: new.provider,
        created_at: new.created_at,
        expires_at: new.expires_at,
        provider_session: new.provider_session,
        grant_id: new.grant_id,
        browser: new.browser,
    })
}
