//! Passwords of local accounts.

use jansky_model::{Timestamp, UserId, UserName};

use crate::db::sql;
use crate::users::user_columns;
use crate::{Store, StoreError, User};

impl Store {
    /// Gives a user a password, or another one; `hash` is in the PHC string format.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn set_password(
        &self,
        user: UserId,
        hash: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE
             SET hash = excluded.hash, changed_at = excluded.changed_at",
        )
        .bind(user)
        .bind(hash)
        .bind(at);
        self.db.execute(statement).await.map(|_| ())
    }

    /// The user with this name and the hash of their password, if they have one.
    pub async fn password_hash(
        &self,
        name: &UserName,
    ) -> Result<Option<(User, String)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT passwords.hash AS hash, ",
            user_columns!(),
            " FROM users JOIN passwords ON passwords.user_id = users.id WHERE users.name = $1"
        );
        let row = self.db.fetch_optional(sql(SQL).bind(name)).await?;
        row.map(|row| Ok((User::from_row(&row)?, row.get("hash")?)))
            .transpose()
    }
}
