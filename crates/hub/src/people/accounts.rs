//! Local accounts: names and passwords that Jansky itself keeps, and how the first one is made.

use std::time::Duration;

use jansky_crypto::{Random, password};
use jansky_model::{Secret, UserName};
use jansky_store::{StoreError, User};
use serde_json::json;

use crate::people::People;
use crate::people::sign_in::CompletedSignIn;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use crate::shared::settings::SignUpRule;
use jansky_access::{Authority, OnBehalfOf};

/// What a one-time link is for.
const FIRST_ADMIN: &str = "first-admin";

/// Whoever runs the hub and says so in its configuration.
const OPERATOR: &str = "operator";

/// How long the link for the first admin can be used.
const FIRST_ADMIN_LIFETIME: Duration = Duration::from_hours(24);

/// What came of a name and a password.
pub(crate) enum PasswordCheck {
    /// They belong to this user.
    Right(User),
    /// They belong to somebody who waits for an administrator.
    Waits,
    /// They belong to nobody.
    Wrong,
}

/// A name as it was typed, in the form in which attempts with it are counted: all spellings of a name
/// are one.
pub(crate) fn counted(name: &str) -> String {
    match UserName::normalize(name) {
        Ok(name) => name.to_string(),
        Err(_) => name.trim().to_lowercase(),
    }
}

impl People {
    /// Checks a name and a password; `address` is the client's and `browser` names one that has
    /// signed in with this name before, both for the limit of attempts.
    ///
    /// The answer to a wrong name and to a wrong password is the same and takes as long. A second
    /// factor is not asked for.
    pub(crate) async fn check_password(
        &self,
        name: &str,
        password: Secret,
        address: &str,
        browser: Option<&str>,
    ) -> Result<PasswordCheck, HubError> {
        let typed = counted(name);
        self.throttle.check(&typed, address, browser)?;
        let (mut known, mut waiting) = (None, None);
        if let Ok(name) = UserName::normalize(&typed) {
            known = self.store.password_hash(&name).await?;
            if self.settings.sign_up == SignUpRule::Approval {
                waiting = self.store.sign_up_hash(&name, self.clock.now()).await?;
            }
        }
        let (user, hash) = known.unzip();
        let waits = user.is_none() && waiting.is_some();
        if !self.is_password(password, hash.or(waiting)).await? {
            return Ok(PasswordCheck::Wrong);
        }
        if waits {
            return Ok(PasswordCheck::Waits);
        }
        let Some(mut user) = user else {
            return Ok(PasswordCheck::Wrong);
        };
        if !user.admin && self.settings.admin_users.contains(user.name.as_str()) {
            self.store
                .set_admin(user.id, true, self.clock.now())
                .await?;
            self.access.forget(user.id);
            user.admin = true;
            let detail = json!({ "key": "hub.admin_users" });
            self.audit
                .record_by(OPERATOR, Event::AdminGiven, Some(&user), detail)
                .await?;
        }
        Ok(PasswordCheck::Right(user))
    }

    /// Whether a password has this hash; takes as long without one.
    pub(crate) async fn is_password(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool, HubError> {
        let check = move |random: &dyn Random| password::verify(&password, hash.as_deref(), random);
        self.hashing.run(check).await
    }

    /// The hash of a new password.
    pub(crate) async fn hash_of(&self, password: Secret) -> Result<String, HubError> {
        let make = move |random: &dyn Random| password::hash(&password, random);
        self.hashing.run(make).await
    }

    /// Refuses a password that is too short to be chosen.
    pub(crate) fn check_new_password(&self, password: &Secret) -> Result<(), HubError> {
        let minimum = self.settings.minimum_password_length;
        if password.expose().chars().count() < minimum {
            return Err(HubError::invalid(format!(
                "The password is too short: it needs at least {minimum} characters."
            )));
        }
        Ok(())
    }

    /// Makes a local account, or sets the password of an existing user.
    pub async fn set_account(
        &self,
        _: &Authority,
        name: &UserName,
        password: Secret,
        admin: bool,
    ) -> Result<User, HubError> {
        self.check_new_password(&password)?;
        let hash = self.hash_of(password).await?;
        let now = self.clock.now();
        let is_new = self.store.user_by_name(name).await?.is_none();
        let fitting;
        let name = if is_new {
            fitting = self
                .name_for_account(name, OnBehalfOf::Operator(&self.authority), None)
                .await?;
            &fitting
        } else {
            name
        };
        let user = match self.store.create_user(name, admin, now).await {
            Ok(user) => user,
            Err(StoreError::AlreadyExists { .. }) => {
                let user = self
                    .store
                    .user_by_name(name)
                    .await?
                    .ok_or_else(|| HubError::not_found(format!("no user `{name}`")))?;
                if admin && !user.admin {
                    self.store.set_admin(user.id, true, now).await?;
                }
                user
            }
            Err(error) => return Err(error.into()),
        };
        self.store.set_password(user.id, &hash, now).await?;
        self.access.forget(user.id);
        Ok(user)
    }

    /// Makes the link code with which the first admin account is set up, if there is no admin.
    pub async fn first_admin_code(&self, _: &Authority) -> Result<Option<Secret>, HubError> {
        if self.store.has_admin().await? {
            return Ok(None);
        }
        let code = self.random.secret("");
        let expires_at = self.clock.now().plus(FIRST_ADMIN_LIFETIME);
        self.store
            .create_link(&jansky_crypto::digest(&code), FIRST_ADMIN, expires_at)
            .await?;
        self.audit
            .record_by(OPERATOR, Event::FirstAdminLink, None, json!({}))
            .await?;
        Ok(Some(code))
    }

    /// Whether a code for the first admin can still be used.
    pub async fn is_first_admin_code(&self, code: &Secret) -> Result<bool, HubError> {
        let digest = jansky_crypto::digest(code);
        Ok(self
            .store
            .link_exists(&digest, FIRST_ADMIN, self.clock.now())
            .await?)
    }

    /// Makes the first admin account with a one-time code.
    pub async fn set_up_first_admin(
        &self,
        code: &Secret,
        name: &str,
        password: Secret,
    ) -> Result<CompletedSignIn, HubError> {
        let unusable = || HubError::not_found("This link has been used or has expired.");
        if !self.is_first_admin_code(code).await? {
            return Err(unusable());
        }
        let name =
            UserName::normalize(name).map_err(|error| HubError::invalid(error.to_string()))?;
        let name = self
            .name_for_account(&name, OnBehalfOf::Operator(&self.authority), None)
            .await?;
        if self.store.user_by_name(&name).await?.is_some() {
            return Err(HubError::conflict(format!("The name `{name}` is taken.")));
        }
        self.check_new_password(&password)?;
        let hash = self.hash_of(password).await?;
        let digest = jansky_crypto::digest(code);
        // The link is used up with the account: two people with it make one admin, and nobody is left
        // with an admin who has no password and a link that is gone.
        let made = self
            .store
            .create_admin_with_link((&digest, FIRST_ADMIN), &name, &hash, self.clock.now())
            .await;
        let user = match made {
            Ok(user) => user.ok_or_else(unusable)?,
            Err(StoreError::AlreadyExists { .. }) => {
                return Err(HubError::conflict(format!("The name `{name}` is taken.")));
            }
            Err(error) => return Err(error.into()),
        };
        let by = user.name.as_str();
        self.audit
            .record_by(by, Event::FirstAdmin, Some(&user), json!({}))
            .await?;
        Ok(CompletedSignIn::local(user, self.local_provider()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_counted_as_one() {
        for typed in ["j\u{fc}rgen", "ju\u{308}rgen", " JU\u{308}RGEN "] {
            assert_eq!(counted(typed), "j\u{fc}rgen", "{typed:?}");
        }
        assert_eq!(counted(" A/B "), "a/b", "what is no name is counted, too");
    }
}
