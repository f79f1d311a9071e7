//! Applies what a provider now says about a user to their rights, whether it came with a refresh, a lookup
//! or a request.

use std::sync::Arc;

use jansky_model::{ProviderId, UserId};
use jansky_store::{Grant, GrantState, User};
use tracing::{info, warn};

use crate::people::People;
use crate::people::admission::Decision;
use crate::shared::error::HubError;

/// What one provider decides about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderAuthority {
    /// Nothing: they only linked an identity there.
    Nothing,
    /// Whether they may be here.
    Presence,
    /// Groups and the admin flag, and whether they may be here.
    Rights,
}

impl People {
    /// Only the provider of the last sign-in decides whether a user may use the hub, and only the one that
    /// their rights follow decides about those. A provider that was only linked decides neither.
    pub(crate) async fn provider_authority(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<ProviderAuthority, HubError> {
        let source = self.store.rights_source(user).await?;
        let is_last = source.last.as_ref().is_none_or(|last| last == provider);
        let decides = match &source.rights {
            Some(rights) => rights == provider,
            None => is_last,
        };
        Ok(match (decides, is_last) {
            (true, _) => ProviderAuthority::Rights,
            (false, true) => ProviderAuthority::Presence,
            (false, false) => ProviderAuthority::Nothing,
        })
    }

    /// Records that somebody came in through a provider; with `decides` it says what rights they have.
    pub(crate) async fn record_sign_in(
        &self,
        user: User,
        provider: &ProviderId,
        decides: bool,
    ) -> Result<User, HubError> {
        let now = self.clock.now();
        self.store
            .note_sign_in(user.id, provider, decides, now)
            .await?;
        if decides {
            return Ok(user);
        }
        self.end_unfollowed_rights(user, provider).await
    }

    /// Ends the rights of somebody who has just come in through a provider that says nothing about
    /// them, unless the one that they follow can still be asked. Otherwise a
    /// person who has left an institute would keep its groups by signing in with another account.
    async fn end_unfollowed_rights(
        &self,
        user: User,
        came_by: &ProviderId,
    ) -> Result<User, HubError> {
        let Some(followed) = self.store.rights_source(user.id).await?.rights else {
            return Ok(user);
        };
        if followed == *came_by || self.can_be_asked_about(&user, &followed).await? {
            return Ok(user);
        }
        self.end_rights_of(&user, &followed).await?;
        self.store.follow_no_longer(user.id, &followed).await?;
        self.access.forget(user.id);
        Ok(self.store.user(user.id).await?.unwrap_or(user))
    }

    /// Whether there is a way to ask a provider about somebody without them.
    async fn can_be_asked_about(
        &self,
        user: &User,
        provider: &ProviderId,
    ) -> Result<bool, HubError> {
        let Ok(configured) = self.provider(provider.as_str()) else {
            return Ok(false);
        };
        if configured.provider.people().is_some() {
            return Ok(true);
        }
        let grant = self.store.login_grant(user.id, provider).await?;
        Ok(grant.is_some_and(|grant| self.can_ask_with(&grant)))
    }

    /// Whether a grant is enough to ask its provider about the person.
    pub(crate) fn can_ask_with(&self, grant: &Grant) -> bool {
        let now = self.clock.now();
        let lives = || grant.access_expires_at.is_none_or(|ends| ends > now);
        grant.state != GrantState::Reauth && (grant.tokens.refresh.is_some() || lives())
    }

    /// Does what the rules make of a provider's present word about a user.
    ///
    /// What the rules need and what was not said changes nothing: no news is not bad news.
    pub(crate) async fn follow_decision(
        self: &Arc<Self>,
        user: &User,
        provider: &ProviderId,
        provider_authority: ProviderAuthority,
        decision: Decision,
    ) -> Result<(), HubError> {
        if provider_authority == ProviderAuthority::Nothing {
            return Ok(());
        }
        warn_of_unreadable(provider, &decision);
        if !decision.is_certain {
            warn!(
                user.name = %user.name,
                provider.id = %provider,
                missing = decision.missing.join(", "),
                "not everything is told that decides about rights; they stay as they are"
            );
            return Ok(());
        }
        match decision.outcome {
            Ok(admission) if provider_authority == ProviderAuthority::Rights => {
                self.apply_admission(user, &admission).await.map(|_| ())
            }
            Ok(_) => Ok(()),
            Err(refusal) => {
                info!(user.name = %user.name, provider.id = %provider, "no longer allowed: {refusal}");
                self.no_longer_allowed(user, provider).await
            }
        }
    }
}

/// Tells the operator what came where a rule looks and cannot be read.
pub(crate) fn warn_of_unreadable(provider: &ProviderId, decision: &Decision) {
    for problem in &decision.unreadable {
        warn!(provider.id = %provider, "what an identity provider says cannot be read: {problem}");
    }
}
