//! Groups as the REST API asks for them.
//!
//! Who is in a group decides about roles, shares and tokens for services, so whoever comes or goes has
//! other rights at once: what is remembered about them is forgotten here, and in other processes when
//! they hear of the change. Groups that follow a provider are not exempt: what is changed here lasts
//! until the provider says its word about that person again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jansky_model::name::new_group_name;
use jansky_model::scope::Target;
use jansky_model::{Scope, UserId, UserName};
use jansky_store::{Group, GroupId, GroupQuery, StoreError, User};
use serde_json::{Value, json};
use tracing::info;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::action::{ChangeGroup, CreateGroup, CreateGroups, DeleteGroup, ListGroups};
use jansky_access::{OnBehalfOf, Permit};

/// The longest name in characters, as JupyterHub has it.
const LONGEST_NAME: usize = 255;

impl People {
    /// A page of groups and how many there are in all.
    pub async fn list_groups(
        &self,
        permit: &Permit<'_, ListGroups>,
        query: GroupQuery,
    ) -> Result<(Vec<Group>, u64), HubError> {
        let only = permit.visible();
        let query = GroupQuery { only, ..query };
        Ok(self.store.list_groups(&query).await?)
    }

    /// The names of the members of several groups, where they may be seen; groups without one are left
    /// out.
    pub async fn members_of_groups(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        groups: &[Group],
    ) -> Result<HashMap<GroupId, Vec<String>>, HubError> {
        let by = by.into();
        let seen = groups
            .iter()
            .filter(|group| by.may(&[Scope::READ_GROUPS], Target::Group(&group.name)));
        let ids: Vec<GroupId> = seen.map(|group| group.id).collect();
        Ok(self.store.members_of_groups(&ids).await?)
    }

    /// Makes groups, all with the same members, or none of them.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for names that cannot be and users who do not exist;
    /// [`HubError::Conflict`] when a group exists.
    /// [`HubError::Forbidden`] when one of them gives more than the caller holds.
    pub async fn create_groups(
        &self,
        permit: &Permit<'_, CreateGroups>,
        names: &[String],
        users: &[String],
    ) -> Result<Vec<Group>, HubError> {
        self.make_groups(permit.by(), names, users).await
    }

    /// Makes one group, with members.
    ///
    /// # Errors
    /// As [`People::create_groups`].
    pub async fn create_group(
        &self,
        permit: &Permit<'_, CreateGroup>,
        users: &[String],
    ) -> Result<Vec<Group>, HubError> {
        let name = permit.on().as_str().to_owned();
        self.make_groups(permit.by(), &[name], users).await
    }

    async fn make_groups(
        &self,
        by: OnBehalfOf<'_>,
        names: &[String],
        users: &[String],
    ) -> Result<Vec<Group>, HubError> {
        let names: Vec<String> = names
            .iter()
            .map(|n| check_name(n))
            .collect::<Result<_, _>>()?;
        let names = names.as_slice();
        let members = self.known_users(users).await?;
        for name in names {
            self.privileges.may_add_members(by, name, &members).await?;
        }
        let members = ids(&members);
        let now = self.clock.now();
        let made = match self.store.create_groups(names, &members, now).await {
            Ok(made) => made,
            Err(StoreError::AlreadyExists { what }) => {
                return Err(HubError::conflict(format!("The {what} already exists")));
            }
            Err(error) => return Err(error.into()),
        };
        self.forget_all(&members);
        for name in names {
            info!(group.name = %name, members = members.len(), "group made");
            let detail = json!({ "group": name });
            self.audit
                .record_by(by.name(), Event::GroupMade, None, detail)
                .await?;
            self.audit
                .record_members(by.name(), Event::GroupJoined, name, &members)
                .await?;
        }
        Ok(made)
    }

    /// Deletes a group, and with it what was shared with it.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when it gives rights over others that the caller does not hold.
    pub async fn delete_group(&self, permit: &Permit<'_, DeleteGroup>) -> Result<(), HubError> {
        let (by, group) = permit.parts();
        self.privileges.may_remove_members(by, &group.name).await?;
        let now = self.clock.now();
        let concerned = self.store.delete_group(group.id, now).await?;
        self.forget_all(&concerned);
        // What is remembered of others may name the group.
        self.access.forget_everyone();
        info!(group.name = %group.name, "group deleted");
        let detail = json!({ "group": group.name });
        self.audit
            .record_by(by.name(), Event::GroupDeleted, None, detail)
            .await?;
        self.audit
            .record_members(by.name(), Event::GroupLeft, &group.name, &concerned)
            .await
    }

    /// Puts users into a group; those who are in it stay.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for users who do not exist; [`HubError::Forbidden`] when the group gives
    /// more than the caller holds. Then nobody is put into it.
    pub async fn add_members(
        &self,
        permit: &Permit<'_, ChangeGroup>,
        users: &[String],
    ) -> Result<(), HubError> {
        let (by, group) = permit.parts();
        let users = self.known_users(users).await?;
        self.privileges
            .may_add_members(by, &group.name, &users)
            .await?;
        let users = ids(&users);
        let now = self.clock.now();
        let added = self.store.add_members(group.id, &users, now).await?;
        self.forget_all(&added);
        info!(group.name = %group.name, added = added.len(), "members added to a group");
        self.audit
            .record_members(by.name(), Event::GroupJoined, &group.name, &added)
            .await
    }

    /// Takes users out of a group; those who are not in it stay out.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for users who do not exist; [`HubError::Forbidden`] when the group gives
    /// rights over others that the caller does not hold. Then nobody is taken out of it.
    pub async fn remove_members(
        &self,
        permit: &Permit<'_, ChangeGroup>,
        users: &[String],
    ) -> Result<(), HubError> {
        let (by, group) = permit.parts();
        let users = ids(&self.known_users(users).await?);
        self.privileges.may_remove_members(by, &group.name).await?;
        let now = self.clock.now();
        let removed = self.store.remove_members(group.id, &users, now).await?;
        self.forget_all(&removed);
        info!(group.name = %group.name, removed = removed.len(), "members removed from a group");
        self.audit
            .record_members(by.name(), Event::GroupLeft, &group.name, &removed)
            .await
    }

    /// Keeps an object with a group in place of the one before.
    pub async fn set_group_properties(
        &self,
        permit: &Permit<'_, ChangeGroup>,
        properties: Value,
    ) -> Result<Group, HubError> {
        let group = permit.on();
        self.store.set_properties(group.id, &properties).await?;
        let detail = json!({ "group": group.name });
        self.audit
            .record(Event::GroupProperties, None, detail)
            .await?;
        Ok(Group {
            properties,
            ..group.clone()
        })
    }

    fn forget_all(&self, users: &[UserId]) {
        for user in users {
            self.access.forget(*user);
        }
    }

    /// The users who are meant: by the name as it is written, or else in the form that a name has at a
    /// sign-in.
    async fn known_users(&self, texts: &[String]) -> Result<Vec<User>, HubError> {
        let meant = |text: &String| {
            let names = [text.parse(), UserName::normalize(text)];
            names.into_iter().filter_map(Result::ok)
        };
        let names: BTreeSet<UserName> = texts.iter().flat_map(meant).collect();
        let names: Vec<UserName> = names.into_iter().collect();
        let known = self.store.users_by_names(&names).await?;
        let mut users = BTreeMap::new();
        for text in texts {
            let user = meant(text).find_map(|name| known.iter().find(|user| user.name == name));
            let user = user.ok_or_else(|| HubError::invalid(format!("No such user: {text}")))?;
            users.insert(user.id, user.clone());
        }
        Ok(users.into_values().collect())
    }
}

fn ids(users: &[User]) -> Vec<UserId> {
    users.iter().map(|user| user.id).collect()
}

/// The name of a group that is to be made, in the form in which it is kept, or what is wrong with it. A
/// provider may give others.
fn check_name(name: &str) -> Result<String, HubError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > LONGEST_NAME {
        "it is longer than 255 characters"
    } else if name.trim() != name {
        "it begins or ends with white space"
    } else if name.chars().any(char::is_control) {
        "it contains a control character"
    } else if name.chars().all(|c| c == '.') {
        "it consists of dots only"
    } else {
        let form = new_group_name(name);
        return form.map_err(|error| HubError::invalid(error.to_string()));
    };
    Err(HubError::invalid(format!(
        "`{name}` is not a valid group name: {reason}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_path_or_database_can_carry_are_refused() {
        for bad in ["", " a", "a\n", "a\u{0}b", ".", "..", &"ü".repeat(256)] {
            assert!(check_name(bad).is_err(), "{bad:?} was accepted");
        }
        for good in [
            "/radio/evn",
            "a b",
            "!group=x",
            "vo:role=m",
            "é",
            &"ü".repeat(255),
        ] {
            assert_eq!(check_name(good).expect("it is fine"), good);
        }
        let form = check_name("CN=Crew, O=Firefly").expect("it is fine");
        assert_eq!(form, "cn=crew,o=firefly");
        assert!(check_name("cre\u{200b}w").is_err());
    }
}
