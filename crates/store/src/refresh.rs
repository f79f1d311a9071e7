//! Refreshing and re-sealing the tokens of grants.
//!
//! Only one caller refreshes a grant at a time: [`Store::claim_grant`] gives it the lease, and only the
//! holder of the lease may write the result ([`Store::store_refreshed`],
//! [`Store::record_failure`]). A lease that has ended is still valid until another caller takes it.
//!
//! A sign-in does not wait for the lease: it replaces the tokens and ends the lease, and a refresh of
//! the old ones that is under way gets a conflict.

use jansky_model::Timestamp;

use crate::changes::{GRANT_CHANGED, record_change};
use crate::grants::{grant_columns, named, select_grants, update_grant};
use crate::statement::{Statement, sql};
use crate::{Grant, GrantId, GrantState, Sealed, SealedTokens, Store, StoreError};

/// What a refresh brought.
#[derive(Clone, Debug)]
pub struct RefreshedTokens {
    /// The new access token.
    pub access: Sealed,
    /// The new refresh token; `None` keeps the present one (RFC 6749 section 6).
    pub refresh: Option<Sealed>,
    /// The new ID token; `None` keeps the present one.
    pub id: Option<Sealed>,
    /// The scopes; `None` keeps the present ones (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// When the access token ends, if it is known.
    pub access_expires_at: Option<Timestamp>,
    /// When the refresh token ends; `None` is unknown for a new one and keeps that of the present
    /// one.
    pub refresh_expires_at: Option<Timestamp>,
    /// The time of the refresh.
    pub at: Timestamp,
}

/// Why a refresh did not bring anything.
#[derive(Clone, Copy, Debug)]
pub struct RefreshFailure<'a> {
    /// The state that the grant gets.
    pub state: GrantState,
    /// What happened, in a few words, without anything secret.
    pub outcome: &'a str,
    /// Before this, a refresh should not be tried again.
    pub next_try_at: Option<Timestamp>,
    /// The time of the failure.
    pub at: Timestamp,
}

impl Store {
    /// The grants to refresh on schedule, the most urgent first.
    ///
    /// Those are the grants with a refresh token whose access token ends before `expiring_before`,
    /// whose user has a server that is starting, ready or stopping, whose next try is due, that
    /// nobody is refreshing, and that need no new sign-in. An access token without a known end is
    /// never due.
    pub async fn due_grants(
        &self,
        now: Timestamp,
        expiring_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!(
            "WHERE access_expires_at < $2 AND refresh_token IS NOT NULL AND state <> 'reauth'
             AND (next_try_at IS NULL OR next_try_at <= $1)
             AND (lease_until IS NULL OR lease_until <= $1)
             AND EXISTS (SELECT 1 FROM servers WHERE servers.user_id = grants.user_id
                 AND servers.state IN ('starting', 'ready', 'stopping'))
             ORDER BY access_expires_at, id LIMIT $3"
        ))
        .bind(now)
        .bind(expiring_before)
        .bind(i64::from(limit));
        self.all_grants(statement).await
    }

    /// Lets a grant that is as it was at `version` be due again only at `until`, or later if that is
    /// noted already. A caller that needs a token before then may still try.
    pub async fn put_off(
        &self,
        id: GrantId,
        version: i64,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "UPDATE grants SET next_try_at = $3 WHERE id = $1 AND version = $2
             AND (next_try_at IS NULL OR next_try_at < $3)",
        );
        let statement = statement.bind(id).bind(version).bind(until);
        self.db.execute(statement).await.map(|_| ())
    }

    /// The grants whose claims were last asked for before `asked_before`, the longest ago first.
    ///
    /// Those are the grants whose word decides about a user's rights or whether they may be here, of
    /// users who have a server that is
    /// starting, ready or stopping, or who were seen after `seen_after`; whose next try is due, that
    /// nobody is refreshing, and that need no new sign-in.
    pub async fn grants_with_old_rights(
        &self,
        now: Timestamp,
        asked_before: Timestamp,
        seen_after: Timestamp,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        let statement = sql(select_grants!(
            "WHERE kind = 'login' AND state <> 'reauth'
             AND COALESCE(rights_asked_at, refreshed_at) < $2
             AND (next_try_at IS NULL OR next_try_at <= $1)
             AND (lease_until IS NULL OR lease_until <= $1)
             AND EXISTS (SELECT 1 FROM users WHERE users.id = grants.user_id
                 AND (users.last_provider = grants.provider
                     OR users.rights_provider = grants.provider
                     OR (users.last_provider IS NULL AND users.rights_provider IS NULL))
                 AND (users.last_activity_at > $3
                     OR EXISTS (SELECT 1 FROM servers WHERE servers.user_id = users.id
                         AND servers.state IN ('starting', 'ready', 'stopping'))))
             ORDER BY COALESCE(rights_asked_at, refreshed_at), id LIMIT $4"
        ))
        .bind(now)
        .bind(asked_before)
        .bind(seen_after)
        .bind(i64::from(limit));
        self.all_grants(statement).await
    }

    /// Takes the lease of a grant until `lease_until`, unless somebody has it at `now`.
    ///
    /// `owner` must be another text for each attempt, not only for each process: it tells a late
    /// answer apart from the present attempt. Revoking a grant takes the lease, too. The clocks of
    /// several processes must agree to well within the length of a lease.
    pub async fn claim_grant(
        &self,
        id: GrantId,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Grant>, StoreError> {
        let statement = sql(update_grant!(
            "lease_owner = $2, lease_until = $4
             WHERE id = $1 AND (lease_until IS NULL OR lease_until <= $3)"
        ))
        .bind(id)
        .bind(owner)
        .bind(now)
        .bind(lease_until);
        let mut transaction = self.db.begin().await?;
        let row = transaction.fetch_optional(statement).await?;
        transaction.commit().await?;
        row.as_ref().map(Grant::from_row).transpose()
    }

    /// Keeps what a refresh brought and gives the lease back.
    ///
    /// Nobody may get the new access token before this returns: until then a crash loses it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the tokens are no longer those of `version` or somebody else
    /// has the lease.
    pub async fn store_refreshed(
        &self,
        id: GrantId,
        owner: &str,
        version: i64,
        tokens: &RefreshedTokens,
    ) -> Result<Grant, StoreError> {
        let statement = sql(update_grant!(
            "access_token = $4, refresh_token = COALESCE($5, refresh_token),
             id_token = COALESCE($6, id_token), scope = COALESCE($7, scope),
             access_expires_at = $8,
             refresh_expires_at = CASE WHEN $9 = 1 THEN $10
                 ELSE COALESCE($10, refresh_expires_at) END,
             refreshed_at = $11, version = version + 1, lease_owner = NULL, lease_until = NULL,
             state = 'ok', failures = 0, next_try_at = NULL, last_outcome = 'ok'
             WHERE id = $1 AND lease_owner = $2 AND version = $3"
        ))
        .bind(id)
        .bind(owner)
        .bind(version)
        .bind(&tokens.access)
        .bind(tokens.refresh.as_ref())
        .bind(tokens.id.as_ref())
        .bind(tokens.scope.as_ref())
        .bind(tokens.access_expires_at)
        .bind(tokens.refresh.is_some())
        .bind(tokens.refresh_expires_at)
        .bind(tokens.at);
        self.change_grant(id, statement, tokens.at).await
    }

    /// Records that a refresh failed and gives the lease back. The tokens stay: what is valid is
    /// used until its end.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else has the lease.
    pub async fn record_failure(
        &self,
        id: GrantId,
        owner: &str,
        failure: RefreshFailure<'_>,
    ) -> Result<Grant, StoreError> {
        let statement = sql(update_grant!(
            "state = $3, last_outcome = $4, next_try_at = $5, failures = failures + 1,
             lease_owner = NULL, lease_until = NULL
             WHERE id = $1 AND lease_owner = $2"
        ))
        .bind(id)
        .bind(owner)
        .bind(failure.state.as_str())
        .bind(failure.outcome)
        .bind(failure.next_try_at);
        self.change_grant(id, statement, failure.at).await
    }

    /// Gives the lease back without a result; says whether the caller still had it.
    pub async fn release_grant(&self, id: GrantId, owner: &str) -> Result<bool, StoreError> {
        let statement = sql("UPDATE grants SET lease_owner = NULL, lease_until = NULL
             WHERE id = $1 AND lease_owner = $2");
        let released = self.db.execute(statement.bind(id).bind(owner)).await?;
        Ok(released > 0)
    }

    /// Runs an update that must find the grant as the caller saw it, and records the change.
    async fn change_grant(
        &self,
        id: GrantId,
        statement: Statement,
        at: Timestamp,
    ) -> Result<Grant, StoreError> {
        let mut transaction = self.db.begin().await?;
        let row = transaction.fetch_optional(statement).await?;
        let row = row.ok_or_else(|| StoreError::conflict(named(id)))?;
        let grant = Grant::from_row(&row)?;
        record_change(&mut transaction, GRANT_CHANGED, id.0, at).await?;
        transaction.commit().await?;
        Ok(grant)
    }

    /// Grants with a token that does not begin with `prefix`, by id from above `after`.
    ///
    /// With how the active key's values begin, these are the grants that it did not seal. Going on
    /// from the last id passes over those that cannot be sealed again because their key is lost.
    pub async fn grants_not_sealed_with(
        &self,
        prefix: &[u8],
        after: GrantId,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        let length = i64::try_from(prefix.len()).unwrap_or(i64::MAX);
        let statement = sql(select_grants!(
            "WHERE id > $1 AND (substr(access_token, 1, CAST($3 AS INTEGER)) <> $2
                 OR substr(refresh_token, 1, CAST($3 AS INTEGER)) <> $2
                 OR substr(id_token, 1, CAST($3 AS INTEGER)) <> $2)
             ORDER BY id LIMIT $4"
        ))
        .bind(after)
        .bind(prefix)
        .bind(length)
        .bind(i64::from(limit));
        self.all_grants(statement).await
    }

    /// Replaces the tokens of `version` by the same ones under another seal.
    ///
    /// Neither the version nor the lease changes: a refresh that is under way has sent the same refresh
    /// token, and its result must be accepted although the seal of the old one has changed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the tokens are no longer those of `version`.
    pub async fn replace_sealed(
        &self,
        id: GrantId,
        version: i64,
        tokens: &SealedTokens,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "UPDATE grants SET access_token = $3, refresh_token = $4, id_token = $5
             WHERE id = $1 AND version = $2",
        )
        .bind(id)
        .bind(version)
        .bind(tokens.access.as_ref())
        .bind(tokens.refresh.as_ref())
        .bind(tokens.id.as_ref());
        if self.db.execute(statement).await? == 0 {
            return Err(StoreError::conflict(named(id)));
        }
        Ok(())
    }
}
