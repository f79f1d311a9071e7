//! The end of sessions: one's own, or everywhere at once.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::{Outage, Secret, UserId};
use jansky_store::{FreezeReason, Grant, Session, StoreError};
use serde_json::json;
use tracing::{info, warn};
use url::Url;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::action::EndSessions;
use jansky_access::{Actor, Permit};

/// How long signing out waits for a provider to revoke tokens; it goes on in the background.
const REVOCATION_PATIENCE: Duration = Duration::from_secs(2);

/// How long after a failure of the database it is asked again to take a grant back.
const BETWEEN_REVOCATIONS: Duration = Duration::from_secs(1);

pub use jansky_settings::SignOut as SignOutAtProvider;

/// What is left to do for a browser that signed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSignOut {
    /// Nothing.
    Done,
    /// It may end the session at the provider there.
    Offer(Url),
    /// It ends the session at the provider there.
    Leave(Url),
}

impl People {
    /// Ends the caller's session with every token that came from it, takes the grant behind it
    /// back, and stops the person's servers if the operator wants that. A grant that is behind a
    /// session in another browser, too, stays: the rights there follow it.
    ///
    /// Servers that go on get no tokens until the next sign-in. With `keep_working` they do: then
    /// the grant stays, and the session at the provider, too, with which the grant would end.
    ///
    /// Says what the browser has to do at the provider; `back_to` is the page to which that sends
    /// it afterwards.
    pub async fn sign_out(
        self: &Arc<Self>,
        actor: &Actor,
        back_to: &str,
        keep_working: bool,
    ) -> Result<ProviderSignOut, HubError> {
        let Some(session_id) = actor.session_id() else {
            return Ok(ProviderSignOut::Done);
        };
        let sessions = self.store.sessions_of(actor.user.id).await?;
        let session = sessions
            .iter()
            .find(|session| session.session_id == session_id);
        let (provider_sign_out, grant) = match session {
            Some(session) if !keep_working => (
                self.provider_sign_out(session, back_to).await?,
                self.grant_to_revoke(session, &sessions).await?,
            ),
            _ => (ProviderSignOut::Done, None),
        };
        if !keep_working {
            self.freeze_user(
                &actor.user,
                FreezeReason::SignedOut,
                actor.user.name.as_str(),
            )
            .await?;
        }
        if self.settings.shutdown_on_sign_out && !keep_working {
            self.stop_servers_of(actor.user.id).await?;
        }
        // Last of all: with the session the person can ask again if something before did not work.
        let user = &actor.user;
        let record = self
            .audit
            .record_of(user.name.as_str(), Event::SignOut, user, json!({}));
        self.end_session_on_record(user.id, session_id, Some(record))
            .await?;
        info!(user.name = %actor.user.name, keep_working, "signed out");
        if let Some(grant) = grant {
            self.revoke_soon(grant).await;
        }
        Ok(provider_sign_out)
    }

    /// Records that all servers of a user are to stop. Whoever runs servers hears of it.
    pub(crate) async fn stop_servers_of(&self, user: UserId) -> Result<(), HubError> {
        loop {
            match self.store.stop_servers_of(user, self.clock.now()).await {
                // A server changed meanwhile.
                Err(StoreError::Conflict { .. }) => {}
                stopping => {
                    stopping?;
                    self.access.forget(user);
                    return Ok(());
                }
            }
        }
    }

    /// The grant that goes with a session: the one behind it, unless others of `sessions` need it.
    async fn grant_to_revoke(
        &self,
        session: &Session,
        sessions: &[Session],
    ) -> Result<Option<Grant>, HubError> {
        let Some(grant) = session.grant_id else {
            return Ok(None);
        };
        let now = self.clock.now();
        let mut others = sessions
            .iter()
            .filter(|other| other.session_id != session.session_id && other.expires_at > now);
        if others.any(|other| other.grant_id == Some(grant)) {
            return Ok(None);
        }
        Ok(self.store.grant(grant).await?)
    }

    /// OpenID Connect RP-Initiated Logout: with the ID token as a hint the provider asks nothing,
    /// and ends the session to which that belongs.
    async fn provider_sign_out(
        &self,
        session: &Session,
        back_to: &str,
    ) -> Result<ProviderSignOut, HubError> {
        let mut providers = self.providers.iter();
        let configured = providers.find(|p| *p.provider.id() == session.provider);
        let configured = configured.filter(|p| p.sign_out != SignOutAtProvider::Hub);
        let upstream = configured.and_then(|p| p.provider.upstream_session());
        let (Some(configured), Some(upstream)) = (configured, upstream) else {
            return Ok(ProviderSignOut::Done);
        };
        let hint = self.hint_for(session).await?;
        let state = self.random.hex_id();
        let url = upstream.end_session_url(hint.as_ref(), Some(back_to), Some(&state));
        Ok(match url {
            None => ProviderSignOut::Done,
            Some(url) if configured.sign_out == SignOutAtProvider::Offer => {
                ProviderSignOut::Offer(url)
            }
            Some(url) => ProviderSignOut::Leave(url),
        })
    }

    async fn hint_for(&self, session: &Session) -> Result<Option<Secret>, HubError> {
        let own = self.grants.id_token_of_session(&session.session_id);
        if let Some(token) = own.await? {
            return Ok(Some(token));
        }
        // Sessions from before there was one with each have that of the grant, if it is theirs.
        let Some(grant) = session.grant_id else {
            return Ok(None);
        };
        let grant = self.store.grant(grant).await?;
        let grant = grant.filter(|grant| grant.session_id.as_ref() == Some(&session.session_id));
        Ok(grant.and_then(|grant| self.grants.id_token_of(&grant)))
    }

    /// Whether signing out of this session leads to the provider: its page must then allow its form
    /// to lead there.
    pub async fn leaves_on_sign_out(&self, actor: &Actor) -> Result<Option<Url>, HubError> {
        let sessions = self.store.sessions_of(actor.user.id).await?;
        let own = sessions
            .iter()
            .find(|session| Some(session.session_id.as_str()) == actor.session_id());
        let configured = own.and_then(|session| {
            let mut providers = self.providers.iter();
            providers.find(|p| *p.provider.id() == session.provider)
        });
        let leaving = configured.filter(|p| p.sign_out == SignOutAtProvider::Provider);
        let upstream = leaving.and_then(|p| p.provider.upstream_session());
        Ok(upstream.and_then(|upstream| upstream.end_session_url(None, None, None)))
    }

    /// Takes a grant back without letting a slow provider hold up whoever asked.
    pub(crate) async fn revoke_soon(self: &Arc<Self>, grant: Grant) {
        let people = Arc::clone(self);
        let revocation = self.tasks.spawn(async move {
            let configured = people.configured(&grant);
            let upstream = configured.and_then(|p| p.provider.upstream_session());
            let mut outage = Outage::default();
            // The session is gone already, so nobody can ask for this a second time.
            while let Err(error) = people.grants.revoke(&grant, upstream).await {
                if outage.begins() {
                    warn!(grant.id = %grant.id, error = %error, "could not take a grant back");
                }
                if !matches!(error, HubError::Unavailable { .. }) {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(BETWEEN_REVOCATIONS) => {}
                    () = people.stopping.cancelled() => break,
                }
            }
        });
        let _ = tokio::time::timeout(REVOCATION_PATIENCE, revocation).await;
    }

    /// Revokes the tokens of a grant that nobody here uses any more, in the background.
    pub(crate) fn revoke_tokens_soon(self: &Arc<Self>, grant: Grant) {
        let people = Arc::clone(self);
        self.tasks.spawn(async move {
            let configured = people.configured(&grant);
            let Some(upstream) = configured.and_then(|p| p.provider.upstream_session()) else {
                return;
            };
            people.grants.revoke_tokens(&grant, upstream).await;
        });
    }

    /// Ends all sessions and grants of a user, in every browser and every process.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the user holds rights over others that the caller does not hold.
    pub async fn sign_out_everywhere(
        self: &Arc<Self>,
        permit: &Permit<'_, EndSessions>,
    ) -> Result<(), HubError> {
        let (by, user) = permit.parts();
        self.privileges.may_act_against(by, user).await?;
        let by = by.name();
        self.freeze_user(user, FreezeReason::SignedOut, by).await?;
        let grants = self.store.grants_of(user.id).await?;
        // Last of all: with their session the person can ask again if something before did not work.
        let record = self
            .audit
            .record_of(by, Event::SignedOutEverywhere, user, json!({}));
        self.end_sessions_on_record(user.id, Some(record)).await?;
        for grant in grants {
            self.revoke_soon(grant).await;
        }
        info!(user.name = %user.name, by, "signed out everywhere");
        Ok(())
    }
}
