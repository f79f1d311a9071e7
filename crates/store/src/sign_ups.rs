//! People who have asked for an account and wait for an administrator.

use jansky_model::{Timestamp, UserName};

use crate::accounts::insert_password;
use crate::links::use_link;
use crate::row::Row;
use crate::statement::sql;
use crate::users::{insert_user, taken};
use crate::{Digest, Store, StoreError, User};

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUp {
    /// The row.
    pub id: i64,
    /// The name they want.
    pub name: UserName,
    /// How they can be reached; possibly empty.
    pub email: String,
    /// Why they want an account; possibly empty.
    pub reason: String,
    /// When they asked.
    pub requested_at: Timestamp,
    /// Until when they wait.
    pub expires_at: Timestamp,
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct NewSignUp {
    /// The name they want.
    pub name: UserName,
    /// The hash of the password that they chose, in the PHC string format.
    pub hash: String,
    /// How they can be reached.
    pub email: String,
    /// Why they want an account.
    pub reason: String,
    /// When they asked.
    pub requested_at: Timestamp,
    /// Until when they wait.
    pub expires_at: Timestamp,
}

impl SignUp {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            email: row.get("email")?,
            reason: row.get("reason")?,
            requested_at: row.get("requested_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

impl Store {
    /// Lets somebody wait, unless `most` wait already; says whether there was a place.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name belongs to a user or to somebody who waits.
    pub async fn create_sign_up(&self, new: &NewSignUp, most: u32) -> Result<bool, StoreError> {
        let insert = sql(
            "INSERT INTO sign_ups (name, hash, email, reason, requested_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&new.name)
        .bind(&new.hash)
        .bind(&new.email)
        .bind(&new.reason)
        .bind(new.requested_at)
        .bind(new.expires_at);
        let expired = sql("DELETE FROM sign_ups WHERE name = $1 AND expires_at <= $2")
            .bind(&new.name)
            .bind(new.requested_at);
        let same = sql("SELECT id FROM users WHERE name = $1").bind(&new.name);
        let count = sql("SELECT COUNT(*) AS total FROM sign_ups WHERE expires_at > $1")
            .bind(new.requested_at);
        let mut transaction = self.db.begin().await?;
        // Another sign-up waits for the lock of this row, so that the count below is right.
        transaction
            .execute(sql("UPDATE change_counter SET last_seq = last_seq"))
            .await?;
        transaction.execute(expired).await?;
        if transaction.fetch_optional(same).await?.is_some() {
            return Err(StoreError::AlreadyExists {
                what: taken(&new.name)(),
            });
        }
        transaction
            .execute(insert)
            .await
            .map_err(|error| error.naming(taken(&new.name)))?;
        let total: i64 = transaction.fetch_one(count).await?.get("total")?;
        if total > i64::from(most) {
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The hash of the password of somebody who waits under this name.
    pub async fn sign_up_hash(
        &self,
        name: &UserName,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let statement = sql("SELECT hash FROM sign_ups WHERE name = $1 AND expires_at > $2")
            .bind(name)
            .bind(now);
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| row.get("hash")).transpose()
    }

    /// Who waits, the one who has waited longest first.
    pub async fn sign_ups(&self, now: Timestamp) -> Result<Vec<SignUp>, StoreError> {
        let statement = sql(
            "SELECT id, name, email, reason, requested_at, expires_at FROM sign_ups
             WHERE expires_at > $1 ORDER BY requested_at, id",
        )
        .bind(now);
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(SignUp::from_row).collect()
    }

    /// How many wait.
    pub async fn count_sign_ups(&self, now: Timestamp) -> Result<u64, StoreError> {
        let statement =
            sql("SELECT COUNT(*) AS total FROM sign_ups WHERE expires_at > $1").bind(now);
        let row = self.db.fetch_optional(statement).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.get("total"))?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// Makes a user of somebody who waits, with the password that they chose; `None` when they do
    /// not wait any more.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name was given to somebody else meanwhile; they go on
    /// waiting then.
    pub async fn accept_sign_up(&self, id: i64, at: Timestamp) -> Result<Option<User>, StoreError> {
        let take = sql("DELETE FROM sign_ups WHERE id = $1 AND expires_at > $2
             RETURNING name, hash")
        .bind(id)
        .bind(at);
        let mut transaction = self.db.begin().await?;
        let Some(row) = transaction.fetch_optional(take).await? else {
            return Ok(None);
        };
        let name: UserName = row.get("name")?;
        let hash: String = row.get("hash")?;
        let user = add_account(&mut transaction, &name, false, &hash, at).await?;
        transaction.commit().await?;
        Ok(Some(user))
    }

    /// Sends somebody away who waits; the name under which they did.
    pub async fn refuse_sign_up(&self, id: i64) -> Result<Option<UserName>, StoreError> {
        let statement = sql("DELETE FROM sign_ups WHERE id = $1 RETURNING name").bind(id);
        let mut transaction = self.db.begin().await?;
        let row = transaction.fetch_optional(statement).await?;
        transaction.commit().await?;
        row.map(|row| row.get("name")).transpose()
    }

    /// Makes a user with a password.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name belongs to a user or to somebody who waits.
    pub async fn create_account(
        &self,
        name: &UserName,
        hash: &str,
        at: Timestamp,
    ) -> Result<User, StoreError> {
        let waiting = sql("SELECT id FROM sign_ups WHERE name = $1 AND expires_at > $2")
            .bind(name)
            .bind(at);
        let mut transaction = self.db.begin().await?;
        if transaction.fetch_optional(waiting).await?.is_some() {
            return Err(StoreError::AlreadyExists {
                what: taken(name)(),
            });
        }
        let user = add_account(&mut transaction, name, false, hash, at).await?;
        transaction.commit().await?;
        Ok(user)
    }

    /// Makes an administrator with a password and uses a link up, both or neither; `None` when the
    /// link is not valid.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name is taken.
    pub async fn create_admin_with_link(
        &self,
        link: (&Digest, &str),
        name: &UserName,
        hash: &str,
        at: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let mut transaction = self.db.begin().await?;
        if transaction.execute(use_link(link, at)).await? == 0 {
            return Ok(None);
        }
        let user = add_account(&mut transaction, name, true, hash, at).await?;
        transaction.commit().await?;
        Ok(Some(user))
    }
}

async fn add_account(
    transaction: &mut crate::db::Transaction,
    name: &UserName,
    admin: bool,
    hash: &str,
    at: Timestamp,
) -> Result<User, StoreError> {
    let row = transaction
        .fetch_one(insert_user(name, admin, at))
        .await
        .map_err(|error| error.naming(taken(name)))?;
    let user = User {
        id: row.get("id")?,
        name: name.clone(),
        admin,
        created_at: at,
        last_activity_at: None,
    };
    transaction
        .execute(insert_password(user.id, hash, at))
        .await?;
    Ok(user)
}
