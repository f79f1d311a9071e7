//! Names that users and identities have and had, and what they look like.

use std::collections::BTreeSet;

use jansky_model::{ProviderId, UserId, UserName};

use crate::row::Row;
use crate::statement::sql;
use crate::{Store, StoreError};

/// How many users one step of filling in looks takes.
const AT_ONCE: i64 = 1000;

impl Store {
    /// The users whose names people cannot tell from this one; the user of exactly this name is not
    /// among them.
    pub async fn users_looking_like(&self, name: &UserName) -> Result<Vec<UserName>, StoreError> {
        let statement = sql("SELECT name FROM users WHERE look = $1 AND name <> $2 ORDER BY id");
        let statement = statement.bind(&name.look()).bind(name);
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(|row| row.get("name")).collect()
    }

    /// Every name that an identity has and had here, and that the user whose identity it is has and
    /// had here or at another provider.
    pub async fn names_of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<BTreeSet<String>, StoreError> {
        let statement = sql(
            "SELECT name FROM identity_names WHERE issuer = $1 AND subject = $2
             UNION SELECT users.name AS name FROM identities
             JOIN users ON users.id = identities.user_id
             WHERE identities.issuer = $1 AND identities.subject = $2
             UNION SELECT former_names.name AS name FROM identities
             JOIN former_names ON former_names.user_id = identities.user_id
             WHERE identities.issuer = $1 AND identities.subject = $2
             UNION SELECT identity_names.name AS name FROM identities
             JOIN identities AS others ON others.user_id = identities.user_id
             JOIN identity_names ON identity_names.issuer = others.issuer
                 AND identity_names.subject = others.subject
             WHERE identities.issuer = $1 AND identities.subject = $2",
        );
        self.set_of_names(statement.bind(issuer).bind(subject))
            .await
    }

    /// Every name that a user has and had here and at their providers.
    pub async fn names_of_user(&self, user: UserId) -> Result<BTreeSet<String>, StoreError> {
        let statement = sql("SELECT name FROM users WHERE id = $1
             UNION SELECT name FROM former_names WHERE user_id = $1
             UNION SELECT identity_names.name AS name FROM identities
             JOIN identity_names ON identity_names.issuer = identities.issuer
                 AND identity_names.subject = identities.subject
             WHERE identities.user_id = $1");
        self.set_of_names(statement.bind(user)).await
    }

    async fn set_of_names(
        &self,
        statement: crate::statement::Statement,
    ) -> Result<BTreeSet<String>, StoreError> {
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(|row: &Row| row.get("name")).collect()
    }

    /// Records a name by which a provider named somebody.
    pub async fn note_identity_name(
        &self,
        issuer: &str,
        subject: &str,
        name: &str,
    ) -> Result<(), StoreError> {
        let statement = sql("INSERT INTO identity_names (issuer, subject, name)
             VALUES ($1, $2, $3) ON CONFLICT (issuer, subject, name) DO NOTHING");
        let statement = statement.bind(issuer).bind(subject).bind(name);
        self.db.execute(statement).await.map(|_| ())
    }

    /// The provider whose people may take over the account of a user, where somebody said so.
    pub async fn adopt_from(&self, user: UserId) -> Result<Option<ProviderId>, StoreError> {
        let statement = sql("SELECT adopt_from FROM users WHERE id = $1").bind(user);
        match self.db.fetch_optional(statement).await? {
            Some(row) => row.get_optional("adopt_from"),
            None => Ok(None),
        }
    }

    /// Says which provider's people may take over the account of a user; with `None` the configuration
    /// decides.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_adopt_from(
        &self,
        user: UserId,
        provider: Option<&ProviderId>,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE users SET adopt_from = $2 WHERE id = $1");
        match self.db.execute(statement.bind(user).bind(provider)).await? {
            0 => Err(StoreError::not_found(format!("user with id `{user}`"))),
            _ => Ok(()),
        }
    }

    /// Fills in what the names of users of earlier versions look like.
    pub(crate) async fn fill_in_looks(&self) -> Result<(), StoreError> {
        loop {
            let some = sql("SELECT id, name FROM users WHERE look IS NULL LIMIT $1");
            let rows = self.db.fetch_all(some.bind(AT_ONCE)).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut transaction = self.db.begin().await?;
            for row in rows {
                let name: UserName = row.get("name")?;
                let change = sql("UPDATE users SET look = $2 WHERE id = $1");
                let change = change.bind(row.get::<i64>("id")?).bind(&name.look());
                transaction.execute(change).await?;
            }
            transaction.commit().await?;
        }
    }
}
