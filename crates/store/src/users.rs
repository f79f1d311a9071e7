//! Users.

use jansky_model::name::server_client_id;
use jansky_model::{ProviderId, ServerId, Timestamp, UserId, UserName};

use crate::changes::{USER_CHANGED, record_change, record_users};
use crate::row::Row;
use crate::statement::{Composed, Statement, sql};
use crate::{Store, StoreError};

/// A person (or a robot) who can own servers and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The row; it stays the same when the user is renamed.
    pub id: UserId,
    /// The name, unique.
    pub name: UserName,
    /// Whether the user may administer the hub.
    pub admin: bool,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was last seen, if ever.
    pub last_activity_at: Option<Timestamp>,
}

macro_rules! user_columns {
    () => {
        "users.id AS user_id, users.name AS user_name, users.admin AS user_admin, \
         users.created_at AS user_created_at, users.last_activity_at AS user_last_activity_at"
    };
}
pub(crate) use user_columns;

impl User {
    /// Reads what `user_columns!` selected.
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("user_id")?,
            name: row.get("user_name")?,
            admin: row.get("user_admin")?,
            created_at: row.get("user_created_at")?,
            last_activity_at: row.get_optional("user_last_activity_at")?,
        })
    }
}

/// How many of a long list are named in one statement: no database takes any number of parameters.
pub(crate) const MOST_AT_ONCE: usize = 1000;

/// Reads the column `user_id` of each row.
pub(crate) fn user_ids(rows: &[Row]) -> Result<Vec<UserId>, StoreError> {
    rows.iter().map(|row| row.get("user_id")).collect()
}

/// Which users to list by what their servers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityFilter {
    /// At least one server is starting, ready or stopping.
    Active,
    /// At least one server is ready.
    Ready,
    /// No server is starting, ready or stopping.
    Inactive,
}

/// By what a list of users is sorted; equal ones are sorted by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserSort {
    /// In the order in which they were made.
    #[default]
    Id,
    /// By name, byte by byte.
    Name,
    /// By last activity; never seen counts as the longest ago.
    LastActivity,
}

/// Which part of which users to list.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// How many to leave out at the beginning.
    pub offset: u32,
    /// How many to list at most; zero only counts.
    pub limit: u32,
    /// Only users whose servers are in this condition.
    pub state: Option<ActivityFilter>,
    /// Only users with this text somewhere in the name, in upper or lower case.
    pub name_filter: Option<String>,
    /// The order.
    pub sort: UserSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Only users with one of these names; unknown names are passed over. At most 10,000.
    pub only: Option<Vec<String>>,
}

/// The form of a name in which upper and lower case are the same.
fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in folded(text).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Names the user whose name is taken, for an error.
pub(crate) fn taken(name: &UserName) -> impl FnOnce() -> String {
    let text = format!("user `{name}`");
    move || text
}

const INSERT_USER: &str = "INSERT INTO users (name, name_folded, look, admin, created_at)
    VALUES ($1, $2, $3, $4, $5) RETURNING id";

/// The statement that makes a user.
pub(crate) fn insert_user(name: &UserName, admin: bool, at: Timestamp) -> Statement {
    sql(INSERT_USER)
        .bind(name)
        .bind(&folded(name.as_str()))
        .bind(&name.look())
        .bind(admin)
        .bind(at)
}

impl Store {
    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name is taken.
    pub async fn create_user(
        &self,
        name: &UserName,
        admin: bool,
        at: Timestamp,
    ) -> Result<User, StoreError> {
        self.prepare_user(name, admin, None, at).await
    }

    /// Makes a user, and says which provider's people may take over the account: both or neither.
    ///
    /// # Errors
    /// As [`Store::create_user`].
    pub async fn prepare_user(
        &self,
        name: &UserName,
        admin: bool,
        adopt_from: Option<&ProviderId>,
        at: Timestamp,
    ) -> Result<User, StoreError> {
        let mut transaction = self.db.begin().await?;
        let row = transaction
            .fetch_one(insert_user(name, admin, at))
            .await
            .map_err(|error| error.naming(taken(name)))?;
        let id: UserId = row.get("id")?;
        if let Some(provider) = adopt_from {
            let say = sql("UPDATE users SET adopt_from = $2 WHERE id = $1");
            transaction.execute(say.bind(id).bind(provider)).await?;
        }
        transaction.commit().await?;
        Ok(User {
            id,
            name: name.clone(),
            admin,
            created_at: at,
            last_activity_at: None,
        })
    }

    /// The user with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        const SQL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
        let row = self.db.fetch_optional(sql(SQL).bind(id)).await?;
        row.as_ref().map(User::from_row).transpose()
    }

    /// The users with these ids; who does not exist is left out.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            users.extend(self.user(*id).await?);
        }
        Ok(users)
    }

    /// The user with exactly this name.
    pub async fn user_by_name(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        const SQL: &str = concat!("SELECT ", user_columns!(), " FROM users WHERE name = $1");
        let row = self.db.fetch_optional(sql(SQL).bind(name)).await?;
        row.as_ref().map(User::from_row).transpose()
    }

    /// The users with these names; unknown names are passed over.
    pub async fn users_by_names(&self, names: &[UserName]) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        for some in names.chunks(MOST_AT_ONCE) {
            let mut query = Composed::default();
            query
                .push(concat!(
                    "SELECT ",
                    user_columns!(),
                    " FROM users WHERE name IN "
                ))
                .push_list(some);
            for row in self.db.fetch_all(query.finish()).await? {
                users.push(User::from_row(&row)?);
            }
        }
        Ok(users)
    }

    /// One page of users, and how many there are on all pages together.
    pub async fn list_users(&self, query: &UserQuery) -> Result<(Vec<User>, u64), StoreError> {
        if query.only.as_ref().is_some_and(Vec::is_empty) {
            return Ok((Vec::new(), 0));
        }
        let filter = user_filter(query);

        let mut count = Composed::default();
        count.push("SELECT COUNT(*) AS total FROM users WHERE ");
        count.append(filter.clone());
        let row = self.db.fetch_optional(count.finish()).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.get("total"))?;

        let mut page = Composed::default();
        page.push(concat!("SELECT ", user_columns!(), " FROM users WHERE "));
        page.append(filter);
        page.push(match (query.sort, query.descending) {
            (UserSort::Id, false) => " ORDER BY id",
            (UserSort::Id, true) => " ORDER BY id DESC",
            (UserSort::Name, false) => " ORDER BY name",
            (UserSort::Name, true) => " ORDER BY name DESC",
            (UserSort::LastActivity, false) => " ORDER BY last_activity_at NULLS FIRST, id",
            (UserSort::LastActivity, true) => " ORDER BY last_activity_at DESC NULLS LAST, id DESC",
        });
        page.push(" LIMIT ").push_value(i64::from(query.limit));
        page.push(" OFFSET ").push_value(i64::from(query.offset));
        let rows = self.db.fetch_all(page.finish()).await?;
        let users = rows.iter().map(User::from_row).collect::<Result<_, _>>()?;
        Ok((users, u64::try_from(total).unwrap_or(0)))
    }

    /// Gives a user another name, and their servers the client ids that go with it; the old name stays
    /// known as one that they had.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name is taken, [`StoreError::NotFound`].
    pub async fn rename_user(
        &self,
        id: UserId,
        name: &UserName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement =
            sql("UPDATE users SET name = $2, name_folded = $3, look = $4 WHERE id = $1")
                .bind(id)
                .bind(name)
                .bind(&folded(name.as_str()))
                .bind(&name.look());
        let former = sql("INSERT INTO former_names (user_id, name)
             SELECT id, name FROM users WHERE id = $1 AND name <> $2
             ON CONFLICT (user_id, name) DO NOTHING");
        let mut transaction = self.db.begin().await?;
        transaction.execute(former.bind(id).bind(name)).await?;
        let touched = transaction
            .execute(statement)
            .await
            .map_err(|error| error.naming(taken(name)))?;
        found(touched, id)?;
        let servers = sql("SELECT id, name FROM servers WHERE user_id = $1").bind(id);
        for server in transaction.fetch_all(servers).await? {
            let client_id = server_client_id(name, &server.get("name")?);
            let statement = sql("UPDATE servers SET client_id = $2 WHERE id = $1")
                .bind(server.get::<ServerId>("id")?)
                .bind(&client_id);
            transaction.execute(statement).await?;
        }
        record_change(&mut transaction, USER_CHANGED, id.0, at).await?;
        transaction.commit().await
    }

    /// Makes a user an administrator or an ordinary user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_admin(
        &self,
        id: UserId,
        admin: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.db.begin().await?;
        let change = sql("UPDATE users SET admin = $2 WHERE id = $1 AND admin <> $2");
        if transaction.execute(change.bind(id).bind(admin)).await? > 0 {
            record_change(&mut transaction, USER_CHANGED, id.0, at).await?;
            return transaction.commit().await;
        }
        let same = transaction
            .fetch_optional(sql("SELECT id FROM users WHERE id = $1").bind(id))
            .await?;
        found(u64::from(same.is_some()), id)
    }

    /// Deletes a user with everything that belongs to them; says whether there was one.
    ///
    /// That includes what others hold for this user's servers: OAuth tokens and codes.
    pub async fn delete_user(&self, id: UserId, at: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let mut changed = vec![id];
        for statement in [
            "DELETE FROM codes WHERE client_id IN
                 (SELECT client_id FROM servers WHERE user_id = $1) RETURNING user_id",
            "DELETE FROM tokens WHERE client_id IN
                 (SELECT client_id FROM servers WHERE user_id = $1) RETURNING user_id",
        ] {
            let rows = transaction.fetch_all(sql(statement).bind(id)).await?;
            changed.extend(user_ids(&rows)?);
        }
        let deleted = transaction
            .execute(sql("DELETE FROM users WHERE id = $1").bind(id))
            .await?;
        if deleted > 0 {
            record_users(&mut transaction, changed, at).await?;
        }
        transaction.commit().await?;
        Ok(deleted > 0)
    }

    /// Whether there is at least one administrator.
    pub async fn has_admin(&self) -> Result<bool, StoreError> {
        let statement = sql("SELECT id FROM users WHERE admin = 1 LIMIT 1");
        Ok(self.db.fetch_optional(statement).await?.is_some())
    }

    /// Records that a user was seen at `at`, unless they were seen later than that.
    pub async fn touch_user(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        self.db.execute(touch(id, at)).await.map(|_| ())
    }
}

/// Notes that a user was active.
pub(crate) fn touch(id: UserId, at: Timestamp) -> Statement {
    sql("UPDATE users SET last_activity_at = $2
         WHERE id = $1 AND (last_activity_at IS NULL OR last_activity_at < $2)")
    .bind(id)
    .bind(at)
}

/// The condition of a [`UserQuery`].
fn user_filter(query: &UserQuery) -> Composed {
    const RUNNING: &str = "(SELECT user_id FROM servers
        WHERE state IN ('starting', 'ready', 'stopping'))";
    let mut filter = Composed::default();
    filter.push("1 = 1");
    match query.state {
        None => {}
        Some(ActivityFilter::Active) => {
            filter.push(" AND id IN ").push(RUNNING);
        }
        Some(ActivityFilter::Inactive) => {
            filter.push(" AND id NOT IN ").push(RUNNING);
        }
        Some(ActivityFilter::Ready) => {
            filter.push(" AND id IN (SELECT user_id FROM servers WHERE state = 'ready')");
        }
    }
    if let Some(text) = &query.name_filter {
        filter
            .push(" AND name_folded LIKE ")
            .push_value(&containing(text))
            .push(" ESCAPE '\\'");
    }
    if let Some(names) = &query.only {
        filter.push(" AND name IN ").push_list(names);
    }
    filter
}

fn found(touched: u64, id: UserId) -> Result<(), StoreError> {
    if touched == 0 {
        return Err(StoreError::not_found(format!("user with id `{id}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_filter_stand_for_themselves() {
        assert_eq!(containing(r"A_b%\"), r"%a\_b\%\\%");
    }
}
