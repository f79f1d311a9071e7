//! Browser sessions: how one begins, and how it ends.
//!
//! There is one door, [`People::enter`]: what opens a session is a [`CompletedSignIn`], which only a check
//! that was completed makes. With the sign-in of a person the tokens for their servers end: the sessions of
//! their agents are frozen, and thawed by the next one.

use jansky_crypto::digest;
use jansky_identity::ExternalIdentity;
use jansky_model::{ProviderId, Secret, UserId};
use jansky_store::{AgentSession, Agents, FreezeReason, NewSession, Record, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::people::grants::provider_session;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};
use crate::shared::request_context;
use crate::shared::settings::SecondFactorRule;
use jansky_access::Actor;

/// Somebody who has shown who they are, but for the second factor of a local account.
///
/// Only a check that was completed makes one, and [`People::enter`], which opens the session, takes it.
pub struct CompletedSignIn {
    user: User,
    provider: ProviderId,
    /// Where they wanted to go.
    next: Option<String>,
    /// What the provider said and gave; nothing for local accounts.
    identity: Option<ExternalIdentity>,
}

impl CompletedSignIn {
    /// Somebody whom a provider named and the rules let in.
    pub(crate) const fn at_provider(
        user: User,
        provider: ProviderId,
        identity: ExternalIdentity,
        next: Option<String>,
    ) -> Self {
        Self {
            user,
            provider,
            next,
            identity: Some(identity),
        }
    }

    /// Somebody with an account of our own, who has shown its password or made it just now.
    pub(crate) const fn local(user: User, provider: ProviderId) -> Self {
        Self {
            user,
            provider,
            next: None,
            identity: None,
        }
    }

    /// The user.
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// The provider they came from.
    pub const fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// Where they wanted to go when they left for the provider.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Whether it is an account of our own.
    pub const fn is_local(&self) -> bool {
        self.identity.is_none()
    }
}

/// The other end of a request with which somebody signs in.
#[derive(Clone, Copy)]
pub struct SignInClient<'a> {
    /// The network address, for limits.
    pub address: &'a str,
    /// What the browser calls itself, if it does.
    pub browser: Option<&'a str>,
}

/// A browser session that was just made.
pub struct NewBrowserSession {
    /// The value of the sign-in cookie; only its digest is kept.
    pub cookie: Secret,
    /// The public id, which is also the value of JupyterHub's session-id cookie.
    pub session_id: String,
}

/// What is missing beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingStep {
    /// A code.
    Code,
    /// A second factor.
    SetUp,
}

/// What came of showing who one is.
pub enum SignInProgress {
    /// A browser session.
    Session(NewBrowserSession),
    /// Something is still missing; the value of the cookie that ties the step to the browser.
    SecondStep(Secret),
}

impl People {
    /// Opens a browser session for a user who has proved who they are, or begins the second step of
    /// a local account. A form that has asked for the code already brings it along as `otp`.
    ///
    /// # Errors
    /// As `finish_second_step` for a code that was brought along.
    pub async fn enter(
        &self,
        sign_in: CompletedSignIn,
        otp: Option<&Secret>,
        next: Option<&str>,
        visitor: SignInClient<'_>,
    ) -> Result<SignInProgress, HubError> {
        let user = sign_in.user();
        let due = if sign_in.is_local() {
            self.second_step_due(user).await?
        } else {
            None
        };
        let otp = otp.filter(|code| !code.expose().trim().is_empty());
        match (due, otp) {
            (None, _) => {}
            (Some(MissingStep::Code), Some(code)) => {
                self.show_code(user, code, visitor.address).await?;
            }
            (Some(_), _) => {
                return Ok(SignInProgress::SecondStep(
                    self.begin_step(user, next).await?,
                ));
            }
        }
        let session = self.begin_session(&sign_in, visitor.browser).await?;
        Ok(SignInProgress::Session(session))
    }

    /// What a user has to do beside typing their password.
    pub(crate) async fn second_step_due(
        &self,
        user: &User,
    ) -> Result<Option<MissingStep>, HubError> {
        let rule = self.settings.second_factor;
        if rule == SecondFactorRule::Off {
            return Ok(None);
        }
        if self.store.has_second_factor(user.id).await? {
            return Ok(Some(MissingStep::Code));
        }
        Ok((rule == SecondFactorRule::Required).then_some(MissingStep::SetUp))
    }

    /// Makes a browser session for somebody of whom nothing is missing. What a provider gave with
    /// its word is kept with it, and so is what the `browser` calls itself.
    pub(crate) async fn begin_session(
        &self,
        sign_in: &CompletedSignIn,
        browser: Option<&str>,
    ) -> Result<NewBrowserSession, HubError> {
        let CompletedSignIn {
            user,
            provider,
            identity,
            ..
        } = sign_in;
        let identity = identity.as_ref();
        let cookie = self.random.secret("");
        let session_id = self.random.hex_id();
        let now = self.clock.now();
        let configured = self.providers.iter().find(|p| p.provider.id() == provider);
        if identity.is_none() {
            // An account of our own decides nothing about groups and the admin flag.
            self.record_sign_in(user.clone(), provider, false).await?;
        }
        let session = NewSession {
            digest: digest(&cookie),
            session_id: session_id.clone(),
            user_id: user.id,
            identity: identity.map(|who| (who.issuer.clone(), who.subject.clone())),
            provider: provider.clone(),
            created_at: now,
            expires_at: now.plus(self.settings.session_lifetime),
            provider_session: identity.and_then(provider_session),
            grant_id: None,
            id_token: identity
                .and_then(|identity| identity.tokens.id_token.as_ref())
                .map(|token| self.grants.seal_for_session(&session_id, token)),
            browser: browser.map(presentable),
        };
        let detail = json!({ "provider": provider, "browser": session.browser });
        let by = user.name.as_str();
        let record = self.audit.record_of(by, Event::SignIn, user, detail);
        match (identity, configured) {
            (Some(identity), Some(configured)) if !identity.tokens.is_none() => {
                let client_id = &configured.client_id;
                self.grants
                    .keep_with_session(user, session, identity, client_id, record)
                    .await?;
            }
            _ => {
                self.store.create_session(session, Some(record)).await?;
            }
        }
        // The grant may have needed a new sign-in, which other sessions of it know.
        self.thaw_user(user).await?;
        let address = request_context::address().map(|address| address.to_canonical().to_string());
        let address = address.unwrap_or_default();
        info!(
            client.address = %address, user.name = %user.name, provider.id = %provider, "signed in"
        );
        Ok(NewBrowserSession { cookie, session_id })
    }

    /// Ends the caller's session and nothing else: the browser begins another one.
    pub async fn leave_session(&self, actor: &Actor) -> Result<(), HubError> {
        match actor.session_id() {
            Some(session_id) => self.end_session(actor.user.id, session_id).await,
            None => Ok(()),
        }
    }

    /// Ends a session in the database, in what is remembered, and at the running servers.
    pub(crate) async fn end_session(&self, user: UserId, session_id: &str) -> Result<(), HubError> {
        self.end_session_on_record(user, session_id, None).await
    }

    /// Ends a session, and puts that on record unless it had ended before.
    pub(crate) async fn end_session_on_record(
        &self,
        user: UserId,
        session_id: &str,
        record: Option<Record>,
    ) -> Result<(), HubError> {
        let now = self.clock.now();
        self.store.delete_session(session_id, now, record).await?;
        self.ended.insert(session_id, now);
        self.access.forget(user);
        Ok(())
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_sessions_of(&self, user: UserId) -> Result<(), HubError> {
        self.end_sessions_on_record(user, None).await
    }

    /// Ends all sessions of a user, and puts on record why.
    pub(crate) async fn end_sessions_on_record(
        &self,
        user: UserId,
        record: Option<Record>,
    ) -> Result<(), HubError> {
        self.store.delete_second_steps_of(user).await?;
        let now = self.clock.now();
        for session_id in self.store.delete_sessions_of(user, now, record).await? {
            self.ended.insert(&session_id, now);
        }
        self.access.forget(user);
        Ok(())
    }

    /// Ends another browser session of the caller.
    pub async fn end_own_session(&self, actor: &Actor, session_id: &str) -> Result<(), HubError> {
        let sessions = self.store.sessions_of(actor.user.id).await?;
        if !sessions
            .iter()
            .any(|session| session.session_id == session_id)
        {
            return Err(HubError::not_found("You have no such session."));
        }
        let user = &actor.user;
        let record = self
            .audit
            .record_of(user.name.as_str(), Event::SessionEnded, user, json!({}));
        self.end_session_on_record(user.id, session_id, Some(record))
            .await?;
        info!(user.name = %user.name, "ended a session in another browser");
        Ok(())
    }

    /// Ends all browser sessions of the caller but the one that they act in.
    pub(crate) async fn end_other_sessions(&self, actor: &Actor) -> Result<(), HubError> {
        let user = actor.user.id;
        for session in self.store.sessions_of(user).await? {
            if Some(session.session_id.as_str()) != actor.session_id() {
                self.end_session(user, &session.session_id).await?;
            }
        }
        Ok(())
    }

    /// Freezes the agents of all servers of a user; `actor` is who wanted it.
    pub(crate) async fn freeze_user(
        &self,
        user: &User,
        reason: FreezeReason,
        actor: &str,
    ) -> Result<(), HubError> {
        let agents = Agents::OfUser(user.id);
        let now = self.clock.now();
        let frozen = self.store.freeze_agents(agents, reason, now).await?;
        self.access.forget(user.id);
        self.note_frozen(user, &frozen, reason, actor).await
    }

    /// Thaws what the sign-out of a user froze, because they have signed in.
    pub(crate) async fn thaw_user(&self, user: &User) -> Result<(), HubError> {
        let thawed = self.store.thaw_agents(user.id, self.clock.now()).await?;
        self.access.forget(user.id);
        for session in thawed {
            let server = self.store.server(session.server).await?;
            self.audit
                .write_audit(AuditEntry {
                    event: Event::Thaw,
                    actor: user.name.to_string(),
                    user: Some(user),
                    server: server.as_ref(),
                    outcome: "ok",
                    detail: json!({ "key": session.thumbprint }),
                })
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn note_frozen(
        &self,
        user: &User,
        frozen: &[AgentSession],
        reason: FreezeReason,
        actor: &str,
    ) -> Result<(), HubError> {
        for session in frozen {
            let server = self.store.server(session.server).await?;
            let word = reason.as_str();
            info!(server.id = %session.server, user.name = %user.name, reason = word, "tokens are frozen");
            self.audit
                .write_audit(AuditEntry {
                    event: Event::Freeze,
                    actor: actor.to_owned(),
                    user: Some(user),
                    server: server.as_ref(),
                    outcome: "ok",
                    detail: json!({ "key": session.thumbprint, "reason": word }),
                })
                .await?;
        }
        Ok(())
    }
}

/// What a browser calls itself, short enough and without control characters.
fn presentable(browser: &str) -> String {
    const LONGEST: usize = 300;
    let plain = browser.chars().filter(|c| !c.is_control());
    plain.take(LONGEST).collect()
}
