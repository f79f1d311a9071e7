//! Passwords of local accounts.

use std::collections::HashMap;

use jansky_model::{Timestamp, UserId, UserName};

use crate::audit::{Record, commit_on_record};
use crate::db::Transaction;
use crate::links::use_link;
use crate::statement::{Composed, Statement, sql};
use crate::users::user_columns;
use crate::{Digest, Store, StoreError, User};

/// What others may know of a local account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAccount {
    /// When the password was last changed.
    pub changed_at: Timestamp,
    /// Whether there is a second factor that counts.
    pub has_second_factor: bool,
}

/// The statement that gives a user a password, or another one.
pub(crate) fn insert_password(user: UserId, hash: &str, at: Timestamp) -> Statement {
    sql(
        "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE
         SET hash = excluded.hash, changed_at = excluded.changed_at",
    )
    .bind(user)
    .bind(hash)
    .bind(at)
}

impl Store {
    /// Gives a user a password, or another one; `hash` is in the PHC string format. Links that make
    /// a password and sign-ins under way with the old one are of no use any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn set_password(
        &self,
        user: UserId,
        hash: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.db.begin().await?;
        transaction.execute(insert_password(user, hash, at)).await?;
        end_what_rests_on_the_password(&mut transaction, user).await?;
        transaction.commit().await
    }

    /// Gives a user a password, as [`Store::set_password`] does, and uses a link up, both or neither;
    /// says whether the link was valid.
    pub async fn set_password_with_link(
        &self,
        link: (&Digest, &str),
        user: UserId,
        hash: &str,
        at: Timestamp,
        record: Option<Record>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        if transaction.execute(use_link(link, at)).await? == 0 {
            return Ok(false);
        }
        transaction.execute(insert_password(user, hash, at)).await?;
        end_what_rests_on_the_password(&mut transaction, user).await?;
        commit_on_record(transaction, record).await?;
        Ok(true)
    }

    /// Puts a password in the place of another one, as [`Store::set_password`] does; says whether
    /// it was still `old`.
    pub async fn replace_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        at: Timestamp,
        record: Option<Record>,
    ) -> Result<bool, StoreError> {
        let statement = sql("UPDATE passwords SET hash = $3, changed_at = $4
             WHERE user_id = $1 AND hash = $2")
        .bind(user)
        .bind(old)
        .bind(new)
        .bind(at);
        let mut transaction = self.db.begin().await?;
        if transaction.execute(statement).await? == 0 {
            return Ok(false);
        }
        end_what_rests_on_the_password(&mut transaction, user).await?;
        commit_on_record(transaction, record).await?;
        Ok(true)
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

    /// What these users have of local accounts; who has no password is not in it.
    pub async fn local_accounts(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, LocalAccount>, StoreError> {
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = Composed::default();
        query
            .push(
                "SELECT passwords.user_id AS user_id, passwords.changed_at AS changed_at,
                     COALESCE(second_factors.confirmed_at, 0) AS confirmed_at
                 FROM passwords
                 LEFT JOIN second_factors ON second_factors.user_id = passwords.user_id
                     AND second_factors.confirmed_at IS NOT NULL
                 WHERE passwords.user_id IN ",
            )
            .push_list(users.iter().copied());
        let rows = self.db.fetch_all(query.finish()).await?;
        let accounts = rows.iter().map(|row| {
            let confirmed_at: i64 = row.get("confirmed_at")?;
            let account = LocalAccount {
                changed_at: row.get("changed_at")?,
                has_second_factor: confirmed_at != 0,
            };
            Ok((row.get("user_id")?, account))
        });
        accounts.collect()
    }
}

async fn end_what_rests_on_the_password(
    transaction: &mut Transaction,
    user: UserId,
) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM second_steps WHERE user_id = $1",
        "DELETE FROM links WHERE user_id = $1",
    ] {
        transaction.execute(sql(statement).bind(user)).await?;
    }
    Ok(())
}
