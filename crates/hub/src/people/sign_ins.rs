//! How somebody is signed in: identities, browsers, and what providers gave. For the person's own
//! page, the admins' page and the API. Nothing here is secret, and no token is opened for it.

use std::collections::HashMap;
use std::sync::Arc;

use jansky_identity::ProviderStatus;
use jansky_model::{ProviderId, Timestamp, UserId};
use jansky_store::{Exclusion, Grant, GrantState, Identity, Session, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::action::{Action, DemandSignIn, ListUsers, SeeSignIns};
use jansky_access::{Actor, OnBehalfOf, Permit};
use jansky_model::scope::Target;

/// What is written down as the outcome of a grant that an admin took back.
const DEMANDED: &str = Event::SignInDemanded.as_str();

/// A grant, without its tokens.
#[derive(Clone, Debug)]
pub struct GrantStatus {
    /// Whose it is.
    pub user_id: UserId,
    /// The provider.
    pub provider: ProviderId,
    /// The service that its tokens are for; `None` for those of the sign-in itself.
    pub service: Option<String>,
    /// What can be expected of the next refresh.
    pub state: GrantState,
    /// Since when the provider does not answer, as far as it is known.
    pub failing_since: Option<Timestamp>,
    /// When the present tokens came.
    pub refreshed_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// What came of the last refresh, as one word; `None` before the first.
    pub last_outcome: Option<String>,
    /// When a refresh is tried again after a failure.
    pub next_try_at: Option<Timestamp>,
    /// The scopes as the provider granted them.
    pub scope: String,
    /// Whether there is a refresh token.
    pub is_renewable: bool,
}

/// How somebody is signed in.
#[derive(Clone, Debug, Default)]
pub struct SignIns {
    /// Who they are at providers, oldest first.
    pub identities: Vec<Identity>,
    /// Their browser sessions that have not expired, newest first.
    pub sessions: Vec<Session>,
    /// What providers gave, oldest first.
    pub grants: Vec<GrantStatus>,
    /// Set when the rules no longer let them in.
    pub exclusion: Option<Exclusion>,
}

impl People {
    /// How a user is signed in.
    pub async fn sign_ins(&self, permit: &Permit<'_, SeeSignIns>) -> Result<SignIns, HubError> {
        let user = permit.on();
        let mut all = self.sign_ins_of_ids(&[user.id]).await?;
        let mut own = all.remove(&user.id).unwrap_or_default();
        own.identities = self.store.identities_of(user.id).await?;
        Ok(own)
    }

    /// How several users are signed in, without their identities, of those whom the caller may list.
    pub async fn sign_ins_of_users(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        users: &[User],
    ) -> Result<HashMap<UserId, SignIns>, HubError> {
        let by = by.into();
        let seen = users
            .iter()
            .filter(|user| by.may(ListUsers::SCOPES, Target::User(user.name.as_str())));
        let ids: Vec<UserId> = seen.map(|user| user.id).collect();
        self.sign_ins_of_ids(&ids).await
    }

    async fn sign_ins_of_ids(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, SignIns>, HubError> {
        let mut all = HashMap::<UserId, SignIns>::new();
        let now = self.clock.now();
        for session in self.store.sessions_of_users(users, now).await? {
            all.entry(session.user_id)
                .or_default()
                .sessions
                .push(session);
        }
        for grant in self.store.grants_of_users(users).await? {
            let status = self.status_of(&grant);
            all.entry(grant.user_id).or_default().grants.push(status);
        }
        for exclusion in self.store.exclusions_of_users(users).await? {
            let user = exclusion.user_id;
            all.entry(user).or_default().exclusion = Some(exclusion);
        }
        Ok(all)
    }

    fn status_of(&self, grant: &Grant) -> GrantStatus {
        let configured = self.configured(grant);
        let failing_since = match configured.map(|p| p.provider.status()) {
            Some(ProviderStatus::Unavailable { since, .. }) => Some(since),
            _ => None,
        };
        GrantStatus {
            user_id: grant.user_id,
            provider: grant.provider.clone(),
            service: grant.service.clone(),
            state: grant.state,
            failing_since: failing_since.filter(|_| grant.state != GrantState::Ok),
            refreshed_at: grant.refreshed_at,
            expires_at: grant.access_expires_at,
            last_outcome: grant.last_outcome.clone(),
            next_try_at: grant.next_try_at,
            scope: grant.scope.clone(),
            is_renewable: grant.tokens.refresh.is_some(),
        }
    }

    /// What people call a provider: its title, or the id of one that is no longer configured.
    pub fn title_of_provider(&self, id: &ProviderId) -> String {
        if self.local_accounts.as_ref() == Some(id) {
            return "a local account".to_owned();
        }
        let found = self.providers.iter().find(|p| p.provider.id() == id);
        found.map_or_else(|| id.to_string(), |p| p.provider.title().to_owned())
    }

    /// Whether the caller is no longer let in by the rules, and until when their servers go on.
    pub async fn exclusion(&self, actor: &Actor) -> Result<Option<Exclusion>, HubError> {
        Ok(self.store.exclusion(actor.user.id).await?)
    }

    /// Makes somebody sign in again: their browsers lead to the sign-in page and nothing that a
    /// provider gave is handed out until they did. Servers that run go on, and get tokens again
    /// from then on.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the user holds rights over others that the caller does not hold.
    pub async fn demand_sign_in(
        self: &Arc<Self>,
        permit: &Permit<'_, DemandSignIn>,
    ) -> Result<(), HubError> {
        let (by, user) = permit.parts();
        self.privileges.may_act_against(by, user).await?;
        let by = by.name();
        let now = self.clock.now();
        let record = self
            .audit
            .record_of(by, Event::SignInDemanded, user, json!({}));
        self.end_sessions_on_record(user.id, Some(record)).await?;
        for grant in self.store.grants_of(user.id).await? {
            self.store.demand_sign_in(grant.id, DEMANDED, now).await?;
            // The tokens as they were: the row has none any more.
            self.revoke_tokens_soon(grant);
        }
        self.access.forget(user.id);
        info!(user.name = %user.name, by, "has to sign in again");
        Ok(())
    }
}
