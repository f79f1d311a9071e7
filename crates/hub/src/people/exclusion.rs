//! What follows when the rules of a provider no longer let somebody in.
//!
//! They lose groups, admin flag, roles and everything that a provider gave, at once. What becomes of
//! servers that still run is the operator's policy. That somebody is excluded is a row, so that it
//! holds in every process and after a restart, until a sign-in is accepted again.

use std::sync::Arc;

use jansky_model::ProviderId;
use jansky_store::{FreezeReason, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use crate::shared::settings::NoLongerAllowed;

impl People {
    /// Does what follows from the refusal of somebody who was here before by the rules of
    /// `provider`.
    ///
    /// If they came in another way since, only what came of this provider is taken away.
    pub(crate) async fn no_longer_allowed(
        self: &Arc<Self>,
        user: &User,
        provider: &ProviderId,
    ) -> Result<(), HubError> {
        let source = self.store.rights_source(user.id).await?;
        let is_last = source.last.as_ref().is_none_or(|last| last == provider);
        if is_last {
            return self.exclude(user, provider).await;
        }
        self.end_sessions_through(user, provider).await?;
        self.end_rights_of(user, provider).await?;
        self.access.forget(user.id);
        Ok(())
    }

    /// Takes away the groups and the admin flag that a provider gave, if they follow that provider.
    pub(crate) async fn end_rights_of(
        &self,
        user: &User,
        provider: &ProviderId,
    ) -> Result<(), HubError> {
        let source = self.store.rights_source(user.id).await?;
        if source.rights.as_ref() == Some(provider) {
            info!(user.name = %user.name, provider.id = %provider, "rights of this provider end");
            // An admin flag about which it says nothing was given here.
            let configured = self.providers.iter().find(|p| p.provider.id() == provider);
            let says_admin = configured.is_none_or(|p| !p.rules.admin_groups.is_empty());
            let is_listed = self.settings.admin_users.contains(user.name.as_str());
            let none = jansky_store::Rights {
                admin: says_admin.then_some(is_listed),
                groups: Some(&[]),
            };
            if self
                .store
                .set_rights(user.id, none, self.clock.now())
                .await?
            {
                let detail = json!({ "admin": none.admin, "groups": [] });
                let by = provider.as_str();
                self.audit
                    .record_by(by, Event::RightsFollow, Some(user), detail)
                    .await?;
            }
        }
        Ok(())
    }

    async fn exclude(self: &Arc<Self>, user: &User, provider: &ProviderId) -> Result<(), HubError> {
        let now = self.clock.now();
        let servers = self.store.servers_of(user.id).await?;
        let runs = servers.iter().any(|server| server.state.is_active());
        let ends_at = match self.settings.no_longer_allowed {
            NoLongerAllowed::Drain(timeout) if runs => Some(now.plus(timeout)),
            _ => None,
        };
        info!(user.name = %user.name, provider.id = %provider, until = ends_at.map(tracing::field::display), "no longer allowed");
        self.store.exclude(user.id, provider, now, ends_at).await?;
        self.freeze_user(user, FreezeReason::NotAllowed, provider.as_str())
            .await?;
        self.access.forget(user.id);
        let detail = json!({ "until": ends_at });
        self.audit
            .record_by(
                provider.as_str(),
                Event::NoLongerAllowed,
                Some(user),
                detail,
            )
            .await?;
        // While servers are drained their owner can still reach them, to save what is open.
        if ends_at.is_none() {
            self.end_sessions_of(user.id).await?;
        }
        if self.settings.no_longer_allowed == NoLongerAllowed::Stop {
            self.stop_servers_of(user.id).await?;
        }
        // Also what other providers gave: it was given for work here.
        for grant in self.store.grants_of(user.id).await? {
            self.revoke_soon(grant).await;
        }
        Ok(())
    }

    async fn end_sessions_through(
        &self,
        user: &User,
        provider: &ProviderId,
    ) -> Result<(), HubError> {
        for session in self.store.sessions_of(user.id).await? {
            if session.provider == *provider {
                self.end_session(user.id, &session.session_id).await?;
            }
        }
        Ok(())
    }
}
