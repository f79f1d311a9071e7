//! Groups and who is in them.
//!
//! Every change of members is recorded in the change feed for those users. The end of a group is one of
//! the owners whose servers were shared with it, too: their tokens depend on who else is in there.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;

use jansky_model::{Timestamp, UserId};
use serde_json::{Map, Value};

use crate::changes::{USER_CHANGED, record_change, record_users};
use crate::db::Transaction;
use crate::row::{FromColumn, Row};
use crate::statement::{self, Composed, Statement, sql};
use crate::users::{MOST_AT_ONCE, user_ids};
use crate::{Store, StoreError};

/// The row of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub i64);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A group, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The row.
    pub id: GroupId,
    /// The name, unique.
    pub name: String,
    /// What somebody keeps with the group: an object.
    pub properties: Value,
}

impl Group {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            properties: row.get("properties")?,
        })
    }
}

/// Which part of which groups to list.
#[derive(Clone, Debug, Default)]
pub struct GroupQuery {
    /// How many to leave out at the beginning.
    pub offset: u32,
    /// How many to list at most.
    pub limit: u32,
    /// Only groups with one of these names; unknown names are passed over. At most 10,000.
    pub only: Option<Vec<String>>,
}

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

    /// The names of the members of several groups in one question, sorted; groups without one are
    /// left out.
    pub async fn members_of_groups(
        &self,
        groups: &[GroupId],
    ) -> Result<HashMap<GroupId, Vec<String>>, StoreError> {
        let question = "SELECT group_members.group_id AS of_whom, users.name AS name FROM users
             JOIN group_members ON group_members.user_id = users.id
             WHERE group_members.group_id IN ";
        self.names_of(question, groups, " ORDER BY users.name")
            .await
    }

    /// The names of the groups of several users in one question; users without one are left out.
    pub async fn groups_of_users(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Vec<String>>, StoreError> {
        let question = "SELECT group_members.user_id AS of_whom, groups.name AS name FROM groups
             JOIN group_members ON group_members.group_id = groups.id
             WHERE group_members.user_id IN ";
        self.names_of(question, users, " ORDER BY groups.name")
            .await
    }

    /// Asks for a `name` and `of_whom` it is one, of several at once.
    async fn names_of<K>(
        &self,
        question: &'static str,
        several: &[K],
        order: &'static str,
    ) -> Result<HashMap<K, Vec<String>>, StoreError>
    where
        K: Copy + Eq + Hash + FromColumn + Into<statement::Value>,
    {
        let mut names = HashMap::<K, Vec<String>>::new();
        if several.is_empty() {
            return Ok(names);
        }
        let mut query = Composed::default();
        query
            .push(question)
            .push_list(several.iter().copied())
            .push(order);
        for row in self.db.fetch_all(query.finish()).await? {
            let of_one = names.entry(row.get("of_whom")?).or_default();
            of_one.push(row.get("name")?);
        }
        Ok(names)
    }

    /// One page of groups in the order in which they were made, and how many there are on all pages
    /// together.
    pub async fn list_groups(&self, query: &GroupQuery) -> Result<(Vec<Group>, u64), StoreError> {
        let mut filter = Composed::default();
        filter.push(" FROM groups");
        match &query.only {
            Some(names) if names.is_empty() => return Ok((Vec::new(), 0)),
            Some(names) => {
                filter.push(" WHERE name IN ").push_list(names);
            }
            None => {}
        }

        let mut count = Composed::default();
        count
            .push("SELECT COUNT(*) AS total")
            .append(filter.clone());
        let row = self.db.fetch_optional(count.finish()).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.get("total"))?;

        let mut page = Composed::default();
        page.push("SELECT id, name, properties").append(filter);
        page.push(" ORDER BY id LIMIT ")
            .push_value(i64::from(query.limit));
        page.push(" OFFSET ").push_value(i64::from(query.offset));
        let rows = self.db.fetch_all(page.finish()).await?;
        let groups = rows.iter().map(Group::from_row);
        Ok((
            groups.collect::<Result<_, _>>()?,
            u64::try_from(total).unwrap_or(0),
        ))
    }

    /// The group with exactly this name.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let statement = sql("SELECT id, name, properties FROM groups WHERE name = $1");
        let row = self.db.fetch_optional(statement.bind(name)).await?;
        row.as_ref().map(Group::from_row).transpose()
    }

    /// Makes groups, all with the same members, or none of them.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when a name is taken.
    pub async fn create_groups(
        &self,
        names: &[String],
        members: &[UserId],
        at: Timestamp,
    ) -> Result<Vec<Group>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let mut made = Vec::with_capacity(names.len());
        // Sorted for the same reason as members are.
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|index| &names[*index]);
        for index in order {
            let name = &names[index];
            let insert = sql("INSERT INTO groups (name) VALUES ($1) RETURNING id");
            let row = transaction
                .fetch_one(insert.bind(name))
                .await
                .map_err(|error| error.naming(|| format!("group `{name}`")))?;
            let id = row.get("id")?;
            join(&mut transaction, id, members).await?;
            let group = Group {
                id,
                name: name.clone(),
                properties: Value::Object(Map::new()),
            };
            made.push((index, group));
        }
        record_users(&mut transaction, members.to_vec(), at).await?;
        transaction.commit().await?;
        made.sort_by_key(|(index, _)| *index);
        Ok(made.into_iter().map(|(_, group)| group).collect())
    }

    /// Deletes a group, and with it what was shared with it; returns the users whose rights that
    /// changed. For a group that is gone that is nobody.
    pub async fn delete_group(
        &self,
        group: GroupId,
        at: Timestamp,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let mut concerned = Vec::new();
        // Members first, as everybody does who changes them: who goes the other way round can wait for
        // somebody who waits for them.
        for statement in [
            "DELETE FROM group_members WHERE group_id = $1 RETURNING user_id",
            "SELECT servers.user_id AS user_id FROM shares
             JOIN servers ON servers.id = shares.server_id WHERE shares.group_id = $1",
        ] {
            let rows = transaction.fetch_all(sql(statement).bind(group)).await?;
            concerned.extend(user_ids(&rows)?);
        }
        transaction
            .execute(sql("DELETE FROM groups WHERE id = $1").bind(group))
            .await?;
        record_users(&mut transaction, concerned.clone(), at).await?;
        transaction.commit().await?;
        Ok(concerned)
    }

    /// Puts users into a group; returns those who were not in it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group.
    pub async fn add_members(
        &self,
        group: GroupId,
        users: &[UserId],
        at: Timestamp,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let added = join(&mut transaction, group, users).await?;
        record_users(&mut transaction, added.clone(), at).await?;
        transaction.commit().await?;
        Ok(added)
    }

    /// Takes users out of a group; returns those who were in it.
    pub async fn remove_members(
        &self,
        group: GroupId,
        users: &[UserId],
        at: Timestamp,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let mut removed = Vec::new();
        for some in users.chunks(MOST_AT_ONCE) {
            let mut statement = Composed::default();
            statement
                .push("DELETE FROM group_members WHERE group_id = ")
                .push_value(group)
                .push(" AND user_id IN ")
                .push_list(some.iter().copied())
                .push(" RETURNING user_id");
            let rows = transaction.fetch_all(statement.finish()).await?;
            removed.extend(user_ids(&rows)?);
        }
        record_users(&mut transaction, removed.clone(), at).await?;
        transaction.commit().await?;
        Ok(removed)
    }

    /// Keeps an object with a group in place of the one before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such group.
    pub async fn set_properties(
        &self,
        group: GroupId,
        properties: &Value,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE groups SET properties = $2 WHERE id = $1");
        let statement = statement.bind(group).bind(properties);
        match self.db.execute(statement).await? {
            0 => Err(no_group(group)),
            _ => Ok(()),
        }
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

fn no_group(group: GroupId) -> StoreError {
    StoreError::not_found(format!("group with id `{group}`"))
}

/// Puts users into a group and returns those who were not in it.
async fn join(
    transaction: &mut Transaction,
    group: GroupId,
    users: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    // In one order everywhere, so that two of these cannot wait for each other.
    let sorted: Vec<UserId> = users
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut added = Vec::new();
    for some in sorted.chunks(MOST_AT_ONCE) {
        let mut statement = Composed::default();
        statement
            .push("INSERT INTO group_members (user_id, group_id) SELECT id, CAST(")
            .push_value(group)
            .push(" AS BIGINT) FROM users WHERE id IN ")
            .push_list(some.iter().copied())
            .push(" ORDER BY id ON CONFLICT (user_id, group_id) DO NOTHING RETURNING user_id");
        let rows = transaction.fetch_all(statement.finish()).await;
        let rows = rows.map_err(|error| match error {
            StoreError::NotFound { .. } => no_group(group),
            other => other,
        })?;
        added.extend(user_ids(&rows)?);
    }
    Ok(added)
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
