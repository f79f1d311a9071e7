//! The step between the password and the session: a code is shown, or the second factor is set up.
//!
//! It is a row that is tied to one browser and does not live long, so it survives a reload of its
//! page and a restart of the hub, and any process can end it.

use std::time::Duration;

use jansky_crypto::digest;
use jansky_model::{ProviderId, Secret};
use jansky_store::User;

use super::SetUpBrowser;
use crate::people::People;
use crate::people::sessions::{CompletedSignIn, MissingStep, NewBrowserSession, SignInClient};
use crate::people::sign_in::LOCAL_PROVIDER;
use crate::shared::error::{FormError, HubError};

/// How long somebody may take; enough to install an app.
pub(crate) const SECOND_STEP_LIFETIME: Duration = Duration::from_mins(15);

/// Somebody between the password and the session.
#[derive(Debug)]
pub struct SecondStepUnderWay {
    /// Who it is.
    pub user: User,
    /// What is missing.
    pub due: MissingStep,
}

/// Somebody who has shown everything.
pub struct Finished {
    /// Who it is.
    pub user: User,
    /// Their session.
    pub session: NewBrowserSession,
    /// Where they wanted to go.
    pub next: Option<String>,
    /// The recovery codes, if the second factor was set up; nobody can read them later.
    pub recovery_codes: Vec<Secret>,
}

impl People {
    /// Begins the second step of somebody whose password was right; the value of the cookie that
    /// ties it to the browser.
    pub(crate) async fn begin_step(
        &self,
        user: &User,
        next: Option<&str>,
    ) -> Result<Secret, HubError> {
        let cookie = self.random.secret("");
        let expires_at = self.clock.now().plus(SECOND_STEP_LIFETIME);
        self.store
            .create_second_step(&digest(&cookie), user.id, next, expires_at)
            .await?;
        Ok(cookie)
    }

    /// Whose second step a cookie is of.
    pub(super) async fn user_of_step(&self, cookie: &Secret) -> Result<User, HubError> {
        let step = self
            .store
            .second_step(&digest(cookie), self.clock.now())
            .await?;
        Ok(step.ok_or_else(took_too_long)?.user)
    }

    /// Who is between password and session in the browser with this cookie.
    pub async fn second_step(
        &self,
        cookie: &Secret,
    ) -> Result<Option<SecondStepUnderWay>, HubError> {
        let now = self.clock.now();
        let Some(step) = self.store.second_step(&digest(cookie), now).await? else {
            return Ok(None);
        };
        let due = self.second_step_due(&step.user).await?;
        Ok(due.map(|due| SecondStepUnderWay {
            user: step.user,
            due,
        }))
    }

    /// Ends the second step with a code, and opens the session.
    ///
    /// # Errors
    /// At the field `otp` for a wrong or used code; [`HubError::SignInAgain`] when it took too long.
    pub async fn finish_second_step(
        &self,
        cookie: &Secret,
        code: &Secret,
        visitor: SignInClient<'_>,
    ) -> Result<Finished, FormError> {
        let now = self.clock.now();
        let step = self.store.second_step(&digest(cookie), now).await?;
        let step = step.ok_or_else(took_too_long)?;
        let due = self
            .second_step_due(&step.user)
            .await?
            .ok_or_else(took_too_long)?;
        let recovery_codes = match due {
            MissingStep::SetUp => {
                let browser = SetUpBrowser::Step(cookie);
                self.confirm_second_factor(&step.user, browser, code, visitor.address)
                    .await?
            }
            MissingStep::Code => match self.show_code(&step.user, code, visitor.address).await {
                Err(error @ HubError::Forbidden(_)) => return Err(FormError::at("otp", error)),
                other => other.map(|()| Vec::new())?,
            },
        };
        if !self.store.take_second_step(&digest(cookie), now).await? {
            return Err(took_too_long().into());
        }
        if due == MissingStep::SetUp {
            // From the time before, without a second factor.
            self.end_sessions_of(step.user.id).await?;
        }
        let sign_in = CompletedSignIn::local(step.user.clone(), self.local_provider());
        let session = self.begin_session(&sign_in, visitor.browser).await?;
        Ok(Finished {
            user: step.user,
            session,
            next: step.next,
            recovery_codes,
        })
    }

    /// The id under which sessions of local accounts are kept.
    pub fn local_provider(&self) -> ProviderId {
        let configured = self.local_accounts().cloned();
        configured.unwrap_or_else(|| LOCAL_PROVIDER.parse().expect("a constant id"))
    }
}

fn took_too_long() -> HubError {
    HubError::SignInAgain("This took too long. Please sign in again.".to_owned())
}
