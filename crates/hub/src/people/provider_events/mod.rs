//! What providers send without being asked: that sessions have ended (OpenID Connect Back-Channel
//! Logout 1.0), and what happened to accounts (OpenID Shared Signals Framework 1.0).
//!
//! Anybody can send such a token, so its signature is checked before anything else happens, and only a
//! few are checked at the same time. Its consequences are in the database before it is answered, and
//! reach other processes through the change feed.

mod logout;
mod security_events;

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_model::{ProviderId, Secret, Timestamp, UserId};
use jansky_store::{FreezeReason, Grant, Session};
use serde_json::json;
use tokio::sync::SemaphorePermit;

pub use security_events::EventRefusal;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;

/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 16 << 10;

/// Whose sessions a provider ends.
#[derive(Clone, Copy)]
struct LogoutTarget<'a> {
    provider: &'a ProviderId,
    /// The issuer of the accounts at the provider.
    issuer: &'a str,
    /// A person there.
    subject: Option<&'a str>,
    /// A session there. If it is known, only this one ends; else those of the person for which the
    /// provider never named a session.
    provider_session: Option<&'a str>,
    /// Whether all sessions of the person end even if one is named.
    is_widened: bool,
    /// When it happened: sessions that began later stay.
    at: Option<Timestamp>,
}

/// What was ended.
struct Outcome {
    /// How many browser sessions have ended.
    ended: usize,
    /// Whether the person has signed in again since.
    is_back: bool,
}

impl People {
    /// A place among the tokens that are judged at the same time.
    fn event_permit(&self) -> Result<SemaphorePermit<'_>, HubError> {
        self.event_permits
            .try_acquire()
            .map_err(|_| HubError::Busy {
                message: "too many tokens of providers at once".to_owned(),
                retry_after: Duration::from_secs(1),
            })
    }

    /// Ends the sessions and grants that a provider means.
    async fn end_target(&self, target: LogoutTarget<'_>) -> Result<Outcome, HubError> {
        let (sessions, mut grants) = self.sessions_of_target(target).await?;
        let is_newer = |session: &Session| target.at.is_some_and(|at| session.created_at > at);
        let (newer, ended): (Vec<_>, Vec<_>) = sessions.into_iter().partition(is_newer);
        // A grant is that of the last sign-in.
        grants.retain(|grant| {
            let is_of = |session: &Session| grant.session_id.as_ref() == Some(&session.session_id);
            !newer.iter().any(is_of)
        });
        let now = self.clock.now();
        let of_sessions = ended.iter().map(|session| session.user_id);
        let users: BTreeSet<UserId> = of_sessions
            .chain(grants.iter().map(|grant| grant.user_id))
            .collect();
        for session in &ended {
            self.end_session(session.user_id, &session.session_id)
                .await?;
        }
        for grant in grants {
            // The provider ended it; there is nothing left to revoke.
            self.store.forget_grant(grant.id, now).await?;
            self.access.forget(grant.user_id);
        }
        for user in users {
            if let Some(user) = self.store.user(user).await? {
                let by = target.provider.as_str();
                self.freeze_user(&user, FreezeReason::SignedOut, by).await?;
                self.audit
                    .record_by(by, Event::EndedByProvider, Some(&user), json!({}))
                    .await?;
            }
        }
        Ok(Outcome {
            ended: ended.len(),
            is_back: !newer.is_empty(),
        })
    }

    /// The browser sessions and grants that a provider means. Another provider of the configuration
    /// may be another client of the same issuer, so only what came of this one counts.
    async fn sessions_of_target(
        &self,
        target: LogoutTarget<'_>,
    ) -> Result<(Vec<Session>, Vec<Grant>), HubError> {
        let sid = target.provider_session.filter(|_| !target.is_widened);
        if let Some(sid) = sid {
            let found = self.behind_session(target, sid).await?;
            if !(found.0.is_empty() && found.1.is_empty()) {
                return Ok(found);
            }
        }
        let (mut sessions, mut grants) = (Vec::new(), Vec::new());
        for user in self.users_of(target).await? {
            sessions.extend(self.store.sessions_of(user).await?);
            grants.extend(self.store.grants_of(user).await?);
        }
        sessions.retain(|session| session.provider == *target.provider);
        grants.retain(|grant| grant.provider == *target.provider);
        // One that nobody knows may be any of which the provider did not say the name.
        if sid.is_some() {
            sessions.retain(|session| session.provider_session.is_none());
            grants.retain(|grant| grant.provider_session.is_none());
        }
        Ok((sessions, grants))
    }

    async fn behind_session(
        &self,
        target: LogoutTarget<'_>,
        sid: &str,
    ) -> Result<(Vec<Session>, Vec<Grant>), HubError> {
        let store = &self.store;
        let sessions = store
            .sessions_by_provider_session(target.provider, sid)
            .await?;
        let mut grants = store.grants_by_provider_session(target.issuer, sid).await?;
        grants.retain(|grant| grant.provider == *target.provider);
        Ok((sessions, grants))
    }

    /// The users whom a provider means: by the subject, else by the session.
    async fn users_of(&self, target: LogoutTarget<'_>) -> Result<Vec<UserId>, HubError> {
        if let Some(subject) = target.subject {
            let known = self.store.identity(target.issuer, subject).await?;
            return Ok(known.map(|(_, user)| user.id).into_iter().collect());
        }
        let Some(sid) = target.provider_session else {
            return Ok(Vec::new());
        };
        let (sessions, grants) = self.behind_session(target, sid).await?;
        let of_sessions = sessions.iter().map(|session| session.user_id);
        let mut users: Vec<_> = of_sessions
            .chain(grants.iter().map(|grant| grant.user_id))
            .collect();
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }
}

/// Whether a token is short enough to be looked at.
fn is_short(token: &Secret) -> bool {
    token.expose().len() <= LONGEST_TOKEN
}
