//! Second factors of local accounts: a secret that a person's app shares, and codes for the day on
//! which the app is gone.
//!
//! Two processes that look at the same code at the same time take it once, because taking it is one
//! statement with a condition.

use std::time::Duration;

use jansky_model::{Timestamp, UserId};

use crate::changes::{USER_CHANGED, record_change};
use crate::db::Transaction;
use crate::grants::Sealed;
use crate::row::Row;
use crate::statement::sql;
use crate::{Digest, Store, StoreError};

/// So many wrong codes in a row are looked at without a pause.
const FREE_FAILURES: i64 = 5;

/// Each further wrong code makes the pause longer by this much.
const PAUSE: Duration = Duration::from_secs(30);

/// So many such parts the pause has at most: who guesses must not lock the owner out for good.
const LONGEST: i64 = 30;

/// What somebody shows beside their password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// The row, for which the secret is sealed (table `second_factors`, column `secret`).
    pub id: i64,
    /// Whose it is.
    pub user_id: UserId,
    /// The secret.
    pub secret: Sealed,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Since when it counts; `None` until a code was shown.
    pub confirmed_at: Option<Timestamp>,
    /// The time step of the last code that was taken.
    pub last_step: i64,
}

/// What comes of the wish to have a code looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeAttempt {
    /// The user has no second factor that counts.
    NoFactor,
    /// Too many codes were wrong; the next one is looked at then.
    TooEarly(Timestamp),
    /// It may be looked at, and was counted as wrong until it is taken.
    Counted(SecondFactor),
}

macro_rules! select_factor {
    ($condition:literal) => {
        concat!(
            "SELECT id, user_id, secret, created_at, confirmed_at, last_step, next_try_at
             FROM second_factors ",
            $condition
        )
    };
}

impl SecondFactor {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            secret: row.get("secret")?,
            created_at: row.get("created_at")?,
            confirmed_at: row.get_optional("confirmed_at")?,
            last_step: row.get("last_step")?,
        })
    }
}

impl Store {
    /// The second factor of a user, if there is a confirmed one.
    pub async fn second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        let statement = sql(select_factor!(
            "WHERE user_id = $1 AND confirmed_at IS NOT NULL"
        ))
        .bind(user);
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(SecondFactor::from_row).transpose()
    }

    /// Whether a user has a second factor that counts.
    pub async fn has_second_factor(&self, user: UserId) -> Result<bool, StoreError> {
        let statement =
            sql("SELECT id FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL");
        let row = self.db.fetch_optional(statement.bind(user)).await?;
        Ok(row.is_some())
    }

    /// Keeps a secret that does not count yet for the browser in which it is set up, unless there is
    /// one already; that one is the answer then.
    ///
    /// `browser` is a digest that no other browser has. `seal` gets the row for which it has to seal
    /// the secret.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn begin_second_factor(
        &self,
        user: UserId,
        browser: &Digest,
        seal: impl FnOnce(i64) -> Sealed + Send,
        at: Timestamp,
    ) -> Result<SecondFactor, StoreError> {
        let reserve = sql(
            "INSERT INTO second_factors (user_id, browser, created_at, last_step, failures)
             VALUES ($1, $2, $3, 0, 0) ON CONFLICT (browser) DO NOTHING RETURNING id",
        )
        .bind(user)
        .bind(browser)
        .bind(at);
        let mut transaction = self.db.begin().await?;
        if let Some(row) = transaction.fetch_optional(reserve).await? {
            let id: i64 = row.get("id")?;
            let fill = sql("UPDATE second_factors SET secret = $2 WHERE id = $1");
            transaction.execute(fill.bind(id).bind(&seal(id))).await?;
        }
        let read = sql(select_factor!("WHERE user_id = $1 AND browser = $2"))
            .bind(user)
            .bind(browser);
        let factor = SecondFactor::from_row(&transaction.fetch_one(read).await?)?;
        transaction.commit().await?;
        Ok(factor)
    }

    /// Makes a second factor count, with the codes for the day on which the app is gone; `step` is
    /// that of the code that was shown. Says whether it is still there to be confirmed.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the user has a confirmed one.
    pub async fn confirm_second_factor(
        &self,
        factor: i64,
        step: i64,
        recovery: &[Digest],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let confirm = sql(
            "UPDATE second_factors SET confirmed_at = $3, last_step = $2, browser = NULL
             WHERE id = $1 AND confirmed_at IS NULL RETURNING user_id",
        )
        .bind(factor)
        .bind(step)
        .bind(at);
        let mut transaction = self.db.begin().await?;
        let confirmed = transaction.fetch_optional(confirm).await;
        let confirmed = confirmed.map_err(|error| error.naming(|| "a second factor".to_owned()))?;
        let Some(row) = confirmed else {
            return Ok(false);
        };
        let user: UserId = row.get("user_id")?;
        let others = sql("DELETE FROM second_factors WHERE user_id = $1 AND confirmed_at IS NULL");
        transaction.execute(others.bind(user)).await?;
        put_recovery_codes(&mut transaction, factor, recovery).await?;
        record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes a second factor that was never confirmed; a confirmed one stays.
    pub async fn drop_pending_second_factor(&self, factor: i64) -> Result<(), StoreError> {
        let statement = sql("DELETE FROM second_factors WHERE id = $1 AND confirmed_at IS NULL");
        self.db.execute(statement.bind(factor)).await.map(|_| ())
    }

    /// Counts an attempt to show a code, before the code is looked at.
    pub async fn count_code_attempt(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<CodeAttempt, StoreError> {
        let pause = i64::try_from(PAUSE.as_micros()).unwrap_or(i64::MAX);
        let count = sql("UPDATE second_factors SET failures = failures + 1,
                 next_try_at = CASE WHEN failures + 1 < $3 THEN NULL
                     WHEN failures + 2 - $3 < $5 THEN $2 + (failures + 2 - $3) * $4
                     ELSE $2 + $5 * $4 END
             WHERE user_id = $1 AND confirmed_at IS NOT NULL
                 AND (next_try_at IS NULL OR next_try_at <= $2)
             RETURNING id, user_id, secret, created_at, confirmed_at, last_step")
        .bind(user)
        .bind(now)
        .bind(FREE_FAILURES)
        .bind(pause)
        .bind(LONGEST);
        let mut transaction = self.db.begin().await?;
        let counted = transaction.fetch_optional(count).await?;
        let attempt = if let Some(row) = counted {
            CodeAttempt::Counted(SecondFactor::from_row(&row)?)
        } else {
            let read = sql(select_factor!(
                "WHERE user_id = $1 AND confirmed_at IS NOT NULL"
            ));
            match transaction.fetch_optional(read.bind(user)).await? {
                Some(row) => CodeAttempt::TooEarly(row.get_optional("next_try_at")?.unwrap_or(now)),
                None => CodeAttempt::NoFactor,
            }
        };
        transaction.commit().await?;
        Ok(attempt)
    }

    /// Takes the code of a time step; says whether neither it nor a later one was taken before.
    pub async fn take_code(&self, factor: i64, step: i64) -> Result<bool, StoreError> {
        let statement = sql(
            "UPDATE second_factors SET last_step = $2, failures = 0, next_try_at = NULL
             WHERE id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL",
        )
        .bind(factor)
        .bind(step);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// Uses a recovery code up; says whether there was one.
    pub async fn take_recovery_code(
        &self,
        factor: i64,
        digest: &Digest,
    ) -> Result<bool, StoreError> {
        let take = sql("DELETE FROM recovery_codes WHERE factor_id = $1 AND digest = $2")
            .bind(factor)
            .bind(digest);
        let forgive =
            sql("UPDATE second_factors SET failures = 0, next_try_at = NULL WHERE id = $1")
                .bind(factor);
        let mut transaction = self.db.begin().await?;
        if transaction.execute(take).await? == 0 {
            return Ok(false);
        }
        transaction.execute(forgive).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// How many recovery codes are left.
    pub async fn recovery_codes_left(&self, factor: i64) -> Result<u64, StoreError> {
        let statement = sql("SELECT COUNT(*) AS total FROM recovery_codes WHERE factor_id = $1");
        let row = self.db.fetch_optional(statement.bind(factor)).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.get("total"))?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// Puts new recovery codes in the place of all that are left.
    pub async fn replace_recovery_codes(
        &self,
        factor: i64,
        recovery: &[Digest],
    ) -> Result<(), StoreError> {
        let clear = sql("DELETE FROM recovery_codes WHERE factor_id = $1").bind(factor);
        let mut transaction = self.db.begin().await?;
        transaction.execute(clear).await?;
        put_recovery_codes(&mut transaction, factor, recovery).await?;
        transaction.commit().await
    }

    /// Takes the second factor of a user away with its recovery codes and the sign-ins under way;
    /// says whether there was a confirmed one.
    pub async fn delete_second_factor(
        &self,
        user: UserId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let delete = sql("DELETE FROM second_factors WHERE user_id = $1
             RETURNING COALESCE(confirmed_at, 0) AS confirmed_at");
        let clear = sql("DELETE FROM second_steps WHERE user_id = $1").bind(user);
        let mut transaction = self.db.begin().await?;
        let rows = transaction.fetch_all(delete.bind(user)).await?;
        let mut was_there = false;
        for row in &rows {
            let confirmed_at: i64 = row.get("confirmed_at")?;
            was_there |= confirmed_at != 0;
        }
        transaction.execute(clear).await?;
        if was_there {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        transaction.commit().await?;
        Ok(was_there)
    }

    /// Second factors after the row `after` whose secret does not begin like this, in their order.
    pub async fn second_factors_not_sealed_with(
        &self,
        prefix: &[u8],
        after: i64,
        limit: u32,
    ) -> Result<Vec<SecondFactor>, StoreError> {
        let statement = sql(select_factor!(
            "WHERE id > $2 AND substr(secret, 1, CAST($3 AS INTEGER)) <> $1
             ORDER BY id LIMIT $4"
        ))
        .bind(prefix)
        .bind(after)
        .bind(i64::try_from(prefix.len()).unwrap_or(i64::MAX))
        .bind(i64::from(limit));
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(SecondFactor::from_row).collect()
    }

    /// Seals a secret anew, if it is still `old`.
    pub async fn replace_second_factor_seal(
        &self,
        factor: i64,
        old: &Sealed,
        new: &Sealed,
    ) -> Result<bool, StoreError> {
        let statement = sql("UPDATE second_factors SET secret = $3 WHERE id = $1 AND secret = $2")
            .bind(factor)
            .bind(old)
            .bind(new);
        Ok(self.db.execute(statement).await? > 0)
    }
}

async fn put_recovery_codes(
    transaction: &mut Transaction,
    factor: i64,
    recovery: &[Digest],
) -> Result<(), StoreError> {
    for digest in recovery {
        let insert = sql("INSERT INTO recovery_codes (factor_id, digest) VALUES ($1, $2)");
        transaction
            .execute(insert.bind(factor).bind(digest))
            .await?;
    }
    Ok(())
}
