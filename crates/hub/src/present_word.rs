//! What a provider's present word about somebody means for their rights, however it came.

use std::sync::Arc;

use jansky_model::{ProviderId, UserId};
use jansky_store::User;
use tracing::{info, warn};

use crate::Hub;
use crate::admission::Decision;
use crate::error::HubError;

/// What hangs on the word of one provider about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stake {
    /// Nothing: they only linked an identity there.
    Nothing,
    /// Whether they may be here.
    Presence,
    /// Groups and the admin flag, and whether they may be here.
    Rights,
}

impl Hub {
    /// Only the provider of the last sign-in decides who may be here, and only the one whose word
    /// the rights follow decides about those: a linked identity does neither.
    pub(crate) async fn stake(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<Stake, HubError> {
        let source = self.store.rights_source(user).await?;
        let is_last = source.last.as_ref().is_none_or(|last| last == provider);
        let decides = match &source.rights {
            Some(rights) => rights == provider,
            None => is_last,
        };
        Ok(match (decides, is_last) {
            (true, _) => Stake::Rights,
            (false, true) => Stake::Presence,
            (false, false) => Stake::Nothing,
        })
    }

    /// Does what the rules make of a provider's present word about a user.
    ///
    /// What the rules need and what was not said changes nothing: no news is not bad news.
    pub(crate) async fn follow_decision(
        self: &Arc<Self>,
        user: &User,
        provider: &ProviderId,
        stake: Stake,
        decision: Decision,
    ) -> Result<(), HubError> {
        if stake == Stake::Nothing {
            return Ok(());
        }
        if !decision.missing.is_empty() {
            warn!(
                user.name = %user.name,
                provider.id = %provider,
                missing = ?decision.missing,
                "claims that decide about rights are missing; the rights stay as they are"
            );
            return Ok(());
        }
        match decision.outcome {
            Ok(admission) if stake == Stake::Rights => {
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
