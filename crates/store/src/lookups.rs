//! People whose provider gives no tokens and can be asked about them all the same.

use jansky_model::{ProviderId, Timestamp, UserId};

use crate::identities::{Identity, identity_columns};
use crate::statement::{Composed, sql};
use crate::{IdentityId, Store, StoreError};

impl Store {
    /// The identities of these providers about whom nobody was asked since `asked_before`, the longest
    /// ago first.
    ///
    /// Those are the ones whose word counts for a user who has a server that is starting, ready or
    /// stopping, or who was seen after `seen_after`, and who is not excluded already.
    pub async fn identities_with_old_rights(
        &self,
        providers: &[&ProviderId],
        asked_before: Timestamp,
        seen_after: Timestamp,
        limit: u32,
    ) -> Result<Vec<Identity>, StoreError> {
        const SELECT: &str = concat!(
            "SELECT ",
            identity_columns!(),
            " FROM identities JOIN users ON users.id = identities.user_id
              WHERE (users.last_provider = identities.provider
                  OR users.rights_provider = identities.provider)
              AND NOT EXISTS (SELECT 1 FROM exclusions WHERE exclusions.user_id = users.id)
              AND COALESCE(identities.rights_asked_at, identities.last_login_at) < "
        );
        const ACTIVE: &str = " OR EXISTS (SELECT 1 FROM servers WHERE servers.user_id = users.id
                  AND servers.state IN ('starting', 'ready', 'stopping')))
              AND identities.provider IN ";
        const ORDER: &str =
            " ORDER BY COALESCE(identities.rights_asked_at, identities.last_login_at),
              identities.id LIMIT ";
        if providers.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Composed::default();
        query
            .push(SELECT)
            .push_value(asked_before)
            .push(" AND (users.last_activity_at > ")
            .push_value(seen_after)
            .push(ACTIVE)
            .push_list(providers.iter().copied())
            .push(ORDER)
            .push_value(i64::from(limit));
        let rows = self.db.fetch_all(query.finish()).await?;
        rows.iter().map(Identity::from_row).collect()
    }

    /// When a provider was last asked about a user who has an identity there.
    pub async fn lookup_time(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let statement = sql(
            "SELECT MAX(COALESCE(rights_asked_at, last_login_at)) AS asked_at
             FROM identities WHERE user_id = $1 AND provider = $2",
        );
        let row = self
            .db
            .fetch_optional(statement.bind(user).bind(provider))
            .await?;
        row.map_or(Ok(None), |row| row.get_optional("asked_at"))
    }

    /// Notes that a provider is being asked about a person; says whether nobody else did so since
    /// `asked_before`.
    pub async fn claim_lookup(
        &self,
        id: IdentityId,
        asked_before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = sql("UPDATE identities SET rights_asked_at = $2
             WHERE id = $1 AND COALESCE(rights_asked_at, last_login_at) < $3")
        .bind(id)
        .bind(now)
        .bind(asked_before);
        Ok(self.db.execute(statement).await? > 0)
    }
}
