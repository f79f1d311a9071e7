//! Local accounts, with passwords that Jansky itself keeps: those that the operator makes, and the first one.

use std::time::Duration;

use jansky_model::{Secret, UserName};
use jansky_store::{StoreError, User};
use serde_json::json;

use crate::people::People;
use crate::people::sessions::CompletedSignIn;
use crate::shared::error::HubError;
use crate::shared::record::{Event, OPERATOR};
use jansky_access::{Authority, OnBehalfOf};

/// What a one-time link is for.
const FIRST_ADMIN: &str = "first-admin";

/// How long the link for the first admin can be used.
const FIRST_ADMIN_LIFETIME: Duration = Duration::from_hours(24);

impl People {
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
