//! When signing in must be more than a look at a session that the provider still has.
//!
//! A grant that gives nothing any more, because its provider refused or because an operator took it
//! back, asks for a sign-in at which the person proves again who they are (`prompt=login`, `max_age=0`
//! of OpenID Connect). Who is at the browser is not always known before it leaves; so it is looked at
//! again when the answer is there, and a person who has not proved it is sent back to do so.

use std::time::Duration;

use jansky_identity::{ExternalIdentity, RedirectLogin};
use jansky_model::{ProviderId, UserId};
use jansky_store::{GrantState, LoginAttemptRow};
use tracing::{info, warn};

use crate::people::People;
use crate::shared::error::HubError;

/// How far the provider's clock may be from ours.
const CLOCKS: Duration = Duration::from_mins(1);

/// What is to be made of somebody's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is as new as it has to be.
    Enough,
    /// The person is to be asked again.
    Missing,
}

impl People {
    /// Whether a provider is to ask again who is at a browser, as far as its sign-in cookies tell who
    /// that is. Those of a session that waits for a new sign-in count.
    pub(crate) async fn browser_must_prove(
        &self,
        provider: &ProviderId,
        cookies: &[&str],
    ) -> Result<bool, HubError> {
        let now = self.clock.now();
        for cookie in cookies {
            let digest = jansky_crypto::token::digest_text(cookie);
            if let Some((_, user)) = self.store.session_by_digest(&digest, now).await? {
                return self.must_prove(user.id, provider).await;
            }
        }
        Ok(false)
    }

    /// Whether what a provider gave in somebody's name waits for a new sign-in.
    pub(crate) async fn must_prove(
        &self,
        user: UserId,
        provider: &ProviderId,
    ) -> Result<bool, HubError> {
        let state = self.store.login_grant_state(user, provider).await?;
        Ok(state == Some(GrantState::Reauth))
    }

    /// Looks at what an answer proves about the person who is `user` here, if anybody is.
    ///
    /// A provider that does not say when the person signed in there is believed to have asked if it
    /// was told to.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when it was told to ask and says that it did not.
    pub(crate) async fn proof_of(
        &self,
        login: &dyn RedirectLogin,
        row: &LoginAttemptRow,
        user: Option<UserId>,
        identity: &ExternalIdentity,
    ) -> Result<Proof, HubError> {
        let signed_in_at = identity.signed_in_at();
        if row.reauthenticates {
            if signed_in_at.is_some_and(|at| at.plus(CLOCKS) < row.created_at) {
                warn!(
                    provider.id = %row.provider,
                    "the provider was to ask who is there, and says in `auth_time` that they signed \
                     in there before that; compare the clocks if it did ask"
                );
                return Err(HubError::forbidden(
                    "You have to sign in again at your provider, and it says that you last did so \
                     before it was asked to let you. Sign out there and try again.",
                ));
            }
            return Ok(Proof::Enough);
        }
        let Some(user) = user.filter(|_| login.can_ask_again()) else {
            return Ok(Proof::Enough);
        };
        let began = row.created_at.seconds();
        let is_new = signed_in_at.is_some_and(|at| at.seconds() >= began);
        if is_new || !self.must_prove(user, &row.provider).await? {
            return Ok(Proof::Enough);
        }
        info!(provider.id = %row.provider, "sent back to the provider, which is to ask who is there");
        Ok(Proof::Missing)
    }
}
