//! Passwords of local accounts after the first: a person changes their own, and an administrator
//! makes a one-time link for somebody who has forgotten theirs.

use std::collections::HashMap;
use std::time::Duration;

use jansky_crypto::digest;
use jansky_model::{Secret, UserId};
use jansky_store::{LocalAccount, User};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::{FormError, HubError};
use crate::shared::record::{Event, SignInRefusal};
use jansky_access::action::{Action, ChangeUser};
use jansky_access::{Actor, OnBehalfOf, Permit};
use jansky_model::scope::Target;

/// What a one-time link is for.
const NEW_PASSWORD: &str = "new-password";

/// How long the link can be used.
const LINK_LIFETIME: Duration = Duration::from_hours(24);

impl People {
    /// The local account of the caller, if they have a password.
    pub async fn local_account(&self, actor: &Actor) -> Result<Option<LocalAccount>, HubError> {
        let user = actor.user.id;
        Ok(self.local_accounts_of_ids(&[user]).await?.remove(&user))
    }

    /// The local accounts of several users, of those whom the caller may change; who has no password
    /// is not in it, and nobody is when people cannot sign in with local accounts.
    pub async fn local_accounts_of(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        users: &[User],
    ) -> Result<HashMap<UserId, LocalAccount>, HubError> {
        let by = by.into();
        let seen = users
            .iter()
            .filter(|user| by.may(ChangeUser::SCOPES, Target::User(user.name.as_str())));
        let ids: Vec<UserId> = seen.map(|user| user.id).collect();
        self.local_accounts_of_ids(&ids).await
    }

    async fn local_accounts_of_ids(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, LocalAccount>, HubError> {
        if self.local_accounts().is_none() {
            return Ok(HashMap::new());
        }
        Ok(self.store.local_accounts(users).await?)
    }

    /// Checks the password of somebody who is signed in, as often as a sign-in may be tried. Gives
    /// back its hash.
    ///
    /// # Errors
    /// At the field `current`.
    pub(crate) async fn check_own_password(
        &self,
        user: &User,
        password: Secret,
        address: &str,
    ) -> Result<String, FormError> {
        let none = || HubError::not_found("You have no password at this hub.");
        if self.local_accounts().is_none() {
            return Err(none().into());
        }
        // Strangers who try this name must not keep its owner from changing the password.
        let own = format!("signed in as {}", user.id);
        self.throttle
            .check(user.name.as_str(), address, Some(&own))?;
        let found = self.store.password_hash(&user.name).await?;
        let (_, hash) = found
            .filter(|(owner, _)| owner.id == user.id)
            .ok_or_else(none)?;
        if self.is_password(password, Some(hash.clone())).await? {
            return Ok(hash);
        }
        let local = self.local_accounts().map(jansky_model::ProviderId::as_str);
        let reason = SignInRefusal::WrongPassword;
        self.audit.refuse_sign_in(local, reason, Some(user)).await;
        let wrong = HubError::forbidden("This is not your password.");
        Err(FormError::at("current", wrong))
    }

    /// Changes the password of somebody who is signed in and knows the present one. All their other
    /// browsers are signed out.
    ///
    /// # Errors
    /// At the field `current` or `password`.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: Secret,
        new: Secret,
        address: &str,
    ) -> Result<(), FormError> {
        let user = &actor.user;
        let is_same = current == new;
        let old = self.check_own_password(user, current, address).await?;
        self.check_new_password(&new)
            .map_err(|error| FormError::at("password", error))?;
        if is_same {
            let same = HubError::invalid("This is the password that you have.");
            return Err(FormError::at("password", same));
        }
        let hash = self.hash_of(new).await?;
        let now = self.clock.now();
        let by = user.name.as_str();
        let record = self
            .audit
            .record_of(by, Event::PasswordChanged, user, json!({}));
        if !self
            .store
            .replace_password(user.id, &old, &hash, now, Some(record))
            .await?
        {
            return Err(HubError::conflict(
                "Your password was changed somewhere else in the meantime.",
            )
            .into());
        }
        self.end_other_sessions(actor).await?;
        info!(user.name = %user.name, "changed their password");
        Ok(())
    }

    /// Makes the code of a link with which a user chooses a password, in the place of an earlier
    /// one.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the caller holds less than the user, whom they could become.
    pub async fn make_password_link(
        &self,
        permit: &Permit<'_, ChangeUser>,
    ) -> Result<Secret, HubError> {
        let (by, user) = permit.parts();
        if self.local_accounts().is_none() {
            return Err(HubError::not_found("Nobody signs in with a password here."));
        }
        self.privileges.may_become(by, user).await?;
        let code = self.random.secret("");
        let expires_at = self.clock.now().plus(LINK_LIFETIME);
        let record = self
            .audit
            .record_of(by.name(), Event::PasswordLink, user, json!({}));
        self.store
            .create_user_link(
                &digest(&code),
                NEW_PASSWORD,
                user.id,
                expires_at,
                Some(record),
            )
            .await?;
        info!(user.name = %user.name, actor = by.name(), "made a link for a new password");
        Ok(code)
    }

    /// The user for whom a link is, if it can still be used.
    pub async fn user_of_password_link(&self, code: &Secret) -> Result<Option<User>, HubError> {
        let now = self.clock.now();
        Ok(self
            .store
            .user_of_link(&digest(code), NEW_PASSWORD, now)
            .await?)
    }

    /// Gives the user of a link the password that they chose, and ends all their browser sessions.
    ///
    /// # Errors
    /// At the field `password`; [`HubError::NotFound`] when the link has been used or has expired.
    pub async fn choose_password(
        &self,
        code: &Secret,
        password: Secret,
    ) -> Result<User, FormError> {
        let unusable = || HubError::not_found("This link has been used or has expired.");
        let user = self.user_of_password_link(code).await?;
        let user = user.ok_or_else(unusable)?;
        self.check_new_password(&password)
            .map_err(|error| FormError::at("password", error))?;
        let hash = self.hash_of(password).await?;
        let now = self.clock.now();
        // Used up with the choice: of two who have it one chooses, and nobody loses it for nothing.
        let link = (&digest(code), NEW_PASSWORD);
        let by = user.name.as_str();
        let record = self
            .audit
            .record_of(by, Event::PasswordChosen, &user, json!({}));
        let chosen = self
            .store
            .set_password_with_link(link, user.id, &hash, now, Some(record))
            .await?;
        if !chosen {
            return Err(unusable().into());
        }
        self.end_sessions_of(user.id).await?;
        info!(user.name = %user.name, "chose a password with a link");
        Ok(user)
    }
}
