//! One refresh for all who need one.

use std::time::Duration;

use jansky_identity::{IdentityError, RefreshOutcome, UpstreamSession, UpstreamTokens};
use jansky_model::{Secret, Timestamp};
use jansky_store::{
    Grant, GrantId, GrantKind, GrantState, RefreshFailure, RefreshedTokens, StoreError,
};
use tracing::{info, warn};

use super::{Grants, ID, REFRESH};
use crate::people::grants::ACCESS;
use crate::shared::error::HubError;

/// How long one caller may refresh before another takes over. Longer than a request to a provider
/// may take.
const LEASE: Duration = Duration::from_secs(30);

/// How long a provider is waited for: it must have answered before anybody else takes the turn, or
/// the same refresh token is sent twice.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long what a refresh brought is held in memory while the database is away. The token that it
/// was bought with may be dead, so there is nothing else to go on with.
const KEEPING: Duration = Duration::from_mins(2);

/// Between two tries to keep it.
const BETWEEN_KEEPINGS: Duration = Duration::from_millis(200);

/// Between two looks at a grant that another process refreshes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A token with less than this left is refreshed, if that is possible.
const FLOOR: Duration = Duration::from_mins(1);

/// When a caller who cannot be served now should come back, if nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An access token with the time that it is good for.
#[derive(Debug)]
pub struct FreshToken {
    /// The token.
    pub token: Secret,
    /// When it ends; `None` when the provider did not say.
    pub expires_at: Option<Timestamp>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// There is no grant, it gives no tokens any more, or its tokens cannot be opened.
    #[error("the person has to sign in again")]
    SignInAgain,
    /// The provider does not answer and what is there is not good for long enough.
    #[error("the identity provider does not answer; try again in {} s", retry_after.as_secs())]
    Later {
        /// When to try again.
        retry_after: Duration,
    },
    /// The hub itself failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl From<StoreError> for NoToken {
    fn from(error: StoreError) -> Self {
        Self::Hub(error.into())
    }
}

/// A refresh that worked: the grant as it is now, and the tokens, from which the claims are read.
pub(crate) struct Refreshed {
    pub(crate) grant: Grant,
    pub(crate) tokens: UpstreamTokens,
}

/// What a call of [`Grants::fresh`] came to.
pub(crate) struct Served {
    pub(crate) token: FreshToken,
    /// Set for the one caller who refreshed.
    pub(crate) refreshed: Option<Refreshed>,
}

impl Grants {
    /// An access token of the grant that is good for at least `least`.
    ///
    /// Among any number of callers in any number of processes one refreshes; the others wait and
    /// get the same token. A token that is good for `least` is never held back because a provider
    /// does not answer.
    ///
    /// With `since` only a token that came at that time or later will do, if the provider gives one:
    /// what it says about the person is then as new.
    pub(crate) async fn fresh(
        &self,
        id: GrantId,
        least: Duration,
        since: Option<Timestamp>,
        upstream: &dyn UpstreamSession,
    ) -> Result<Served, NoToken> {
        let grant = self.load(id).await?;
        let is_new = |grant: &Grant| since.is_none_or(|since| grant.refreshed_at >= since);
        let wanted = least.max(FLOOR.min(lifetime(&grant) / 5));
        if let Some(token) = self.good_for(&grant, wanted).filter(|_| is_new(&grant)) {
            return Ok(Served {
                token,
                refreshed: None,
            });
        }
        let turn = self.turn(id);
        let _turn = turn.lock().await;
        // The caller before this one may have refreshed it.
        let grant = self.load(id).await?;
        if let Some(token) = self.good_for(&grant, wanted).filter(|_| is_new(&grant)) {
            return Ok(Served {
                token,
                refreshed: None,
            });
        }
        // Most callers never come here, so what it takes is not part of every request.
        match Box::pin(self.refresh(&grant, upstream)).await {
            Ok(refreshed) => {
                let token = self.good_for(&refreshed.grant, Duration::ZERO);
                let token = token.ok_or(NoToken::SignInAgain)?;
                Ok(Served {
                    token,
                    refreshed: Some(refreshed),
                })
            }
            // What is still good for as long as was asked is given out all the same.
            Err(Failed::Elsewhere) => {
                let current = self.load(id).await?;
                let token = self.good_for(&current, least);
                let token = token.ok_or(match current.state {
                    GrantState::Reauth => NoToken::SignInAgain,
                    _ => NoToken::Later {
                        retry_after: RETRY_AFTER,
                    },
                })?;
                Ok(Served {
                    token,
                    refreshed: None,
                })
            }
            Err(Failed::SignInAgain) => {
                // Where there is nothing to refresh it with, a token is used to its end.
                let current = self.load(id).await?;
                let token = self.good_for(&current, least).ok_or(NoToken::SignInAgain)?;
                Ok(Served {
                    token,
                    refreshed: None,
                })
            }
            Err(Failed::Later { retry_after }) => {
                let token = self
                    .good_for(&grant, least)
                    .ok_or(NoToken::Later { retry_after })?;
                Ok(Served {
                    token,
                    refreshed: None,
                })
            }
            Err(Failed::Hub(error)) => Err(NoToken::Hub(error)),
        }
    }

    async fn load(&self, id: GrantId) -> Result<Grant, NoToken> {
        self.store.grant(id).await?.ok_or(NoToken::SignInAgain)
    }

    /// The access token of a grant if it is good for `least`, unless the provider refuses to go on: to
    /// its services the token may be good to its end, and the person may be nobody there any more.
    pub(crate) fn good_for(&self, grant: &Grant, least: Duration) -> Option<FreshToken> {
        if grant.state == GrantState::Reauth {
            return None;
        }
        let now = self.clock.now();
        let is_good = match grant.access_expires_at {
            Some(at) => at > now && at >= now.plus(least),
            None => true,
        };
        let token = self.access_token_of(grant).filter(|_| is_good)?;
        Some(FreshToken {
            token,
            expires_at: grant.access_expires_at,
        })
    }

    /// Refreshes a grant, or waits for the caller that does.
    async fn refresh(
        &self,
        grant: &Grant,
        upstream: &dyn UpstreamSession,
    ) -> Result<Refreshed, Failed> {
        if grant.state == GrantState::Reauth {
            return Err(Failed::SignInAgain);
        }
        if self.refresh_token_of(grant).is_none() {
            return Err(Failed::SignInAgain);
        }
        let owner = self.random.hex_id();
        let now = self.clock.now();
        let claimed = self
            .store
            .claim_grant(grant.id, &owner, now, now.plus(LEASE))
            .await?;
        let Some(claimed) = claimed else {
            return self.wait_for_other(grant).await;
        };
        if claimed.version != grant.version {
            self.store.release_grant(grant.id, &owner).await?;
            return Err(Failed::Elsewhere);
        }
        if let Err(retry_after) = self.breakers.pass(&grant.issuer, now, &*self.random) {
            self.store.release_grant(grant.id, &owner).await?;
            return Err(Failed::Later { retry_after });
        }
        // A process that was stopped in between may have lost its turn without knowing.
        if self.clock.now().since(now) > LEASE.saturating_sub(PATIENCE) {
            self.store.release_grant(grant.id, &owner).await?;
            return Err(Failed::Elsewhere);
        }
        self.refresh_as(&claimed, &owner, upstream).await
    }

    /// Refreshes with the lease in hand.
    async fn refresh_as(
        &self,
        grant: &Grant,
        owner: &str,
        upstream: &dyn UpstreamSession,
    ) -> Result<Refreshed, Failed> {
        let Some(token) = self.refresh_token_of(grant) else {
            self.store.release_grant(grant.id, owner).await?;
            return Err(Failed::SignInAgain);
        };
        let renewing = upstream.renew(&grant.subject, &token);
        let outcome = tokio::time::timeout(PATIENCE, renewing).await;
        match outcome.unwrap_or_else(|_| late()) {
            RefreshOutcome::Renewed(tokens) => {
                self.counts.renewed();
                self.breakers.answered(&grant.issuer);
                let id = grant.id;
                let sealed = RefreshedTokens {
                    access: self.seal(id, ACCESS, &tokens.access),
                    refresh: tokens
                        .refresh
                        .as_ref()
                        .map(|token| self.seal(id, REFRESH, token)),
                    id: tokens
                        .id_token
                        .as_ref()
                        .map(|token| self.seal(id, ID, token)),
                    scope: tokens.scope.clone(),
                    access_expires_at: tokens.expires_at,
                    refresh_expires_at: None,
                    at: self.clock.now(),
                };
                match self.keep_refreshed(grant, owner, &sealed).await {
                    Ok(grant) => Ok(Refreshed { grant, tokens }),
                    Err(error) => {
                        self.give_back(id, &tokens, upstream).await?;
                        Err(error.into())
                    }
                }
            }
            RefreshOutcome::SignInAgain(error) => {
                self.breakers.answered(&grant.issuer);
                Err(self
                    .note_failure(grant, owner, &error, GrantState::Reauth, Duration::ZERO)
                    .await?)
            }
            // Whether the token was used up nobody knows until the provider says so: it is tried again
            // with growing pauses, since one that hangs has used up nothing and must sign nobody out.
            RefreshOutcome::Uncertain(error) => Err(self
                .note_failure(grant, owner, &error, GrantState::Uncertain, Duration::ZERO)
                .await?),
            RefreshOutcome::Later { error, pause } => Err(self
                .note_failure(grant, owner, &error, GrantState::Backoff, pause)
                .await?),
            // It is the hub that is refused: nobody's grant is lost by that.
            RefreshOutcome::Refused(error) => {
                let state = GrantState::Backoff;
                Err(self
                    .note_failure(grant, owner, &error, state, Duration::ZERO)
                    .await?)
            }
        }
    }

    /// Keeps what a refresh brought, if need be when the database is back.
    async fn keep_refreshed(
        &self,
        grant: &Grant,
        owner: &str,
        tokens: &RefreshedTokens,
    ) -> Result<Grant, StoreError> {
        let deadline = tokio::time::Instant::now() + KEEPING;
        loop {
            let (id, version) = (grant.id, grant.version);
            match self.store.store_refreshed(id, owner, version, tokens).await {
                Err(StoreError::Unavailable { source })
                    if tokio::time::Instant::now() < deadline =>
                {
                    warn!(grant.id = %id, error = %source, "could not keep what a refresh brought yet");
                    tokio::time::sleep(BETWEEN_KEEPINGS).await;
                }
                kept => return kept,
            }
        }
    }

    /// Revokes what a refresh brought for a grant that was taken back meanwhile, of which the
    /// provider was told with the token before. After a new sign-in nothing is revoked: that may be
    /// of the same session there.
    async fn give_back(
        &self,
        id: GrantId,
        tokens: &UpstreamTokens,
        upstream: &dyn UpstreamSession,
    ) -> Result<(), HubError> {
        let current = self.store.grant(id).await?;
        if current.is_none_or(|grant| grant.state == GrantState::Reauth) {
            let token = tokens.refresh.as_ref().unwrap_or(&tokens.access);
            self.revoke_token(token, id, upstream).await;
        }
        Ok(())
    }

    /// Records a failure with what it means, and leaves the provider alone for a while if it was
    /// the provider that failed.
    async fn note_failure(
        &self,
        grant: &Grant,
        owner: &str,
        error: &IdentityError,
        state: GrantState,
        at_least: Duration,
    ) -> Result<Failed, HubError> {
        let now = self.clock.now();
        let (next_try_at, failed) = if state == GrantState::Reauth {
            info!(grant.id = %grant.id, provider.id = %grant.provider, "the person has to sign in again");
            (None, Failed::SignInAgain)
        } else {
            warn!(grant.id = %grant.id, provider.id = %grant.provider, error = %error, "could not refresh");
            let pause = self
                .breakers
                .failed(&grant.issuer, now, at_least, &*self.random);
            (Some(now.plus(pause)), Failed::Later { retry_after: pause })
        };
        let failure = RefreshFailure {
            state,
            outcome: error.code(),
            next_try_at,
            at: now,
        };
        self.counts.failed(state);
        match self.store.record_failure(grant.id, owner, failure).await {
            Ok(_) => Ok(failed),
            Err(StoreError::Conflict { .. }) => Ok(Failed::Elsewhere),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process that has the lease is done or its lease has lapsed.
    async fn wait_for_other(&self, grant: &Grant) -> Result<Refreshed, Failed> {
        self.counts.waited();
        let deadline = tokio::time::Instant::now() + LEASE;
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let current = self
                .store
                .grant(grant.id)
                .await?
                .ok_or(Failed::SignInAgain)?;
            let is_done = current.version != grant.version || current.lease.is_none();
            if is_done || tokio::time::Instant::now() >= deadline {
                return Err(match current.state {
                    GrantState::Reauth => Failed::SignInAgain,
                    _ => Failed::Elsewhere,
                });
            }
        }
    }

    /// Takes a grant away from everybody, and revokes its tokens at the provider if that answers.
    /// With a login goes what came along with it. What a later sign-in has brought stays.
    pub(crate) async fn revoke(
        &self,
        grant: &Grant,
        upstream: Option<&dyn UpstreamSession>,
    ) -> Result<(), HubError> {
        if grant.kind == GrantKind::Login {
            let current = self.store.grant(grant.id).await?;
            if current.is_some_and(|current| is_of_later_sign_in(&current, grant)) {
                return Ok(());
            }
            self.revoke_services(grant, upstream).await?;
        }
        self.revoke_one(grant, upstream).await
    }

    pub(super) async fn revoke_one(
        &self,
        grant: &Grant,
        upstream: Option<&dyn UpstreamSession>,
    ) -> Result<(), HubError> {
        let turn = self.turn(grant.id);
        let _turn = turn.lock().await;
        // A refresh under way would make a token that outlives the revocation.
        let owner = self.random.hex_id();
        let now = self.clock.now();
        let mut last = self
            .store
            .claim_grant(grant.id, &owner, now, now.plus(LEASE))
            .await?;
        if last.is_none() {
            let _ = self.wait_for_other(grant).await;
            last = self.store.grant(grant.id).await?;
        }
        let Some(last) = last else { return Ok(()) };
        if is_of_later_sign_in(&last, grant) {
            // What the person brought with them since is not meant.
            self.store.release_grant(last.id, &owner).await?;
            return Ok(());
        }
        // Gone here first: whatever the provider answers, nobody gets a token any more. With the lease
        // in hand it is tried until the database is back, for it would be in the way of trying again.
        let deadline = tokio::time::Instant::now() + KEEPING;
        while let Err(error) = self.store.forget_grant(last.id, now).await {
            let is_away = matches!(error, StoreError::Unavailable { .. });
            if !is_away || tokio::time::Instant::now() >= deadline {
                return Err(error.into());
            }
            tokio::time::sleep(BETWEEN_KEEPINGS).await;
        }
        if let Some(upstream) = upstream {
            self.revoke_tokens(&last, upstream).await;
        }
        Ok(())
    }

    /// Revokes the tokens of a grant at the provider, as far as it answers.
    pub(crate) async fn revoke_tokens(&self, grant: &Grant, upstream: &dyn UpstreamSession) {
        let token = self
            .refresh_token_of(grant)
            .or_else(|| self.access_token_of(grant));
        if let Some(token) = token {
            self.revoke_token(&token, grant.id, upstream).await;
        }
    }

    async fn revoke_token(&self, token: &Secret, id: GrantId, upstream: &dyn UpstreamSession) {
        if let Err(error) = upstream.revoke(token).await {
            warn!(grant.id = %id, error = %error, "could not revoke a token");
        }
    }
}

/// Whether somebody signed in since a grant was as it was `before`, which leaves no outcome of a
/// refresh behind.
fn is_of_later_sign_in(grant: &Grant, before: &Grant) -> bool {
    grant.session_id != before.session_id
        || (grant.version != before.version && grant.last_outcome.is_none())
}

/// A provider that did not answer in time: what it did is not known.
fn late() -> RefreshOutcome {
    RefreshOutcome::Uncertain(IdentityError::Timeout {
        endpoint: "token",
        source: None,
    })
}

/// The time between a token's arrival and its end; long when the end is not known.
pub(super) fn lifetime(grant: &Grant) -> Duration {
    grant
        .access_expires_at
        .map_or(Duration::from_hours(1), |at| at.since(grant.refreshed_at))
}

/// Why a refresh brought nothing for this caller.
enum Failed {
    /// Another one did it, or is at it.
    Elsewhere,
    SignInAgain,
    Later {
        retry_after: Duration,
    },
    Hub(HubError),
}

impl From<HubError> for Failed {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Elsewhere,
            other => Self::Hub(other.into()),
        }
    }
}
