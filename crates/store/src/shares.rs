//! Shares: what the owner of a server lets others do with it.
//!
//! There is one for each server and user or group; more of it is added to it, and when nothing is
//! left it is gone. Every change is recorded in the change feed for the users whose rights it is about, and of
//! the owner of the server, whose tokens depend on who else is in it.

use std::collections::BTreeSet;

use jansky_model::{ServerId, Timestamp, UserId, UserName};

use crate::bound_scopes::of_server;
use crate::changes::record_users;
use crate::db::Transaction;
use crate::row::Row;
use crate::statement::{Statement, sql};
use crate::users::user_ids;
use crate::{Store, StoreError};

/// With whom a server is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareWith<'a> {
    /// One user.
    User(&'a UserName),
    /// All members of a group, by its name.
    Group(&'a str),
}

/// What the owner of a server lets somebody do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The server.
    pub server_id: ServerId,
    /// The user it is shared with; `None` when it is a group.
    pub user: Option<UserName>,
    /// The group it is shared with; `None` when it is a user.
    pub group: Option<String>,
    /// What they may do: scopes with a filter for this server, sorted.
    pub scopes: Vec<String>,
    /// When the server was first shared with them.
    pub created_at: Timestamp,
}

impl Share {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            server_id: row.get("server_id")?,
            user: row.get_optional("user_name")?,
            group: row.get_optional("group_name")?,
            scopes: of_server(row)?,
            created_at: row.get("created_at")?,
        })
    }
}

macro_rules! select_shares {
    ($rest:literal) => {
        concat!(
            "SELECT shares.id AS id, shares.server_id AS server_id, users.name AS user_name,
                 groups.name AS group_name, shares.scopes AS scopes,
                 shares.created_at AS created_at, owners.name AS of_owner,
                 shared.name AS of_server
             FROM shares JOIN servers AS shared ON shared.id = shares.server_id
             JOIN users AS owners ON owners.id = shared.user_id
             LEFT JOIN users ON users.id = shares.user_id
             LEFT JOIN groups ON groups.id = shares.group_id ",
            $rest
        )
    };
}

impl Store {
    /// Lets somebody do more with a server.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the server, the user or the group does not exist.
    pub async fn share(
        &self,
        server: ServerId,
        with: ShareWith<'_>,
        scopes: &[String],
        at: Timestamp,
    ) -> Result<Share, StoreError> {
        let mut transaction = self.db.begin().await?;
        lock_server(&mut transaction, server).await?;
        let share = add_share(&mut transaction, server, with, scopes, at).await?;
        transaction.commit().await?;
        Ok(share)
    }

    /// Lets somebody do less with a server, or nothing with `None`; returns what is left.
    pub async fn unshare(
        &self,
        server: ServerId,
        with: ShareWith<'_>,
        scopes: Option<&[String]>,
        at: Timestamp,
    ) -> Result<Option<Share>, StoreError> {
        let mut transaction = self.db.begin().await?;
        lock_server(&mut transaction, server).await?;
        let Some((id, mut share)) = present(&mut transaction, server, with).await? else {
            return Ok(None);
        };
        share
            .scopes
            .retain(|scope| scopes.is_some_and(|gone| !gone.contains(scope)));
        let statement = if share.scopes.is_empty() {
            sql("DELETE FROM shares WHERE id = $1").bind(id)
        } else {
            sql("UPDATE shares SET scopes = $2 WHERE id = $1")
                .bind(id)
                .bind(share.scopes.as_slice())
        };
        transaction.execute(statement).await?;
        record_concerned(&mut transaction, server, with, at).await?;
        transaction.commit().await?;
        Ok(Some(share).filter(|share| !share.scopes.is_empty()))
    }

    /// Ends all shares of a server; says how many there were.
    pub async fn unshare_all(&self, server: ServerId, at: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.db.begin().await?;
        lock_server(&mut transaction, server).await?;
        let concerned = sql("SELECT shares.user_id AS user_id FROM shares
             WHERE shares.server_id = $1 AND shares.user_id IS NOT NULL
             UNION SELECT group_members.user_id AS user_id FROM shares
             JOIN group_members ON group_members.group_id = shares.group_id
             WHERE shares.server_id = $1
             UNION SELECT user_id FROM servers WHERE id = $1");
        let users = user_ids(&transaction.fetch_all(concerned.bind(server)).await?)?;
        let gone = transaction
            .execute(sql("DELETE FROM shares WHERE server_id = $1").bind(server))
            .await?;
        if gone > 0 {
            record_users(&mut transaction, users, at).await?;
        }
        transaction.commit().await?;
        Ok(gone)
    }

    /// Whether somebody else may do anything with a server.
    pub async fn is_shared(&self, server: ServerId) -> Result<bool, StoreError> {
        let statement = sql("SELECT 1 AS one FROM shares WHERE server_id = $1 LIMIT 1");
        let row = self.db.fetch_optional(statement.bind(server)).await?;
        Ok(row.is_some())
    }

    /// The shares of one server, in the order in which they were made.
    pub async fn shares_of_server(&self, server: ServerId) -> Result<Vec<Share>, StoreError> {
        const SQL: &str = select_shares!("WHERE shares.server_id = $1 ORDER BY shares.id");
        self.all_shares(sql(SQL).bind(server)).await
    }

    /// The shares of all servers of a user, in the order in which they were made.
    pub async fn shares_of_owner(&self, owner: UserId) -> Result<Vec<Share>, StoreError> {
        const SQL: &str = select_shares!("WHERE shared.user_id = $1 ORDER BY shares.id");
        self.all_shares(sql(SQL).bind(owner)).await
    }

    /// What is shared with a user, by name or through a group, in the order in which it was shared.
    pub async fn shares_with_user(&self, user: UserId) -> Result<Vec<Share>, StoreError> {
        const SQL: &str = select_shares!(
            "WHERE shares.user_id = $1 OR shares.group_id IN
                 (SELECT group_id FROM group_members WHERE group_members.user_id = $1)
             ORDER BY shares.id"
        );
        self.all_shares(sql(SQL).bind(user)).await
    }

    /// What is shared with a group, in the order in which it was shared.
    pub async fn shares_with_group(&self, group: &str) -> Result<Vec<Share>, StoreError> {
        const SQL: &str = select_shares!("WHERE groups.name = $1 ORDER BY shares.id");
        self.all_shares(sql(SQL).bind(group)).await
    }

    /// The share of a server with one user or group, if there is one.
    pub async fn share_with(
        &self,
        server: ServerId,
        with: ShareWith<'_>,
    ) -> Result<Option<Share>, StoreError> {
        let row = self.db.fetch_optional(share_with(server, with)).await?;
        row.as_ref().map(Share::from_row).transpose()
    }

    async fn all_shares(&self, statement: Statement) -> Result<Vec<Share>, StoreError> {
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(Share::from_row).collect()
    }
}

/// Lets somebody do more with a server that [`lock_server`] has locked.
pub(crate) async fn add_share(
    transaction: &mut Transaction,
    server: ServerId,
    with: ShareWith<'_>,
    scopes: &[String],
    at: Timestamp,
) -> Result<Share, StoreError> {
    let present = present(transaction, server, with).await?;
    let mut all: BTreeSet<String> = scopes.iter().cloned().collect();
    if let Some((_, share)) = &present {
        all.extend(share.scopes.iter().cloned());
    }
    let all: Vec<String> = all.into_iter().collect();
    let written = if let Some((id, _)) = &present {
        let update = sql("UPDATE shares SET scopes = $2 WHERE id = $1");
        transaction
            .execute(update.bind(*id).bind(all.as_slice()))
            .await?
    } else {
        let insert = match with {
            ShareWith::User(name) => {
                sql("INSERT INTO shares (server_id, user_id, scopes, created_at)
                 SELECT CAST($1 AS BIGINT), id, $3, CAST($4 AS BIGINT)
                 FROM users WHERE name = $2")
                .bind(server)
                .bind(name)
            }
            ShareWith::Group(name) => sql(
                "INSERT INTO shares (server_id, group_id, scopes, created_at)
                 SELECT CAST($1 AS BIGINT), id, $3, CAST($4 AS BIGINT)
                 FROM groups WHERE name = $2",
            )
            .bind(server)
            .bind(name),
        };
        transaction
            .execute(insert.bind(all.as_slice()).bind(at))
            .await?
    };
    if written == 0 {
        return Err(StoreError::not_found(match with {
            ShareWith::User(name) => format!("user `{name}`"),
            ShareWith::Group(name) => format!("group `{name}`"),
        }));
    }
    let (_, share) = present_now(transaction, server, with).await?;
    record_concerned(transaction, server, with, at).await?;
    Ok(share)
}

/// Makes changes of one server's shares wait for each other.
pub(crate) async fn lock_server(
    transaction: &mut Transaction,
    server: ServerId,
) -> Result<(), StoreError> {
    let statement = sql("UPDATE servers SET version = version WHERE id = $1");
    match transaction.execute(statement.bind(server)).await? {
        0 => Err(StoreError::not_found(format!("server {server}"))),
        _ => Ok(()),
    }
}

fn share_with(server: ServerId, with: ShareWith<'_>) -> Statement {
    const WITH_USER: &str = select_shares!("WHERE shares.server_id = $1 AND users.name = $2");
    const WITH_GROUP: &str = select_shares!("WHERE shares.server_id = $1 AND groups.name = $2");
    match with {
        ShareWith::User(name) => sql(WITH_USER).bind(server).bind(name),
        ShareWith::Group(name) => sql(WITH_GROUP).bind(server).bind(name),
    }
}

async fn present(
    transaction: &mut Transaction,
    server: ServerId,
    with: ShareWith<'_>,
) -> Result<Option<(i64, Share)>, StoreError> {
    let row = transaction.fetch_optional(share_with(server, with)).await?;
    row.map(|row| Ok((row.get("id")?, Share::from_row(&row)?)))
        .transpose()
}

async fn present_now(
    transaction: &mut Transaction,
    server: ServerId,
    with: ShareWith<'_>,
) -> Result<(i64, Share), StoreError> {
    let present = present(transaction, server, with).await?;
    present.ok_or_else(|| StoreError::not_found(format!("share of server {server}")))
}

/// Records a change of the users whose rights a share is about and of the owner of the server.
async fn record_concerned(
    transaction: &mut Transaction,
    server: ServerId,
    with: ShareWith<'_>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let concerned = match with {
        ShareWith::User(name) => sql("SELECT id AS user_id FROM users WHERE name = $2
             UNION SELECT user_id FROM servers WHERE id = $1")
        .bind(server)
        .bind(name),
        ShareWith::Group(name) => sql("SELECT group_members.user_id AS user_id FROM group_members
             JOIN groups ON groups.id = group_members.group_id WHERE groups.name = $2
             UNION SELECT user_id FROM servers WHERE id = $1")
        .bind(server)
        .bind(name),
    };
    let users = user_ids(&transaction.fetch_all(concerned).await?)?;
    record_users(transaction, users, at).await
}
