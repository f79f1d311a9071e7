//! Setting a second factor up and taking it away.

use std::time::Duration;

use jansky_crypto::token::digest_text;
use jansky_crypto::{digest, totp};
use jansky_model::{Secret, Timestamp};
use jansky_store::{Digest, SecondFactor, StoreError, User};
use serde_json::json;
use tracing::info;

use super::recovery;
use crate::people::People;
use crate::shared::error::{FormError, HubError};
use crate::shared::record::Event;
use crate::shared::settings::SecondFactorRule;
use jansky_access::action::ChangeUser;
use jansky_access::{Actor, Permit};

/// A secret that nobody has confirmed for so long is not offered again.
const LONGEST_SET_UP: Duration = Duration::from_mins(45);

/// What somebody brings into their app.
#[derive(Debug)]
pub struct SecondFactorSetUp {
    /// The secret, to be typed.
    pub secret: Secret,
    /// The same with the names of site and user, for the picture.
    pub uri: Secret,
}

/// The browser in which a second factor is set up. Each gets a secret of its own: whoever knows the
/// password, too, must not see the one that its owner brings into their app.
#[derive(Clone, Copy)]
pub enum SetUpBrowser<'a> {
    /// One that is signed in.
    Session(&'a Actor),
    /// One between password and session, by the value of its cookie.
    Step(&'a Secret),
}

impl SetUpBrowser<'_> {
    fn digest(self) -> Digest {
        match self {
            Self::Session(actor) => digest_text(&format!(
                "session {}",
                actor.session_id().unwrap_or_default()
            )),
            Self::Step(cookie) => digest(cookie),
        }
    }
}

/// What there is of somebody's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondFactorState {
    /// The hub asks nobody for one.
    Off,
    /// There is none.
    None,
    /// There is one.
    On {
        /// Since when.
        since: Timestamp,
        /// How many recovery codes are left.
        recovery_codes: u64,
        /// Whether the secret can be read: not after its key was lost.
        is_readable: bool,
    },
}

impl People {
    /// What there is of the caller's second factor.
    pub async fn second_factor_of(&self, actor: &Actor) -> Result<SecondFactorState, HubError> {
        let user = &actor.user;
        if self.settings.second_factor == SecondFactorRule::Off {
            return Ok(SecondFactorState::Off);
        }
        let factor = self.store.second_factor(user.id).await?;
        let Some((factor, since)) = factor.and_then(|f| f.confirmed_at.map(|at| (f, at))) else {
            return Ok(SecondFactorState::None);
        };
        Ok(SecondFactorState::On {
            since,
            recovery_codes: self.store.recovery_codes_left(factor.id).await?,
            is_readable: self.second_factors.open(&factor).is_some(),
        })
    }

    /// The secret that a user brings into their app: the same in this browser until a code shows that
    /// they did, or they took too long. `site` is the name of this hub in the app.
    ///
    /// # Errors
    /// [`HubError::Conflict`] when they have a second factor already.
    pub async fn begin_second_factor(
        &self,
        browser: SetUpBrowser<'_>,
        site: &str,
    ) -> Result<SecondFactorSetUp, HubError> {
        let user = match browser {
            SetUpBrowser::Session(actor) => actor.user.clone(),
            SetUpBrowser::Step(cookie) => self.user_of_step(cookie).await?,
        };
        let (_, secret) = self.pending(&user, browser).await?;
        let uri = totp::uri(&secret, site, user.name.as_str());
        Ok(SecondFactorSetUp { secret, uri })
    }

    /// The second factor that does not count yet, with its secret; made if there is none.
    async fn pending(
        &self,
        user: &User,
        browser: SetUpBrowser<'_>,
    ) -> Result<(SecondFactor, Secret), HubError> {
        if self.settings.second_factor == SecondFactorRule::Off {
            return Err(HubError::not_found("This hub asks for no second factor."));
        }
        if self.store.has_second_factor(user.id).await? {
            return Err(HubError::conflict("You have a second factor already."));
        }
        let factors = &self.second_factors;
        let now = self.clock.now();
        for _ in 0..2 {
            let fresh = totp::generate(&*self.random);
            let factor = self
                .store
                .begin_second_factor(
                    user.id,
                    &browser.digest(),
                    |row| factors.seal(row, &fresh),
                    now,
                )
                .await?;
            let is_late = now.since(factor.created_at) >= LONGEST_SET_UP;
            if let Some(secret) = factors.open(&factor).filter(|_| !is_late) {
                return Ok((factor, secret));
            }
            self.store.drop_pending_second_factor(factor.id).await?;
        }
        Err(HubError::conflict(
            "Your second factor is being set up somewhere else. Try again.",
        ))
    }

    /// Makes a second factor count, because a code shows that the app has the secret; the recovery
    /// codes, which nobody can read later.
    ///
    /// # Errors
    /// At the field `otp`.
    pub(super) async fn confirm_second_factor(
        &self,
        user: &User,
        browser: SetUpBrowser<'_>,
        code: &Secret,
        address: &str,
    ) -> Result<Vec<Secret>, FormError> {
        self.second_factors
            .throttle
            .check(user.name.as_str(), address, None)?;
        let (factor, secret) = self.pending(user, browser).await?;
        let now = self.clock.now();
        let step = totp::check(&secret, code.expose(), now).ok_or_else(|| {
            let wrong = "This is not the code. Take the one that your app shows now, and check that \
                         the clock of your phone is right.";
            FormError::at("otp", HubError::forbidden(wrong))
        })?;
        let codes = recovery::generate(&*self.random);
        let digests = recovery::digests(&codes);
        let confirmed = self
            .store
            .confirm_second_factor(factor.id, step, &digests, now)
            .await;
        match confirmed {
            Ok(true) => {}
            Ok(false) | Err(StoreError::AlreadyExists { .. }) => {
                return Err(HubError::conflict("You have a second factor already.").into());
            }
            Err(error) => return Err(error.into()),
        }
        self.access.forget(user.id);
        info!(user.name = %user.name, "set a second factor up");
        self.note_second_factor(Event::SecondFactorOn, user.name.as_str(), user)
            .await?;
        Ok(codes)
    }

    /// Makes the second factor of somebody who is signed in count, and signs out all their other
    /// browsers, which came in without it.
    ///
    /// # Errors
    /// At the field `current` or `otp`.
    pub async fn turn_on_second_factor(
        &self,
        actor: &Actor,
        password: Secret,
        code: &Secret,
        address: &str,
    ) -> Result<Vec<Secret>, FormError> {
        let user = &actor.user;
        self.check_own_password(user, password, address).await?;
        let browser = SetUpBrowser::Session(actor);
        let codes = self
            .confirm_second_factor(user, browser, code, address)
            .await?;
        self.end_other_sessions(actor).await?;
        Ok(codes)
    }

    /// Takes the second factor of somebody away who is signed in and shows both. Where everybody has
    /// to have one, they are signed out and set up another one before they come in again: the value
    /// of the cookie of that step, which needs no password, as they have just shown it.
    ///
    /// # Errors
    /// At the field `current` or `otp`.
    pub async fn turn_off_second_factor(
        &self,
        actor: &Actor,
        password: Secret,
        code: &Secret,
        address: &str,
    ) -> Result<Option<Secret>, FormError> {
        let user = &actor.user;
        self.check_own_password(user, password, address).await?;
        self.show_code_in_form(user, code, address).await?;
        self.remove_second_factor(user).await?;
        let is_required = self.settings.second_factor == SecondFactorRule::Required;
        if is_required {
            self.end_sessions_of(user.id).await?;
        }
        info!(user.name = %user.name, "turned their second factor off");
        self.note_second_factor(Event::SecondFactorOff, user.name.as_str(), user)
            .await?;
        if is_required {
            return Ok(Some(self.begin_step(user, None).await?));
        }
        Ok(None)
    }

    /// Makes new recovery codes in the place of those that are left.
    ///
    /// # Errors
    /// At the field `otp`.
    pub async fn new_recovery_codes(
        &self,
        actor: &Actor,
        code: &Secret,
        address: &str,
    ) -> Result<Vec<Secret>, FormError> {
        let user = &actor.user;
        self.show_code_in_form(user, code, address).await?;
        let factor = self.store.second_factor(user.id).await?;
        let gone = || HubError::conflict("There is no second factor any more.");
        let factor = factor.ok_or_else(gone)?;
        let codes = recovery::generate(&*self.random);
        let digests = recovery::digests(&codes);
        self.store
            .replace_recovery_codes(factor.id, &digests)
            .await?;
        self.note_second_factor(Event::RecoveryCodes, user.name.as_str(), user)
            .await?;
        Ok(codes)
    }

    async fn show_code_in_form(
        &self,
        user: &User,
        code: &Secret,
        address: &str,
    ) -> Result<(), FormError> {
        match self.show_code(user, code, address).await {
            Err(error @ HubError::Forbidden(_)) => Err(FormError::at("otp", error)),
            other => Ok(other?),
        }
    }

    /// Takes the second factor of a user away because they cannot show it.
    ///
    /// # Errors
    /// [`HubError::NotFound`] when there is none; [`HubError::Forbidden`] when the caller holds less
    /// than the user.
    pub async fn reset_second_factor(
        &self,
        permit: &Permit<'_, ChangeUser>,
    ) -> Result<(), HubError> {
        let (by, user) = permit.parts();
        self.privileges.may_become(by, user).await?;
        if !self.remove_second_factor(user).await? {
            return Err(HubError::not_found("There is no second factor to reset."));
        }
        info!(user.name = %user.name, actor = by.name(), "a second factor was reset");
        self.note_second_factor(Event::SecondFactorReset, by.name(), user)
            .await
    }

    async fn remove_second_factor(&self, user: &User) -> Result<bool, HubError> {
        let now = self.clock.now();
        let was_there = self.store.delete_second_factor(user.id, now).await?;
        self.access.forget(user.id);
        Ok(was_there)
    }

    async fn note_second_factor(
        &self,
        event: Event,
        actor: &str,
        user: &User,
    ) -> Result<(), HubError> {
        self.audit
            .record_by(actor, event, Some(user), json!({}))
            .await
    }
}
