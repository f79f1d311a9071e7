//! Looks up active people in directories and in the account database, because these do not notify the hub
//! when a group is taken away or an account ends.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use jansky_identity::{IdentityError, PeopleLookup};
use jansky_model::{ProviderId, Timestamp};
use jansky_store::Identity;
use tracing::{info, warn};

use crate::people::People;
use crate::people::provider_claims::ProviderAuthority;
use crate::people::sign_in::ConfiguredProvider;
use crate::shared::error::HubError;

/// How many people are asked about at the same time.
const AT_ONCE: usize = 4;

/// How many people one round takes.
const ROUND: u32 = 200;

impl People {
    /// Asks once about the active people about whom nobody was asked since `asked_before`; says whether
    /// there may be more of them.
    pub(crate) async fn refresh_lookups(
        self: &Arc<Self>,
        asked_before: Timestamp,
        seen_after: Timestamp,
    ) -> Result<bool, HubError> {
        let asked = self
            .providers
            .iter()
            .filter(|p| p.provider.people().is_some());
        let ids: Vec<&ProviderId> = asked.map(|p| p.provider.id()).collect();
        let old = self
            .store
            .identities_with_old_rights(&ids, asked_before, seen_after, ROUND)
            .await?;
        let is_full = old.len() == ROUND as usize;
        stream::iter(old)
            .for_each_concurrent(AT_ONCE, |identity| async move {
                let turn = self.confirmed.turn(identity.user_id);
                let _turn = turn.lock().await;
                if let Err(error) = self.look_up(&identity, asked_before).await {
                    warn!(user.id = identity.user_id.0, error = %error, "could not follow somebody's rights");
                }
            })
            .await;
        Ok(is_full)
    }

    pub(crate) async fn look_up(
        self: &Arc<Self>,
        identity: &Identity,
        asked_before: Timestamp,
    ) -> Result<(), HubError> {
        let configured = self.provider(identity.provider.as_str())?;
        let Some(people) = configured.provider.people() else {
            return Ok(());
        };
        // Recorded also when the lookup fails, so that it is not repeated without a pause.
        let now = self.clock.now();
        if !self
            .store
            .claim_lookup(identity.id, asked_before, now)
            .await?
        {
            return Ok(());
        }
        self.ask_about(configured, people, identity).await
    }

    async fn ask_about(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        people: &dyn PeopleLookup,
        identity: &Identity,
    ) -> Result<(), HubError> {
        let provider = configured.provider.id();
        let found = people.look_up(&identity.subject).await;
        let Some(user) = self.store.user(identity.user_id).await? else {
            return Ok(());
        };
        match found {
            // A subject that changed on the way would be somebody else.
            Ok(found) if found.issuer == identity.issuer && found.subject == identity.subject => {
                let provider_authority = self.provider_authority(user.id, provider).await?;
                let decision = self.decide(configured, &found, Some(&user)).await?;
                self.follow_decision(&user, provider, provider_authority, decision)
                    .await
            }
            Ok(_) => Ok(()),
            Err(IdentityError::AccountUnusable { context }) => {
                info!(user.name = %user.name, provider.id = %provider, "the account has ended: {context}");
                if self.provider_authority(user.id, provider).await? == ProviderAuthority::Nothing {
                    return Ok(());
                }
                self.no_longer_allowed(&user, provider).await
            }
            // No answer says nothing about anybody, so nothing changes.
            Err(error) => {
                warn!(user.name = %user.name, provider.id = %provider, error = %error, "could not ask about somebody; the rights stay as they are");
                Ok(())
            }
        }
    }
}
