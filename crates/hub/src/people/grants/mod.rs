//! What identity providers gave us in the names of users: kept sealed, refreshed once for all who
//! need it, and given to nobody without a check that it is still good.
//!
//! One grant is refreshed by one task at a time: inside a process a lock for each grant sees to it,
//! across processes a lease in the database. What a refresh brings is in the database before anybody
//! gets it, because the provider may have killed the token that it was bought with.

mod breaker;
mod counts;
mod refresh;
mod rights;
mod seen;
mod services;
mod session_tokens;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jansky_crypto::Random;
use jansky_crypto::sealed::{KeyRing, OpenError, Place, RowId};
use jansky_identity::{ExternalIdentity, UpstreamTokens};
use jansky_model::{Clock, Secret};
use jansky_store::{
    Grant, GrantId, GrantKind, NewGrant, NewSession, Record, Sealed, SealedTokens, Store, User,
};
use tracing::warn;

use crate::shared::error::HubError;
pub(crate) use breaker::Breakers;
use seen::SeenGrants;

pub use refresh::{FreshToken, NoToken};

const TABLE: &str = "grants";
const ACCESS: &str = "access_token";
const REFRESH: &str = "refresh_token";
const ID: &str = "id_token";

/// Keeps and refreshes grants.
pub(crate) struct Grants {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keys: Arc<KeyRing>,
    breakers: Breakers,
    pub(crate) counts: counts::Counts,
    pub(crate) seen: SeenGrants,
    turns: Mutex<HashMap<GrantId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Grants {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        keys: impl Into<Arc<KeyRing>>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            keys: keys.into(),
            breakers: Breakers::default(),
            counts: counts::Counts::default(),
            seen: SeenGrants::default(),
            turns: Mutex::default(),
        }
    }

    /// The issuers that are left alone for a while because they did not answer.
    pub(crate) fn left_alone(&self) -> Vec<String> {
        self.breakers.open_at(self.clock.now())
    }

    /// Keeps what a linked identity brought, in place of what was there of this provider.
    pub(crate) async fn keep(
        &self,
        user: &User,
        identity: &ExternalIdentity,
        client_id: &str,
    ) -> Result<Grant, HubError> {
        let new = self.login(user, None, identity, client_id);
        let seal = |id| self.seal_all(id, &identity.tokens);
        let grant = self.store.keep_grant(&new, seal).await?;
        self.keep_services(&grant, &identity.tokens.other).await?;
        Ok(grant)
    }

    /// Makes a session and keeps what the sign-in brought, in place of what an earlier one at this
    /// provider did.
    pub(crate) async fn keep_with_session(
        &self,
        user: &User,
        session: NewSession,
        identity: &ExternalIdentity,
        client_id: &str,
        record: Record,
    ) -> Result<(), HubError> {
        let new = self.login(user, Some(&session.session_id), identity, client_id);
        let seal = |id| self.seal_all(id, &identity.tokens);
        let (_, grant) = self
            .store
            .create_session_with_grant(session, &new, seal, Some(record))
            .await?;
        self.keep_services(&grant, &identity.tokens.other).await
    }

    fn login(
        &self,
        user: &User,
        session_id: Option<&str>,
        identity: &ExternalIdentity,
        client_id: &str,
    ) -> NewGrant {
        NewGrant {
            user_id: user.id,
            session_id: session_id.map(str::to_owned),
            provider: identity.provider.clone(),
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            provider_session: provider_session(identity),
            client_id: client_id.to_owned(),
            kind: GrantKind::Login,
            service: None,
            scope: identity.tokens.scope.clone().unwrap_or_default(),
            access_expires_at: identity.tokens.expires_at,
            refresh_expires_at: None,
            rights_hash: None,
            at: self.clock.now(),
        }
    }

    fn seal_all(&self, id: GrantId, tokens: &UpstreamTokens) -> SealedTokens {
        SealedTokens {
            access: Some(self.seal(id, ACCESS, &tokens.access)),
            refresh: tokens
                .refresh
                .as_ref()
                .map(|token| self.seal(id, REFRESH, token)),
            id: tokens
                .id_token
                .as_ref()
                .map(|token| self.seal(id, ID, token)),
        }
    }

    fn seal(&self, id: GrantId, column: &str, token: &Secret) -> Sealed {
        let place = Place {
            table: TABLE,
            column,
            row: RowId::Number(id.0),
        };
        Sealed(self.keys.seal(&*self.random, token, &place))
    }

    /// Opens a token of a grant. One that does not open is as good as none: the person signs in
    /// again, and the log says why.
    fn open(&self, grant: &Grant, column: &str, sealed: Option<&Sealed>) -> Option<Secret> {
        let place = Place {
            table: TABLE,
            column,
            row: RowId::Number(grant.id.0),
        };
        match self.keys.open(&sealed?.0, &place) {
            Ok(token) => Some(token),
            Err(error) => {
                let kind = match error {
                    OpenError::UnknownKey { .. } => "its key is gone",
                    _ => "it is damaged or of another row",
                };
                warn!(grant.id = %grant.id, error = %error, "a sealed token does not open: {kind}");
                None
            }
        }
    }

    pub(crate) fn access_token_of(&self, grant: &Grant) -> Option<Secret> {
        self.open(grant, ACCESS, grant.tokens.access.as_ref())
    }

    pub(crate) fn refresh_token_of(&self, grant: &Grant) -> Option<Secret> {
        self.open(grant, REFRESH, grant.tokens.refresh.as_ref())
    }

    pub(crate) fn id_token_of(&self, grant: &Grant) -> Option<Secret> {
        self.open(grant, ID, grant.tokens.id.as_ref())
    }

    /// The turn of a grant in this process.
    fn turn(&self, id: GrantId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Turns that nobody holds are dropped now and then, so that the map does not only grow.
        if turns.len() > 1_000 {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(id).or_default())
    }

    /// Seals again, with the active key, what another key sealed; returns how many grants and
    /// sessions.
    pub(crate) async fn seal_again(&self) -> Result<u64, HubError> {
        Ok(self.seal_grants_again().await? + self.seal_sessions_again().await?)
    }

    /// A grant that is refreshed meanwhile is sealed with the active key anyway.
    async fn seal_grants_again(&self) -> Result<u64, HubError> {
        const PAGE: u32 = 100;
        let prefix = self.keys.active_prefix();
        let (mut after, mut count) = (GrantId(0), 0);
        loop {
            let page = self
                .store
                .grants_not_sealed_with(&prefix, after, PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            after = last.id;
            for grant in &page {
                // What does not open stays as it is: its key may come back, or be another process's.
                let again = |column: &str, sealed: Option<&Sealed>| {
                    let token = self.open(grant, column, sealed);
                    let sealed_again = token.map(|token| self.seal(grant.id, column, &token));
                    sealed_again.or_else(|| sealed.cloned())
                };
                let tokens = SealedTokens {
                    access: again(ACCESS, grant.tokens.access.as_ref()),
                    refresh: again(REFRESH, grant.tokens.refresh.as_ref()),
                    id: again(ID, grant.tokens.id.as_ref()),
                };
                if tokens == grant.tokens {
                    continue;
                }
                if self
                    .store
                    .replace_sealed(grant.id, grant.version, &tokens)
                    .await
                    .is_ok()
                {
                    count += 1;
                }
            }
        }
    }
}

/// The provider's name for the session that a sign-in belongs to.
pub(crate) fn provider_session(identity: &ExternalIdentity) -> Option<String> {
    identity
        .claims
        .get("sid")
        .and_then(|sid| sid.as_str())
        .map(str::to_owned)
}
