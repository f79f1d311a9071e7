//! Browser sessions.

use jansky_model::{ProviderId, Timestamp, UserId};

use crate::db::{Row, sql};
use crate::users::user_columns;
use crate::{Digest, Store, StoreError, User};

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
    /// When the session ends by itself.
    pub expires_at: Timestamp,
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
    /// How they signed in.
    pub provider: ProviderId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When the session ends by itself.
    pub expires_at: Timestamp,
}

macro_rules! session_columns {
    () => {
        "sessions.session_id AS session_id, sessions.user_id AS session_user_id, \
         sessions.provider AS provider, sessions.created_at AS session_created_at, \
         sessions.expires_at AS expires_at"
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
        })
    }
}

impl Store {
    /// Makes a session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the user is gone.
    pub async fn create_session(&self, new: NewSession) -> Result<Session, StoreError> {
        let statement = sql("INSERT INTO sessions
             (session_id, digest, user_id, provider, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&new.session_id)
        .bind(&new.digest)
        .bind(new.user_id)
        .bind(&new.provider)
        .bind(new.created_at)
        .bind(new.expires_at);
        self.db
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| format!("session `{}`", new.session_id)))?;
        Ok(Session {
            session_id: new.session_id,
            user_id: new.user_id,
            provider: new.provider,
            created_at: new.created_at,
            expires_at: new.expires_at,
        })
    }

    /// The session whose cookie has this digest, if it is not expired, and its user.
    pub async fn session_by_digest(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(Session, User)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            user_columns!(),
            " FROM sessions JOIN users ON users.id = sessions.user_id
              WHERE sessions.digest = $1 AND sessions.expires_at > $2"
        );
        let statement = sql(SQL).bind(digest).bind(now);
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

    /// Ends a session, and with it all tokens and codes that were given out in it.
    ///
    /// The foreign keys of those see to it, also for one that is being given out right now.
    pub async fn delete_session(&self, session_id: &str) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM sessions WHERE session_id = $1").bind(session_id);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// Ends all sessions of a user as [`Store::delete_session`] does; says how many there were.
    pub async fn delete_sessions_of(&self, user: UserId) -> Result<u64, StoreError> {
        self.db
            .execute(sql("DELETE FROM sessions WHERE user_id = $1").bind(user))
            .await
    }
}
