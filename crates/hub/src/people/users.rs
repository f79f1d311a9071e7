//! Users as the REST API and the pages ask for them.

use std::collections::HashMap;
use std::sync::Arc;

use jansky_model::scope::Target;
use jansky_model::{InvalidName, ProviderId, Scope, UserId, UserName};
use jansky_store::{StoreError, User, UserQuery};
use serde_json::json;
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::action::{ChangeUser, CreateUser, CreateUsers, ListUsers};
use jansky_access::{OnBehalfOf, Permit};

/// One of these shows the groups of a user: themselves, or the roles that come with them.
const SEE_GROUPS: &[Scope] = &[
    Scope::READ_USERS_GROUPS,
    Scope::READ_ROLES_USERS,
    Scope::READ_USERS,
];

impl People {
    /// A page of users and how many there are in all.
    pub async fn list_users(
        &self,
        permit: &Permit<'_, ListUsers>,
        query: UserQuery,
    ) -> Result<(Vec<User>, u64), HubError> {
        let only = permit.visible();
        let query = UserQuery { only, ..query };
        Ok(self.store.list_users(&query).await?)
    }

    /// The groups of a user, as far as they or their roles may be seen.
    pub async fn groups_of(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        user: &User,
    ) -> Result<Vec<String>, HubError> {
        let mut found = self.groups_of_users(by, std::slice::from_ref(user)).await?;
        Ok(found.remove(&user.id).unwrap_or_default())
    }

    /// The groups of several users at once, as far as they or their roles may be seen.
    pub async fn groups_of_users(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        users: &[User],
    ) -> Result<HashMap<UserId, Vec<String>>, HubError> {
        let by = by.into();
        let seen = users
            .iter()
            .filter(|user| by.may(SEE_GROUPS, Target::User(user.name.as_str())));
        let ids: Vec<UserId> = seen.map(|user| user.id).collect();
        Ok(self.store.groups_of_users(&ids).await?)
    }

    /// How many users there are.
    pub(crate) async fn count_users(&self) -> Result<u64, HubError> {
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
        permit: &Permit<'_, CreateUsers>,
        name: &UserName,
        admin: bool,
    ) -> Result<User, HubError> {
        self.make_user(permit.by(), name, admin, None).await
    }

    /// Makes a user as [`People::create_user`], and says whose people may take over the account.
    ///
    /// # Errors
    /// As [`People::create_user`]; [`HubError::Invalid`] for a provider that is not there. Then nobody is
    /// made.
    pub async fn prepare_user(
        &self,
        permit: &Permit<'_, CreateUser>,
        admin: bool,
        adopt_from: Option<&str>,
    ) -> Result<User, HubError> {
        let (by, name) = permit.parts();
        let name: UserName = name
            .as_str()
            .parse()
            .map_err(|error: InvalidName| HubError::invalid(error.to_string()))?;
        let provider = adopt_from
            .map(|text| self.known_provider(text))
            .transpose()?;
        self.make_user(by, &name, admin, provider).await
    }

    async fn make_user(
        &self,
        by: OnBehalfOf<'_>,
        name: &UserName,
        admin: bool,
        adopt_from: Option<&ProviderId>,
    ) -> Result<User, HubError> {
        if admin {
            self.privileges.may_change_admins(by)?;
        }
        self.privileges.may_give_name(by, name, None).await?;
        let name = &self.name_for_account(name, by, None).await?;
        let now = self.clock.now();
        match self.store.prepare_user(name, admin, adopt_from, now).await {
            Ok(user) => {
                let detail = json!({ "admin": admin });
                self.audit
                    .record_by(by.name(), Event::UserMade, Some(&user), detail)
                    .await?;
                if adopt_from.is_some() {
                    self.record_adopt_from(by, &user, adopt_from).await?;
                }
                Ok(user)
            }
            Err(StoreError::AlreadyExists { .. }) => {
                Err(HubError::conflict(format!("User {name} already exists")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a user's name or admin flag; what is `None` or the same stays.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the caller holds less than the user, or than comes with the name.
    pub async fn change_user(
        &self,
        permit: &Permit<'_, ChangeUser>,
        name: Option<&UserName>,
        admin: Option<bool>,
    ) -> Result<User, HubError> {
        let (by, user) = permit.parts();
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
