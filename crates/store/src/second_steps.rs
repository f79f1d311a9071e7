//! Sign-ins between the password and the second factor, each tied to one browser.

use jansky_model::{Timestamp, UserId};

use crate::statement::sql;
use crate::users::user_columns;
use crate::{Digest, Store, StoreError, User};

/// Somebody who has typed the right password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondStep {
    /// Who it is.
    pub user: User,
    /// Where they want to go.
    pub next: Option<String>,
}

impl Store {
    /// Keeps a sign-in under the digest of the browser's cookie.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn create_second_step(
        &self,
        digest: &Digest,
        user: UserId,
        next: Option<&str>,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "INSERT INTO second_steps (digest, user_id, next, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(digest)
        .bind(user)
        .bind(next)
        .bind(expires_at);
        self.db
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| "a sign-in with this cookie".to_owned()))?;
        Ok(())
    }

    /// The sign-in of the browser whose cookie has this digest, if it is not too late.
    pub async fn second_step(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<SecondStep>, StoreError> {
        const SQL: &str = concat!(
            "SELECT second_steps.next AS next, ",
            user_columns!(),
            " FROM second_steps JOIN users ON users.id = second_steps.user_id
              WHERE second_steps.digest = $1 AND second_steps.expires_at > $2"
        );
        let statement = sql(SQL).bind(digest).bind(now);
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| {
            Ok(SecondStep {
                user: User::from_row(&row)?,
                next: row.get_optional("next")?,
            })
        })
        .transpose()
    }

    /// Takes a sign-in away; says whether it was there and not too late.
    pub async fn take_second_step(
        &self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM second_steps WHERE digest = $1 AND expires_at > $2")
            .bind(digest)
            .bind(now);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// Takes all sign-ins of a user away that are between password and second factor.
    pub async fn delete_second_steps_of(&self, user: UserId) -> Result<(), StoreError> {
        let statement = sql("DELETE FROM second_steps WHERE user_id = $1").bind(user);
        self.db.execute(statement).await.map(|_| ())
    }
}
