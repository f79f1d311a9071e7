//! Following a provider: refreshing on schedule, and what changed rights lead to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jansky_identity::{Claims, ExternalIdentity, UpstreamSession, claim_at};
use jansky_model::UserId;
use jansky_store::{FreezeReason, Grant, GrantKind, GrantState, User};
use tracing::{info, warn};

use super::refresh::{FreshToken, NoToken, Refreshed, lifetime};
use crate::Hub;
use crate::error::HubError;
use crate::settings::NoLongerAllowed;
use crate::sign_in::ConfiguredProvider;

/// How many grants are refreshed at the same time.
const AT_ONCE: usize = 8;

/// How many grants one round takes.
const ROUND: u32 = 200;

/// How often the grants of people with running servers are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// A token that ends sooner than this is refreshed on schedule; of short lives the last third.
const AHEAD: Duration = Duration::from_secs(90);

/// How long a start waits for tokens to be renewed; after that it goes on with what is there.
const BEFORE_START: Duration = Duration::from_secs(3);

impl Hub {
    /// Renews what a person's sign-ins gave and will end soon, before a server of theirs starts: what
    /// its code does first shall not fail. No start fails by this.
    pub(crate) async fn refresh_before_start(self: &Arc<Self>, user: UserId) {
        let hub = Arc::clone(self);
        // A task of its own: what a refresh brought must be stored, however long that takes.
        let renewing = self.tasks.spawn(async move {
            let grants = match hub.store.grants_of(user).await {
                Ok(grants) => grants,
                Err(error) => {
                    warn!(error = %error, "could not look for grants before a start");
                    return;
                }
            };
            let logins = grants.iter().filter(|one| one.kind == GrantKind::Login);
            for grant in logins.filter(|one| one.state == GrantState::Ok) {
                let ahead = AHEAD.min(lifetime(grant) / 3);
                if let Err(NoToken::Hub(error)) = hub.fresh_token(grant, ahead).await {
                    warn!(grant.id = %grant.id, error = %error, "could not refresh a grant");
                }
            }
        });
        let _ = tokio::time::timeout(BEFORE_START, renewing).await;
    }

    /// An access token from the provider with which `user` signed in, good for at least `least`.
    pub async fn login_token(
        self: &Arc<Self>,
        user: &User,
        provider: &jansky_model::ProviderId,
        least: Duration,
    ) -> Result<FreshToken, NoToken> {
        let grant = self.store.login_grant(user.id, provider).await?;
        self.fresh_token(&grant.ok_or(NoToken::SignInAgain)?, least)
            .await
    }

    pub(crate) async fn fresh_token(
        self: &Arc<Self>,
        grant: &Grant,
        least: Duration,
    ) -> Result<FreshToken, NoToken> {
        let configured = self.configured(grant).ok_or(NoToken::SignInAgain)?;
        let upstream = configured
            .provider
            .upstream_session()
            .ok_or(NoToken::SignInAgain)?;
        let served = self.grants.fresh(grant.id, least, upstream).await;
        if matches!(served, Err(NoToken::SignInAgain)) {
            // The browser sessions of the grant lead to the sign-in page from now on.
            self.access.forget(grant.user_id);
        }
        let served = served?;
        // Only the login speaks of the person; tokens for services say nothing about rights.
        if let Some(refreshed) = served.refreshed.filter(|_| grant.kind == GrantKind::Login) {
            let services = &refreshed.tokens.other;
            self.grants
                .keep_services(&refreshed.grant, services)
                .await?;
            self.follow_rights(configured, upstream, &refreshed).await?;
        }
        Ok(served.token)
    }

    fn configured(&self, grant: &Grant) -> Option<&ConfiguredProvider> {
        self.providers
            .iter()
            .find(|p| *p.provider.id() == grant.provider)
    }

    /// Reads the claims again after a refresh and does what they say.
    async fn follow_rights(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        upstream: &dyn UpstreamSession,
        refreshed: &Refreshed,
    ) -> Result<(), HubError> {
        let Refreshed { grant, tokens } = refreshed;
        let claims = match upstream.claims(&grant.subject, tokens).await {
            Ok(Some(claims)) => claims,
            Ok(None) => return Ok(()),
            Err(error) => {
                // No news is not bad news: the rights stay until the claims can be read.
                warn!(grant.id = %grant.id, error = %error, "could not read the claims again");
                return Ok(());
            }
        };
        let Some(user) = self.store.user(grant.user_id).await? else {
            return Ok(());
        };
        let identity = identity_of(configured, grant, tokens, claims);
        match configured.rules.admit(&identity) {
            Ok(admission) => self.apply_admission(&user, &admission).await.map(|_| ()),
            Err(refusal) => {
                info!(user.name = %user.name, provider.id = %grant.provider, "no longer allowed: {refusal}");
                self.end_stay(&user, grant).await
            }
        }
    }

    /// Ends the stay of somebody whom the rules do not let in any more.
    async fn end_stay(self: &Arc<Self>, user: &User, grant: &Grant) -> Result<(), HubError> {
        let now = self.clock.now();
        self.end_sessions_of(user.id).await?;
        self.freeze_user(user, FreezeReason::NotAllowed, grant.provider.as_str())
            .await?;
        self.store.set_admin(user.id, false, now).await?;
        self.store.set_groups(user.id, &[], now).await?;
        self.access.forget(user.id);
        if self.settings.no_longer_allowed == NoLongerAllowed::Stop {
            for server in self.store.servers_of(user.id).await? {
                self.stop_server(&server).await?;
            }
        }
        let upstream = self
            .configured(grant)
            .and_then(|p| p.provider.upstream_session());
        self.grants.revoke(grant, upstream).await
    }

    /// Seals again, once and in the background, what older keys sealed.
    pub fn spawn_sealing_again(self: &Arc<Self>) {
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            match hub.grants.seal_again().await {
                Ok(0) => {}
                Ok(count) => info!(count, "sealed tokens again with the active key"),
                Err(error) => warn!(error = %error, "could not seal tokens again"),
            }
        });
    }

    /// Refreshes what will end soon, of people with running servers, again and again.
    pub(crate) fn spawn_refreshing(self: &Arc<Self>) {
        if self.providers.is_empty() {
            return;
        }
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_INTERVAL) => {}
                    () = hub.stopping.cancelled() => break,
                }
                if let Err(error) = hub.refresh_due().await {
                    warn!(error = %error, "could not look for grants to refresh");
                }
            }
        });
    }

    /// Refreshes once everything that is due.
    pub async fn refresh_due(self: &Arc<Self>) -> Result<(), HubError> {
        let now = self.clock.now();
        let due = self.store.due_grants(now, now.plus(AHEAD), ROUND).await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |grant| async move {
                let ahead = AHEAD.min(lifetime(&grant) / 3);
                match self.fresh_token(&grant, ahead).await {
                    Ok(_) | Err(NoToken::SignInAgain | NoToken::Later { .. }) => {}
                    Err(NoToken::Hub(error)) => {
                        warn!(grant.id = %grant.id, error = %error, "could not refresh a grant");
                    }
                }
            })
            .await;
        Ok(())
    }
}

/// What the provider says now, in the form in which a sign-in brings it.
fn identity_of(
    configured: &ConfiguredProvider,
    grant: &Grant,
    tokens: &jansky_identity::UpstreamTokens,
    claims: Claims,
) -> ExternalIdentity {
    let name = claim_at(&claims, &configured.username_claim);
    ExternalIdentity {
        provider: grant.provider.clone(),
        issuer: grant.issuer.clone(),
        subject: grant.subject.clone(),
        username: name.and_then(|name| name.as_str()).map(str::to_owned),
        claims,
        tokens: tokens.clone(),
    }
}
