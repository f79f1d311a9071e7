//! The question before anything is handed out: is this person let in, as last confirmed within
//! `session.rights_refresh`?
//!
//! Every function that obtains, makes or shows a token takes an [`AdmittedUser`], and `must_be_admitted` is
//! the way to one: a new way out that does not ask does not compile. The answer is cached until anything
//! about the person changes, in whichever process, or their provider has to be asked again.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jansky_model::{ProviderId, Scope, Timestamp, UserId};
use jansky_store::{Grant, GrantState, TokenKind, User};

use crate::people::People;
use crate::people::grants::NoToken;
use crate::shared::error::HubError;
use crate::shared::signals::Stamp;
use jansky_access::{Actor, Credential, SharedActor};

/// How long an answer is cached at most; also the bound for a change whose notification was lost.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// How many answers are kept before those are dropped that are too old.
const MANY: usize = 10_000;

/// Somebody who is let in.
#[derive(Clone, Copy, Debug)]
pub struct AdmittedUser<'u>(&'u User);

impl<'u> AdmittedUser<'u> {
    /// For what the hub does itself in somebody's name, such as ending their jobs when they are no
    /// longer let in: nothing of it reaches them.
    pub(crate) const fn as_the_hub(user: &'u User) -> Self {
        Self(user)
    }
}

impl Deref for AdmittedUser<'_> {
    type Target = User;

    fn deref(&self) -> &User {
        self.0
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    /// The rules say no.
    Excluded,
    /// The provider of the last sign-in refuses to go on, or an administrator demands a new sign-in.
    SignInAgain(ProviderId),
    /// The hub itself failed.
    Hub(HubError),
}

impl<E: Into<HubError>> From<E> for NotAdmitted {
    fn from(error: E) -> Self {
        Self::Hub(error.into())
    }
}

impl From<NotAdmitted> for NoToken {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::Excluded | NotAdmitted::SignInAgain(_) => Self::SignInAgain,
            NotAdmitted::Hub(error) => Self::Hub(error),
        }
    }
}

/// An answer that still holds.
struct Answer {
    stamp: Stamp,
    until: Timestamp,
}

/// The people who are known to be let in.
#[derive(Default)]
pub(crate) struct RecentAdmissions {
    answers: Mutex<HashMap<UserId, Answer>>,
    turns: Mutex<HashMap<UserId, Arc<tokio::sync::Mutex<()>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecentAdmissions {
    fn holds(&self, user: UserId, stamp: Stamp, now: Timestamp) -> bool {
        let answers = lock(&self.answers);
        let answer = answers.get(&user);
        answer.is_some_and(|answer| answer.stamp == stamp && answer.until > now)
    }

    fn keep(&self, user: UserId, answer: Answer, now: Timestamp) {
        let mut answers = lock(&self.answers);
        if answers.len() > MANY {
            answers.retain(|_, answer| answer.until > now);
        }
        answers.insert(user, answer);
    }

    /// The turn of asking about one person: who comes second hears what the first found out.
    pub(crate) fn turn(&self, user: UserId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        if turns.len() > MANY {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(user).or_default())
    }
}

impl People {
    /// Finds out whether somebody is let in. When that was last confirmed longer ago than
    /// `session.rights_refresh`, their provider is asked first; one that does not answer changes
    /// nothing.
    pub(crate) async fn must_be_admitted<'u>(
        self: &Arc<Self>,
        user: &'u User,
    ) -> Result<AdmittedUser<'u>, NotAdmitted> {
        if self.is_confirmed(user) {
            return Ok(AdmittedUser(user));
        }
        // Most callers never come here, so what it takes is not part of every request.
        Box::pin(self.find_out(user)).await?;
        Ok(AdmittedUser(user))
    }

    /// Whether that somebody is let in was found out a moment ago, and nothing has changed since.
    fn is_confirmed(&self, user: &User) -> bool {
        let stamp = self.signals.stamp(user.id);
        self.confirmed.holds(user.id, stamp, self.clock.now())
    }

    async fn find_out(self: &Arc<Self>, user: &User) -> Result<(), NotAdmitted> {
        let turn = self.confirmed.turn(user.id);
        let _turn = turn.lock().await;
        if self.is_confirmed(user) {
            return Ok(());
        }
        let stamp = self.signals.stamp(user.id);
        let asked_at = self.ask_if_old(user).await?;
        if self.store.exclusion(user.id).await?.is_some() {
            return Err(NotAdmitted::Excluded);
        }
        if let Some(provider) = self.refused_by(user).await? {
            return Err(NotAdmitted::SignInAgain(provider));
        }
        let now = self.clock.now();
        let mut until = now.plus(REMEMBERED_FOR);
        if let Some(asked_at) = asked_at {
            until = until.min(asked_at.plus(self.settings.rights_refresh));
        }
        // An answer from before a change is not kept: its stamp is no longer the present one.
        self.confirmed.keep(user.id, Answer { stamp, until }, now);
        Ok(())
    }

    /// The provider of the last sign-in, if it refuses to go on.
    async fn refused_by(&self, user: &User) -> Result<Option<ProviderId>, HubError> {
        let Some(provider) = self.store.rights_source(user.id).await?.last else {
            return Ok(None);
        };
        let grant = self.store.login_grant(user.id, &provider).await?;
        let is_refused = grant.is_some_and(|grant| grant.state == GrantState::Reauth);
        Ok(is_refused.then_some(provider))
    }

    /// Asks those whose word counts for a person, if that is due; says when they were last asked,
    /// `None` when nobody can be.
    async fn ask_if_old(self: &Arc<Self>, user: &User) -> Result<Option<Timestamp>, HubError> {
        let interval = self.settings.rights_refresh;
        if interval.is_zero() {
            return Ok(None);
        }
        let source = self.store.rights_source(user.id).await?;
        let mut providers: Vec<ProviderId> = source.last.into_iter().chain(source.rights).collect();
        providers.dedup();
        let before = self.clock.now().minus(interval);
        let mut earliest = None;
        for provider in &providers {
            let mut asked = self.asked_about(user, provider).await?;
            if asked.is_some_and(|at| at <= before) {
                self.ask_about_now(user, provider, before).await?;
                asked = self.asked_about(user, provider).await?;
            }
            earliest = earliest.into_iter().chain(asked).min();
        }
        Ok(earliest)
    }

    /// When a provider was last asked about somebody, if it can be asked without them.
    async fn asked_about(
        &self,
        user: &User,
        provider: &ProviderId,
    ) -> Result<Option<Timestamp>, HubError> {
        if let Some(grant) = self.store.login_grant(user.id, provider).await? {
            let can_be_asked = self.can_ask_with(&grant);
            return Ok(can_be_asked.then(|| asked_with(&grant, self.clock.now())));
        }
        let configured = self.provider(provider.as_str()).ok();
        if configured.is_none_or(|configured| configured.provider.people().is_none()) {
            return Ok(None);
        }
        Ok(self.store.lookup_time(user.id, provider).await?)
    }

    async fn ask_about_now(
        self: &Arc<Self>,
        user: &User,
        provider: &ProviderId,
        before: Timestamp,
    ) -> Result<(), HubError> {
        if let Some(grant) = self.store.login_grant(user.id, provider).await? {
            return match self.renew_rights(&grant, before).await {
                Ok(()) | Err(NoToken::SignInAgain | NoToken::Later { .. }) => Ok(()),
                Err(NoToken::Hub(error)) => Err(error),
            };
        }
        for identity in self.store.identities_of(user.id).await? {
            if identity.provider == *provider {
                self.look_up(&identity, before).await?;
            }
        }
        Ok(())
    }

    /// The caller behind the cookie of a browser session.
    pub async fn session_caller(&self, cookie: &str) -> Result<Option<SharedActor>, HubError> {
        Ok(self.access.by_session(cookie).await?)
    }

    /// The caller behind a token of the hub.
    ///
    /// Tokens that people made for themselves are asked the question; those of running servers and
    /// of their visitors are not, so that nobody loses an open notebook while they sign in again.
    /// With the scope `service-account` only the rules count: such people work by tokens alone.
    ///
    /// # Errors
    /// [`HubError::SignInAgain`] when the person behind an API token has to.
    pub async fn token_caller(
        self: &Arc<Self>,
        token: &str,
    ) -> Result<Option<SharedActor>, HubError> {
        let Some(actor) = self.access.by_token(token).await? else {
            return Ok(None);
        };
        // Where nothing has changed since that was confirmed, what was found is the present state.
        if !is_by_api_token(&actor) || self.is_confirmed(&actor.user) {
            return Ok(Some(actor));
        }
        Box::pin(self.must_be_good(&actor)).await?;
        // The answer may have changed what the caller may do.
        Ok(self.access.by_token(token).await?)
    }

    /// Refuses a token that somebody made for themselves and who has to sign in again.
    pub(crate) async fn must_be_good(self: &Arc<Self>, actor: &Actor) -> Result<(), HubError> {
        if !is_by_api_token(actor) {
            return Ok(());
        }
        match self.must_be_admitted(&actor.user).await {
            // What is left to somebody whom the rules exclude is in the scopes.
            Ok(_) | Err(NotAdmitted::Excluded) => Ok(()),
            Err(NotAdmitted::Hub(error)) => Err(error),
            Err(NotAdmitted::SignInAgain(provider)) => {
                if self
                    .rights_of(&actor.user)
                    .await?
                    .holds(Scope::SERVICE_ACCOUNT)
                {
                    return Ok(());
                }
                let title = self.title_of_provider(&provider);
                Err(HubError::SignInAgain(format!(
                    "`{}` has to sign in again with {title} before this token works.",
                    actor.user.name
                )))
            }
        }
    }
}

fn is_by_api_token(actor: &Actor) -> bool {
    let kind = TokenKind::Api;
    matches!(&actor.credential, Credential::Token { kind: of, .. } if *of == kind)
}

/// When a grant was last used to ask about rights. One that was put off because nobody answered counts
/// as asked until it is tried again.
fn asked_with(grant: &Grant, now: Timestamp) -> Timestamp {
    match grant.next_try_at {
        Some(at) if at > now => now,
        _ => grant.rights_asked_at.unwrap_or(grant.refreshed_at),
    }
}
