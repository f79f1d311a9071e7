//! The rights of users that follow a provider: groups, the admin flag, and whether they may use the hub.
//!
//! Everything that one answer of a provider changes is one transaction: nobody is ever seen with the
//! new groups and the old admin flag.

use std::collections::BTreeSet;

use jansky_model::{ProviderId, Timestamp, UserId};

use crate::changes::{USER_CHANGED, record_change};
use crate::db::Transaction;
use crate::groups::replace_groups;
use crate::row::Row;
use crate::statement::{Composed, sql};
use crate::{Store, StoreError};

/// What a provider says about a user's rights; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights<'a> {
    /// Whether the user is an administrator.
    pub admin: Option<bool>,
    /// Exactly these groups.
    pub groups: Option<&'a [String]>,
}

/// Whose word counts for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightsSource {
    /// The provider of the last sign-in, if it is known.
    pub last: Option<ProviderId>,
    /// The provider whose word groups and the admin flag follow, if there is one.
    pub rights: Option<ProviderId>,
}

/// A user whom the rules no longer let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Who.
    pub user_id: UserId,
    /// The provider whose rules said no.
    pub provider: ProviderId,
    /// When that was noticed.
    pub since: Timestamp,
    /// When servers are stopped and sessions end; `None` when that is done or not wanted.
    pub ends_at: Option<Timestamp>,
}

impl Exclusion {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            user_id: row.get("user_id")?,
            provider: row.get("provider")?,
            since: row.get("since")?,
            ends_at: row.get_optional("ends_at")?,
        })
    }
}

impl Store {
    /// Whose word counts for a user; nobody's for one who is gone.
    pub async fn rights_source(&self, user: UserId) -> Result<RightsSource, StoreError> {
        let statement = sql("SELECT last_provider, rights_provider FROM users WHERE id = $1");
        let Some(row) = self.db.fetch_optional(statement.bind(user)).await? else {
            return Ok(RightsSource::default());
        };
        Ok(RightsSource {
            last: row.get_optional("last_provider")?,
            rights: row.get_optional("rights_provider")?,
        })
    }

    /// Gives a user the rights that a provider says; says whether anything changed.
    pub async fn set_rights(
        &self,
        user: UserId,
        rights: Rights<'_>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        // After most sign-ins and refreshes nothing has changed, which a look shows.
        if self.has_rights(user, rights).await? {
            return Ok(false);
        }
        match self.try_set_rights(user, rights, at).await {
            // A group that somebody deletes at this moment is made anew the second time.
            Err(StoreError::NotFound { .. }) => self.try_set_rights(user, rights, at).await,
            other => other,
        }
    }

    async fn try_set_rights(
        &self,
        user: UserId,
        rights: Rights<'_>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let changed = change_rights(&mut transaction, user, rights).await?;
        if changed {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    /// Whether a user's rights are what a provider says.
    async fn has_rights(&self, user: UserId, rights: Rights<'_>) -> Result<bool, StoreError> {
        if rights == Rights::default() {
            return Ok(true);
        }
        let statement = sql("SELECT users.admin AS admin, groups.name AS name FROM users
             LEFT JOIN group_members ON group_members.user_id = users.id
             LEFT JOIN groups ON groups.id = group_members.group_id
             WHERE users.id = $1");
        let rows = self.db.fetch_all(statement.bind(user)).await?;
        let Some(first) = rows.first() else {
            return Ok(false);
        };
        let admin: bool = first.get("admin")?;
        let groups = rows.iter().map(|row| row.get_optional("name"));
        let groups = groups.collect::<Result<Vec<Option<String>>, _>>()?;
        let groups = groups.into_iter().flatten().collect::<BTreeSet<_>>();
        let wanted = rights
            .groups
            .map(|names| names.iter().cloned().collect::<BTreeSet<_>>());
        Ok(rights.admin.is_none_or(|wanted| wanted == admin)
            && wanted.is_none_or(|wanted| wanted == groups))
    }

    /// Records that a user came in through a provider, which ends an exclusion. With `decides` the
    /// rights follow this provider from now on.
    pub async fn note_sign_in(
        &self,
        user: UserId,
        provider: &ProviderId,
        decides: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        // Most people come in the way that they came before, which a look shows.
        let look = sql("SELECT 1 AS one FROM users
             WHERE id = $1 AND last_provider = $2 AND ($3 = 0 OR rights_provider = $2)
                 AND NOT EXISTS (SELECT 1 FROM exclusions WHERE user_id = $1)");
        let look = look.bind(user).bind(provider).bind(decides);
        if self.db.fetch_optional(look).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.db.begin().await?;
        let note = sql("UPDATE users SET last_provider = $2,
                 rights_provider = CASE WHEN $3 = 1 THEN $2 ELSE rights_provider END
             WHERE id = $1");
        let note = note.bind(user).bind(provider).bind(decides);
        transaction.execute(note).await?;
        let readmit = sql("DELETE FROM exclusions WHERE user_id = $1").bind(user);
        if transaction.execute(readmit).await? > 0 {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        transaction.commit().await
    }

    /// Records that the rights of a user follow nobody's word any more, if they followed this
    /// provider's.
    pub async fn follow_no_longer(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE users SET rights_provider = NULL
             WHERE id = $1 AND rights_provider = $2");
        let statement = statement.bind(user).bind(provider);
        self.db.execute(statement).await.map(|_| ())
    }

    /// Takes a user's rights away because the rules of a provider no longer let them in. `ends_at`
    /// is when their servers are to be stopped.
    ///
    /// One who is excluded already keeps the earlier times.
    pub async fn exclude(
        &self,
        user: UserId,
        provider: &ProviderId,
        at: Timestamp,
        ends_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let none = Rights {
            admin: Some(false),
            groups: Some(&[]),
        };
        let mut transaction = self.db.begin().await?;
        change_rights(&mut transaction, user, none).await?;
        let statement = sql("INSERT INTO exclusions (user_id, provider, since, ends_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO NOTHING");
        let statement = statement.bind(user).bind(provider).bind(at).bind(ends_at);
        transaction.execute(statement).await?;
        record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        transaction.commit().await
    }

    /// The exclusion of a user, if the rules do not let them in.
    pub async fn exclusion(&self, user: UserId) -> Result<Option<Exclusion>, StoreError> {
        let statement =
            sql("SELECT user_id, provider, since, ends_at FROM exclusions WHERE user_id = $1");
        let row = self.db.fetch_optional(statement.bind(user)).await?;
        row.as_ref().map(Exclusion::from_row).transpose()
    }

    /// The exclusions among several users.
    pub async fn exclusions_of_users(
        &self,
        users: &[UserId],
    ) -> Result<Vec<Exclusion>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Composed::default();
        query
            .push("SELECT user_id, provider, since, ends_at FROM exclusions WHERE user_id IN ")
            .push_list(users.iter().copied());
        let rows = self.db.fetch_all(query.finish()).await?;
        rows.iter().map(Exclusion::from_row).collect()
    }

    /// The exclusions whose time has come, the oldest first.
    pub async fn due_exclusions(&self, now: Timestamp) -> Result<Vec<Exclusion>, StoreError> {
        let statement = sql("SELECT user_id, provider, since, ends_at FROM exclusions
             WHERE ends_at <= $1 ORDER BY ends_at, user_id");
        let rows = self.db.fetch_all(statement.bind(now)).await?;
        rows.iter().map(Exclusion::from_row).collect()
    }

    /// Records that the servers of an excluded user were stopped and their sessions ended.
    pub async fn finish_exclusion(&self, user: UserId) -> Result<(), StoreError> {
        let statement = sql("UPDATE exclusions SET ends_at = NULL WHERE user_id = $1");
        self.db.execute(statement.bind(user)).await.map(|_| ())
    }
}

/// Changes what differs and says whether anything did.
async fn change_rights(
    transaction: &mut Transaction,
    user: UserId,
    rights: Rights<'_>,
) -> Result<bool, StoreError> {
    let mut changed = false;
    if let Some(admin) = rights.admin {
        let change = sql("UPDATE users SET admin = $2 WHERE id = $1 AND admin <> $2");
        changed |= transaction.execute(change.bind(user).bind(admin)).await? > 0;
    }
    if let Some(groups) = rights.groups {
        let sorted = groups.iter().map(String::as_str).collect::<BTreeSet<_>>();
        changed |= replace_groups(transaction, user, &sorted).await?;
    }
    Ok(changed)
}
