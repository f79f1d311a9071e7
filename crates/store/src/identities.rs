//! Who a user is at an identity provider.

use jansky_model::{ProviderId, Timestamp, UserId, UserName};

use crate::changes::{USER_CHANGED, record_change};
use crate::row::Row;
use crate::statement::{Statement, sql};
use crate::users::{insert_user, taken, user_columns};
use crate::{Store, StoreError, User};

/// The row of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityId(pub i64);

/// The subject of an issuer who is one of our users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The row.
    pub id: IdentityId,
    /// Whose identity it is.
    pub user_id: UserId,
    /// The provider through which it was bound.
    pub provider: ProviderId,
    /// OpenID Connect's `iss`.
    pub issuer: String,
    /// OpenID Connect's `sub`; unique within the issuer.
    pub subject: String,
    /// When it was bound to the user.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub last_login_at: Timestamp,
}

/// An identity that is to be bound to a user.
#[derive(Clone, Copy, Debug)]
pub struct NewIdentity<'a> {
    /// The provider through which it came.
    pub provider: &'a ProviderId,
    /// OpenID Connect's `iss`.
    pub issuer: &'a str,
    /// OpenID Connect's `sub`.
    pub subject: &'a str,
}

/// What came of somebody's wish to have an account that was made beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It is theirs.
    Done(User),
    /// It waits for its person, who does not come from this provider.
    NotFromHere,
    /// It has a person already.
    OfSomebody,
    /// There is none of this name.
    OfNobody,
}

macro_rules! identity_columns {
    () => {
        "identities.id AS identity_id, identities.user_id AS identity_user_id, \
         identities.provider AS provider, identities.issuer AS issuer, \
         identities.subject AS subject, identities.created_at AS identity_created_at, \
         identities.last_login_at AS last_login_at"
    };
}

pub(crate) use identity_columns;

impl Identity {
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("identity_id")?,
            user_id: row.get("identity_user_id")?,
            provider: row.get("provider")?,
            issuer: row.get("issuer")?,
            subject: row.get("subject")?,
            created_at: row.get("identity_created_at")?,
            last_login_at: row.get("last_login_at")?,
        })
    }
}

fn insert_identity(user: UserId, new: NewIdentity<'_>, at: Timestamp) -> Statement {
    sql(
        "INSERT INTO identities (user_id, provider, issuer, subject, created_at, last_login_at)
         VALUES ($1, $2, $3, $4, $5, $5) RETURNING id",
    )
    .bind(user)
    .bind(new.provider)
    .bind(new.issuer)
    .bind(new.subject)
    .bind(at)
}

fn bound(id: IdentityId, user: UserId, new: NewIdentity<'_>, at: Timestamp) -> Identity {
    Identity {
        id,
        user_id: user,
        provider: new.provider.clone(),
        issuer: new.issuer.to_owned(),
        subject: new.subject.to_owned(),
        created_at: at,
        last_login_at: at,
    }
}

fn already_bound(new: NewIdentity<'_>) -> impl FnOnce() -> String {
    let text = format!("identity `{}` of `{}`", new.subject, new.issuer);
    move || text
}

impl Store {
    /// The identity with this issuer and subject, and its user.
    pub async fn identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<(Identity, User)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            identity_columns!(),
            ", ",
            user_columns!(),
            " FROM identities JOIN users ON users.id = identities.user_id
              WHERE identities.issuer = $1 AND identities.subject = $2"
        );
        let statement = sql(SQL).bind(issuer).bind(subject);
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| Ok((Identity::from_row(&row)?, User::from_row(&row)?)))
            .transpose()
    }

    /// All identities of a user, oldest first.
    pub async fn identities_of(&self, user: UserId) -> Result<Vec<Identity>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            identity_columns!(),
            " FROM identities WHERE user_id = $1 ORDER BY id"
        );
        let rows = self.db.fetch_all(sql(SQL).bind(user)).await?;
        rows.iter().map(Identity::from_row).collect()
    }

    /// Binds an identity to a user who exists.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when it is bound already, to whomever;
    /// [`StoreError::NotFound`] when there is no such user.
    pub async fn bind_identity(
        &self,
        user: UserId,
        new: NewIdentity<'_>,
        at: Timestamp,
    ) -> Result<Identity, StoreError> {
        let mut transaction = self.db.begin().await?;
        let row = transaction
            .fetch_one(insert_identity(user, new, at))
            .await
            .map_err(|error| error.naming(already_bound(new)))?;
        transaction.commit().await?;
        Ok(bound(row.get("id")?, user, new, at))
    }

    /// Binds an identity to the user of this name whom somebody made beforehand and who never came:
    /// one without an identity and a password. What programs did in that name is no trace of a person.
    ///
    /// Whether the people of this provider may have it is what was said for this user, or else
    /// `by_default`.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the identity is bound already.
    pub async fn bind_first_identity(
        &self,
        name: &UserName,
        new: NewIdentity<'_>,
        by_default: bool,
        at: Timestamp,
    ) -> Result<Adoption, StoreError> {
        // Another sign-in with the same name waits for the lock of this row.
        const LOCK: &str = concat!(
            "UPDATE users SET admin = admin WHERE name = $1 RETURNING adopt_from, ",
            user_columns!()
        );
        let mut transaction = self.db.begin().await?;
        let Some(row) = transaction.fetch_optional(sql(LOCK).bind(name)).await? else {
            return Ok(Adoption::OfNobody);
        };
        let user = User::from_row(&row)?;
        let adopt_from: Option<ProviderId> = row.get_optional("adopt_from")?;
        let look = sql("SELECT 1 AS one FROM identities WHERE user_id = $1
             UNION ALL SELECT 1 AS one FROM passwords WHERE user_id = $1 LIMIT 1");
        if transaction
            .fetch_optional(look.bind(user.id))
            .await?
            .is_some()
        {
            return Ok(Adoption::OfSomebody);
        }
        let may_adopt = adopt_from.map_or(by_default, |provider| provider == *new.provider);
        if !may_adopt {
            return Ok(Adoption::NotFromHere);
        }
        transaction
            .fetch_one(insert_identity(user.id, new, at))
            .await
            .map_err(|error| error.naming(already_bound(new)))?;
        transaction.commit().await?;
        Ok(Adoption::Done(user))
    }

    /// Makes a user and binds the identity to them, both or neither.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the name is taken or the identity is bound already.
    pub async fn create_user_with_identity(
        &self,
        name: &UserName,
        admin: bool,
        new: NewIdentity<'_>,
        at: Timestamp,
    ) -> Result<(User, Identity), StoreError> {
        let mut transaction = self.db.begin().await?;
        let user_row = transaction
            .fetch_one(insert_user(name, admin, at))
            .await
            .map_err(|error| error.naming(taken(name)))?;
        let user = User {
            id: user_row.get("id")?,
            name: name.clone(),
            admin,
            created_at: at,
            last_activity_at: None,
        };
        let row = transaction
            .fetch_one(insert_identity(user.id, new, at))
            .await
            .map_err(|error| error.naming(already_bound(new)))?;
        transaction.commit().await?;
        let identity = bound(row.get("id")?, user.id, new, at);
        Ok((user, identity))
    }

    /// Unbinds an identity from its user, unless it is the last thing with which they can sign in:
    /// another identity or a password must be left. Says whether it was unbound.
    pub async fn unbind_identity(
        &self,
        user: UserId,
        id: IdentityId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        // The row of the user is locked first: two browsers that unbind one identity each must not
        // leave none.
        let lock = sql("UPDATE users SET admin = admin WHERE id = $1").bind(user);
        transaction.execute(lock).await?;
        let statement = sql("DELETE FROM identities WHERE id = $2 AND user_id = $1
             AND (EXISTS (SELECT 1 FROM identities AS others
                     WHERE others.user_id = $1 AND others.id <> $2)
                 OR EXISTS (SELECT 1 FROM passwords WHERE passwords.user_id = $1))");
        let unbound = transaction.execute(statement.bind(user).bind(id)).await?;
        if unbound > 0 {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        transaction.commit().await?;
        Ok(unbound > 0)
    }

    /// Records a sign-in with an identity, unless a later one is known.
    pub async fn touch_identity(
        &self,
        issuer: &str,
        subject: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = touch_identity(issuer, subject, at);
        self.db.execute(statement).await.map(|_| ())
    }
}

/// The statement with which a sign-in is recorded, unless a later one is known.
pub(crate) fn touch_identity(issuer: &str, subject: &str, at: Timestamp) -> Statement {
    sql("UPDATE identities SET last_login_at = $3
         WHERE issuer = $1 AND subject = $2 AND last_login_at < $3")
    .bind(issuer)
    .bind(subject)
    .bind(at)
}
