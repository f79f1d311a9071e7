//! Groups and who is in them.

use std::collections::{BTreeSet, HashMap};

use jansky_model::{Timestamp, UserId};

use crate::changes::{USER_CHANGED, record_change};
use crate::db::Transaction;
use crate::statement::{Composed, Statement, sql};
use crate::{Store, StoreError};

/// The names of a user's groups, sorted byte by byte.
fn groups_of(user: UserId) -> Statement {
    sql("SELECT groups.name AS name FROM groups
         JOIN group_members ON group_members.group_id = groups.id
         WHERE group_members.user_id = $1 ORDER BY groups.name")
    .bind(user)
}

impl Store {
    /// The names of a user's groups, sorted.
    pub async fn groups_of(&self, user: UserId) -> Result<Vec<String>, StoreError> {
        let rows = self.db.fetch_all(groups_of(user)).await?;
        rows.iter().map(|row| row.get("name")).collect()
    }

    /// The names of the users in a group; empty for a group that does not exist.
    pub async fn members_of(&self, group: &str) -> Result<Vec<String>, StoreError> {
        let statement = sql("SELECT users.name AS name
             FROM users
             JOIN group_members ON group_members.user_id = users.id
             JOIN groups ON groups.id = group_members.group_id
             WHERE groups.name = $1
             ORDER BY users.name");
        let rows = self.db.fetch_all(statement.bind(group)).await?;
        rows.iter().map(|row| row.get("name")).collect()
    }

    /// The names of the groups of several users in one question; users without one are left out.
    pub async fn groups_of_users(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Vec<String>>, StoreError> {
        let mut groups = HashMap::<UserId, Vec<String>>::new();
        if users.is_empty() {
            return Ok(groups);
        }
        let mut query = Composed::default();
        query
            .push(
                "SELECT group_members.user_id AS user_id, groups.name AS name FROM groups
                 JOIN group_members ON group_members.group_id = groups.id
                 WHERE group_members.user_id IN ",
            )
            .push_list(users.iter().copied())
            .push(" ORDER BY groups.name");
        for row in self.db.fetch_all(query.finish()).await? {
            let of_user = groups.entry(row.get("user_id")?).or_default();
            of_user.push(row.get("name")?);
        }
        Ok(groups)
    }

    /// Puts a user into exactly these groups, making those that do not exist yet; says whether that
    /// changed anything.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn set_groups(
        &self,
        user: UserId,
        groups: &[String],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sorted = groups.iter().map(String::as_str).collect::<BTreeSet<_>>();
        let mut transaction = self.db.begin().await?;
        if !replace_groups(&mut transaction, user, &sorted).await? {
            return Ok(false);
        }
        record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Puts a user into exactly these groups and says whether that changed anything.
///
/// The set gives the same order everywhere, so that two of these cannot wait for each other.
pub(crate) async fn replace_groups(
    transaction: &mut Transaction,
    user: UserId,
    sorted: &BTreeSet<&str>,
) -> Result<bool, StoreError> {
    let rows = transaction.fetch_all(groups_of(user)).await?;
    let present = rows.iter().map(|row| row.get("name"));
    let present = present.collect::<Result<Vec<String>, _>>()?;
    if sorted.iter().copied().eq(present.iter()) {
        return Ok(false);
    }
    transaction
        .execute(sql("DELETE FROM group_members WHERE user_id = $1").bind(user))
        .await?;
    for group in sorted.iter().copied() {
        let create = sql("INSERT INTO groups (name) VALUES ($1) ON CONFLICT (name) DO NOTHING");
        transaction.execute(create.bind(group)).await?;
        let join = sql("INSERT INTO group_members (user_id, group_id)
             SELECT CAST($1 AS BIGINT), id FROM groups WHERE name = $2
             ON CONFLICT (user_id, group_id) DO NOTHING");
        transaction.execute(join.bind(user).bind(group)).await?;
    }
    Ok(true)
}
