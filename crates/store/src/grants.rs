//! Grants: what an identity provider gave us in the name of a user.
//!
//! The tokens come in sealed and go out sealed; this module has no key. How they are refreshed is in
//! `refresh.rs`. Every change writes a [`Change`](crate::Change) with the topic [`GRANT_CHANGED`],
//! so that those who wait for a grant can look at it again.

use std::fmt;
use std::str::FromStr;

use jansky_model::{ProviderId, Timestamp, UserId};

use crate::changes::{GRANT_CHANGED, record_change};
use crate::db::Transaction;
use crate::row::Row;
use crate::statement::{Composed, Statement, sql};
use crate::{Store, StoreError};

/// The row of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub i64);

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value that was sealed for one row and column.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// What a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantKind {
    /// The user signed in, or linked an identity. There is one for each user and provider.
    Login,
    /// It came along with a sign-in, for one other service of the provider. There is one for each
    /// user, provider and service.
    Service,
}

impl GrantKind {
    /// The kind as one word, as the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Service => "service",
        }
    }
}

impl FromStr for GrantKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Login, Self::Service]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a kind of grant"))
    }
}

/// What can be expected of the next refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// The last one worked, or none was needed yet.
    Ok,
    /// The provider did not answer or was busy; trying again later may help.
    Backoff,
    /// A refresh was sent and its answer was lost: the refresh token may be used up.
    Uncertain,
    /// The provider refused: the person has to sign in again.
    Reauth,
}

impl GrantState {
    /// The state as one word, as the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Backoff => "backoff",
            Self::Uncertain => "uncertain",
            Self::Reauth => "reauth",
        }
    }
}

impl FromStr for GrantState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Ok, Self::Backoff, Self::Uncertain, Self::Reauth]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not the state of a grant"))
    }
}

/// The tokens of a grant. Each is sealed for the table `grants`, the column that is named at its
/// field, and the row of the grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedTokens {
    /// Column `access_token`.
    pub access: Option<Sealed>,
    /// Column `refresh_token`.
    pub refresh: Option<Sealed>,
    /// Column `id_token`.
    pub id: Option<Sealed>,
}

/// The right of one caller to refresh a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who has it.
    pub owner: String,
    /// When others may take it.
    pub until: Timestamp,
}

/// What an identity provider gave us in the name of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The row.
    pub id: GrantId,
    /// In whose name.
    pub user_id: UserId,
    /// The browser session of the last sign-in, which may have ended.
    pub session_id: Option<String>,
    /// The provider.
    pub provider: ProviderId,
    /// OpenID Connect's `iss`.
    pub issuer: String,
    /// OpenID Connect's `sub`.
    pub subject: String,
    /// OpenID Connect's `sid`, if the provider says it.
    pub provider_session: Option<String>,
    /// Our client id at the provider.
    pub client_id: String,
    /// What it is for.
    pub kind: GrantKind,
    /// The service, for [`GrantKind::Service`].
    pub service: Option<String>,
    /// The scopes as the provider granted them, separated by spaces.
    pub scope: String,
    /// The tokens.
    pub tokens: SealedTokens,
    /// When the access token ends, if it is known.
    pub access_expires_at: Option<Timestamp>,
    /// When the refresh token ends, if it is known.
    pub refresh_expires_at: Option<Timestamp>,
    /// What the claims said about the user's rights when they were last read.
    pub rights_hash: Option<String>,
    /// Grows with every change of the tokens, except when only their seal changes.
    pub version: i64,
    /// Who is refreshing it, perhaps no more.
    pub lease: Option<Lease>,
    /// What can be expected of the next refresh.
    pub state: GrantState,
    /// How many refreshes failed since the last that worked.
    pub failures: i64,
    /// Before this, a refresh should not be tried.
    pub next_try_at: Option<Timestamp>,
    /// What came of the last refresh, in a few words; `None` before the first.
    pub last_outcome: Option<String>,
    /// When the claims were last asked for to follow the user's rights; `None` if not since the
    /// sign-in, which read them itself.
    pub rights_asked_at: Option<Timestamp>,
    /// When the tokens came, by sign-in or by refresh.
    pub refreshed_at: Timestamp,
    /// When the user first signed in here.
    pub created_at: Timestamp,
}

/// What a sign-in brought, except the tokens themselves.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// In whose name.
    pub user_id: UserId,
    /// The browser session that begins with it, if one does.
    pub session_id: Option<String>,
    /// The provider.
    pub provider: ProviderId,
    /// OpenID Connect's `iss`.
    pub issuer: String,
    /// OpenID Connect's `sub`.
    pub subject: String,
    /// OpenID Connect's `sid`, if the provider says it.
    pub provider_session: Option<String>,
    /// Our client id at the provider.
    pub client_id: String,
    /// What it is for.
    pub kind: GrantKind,
    /// The service, for [`GrantKind::Service`].
    pub service: Option<String>,
    /// The scopes as the provider granted them, separated by spaces.
    pub scope: String,
    /// When the access token ends, if it is known.
    pub access_expires_at: Option<Timestamp>,
    /// When the refresh token ends, if it is known.
    pub refresh_expires_at: Option<Timestamp>,
    /// What the claims say about the user's rights.
    pub rights_hash: Option<String>,
    /// The time of the sign-in.
    pub at: Timestamp,
}

/// Puts the columns of a grant into a statement: `SELECT …` or `… RETURNING …`.
macro_rules! grant_columns {
    () => {
        "id, user_id, session_id, provider, issuer, subject, provider_session, client_id, kind, \
         service, scope, access_token, refresh_token, id_token, access_expires_at, refresh_expires_at, \
         rights_hash, version, lease_owner, lease_until, state, failures, next_try_at, \
         last_outcome, rights_asked_at, refreshed_at, created_at"
    };
}

macro_rules! select_grants {
    ($($condition:tt)+) => {
        concat!("SELECT ", grant_columns!(), " FROM grants ", $($condition)+)
    };
}

/// Where the grant of a sign-in is: one for each user and provider.
macro_rules! login_place {
    () => {
        "WHERE user_id = $1 AND provider = $2 AND kind = 'login'"
    };
}

/// Where the grant for another service is: one for each user, provider and service.
macro_rules! service_place {
    () => {
        "WHERE user_id = $1 AND provider = $2 AND service = $3 AND kind = 'service'"
    };
}

macro_rules! update_grant {
    ($change:literal) => {
        concat!(
            "UPDATE grants SET ",
            $change,
            " RETURNING ",
            grant_columns!()
        )
    };
}

/// Inserts the row of a new grant, or finds the one that was inserted at the same moment.
/// It is filled next, which counts the version of a new one up to 0.
macro_rules! reserve_grant {
    ($place:literal) => {
        concat!(
            "INSERT INTO grants (user_id, provider, issuer, subject, client_id, kind, service, scope,
                 version, state, failures, refreshed_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, -1, 'ok', 0, $9, $9)
             ON CONFLICT ",
            $place,
            " DO UPDATE SET user_id = excluded.user_id
             RETURNING id"
        )
    };
}

pub(crate) use {grant_columns, select_grants, update_grant};

impl Grant {
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        let owner = row.get_optional("lease_owner")?;
        let until = row.get_optional("lease_until")?;
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            session_id: row.get_optional("session_id")?,
            provider: row.get("provider")?,
            issuer: row.get("issuer")?,
            subject: row.get("subject")?,
            provider_session: row.get_optional("provider_session")?,
            client_id: row.get("client_id")?,
            kind: row.get("kind")?,
            service: row.get_optional("service")?,
            scope: row.get("scope")?,
            tokens: SealedTokens {
                access: row.get_optional("access_token")?,
                refresh: row.get_optional("refresh_token")?,
                id: row.get_optional("id_token")?,
            },
            access_expires_at: row.get_optional("access_expires_at")?,
            refresh_expires_at: row.get_optional("refresh_expires_at")?,
            rights_hash: row.get_optional("rights_hash")?,
            version: row.get("version")?,
            lease: owner
                .zip(until)
                .map(|(owner, until)| Lease { owner, until }),
            state: row.get("state")?,
            failures: row.get("failures")?,
            next_try_at: row.get_optional("next_try_at")?,
            last_outcome: row.get_optional("last_outcome")?,
            rights_asked_at: row.get_optional("rights_asked_at")?,
            refreshed_at: row.get("refreshed_at")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// Puts a grant in its place within a transaction.
pub(crate) async fn put_grant(
    transaction: &mut Transaction,
    new: &NewGrant,
    seal: impl Fn(GrantId) -> SealedTokens + Send,
) -> Result<Grant, StoreError> {
    let mut kept = None;
    if let Some(id) = earlier_grant(transaction, new).await? {
        kept = fill_grant(transaction, id, new, seal(id)).await?;
    }
    let grant = if let Some(grant) = kept {
        grant
    } else {
        let id = reserve_place(transaction, new).await?;
        let filled = fill_grant(transaction, id, new, seal(id)).await?;
        filled.ok_or_else(|| StoreError::not_found(named(id)))?
    };
    record_change(transaction, GRANT_CHANGED, grant.id.0, new.at).await?;
    Ok(grant)
}

/// The grant in the place of a new one, which may have been somebody else's at the provider.
async fn earlier_grant(
    transaction: &mut Transaction,
    new: &NewGrant,
) -> Result<Option<GrantId>, StoreError> {
    let look = sql(match new.kind {
        GrantKind::Login => {
            concat!("SELECT id, issuer, subject FROM grants ", login_place!())
        }
        GrantKind::Service => {
            concat!("SELECT id, issuer, subject FROM grants ", service_place!())
        }
    });
    let mut look = look.bind(new.user_id).bind(&new.provider);
    if new.kind == GrantKind::Service {
        look = look.bind(new.service.as_ref());
    }
    let Some(row) = transaction.fetch_optional(look).await? else {
        return Ok(None);
    };
    let id: GrantId = row.get("id")?;
    let (issuer, subject): (String, String) = (row.get("issuer")?, row.get("subject")?);
    // Mostly they are the same, and an index need not be written.
    if issuer != new.issuer || subject != new.subject {
        let change = sql("UPDATE grants SET issuer = $2, subject = $3 WHERE id = $1");
        let change = change.bind(id).bind(&new.issuer).bind(&new.subject);
        transaction.execute(change).await?;
    }
    Ok(Some(id))
}

async fn reserve_place(
    transaction: &mut Transaction,
    new: &NewGrant,
) -> Result<GrantId, StoreError> {
    let reserve = sql(match new.kind {
        GrantKind::Login => reserve_grant!("(user_id, provider) WHERE kind = 'login'"),
        GrantKind::Service => reserve_grant!("(user_id, provider, service) WHERE kind = 'service'"),
    })
    .bind(new.user_id)
    .bind(&new.provider)
    .bind(&new.issuer)
    .bind(&new.subject)
    .bind(&new.client_id)
    .bind(new.kind.as_str())
    .bind(new.service.as_ref())
    .bind(&new.scope)
    .bind(new.at);
    transaction.fetch_one(reserve).await?.get("id")
}

/// Writes everything into the place of a grant; `None` when the place is gone.
async fn fill_grant(
    transaction: &mut Transaction,
    id: GrantId,
    new: &NewGrant,
    tokens: SealedTokens,
) -> Result<Option<Grant>, StoreError> {
    let fill = sql(update_grant!(
        "session_id = $2, provider_session = $3, client_id = $4, scope = $5,
             access_token = $6, refresh_token = $7, id_token = $8,
             access_expires_at = $9, refresh_expires_at = $10, rights_hash = $11,
             refreshed_at = $12, version = version + 1, rights_asked_at = NULL,
             lease_owner = NULL, lease_until = NULL, state = 'ok', failures = 0,
             next_try_at = NULL, last_outcome = NULL
         WHERE id = $1"
    ))
    .bind(id)
    .bind(new.session_id.as_ref())
    .bind(new.provider_session.as_ref())
    .bind(&new.client_id)
    .bind(&new.scope)
    .bind(tokens.access.as_ref())
    .bind(tokens.refresh.as_ref())
    .bind(tokens.id.as_ref())
    .bind(new.access_expires_at)
    .bind(new.refresh_expires_at)
    .bind(new.rights_hash.as_ref())
    .bind(new.at);
    let row = transaction.fetch_optional(fill).await?;
    row.as_ref().map(Grant::from_row).transpose()
}

/// Names a grant, for an error.
pub(crate) fn named(id: GrantId) -> String {
    format!("grant with id `{id}`")
}

impl Store {
    /// Keeps what a sign-in brought, in place of what an earlier one at this provider did.
    ///
    /// `seal` gets the row for which it has to seal the tokens; it runs within the transaction, so
    /// there is never a grant without its tokens. All tokens are replaced, also by `None`. A
    /// refresh of the old ones that is under way loses the lease.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the user is gone.
    pub async fn keep_grant(
        &self,
        new: &NewGrant,
        seal: impl Fn(GrantId) -> SealedTokens + Send,
    ) -> Result<Grant, StoreError> {
        let mut transaction = self.db.begin().await?;
        let grant = put_grant(&mut transaction, new, seal).await?;
        transaction.commit().await?;
        Ok(grant)
    }

    async fn one_grant(&self, statement: Statement) -> Result<Option<Grant>, StoreError> {
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(Grant::from_row).transpose()
    }

    pub(crate) async fn all_grants(&self, statement: Statement) -> Result<Vec<Grant>, StoreError> {
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(Grant::from_row).collect()
    }

    /// The grant with this id.
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.one_grant(sql(select_grants!("WHERE id = $1")).bind(id))
            .await
    }

    /// The grant that came of the sign-in of a user at a provider.
    pub async fn login_grant(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<Option<Grant>, StoreError> {
        let statement = sql(select_grants!(login_place!()));
        self.one_grant(statement.bind(user).bind(provider)).await
    }

    /// The state of that grant alone, which costs less to read.
    pub async fn login_grant_state(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<Option<GrantState>, StoreError> {
        let statement = sql(concat!("SELECT state FROM grants ", login_place!()));
        let statement = statement.bind(user).bind(provider);
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| row.get("state")).transpose()
    }

    /// The grant for one other service that came along with the sign-in of a user at a provider.
    pub async fn service_grant(
        &self,
        user: UserId,
        provider: &ProviderId,
        service: &str,
    ) -> Result<Option<Grant>, StoreError> {
        let statement = sql(select_grants!(service_place!()));
        let statement = statement.bind(user).bind(provider).bind(service);
        self.one_grant(statement).await
    }

    /// All grants for other services that came along with the sign-in of a user at a provider.
    pub async fn service_grants(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!(
            "WHERE user_id = $1 AND provider = $2 AND kind = 'service' ORDER BY id"
        ));
        self.all_grants(statement.bind(user).bind(provider)).await
    }

    /// All grants of a user, oldest first.
    pub async fn grants_of(&self, user: UserId) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!("WHERE user_id = $1 ORDER BY id"));
        self.all_grants(statement.bind(user)).await
    }

    /// All grants of several users, oldest first.
    pub async fn grants_of_users(&self, users: &[UserId]) -> Result<Vec<Grant>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Composed::default();
        query
            .push(select_grants!("WHERE user_id IN "))
            .push_list(users.iter().copied())
            .push(" ORDER BY id");
        self.all_grants(query.finish()).await
    }

    /// The grants that came of one session at an issuer: `iss` and `sid` of a logout token.
    pub async fn grants_by_provider_session(
        &self,
        issuer: &str,
        provider_session: &str,
    ) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!(
            "WHERE issuer = $1 AND provider_session = $2 ORDER BY id"
        ));
        self.all_grants(statement.bind(issuer).bind(provider_session))
            .await
    }

    /// The grants of one subject of an issuer: `iss` and `sub` of a logout token.
    pub async fn grants_by_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!(
            "WHERE issuer = $1 AND subject = $2 ORDER BY id"
        ));
        self.all_grants(statement.bind(issuer).bind(subject)).await
    }

    /// Keeps what the claims now say about the user's rights.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_rights_hash(&self, id: GrantId, rights_hash: &str) -> Result<(), StoreError> {
        let statement = sql("UPDATE grants SET rights_hash = $2 WHERE id = $1");
        if self
            .db
            .execute(statement.bind(id).bind(rights_hash))
            .await?
            == 0
        {
            return Err(StoreError::not_found(named(id)));
        }
        Ok(())
    }

    /// Notes that the claims of a grant were asked for to follow the user's rights.
    pub async fn note_rights_asked(&self, id: GrantId, at: Timestamp) -> Result<(), StoreError> {
        let statement = sql("UPDATE grants SET rights_asked_at = $2 WHERE id = $1");
        self.db
            .execute(statement.bind(id).bind(at))
            .await
            .map(|_| ())
    }

    /// Takes the tokens of a grant away and asks for a new sign-in; gives back the grant as it was
    /// left, or `None` if there is none. The ID token stays, to end the session at the provider.
    ///
    /// Like a sign-in, this does not wait for a lease: a refresh that is under way gets a conflict.
    pub async fn demand_sign_in(
        &self,
        id: GrantId,
        outcome: &str,
        at: Timestamp,
    ) -> Result<Option<Grant>, StoreError> {
        let statement = sql(update_grant!(
            "access_token = NULL, refresh_token = NULL, state = 'reauth', last_outcome = $2,
             next_try_at = NULL, version = version + 1, lease_owner = NULL, lease_until = NULL
             WHERE id = $1"
        ));
        let mut transaction = self.db.begin().await?;
        let row = transaction
            .fetch_optional(statement.bind(id).bind(outcome))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let grant = Grant::from_row(&row)?;
        record_change(&mut transaction, GRANT_CHANGED, id.0, at).await?;
        transaction.commit().await?;
        Ok(Some(grant))
    }

    /// Deletes a grant; says whether there was one. Revoking it at the provider comes before.
    pub async fn forget_grant(&self, id: GrantId, at: Timestamp) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM grants WHERE id = $1 RETURNING id").bind(id);
        Ok(self.forget(statement, at).await? > 0)
    }

    /// Deletes all grants of a user; says how many there were.
    pub async fn forget_grants_of(&self, user: UserId, at: Timestamp) -> Result<u64, StoreError> {
        let statement = sql("DELETE FROM grants WHERE user_id = $1 RETURNING id").bind(user);
        self.forget(statement, at).await
    }

    async fn forget(&self, statement: Statement, at: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.db.begin().await?;
        let rows = transaction.fetch_all(statement).await?;
        for row in &rows {
            let id: GrantId = row.get("id")?;
            record_change(&mut transaction, GRANT_CHANGED, id.0, at).await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }
}
