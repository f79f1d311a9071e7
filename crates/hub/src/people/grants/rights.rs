//! Following a provider: refreshing on schedule, and what changed rights lead to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jansky_identity::{Claims, ExternalIdentity, IdentityError, UpstreamSession, UpstreamTokens};
use jansky_model::{Scope, Timestamp};
use jansky_store::{Grant, GrantKind, GrantState, User};
use tracing::{info, warn};

use super::refresh::{FreshToken, NoToken, Refreshed, lifetime};
use crate::people::People;
use crate::people::admission::Decision;
use crate::people::provider_claims::ProviderAuthority;
use crate::people::sign_in::ConfiguredProvider;
use crate::shared::error::HubError;
use jansky_access::Authority;

/// How many grants are refreshed at the same time.
const AT_ONCE: usize = 8;

/// How many grants one round takes.
const ROUND: u32 = 200;

/// How many rounds come one after the other while each is full, before the rest waits for the next look.
const ROUNDS: usize = 50;

/// How often the grants of people with running servers are looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How often is looked when rights are confirmed at least each `interval`: four times as often, so that
/// what is due is found in time.
fn between_looks(interval: Duration) -> Duration {
    if interval.is_zero() {
        return LOOK_INTERVAL;
    }
    LOOK_INTERVAL.min(interval / 4)
}

/// A token that ends sooner than this is refreshed on schedule; of short lives the last third.
const AHEAD: Duration = Duration::from_secs(90);

/// How long a grant is not looked at that nobody can refresh: its provider is no longer in the
/// configuration, or the key is gone that sealed it.
const HOPELESS: Duration = Duration::from_mins(5);

/// Between two questions about one person that were not answered.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(5);

/// Who was seen so long ago counts as active, so that their rights are looked at.
const SEEN_LATELY: Duration = Duration::from_mins(10);

impl People {
    /// An access token from the provider with which `user` signed in, good for at least `least`.
    pub async fn login_token(
        self: &Arc<Self>,
        _: &Authority,
        user: &User,
        provider: &jansky_model::ProviderId,
        least: Duration,
    ) -> Result<FreshToken, NoToken> {
        let user = self.must_be_admitted(user).await?;
        let grant = self.store.login_grant(user.id, provider).await?;
        self.fresh_token(&grant.ok_or(NoToken::SignInAgain)?, least)
            .await
    }

    pub(crate) async fn fresh_token(
        self: &Arc<Self>,
        grant: &Grant,
        least: Duration,
    ) -> Result<FreshToken, NoToken> {
        self.fresh_token_since(grant, least, None).await
    }

    async fn fresh_token_since(
        self: &Arc<Self>,
        grant: &Grant,
        least: Duration,
        since: Option<Timestamp>,
    ) -> Result<FreshToken, NoToken> {
        let configured = self.configured(grant).ok_or(NoToken::SignInAgain)?;
        let upstream = configured
            .provider
            .upstream_session()
            .ok_or(NoToken::SignInAgain)?;
        let served = self.grants.fresh(grant.id, least, since, upstream).await;
        if matches!(served, Err(NoToken::SignInAgain)) {
            // The browser sessions of a grant that has just died lead to the sign-in page from now
            // on. An agent is not notified when nothing has changed: it would ask once more.
            self.take_grant_change(grant.id).await?;
        }
        let served = served?;
        if let Some(Refreshed { grant, tokens }) = &served.refreshed {
            // Only the tokens of the sign-in have claims about the person; those for services say nothing of rights.
            if grant.kind == GrantKind::Login {
                self.grants.keep_services(grant, &tokens.other).await?;
                self.follow_rights(configured, upstream, grant, tokens)
                    .await?;
            }
        }
        Ok(served.token)
    }

    pub(crate) fn configured(&self, grant: &Grant) -> Option<&ConfiguredProvider> {
        self.providers
            .iter()
            .find(|p| *p.provider.id() == grant.provider)
    }

    /// Whether servers of `user` may start: their provider still gives a token, and the rules let them in.
    ///
    /// # Errors
    /// Those of [`demand_login_token`](Self::demand_login_token); [`HubError::Forbidden`] when the rules say no.
    pub(crate) async fn may_start_servers(self: &Arc<Self>, user: &User) -> Result<(), HubError> {
        // The refresh may find out that the person may no longer be here, so it comes first.
        self.demand_login_token(user).await?;
        self.must_be_allowed(user).await
    }

    /// Demands a token of the provider with which `user` signed in last that is good for as long as
    /// the operator wants at the start of a server, refreshing it if needed.
    ///
    /// A provider that does not answer keeps nobody from starting while the token at hand is valid.
    /// Nothing is demanded of people without such a token, of those whose provider gives nothing to
    /// refresh it with, and of those who work by API tokens alone (scope `service-account`).
    ///
    /// # Errors
    /// [`HubError::SignInAgain`] when only that helps, [`HubError::Unavailable`] when the provider
    /// does not answer and the token has ended.
    async fn demand_login_token(self: &Arc<Self>, user: &User) -> Result<(), HubError> {
        let least = self.settings.token_lifetime_at_start;
        if least.is_zero() {
            return Ok(());
        }
        let Some(provider) = self.store.rights_source(user.id).await?.last else {
            return Ok(());
        };
        let Some(grant) = self.store.login_grant(user.id, &provider).await? else {
            return Ok(());
        };
        let can_renew = grant.tokens.refresh.is_some() || grant.state == GrantState::Reauth;
        if !can_renew || self.rights_of(user).await?.holds(Scope::SERVICE_ACCOUNT) {
            return Ok(());
        }
        match self.fresh_token(&grant, least).await {
            Ok(_) => Ok(()),
            Err(NoToken::Hub(error)) => Err(error),
            Err(NoToken::Later { .. })
                if self.grants.good_for(&grant, Duration::ZERO).is_some() =>
            {
                Ok(())
            }
            Err(NoToken::Later { .. }) => Err(HubError::Unavailable {
                message: format!(
                    "{} does not answer, and what it gave you has ended. Try again in a moment.",
                    self.title_of_provider(&provider)
                ),
                source: None,
            }),
            Err(NoToken::SignInAgain) => {
                // So that the browser leads to the sign-in page, also when it is our key that is gone.
                let now = self.clock.now();
                if grant.state != GrantState::Reauth {
                    self.store.demand_sign_in(grant.id, "no_token", now).await?;
                }
                self.access.forget(user.id);
                Err(HubError::SignInAgain(format!(
                    "`{}` has to sign in again with {} before this server can start.",
                    user.name,
                    self.title_of_provider(&provider)
                )))
            }
        }
    }

    /// Refuses whoever the rules no longer let in.
    async fn must_be_allowed(&self, user: &User) -> Result<(), HubError> {
        if self.store.exclusion(user.id).await?.is_none() {
            return Ok(());
        }
        Err(HubError::forbidden(format!(
            "The rules of this hub no longer let `{}` in, so nothing new can be started.",
            user.name
        )))
    }

    /// Reads the claims again and does what they say about the user's rights.
    async fn follow_rights(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        upstream: &dyn UpstreamSession,
        grant: &Grant,
        tokens: &UpstreamTokens,
    ) -> Result<(), HubError> {
        let now = self.clock.now();
        self.store.note_rights_asked(grant.id, now).await?;
        let provider_authority = self
            .provider_authority(grant.user_id, &grant.provider)
            .await?;
        if provider_authority == ProviderAuthority::Nothing {
            return Ok(());
        }
        let Some(user) = self.store.user(grant.user_id).await? else {
            return Ok(());
        };
        let decision = self.decide_again(configured, upstream, grant, tokens, &user);
        match decision.await? {
            Some(decision) => {
                self.follow_decision(&user, &grant.provider, provider_authority, decision)
                    .await
            }
            None => Ok(()),
        }
    }

    /// What the rules say about the claims as they are now; `None` when the claims cannot be read.
    async fn decide_again(
        &self,
        configured: &ConfiguredProvider,
        upstream: &dyn UpstreamSession,
        grant: &Grant,
        tokens: &UpstreamTokens,
        user: &User,
    ) -> Result<Option<Decision>, HubError> {
        let read = upstream.claims(&grant.subject, tokens).await;
        let claims = match read {
            Ok(claims) => claims.unwrap_or_default(),
            // What was given is worth nothing any more, and there is no refresh that would say so.
            Err(error @ IdentityError::InvalidGrant { .. }) => {
                info!(grant.id = %grant.id, error = %error, "the person has to sign in again");
                let now = self.clock.now();
                self.store
                    .demand_sign_in(grant.id, error.code(), now)
                    .await?;
                self.access.forget(grant.user_id);
                return Ok(None);
            }
            Err(error) => {
                warn!(grant.id = %grant.id, error = %error, "could not read the claims again");
                return Ok(None);
            }
        };
        let decide = async |claims: Claims| {
            let identity = identity_of(grant, tokens, claims);
            self.decide(configured, &identity, Some(user)).await
        };
        let first = decide(claims.clone()).await?;
        if first.missing.is_empty() && first.unreadable.is_empty() {
            return Ok(Some(first));
        }
        let mut all = claims;
        match upstream.claims_from_userinfo(&grant.subject, tokens).await {
            Ok(more) => all.extend(more.unwrap_or_default()),
            Err(error) => {
                warn!(grant.id = %grant.id, error = %error, "could not ask for missing claims");
            }
        }
        decide(all).await.map(Some)
    }

    /// Asks again what the provider says about a user whose rights were not looked at for a while:
    /// with a refresh, or with the token at hand if there is nothing to refresh it with.
    pub(crate) async fn renew_rights(
        self: &Arc<Self>,
        grant: &Grant,
        since: Timestamp,
    ) -> Result<(), NoToken> {
        let now = self.clock.now();
        if grant.tokens.refresh.is_some() {
            // Nobody is asked without a pause. What comes of it is noted when it comes, so that a
            // provider that does not answer is asked again after that pause.
            let until = now.plus(BETWEEN_QUESTIONS);
            self.store.put_off(grant.id, grant.version, until).await?;
            // A token that is there already says nothing new.
            let since = since.max(grant.refreshed_at.plus(Duration::from_micros(1)));
            let renewed = self.fresh_token_since(grant, Duration::ZERO, Some(since));
            return renewed.await.map(|_| ());
        }
        // The time counts also when nothing comes of it, so that it is not asked without a pause.
        self.store.note_rights_asked(grant.id, now).await?;
        let configured = self.configured(grant).ok_or(NoToken::SignInAgain)?;
        let upstream = configured.provider.upstream_session();
        let token = self.grants.good_for(grant, Duration::ZERO);
        if let (Some(upstream), Some(token)) = (upstream, token) {
            let tokens = UpstreamTokens {
                access: token.token,
                refresh: None,
                id_token: None,
                expires_at: token.expires_at,
                scope: Some(grant.scope.clone()).filter(|scope| !scope.is_empty()),
                other: Vec::new(),
            };
            self.follow_rights(configured, upstream, grant, &tokens)
                .await?;
        }
        Ok(())
    }

    /// Asks the provider now what it says about the person behind a grant, and does what follows.
    pub(crate) async fn ask_again(self: &Arc<Self>, grant: &Grant) -> Result<(), NoToken> {
        // Later than whatever there is already.
        let since = self.clock.now().plus(Duration::from_micros(1));
        self.renew_rights(grant, since).await
    }

    /// Refreshes what will end soon, of people with running servers, and looks at the rights of those
    /// who are active, again and again.
    pub(crate) fn spawn_refreshing(self: &Arc<Self>) {
        if self.providers.is_empty() {
            return;
        }
        let people = Arc::clone(self);
        let pause = between_looks(self.settings.rights_refresh);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = people.stopping.cancelled() => break,
                }
                if let Err(error) = people.refresh_due().await {
                    warn!(error = %error, "could not look for grants to refresh");
                }
            }
        });
    }

    /// Refreshes once everything that is due, and asks once about rights that were not looked at for
    /// a while, of grants and of people whose provider gives none.
    pub async fn refresh_due(self: &Arc<Self>) -> Result<(), HubError> {
        let now = self.clock.now();
        let due = self.store.due_grants(now, now.plus(AHEAD), ROUND).await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |grant| async move {
                let ahead = AHEAD.min(lifetime(&grant) / 3);
                let refreshed = self.fresh_token(&grant, ahead).await.map(|_| ());
                if let Err(error) = self.make_room(&grant, &refreshed).await {
                    warn!(grant.id = %grant.id, error = %error, "could not put a refresh off");
                }
                note_failure(&grant, refreshed);
            })
            .await;
        let interval = self.settings.rights_refresh;
        if interval.is_zero() {
            return Ok(());
        }
        // Whoever has just come back is active from now on.
        self.write_seen().await?;
        // One look may just miss what is due at the next: with the look after that the provider still
        // has the time of a whole one to answer.
        let since = now.minus(interval.saturating_sub(2 * between_looks(interval)));
        let seen_after = now.minus(interval.max(SEEN_LATELY));
        for _ in 0..ROUNDS {
            if !self.renew_old_rights(since, seen_after).await? {
                break;
            }
        }
        for _ in 0..ROUNDS {
            if !self.refresh_lookups(since, seen_after).await? {
                break;
            }
        }
        Ok(())
    }

    /// Asks once about the rights that were last asked for before `since`; says whether there may be
    /// more.
    async fn renew_old_rights(
        self: &Arc<Self>,
        since: Timestamp,
        seen_after: Timestamp,
    ) -> Result<bool, HubError> {
        let now = self.clock.now();
        let old = self
            .store
            .grants_with_old_rights(now, since, seen_after, ROUND)
            .await?;
        let is_full = old.len() == ROUND as usize;
        stream::iter(old)
            .for_each_concurrent(AT_ONCE, |grant| async move {
                let turn = self.confirmed.turn(grant.user_id);
                let _turn = turn.lock().await;
                let renewed = self.renew_rights(&grant, since).await;
                if let Err(error) = self.make_room(&grant, &renewed).await {
                    warn!(grant.id = %grant.id, error = %error, "could not put a question off");
                }
                note_failure(&grant, renewed);
            })
            .await;
        Ok(is_full)
    }
}

impl People {
    /// Puts off a grant for which nothing could be done, so that the next round is for others: it
    /// would come first again and again.
    async fn make_room(
        &self,
        grant: &Grant,
        refreshed: &Result<(), NoToken>,
    ) -> Result<(), HubError> {
        let pause = match refreshed {
            Ok(()) | Err(NoToken::Hub(_)) => return Ok(()),
            Err(NoToken::Later { retry_after }) => *retry_after,
            Err(NoToken::SignInAgain) => HOPELESS,
        };
        let until = self.clock.now().plus(pause);
        self.store.put_off(grant.id, grant.version, until).await?;
        Ok(())
    }
}

/// Writes down what only an operator can do something about; the rest stands in the grant.
fn note_failure(grant: &Grant, outcome: Result<(), NoToken>) {
    match outcome {
        Ok(()) | Err(NoToken::SignInAgain | NoToken::Later { .. }) => {}
        Err(NoToken::Hub(error)) => {
            warn!(grant.id = %grant.id, error = %error, "could not refresh a grant");
        }
    }
}

/// What the provider says now, in the form in which a sign-in brings it.
fn identity_of(grant: &Grant, tokens: &UpstreamTokens, claims: Claims) -> ExternalIdentity {
    ExternalIdentity {
        provider: grant.provider.clone(),
        issuer: grant.issuer.clone(),
        subject: grant.subject.clone(),
        claims,
        tokens: tokens.clone(),
    }
}
