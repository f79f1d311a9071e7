//! Users as the REST API and the pages ask for them.

use std::collections::HashMap;
use std::sync::Arc;

use jansky_model::{UserId, UserName};
use jansky_store::{StoreError, User, UserQuery};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::OnBehalfOf;

impl People {
    /// A user by name.
    pub async fn user(&self, name: &str) -> Result<Option<User>, HubError> {
        let Ok(name) = name.parse::<UserName>() else {
            return Ok(None);
        };
        Ok(self.store.user_by_name(&name).await?)
    }

    /// A page of users and how many there are in all.
    pub async fn list_users(&self, query: &UserQuery) -> Result<(Vec<User>, u64), HubError> {
        Ok(self.store.list_users(query).await?)
    }

    /// The groups of a user.
    pub async fn groups_of(&self, user: &User) -> Result<Vec<String>, HubError> {
        Ok(self.store.groups_of(user.id).await?)
    }

    /// The groups of several users at once.
    pub async fn groups_of_users(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Vec<String>>, HubError> {
        Ok(self.store.groups_of_users(users).await?)
    }

    /// How many users there are.
    pub async fn count_users(&self) -> Result<u64, HubError> {
        let query = UserQuery {
            limit: 0,
            ..UserQuery::default()
        };
        Ok(self.store.list_users(&query).await?.1)
    }

    /// Makes a user who can sign in later.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] for a name that comes with more than the caller holds;
    /// [`HubError::Conflict`] when it is taken.
    pub async fn create_user(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        name: &UserName,
        admin: bool,
    ) -> Result<User, HubError> {
        let by = by.into();
        if admin {
            self.privileges.may_change_admins(by)?;
        }
        self.privileges.may_give_name(by, name, None).await?;
        let name = &self.name_for_account(name, by, None).await?;
        match self.store.create_user(name, admin, self.clock.now()).await {
            Ok(user) => {
                let detail = json!({ "admin": admin });
                self.audit
                    .record_by(by.name(), Event::UserMade, Some(&user), detail)
                    .await?;
                Ok(user)
            }
            Err(StoreError::AlreadyExists { .. }) => {
                Err(HubError::conflict(format!("User {name} already exists")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a user as `create_user`, and says whose people may take over the account.
    ///
    /// # Errors
    /// As `create_user` and `set_adopt_from`; then nobody is made.
    pub async fn prepare_user(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        name: &UserName,
        admin: bool,
        adopt_from: Option<&str>,
    ) -> Result<User, HubError> {
        let by = by.into();
        let provider = adopt_from
            .map(|text| self.known_provider(text))
            .transpose()?;
        let user = self.create_user(by, name, admin).await?;
        if let Some(provider) = provider {
            self.note_adopt_from(by, &user, Some(provider)).await?;
        }
        Ok(user)
    }

    /// Changes a user's name or admin flag; what is `None` or the same stays.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the caller holds less than the user, or than comes with the name.
    pub async fn change_user(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        user: &User,
        name: Option<&UserName>,
        admin: Option<bool>,
    ) -> Result<User, HubError> {
        let by = by.into();
        self.privileges.may_act_against(by, user).await?;
        let admin = admin.filter(|admin| *admin != user.admin);
        if admin.is_some() {
            self.privileges.may_change_admins(by)?;
        }
        if let Some(name) = name.filter(|name| **name != user.name) {
            self.privileges.may_give_name(by, name, Some(user)).await?;
            let name = &self.name_for_account(name, by, Some(user)).await?;
            let servers = self.store.servers_of(user.id).await?;
            if servers.iter().any(|server| server.state.is_active()) {
                return Err(HubError::invalid(format!(
                    "`{}` has running servers; stop them before renaming the user",
                    user.name
                )));
            }
            match self
                .store
                .rename_user(user.id, name, self.clock.now())
                .await
            {
                Err(StoreError::AlreadyExists { .. }) => {
                    return Err(HubError::invalid(format!(
                        "User {name} already exists, username must be unique"
                    )));
                }
                other => other?,
            }
            let detail = json!({ "from": user.name, "to": name });
            self.audit
                .record_by(by.name(), Event::UserRenamed, Some(user), detail)
                .await?;
        }
        if let Some(admin) = admin {
            self.store
                .set_admin(user.id, admin, self.clock.now())
                .await?;
            let event = if admin {
                Event::AdminGiven
            } else {
                Event::AdminTaken
            };
            self.audit
                .record_by(by.name(), event, Some(user), json!({}))
                .await?;
        }
        // What is remembered of others may name this user or their servers.
        self.access.forget(user.id);
        self.access.forget_everyone();
        let user = self.store.user(user.id).await?;
        user.ok_or_else(|| HubError::not_found("No such user."))
    }

    /// Removes a user without servers that run, with everything that is theirs.
    pub(crate) async fn remove_user(
        self: &Arc<Self>,
        by: OnBehalfOf<'_>,
        user: &User,
    ) -> Result<(), HubError> {
        // Servers of others may still believe in these sessions, too.
        self.end_sessions_of(user.id).await?;
        let grants = self.store.grants_of(user.id).await?;
        // Before it is done, as whoever is gone cannot be asked about again.
        self.audit
            .record_by(by.name(), Event::UserDeleted, Some(user), json!({}))
            .await?;
        self.store.delete_user(user.id, self.clock.now()).await?;
        self.access.forget(user.id);
        self.access.forget_everyone();
        // A refresh under way finds no grant any more and gives back what it brought.
        for grant in grants {
            self.revoke_tokens_soon(grant);
        }
        info!(user.name = %user.name, "user deleted");
        Ok(())
    }
}
