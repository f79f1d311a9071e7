//! What an agent could ask for, and what stands in the way.

use std::sync::Arc;

use jansky_store::{FreezeReason, Grant, GrantKind, GrantState};

use super::audience::Needs;
use super::caller::Agent;
use super::give::sign_in_path;
use crate::broker::Broker;
use crate::shared::audience::{Audience, Source};
use crate::shared::error::HubError;

/// All that a person may want to know about their tokens.
#[derive(Debug)]
pub struct Overview {
    /// Why there are none at all, if there are none.
    pub frozen: Option<FreezeReason>,
    /// The identities from which tokens come.
    pub identities: Vec<OverviewIdentity>,
    /// What tokens can be asked for.
    pub audiences: Vec<OverviewAudience>,
}

/// What a provider gave.
#[derive(Debug)]
pub struct OverviewIdentity {
    /// The id of the provider.
    pub provider: String,
    /// Its name for people.
    pub title: String,
    /// How it stands.
    pub state: GrantState,
    /// Where the person signs in again, below the hub's prefix.
    pub sign_in: String,
}

/// An audience as one agent sees it.
#[derive(Debug)]
pub struct OverviewAudience {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// The scopes that can be asked for.
    pub scopes: Vec<String>,
    /// Whether a token can be had.
    pub state: AudienceState,
    /// Whether the agent keeps a file with a token for it.
    pub token_file: bool,
    /// Where the person signs in again, if that helps.
    pub sign_in: Option<String>,
}

/// Whether a token can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceState {
    /// Yes.
    Ready,
    /// After the person has signed in again.
    ReauthRequired,
    /// Later: the provider does not answer.
    Unavailable,
    /// No: there is no rule that says so, or only on servers with other options.
    NotAllowed,
    /// Not as long as the server is shared.
    ServerShared,
}

impl AudienceState {
    /// The state as one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::ReauthRequired => "reauth_required",
            Self::Unavailable => "unavailable",
            Self::NotAllowed => "not_allowed",
            Self::ServerShared => "server_shared",
        }
    }
}

impl Broker {
    /// What an agent could ask for.
    pub async fn overview(self: &Arc<Self>, agent: &Agent) -> Result<Overview, HubError> {
        let mut grants = self.store.grants_of(agent.user.id).await?;
        let services = grants.extract_if(.., |grant| grant.kind == GrantKind::Service);
        let services: Vec<Grant> = services.collect();
        let of_sign_in = self.grant_of_sign_in(&agent.user).await?;
        let identities = grants.iter().map(|grant| OverviewIdentity {
            provider: grant.provider.to_string(),
            title: self.people.title_of_provider(&grant.provider),
            state: grant.state,
            sign_in: sign_in_path(Some(&grant.provider), None),
        });
        let audiences = self.settings.broker.audiences.iter().map(|audience| {
            let needs = audience.source.needs();
            let grant = match needs {
                Needs::Nothing => None,
                Needs::LastGrant => of_sign_in.as_ref(),
                Needs::GrantOf(id) => grants.iter().find(|grant| grant.provider == *id),
            };
            let provider = match needs {
                Needs::GrantOf(id) => Some(id),
                _ => grant.map(|grant| &grant.provider),
            };
            // What came along with a sign-in has a life of its own.
            let grant = match &audience.source {
                Source::Service { service, .. } => services.iter().find(|grant| {
                    Some(&grant.provider) == provider && grant.service.as_ref() == Some(service)
                }),
                _ => grant,
            };
            let state = self.state_of(agent, audience, grant);
            let sign_in =
                (state == AudienceState::ReauthRequired).then(|| sign_in_path(provider, None));
            OverviewAudience {
                id: audience.id.clone(),
                title: audience.title.clone(),
                scopes: audience.scopes.clone(),
                state,
                token_file: audience.token_file,
                sign_in,
            }
        });
        Ok(Overview {
            frozen: agent.session.frozen,
            identities: identities.collect(),
            audiences: audiences.collect(),
        })
    }

    fn state_of(&self, agent: &Agent, audience: &Audience, grant: Option<&Grant>) -> AudienceState {
        let rules = &audience.rules;
        if !rules.allow(&agent.user, &agent.groups) || !rules.fit(Some(&agent.server)) {
            return AudienceState::NotAllowed;
        }
        if !agent.others.are_none() && !audience.shared {
            return AudienceState::ServerShared;
        }
        match grant {
            None if audience.source.needs() == Needs::Nothing => AudienceState::Ready,
            None => AudienceState::ReauthRequired,
            Some(grant) => {
                let is_valid = grant.tokens.access.is_some()
                    && grant
                        .access_expires_at
                        .is_none_or(|at| at > self.clock.now());
                match grant.state {
                    _ if is_valid => AudienceState::Ready,
                    GrantState::Ok if grant.tokens.refresh.is_some() => AudienceState::Ready,
                    // Without a refresh token nothing comes after the end of what is there.
                    GrantState::Ok | GrantState::Reauth => AudienceState::ReauthRequired,
                    GrantState::Backoff | GrantState::Uncertain => AudienceState::Unavailable,
                }
            }
        }
    }
}
