//! Roles: named sets of scopes that an operator gives to users and groups, as JupyterHub has them.

use std::collections::{BTreeMap, BTreeSet};

use jansky_model::ScopeSet;
use jansky_model::scope::{ADMIN_ROLE, Owner, USER_ROLE};
use jansky_store::User;

/// The role that everybody has; an operator may say what it holds.
const USER: &str = "user";

/// The role of administrators.
const ADMIN: &str = "admin";

/// What is left to somebody whom the rules no longer let in, for as long as their servers go on:
/// enough to save their work and to stop, not enough to begin anything.
const LEAVING: &[&str] = &[
    "read:users!user",
    "read:servers!user",
    "access:servers!user",
    "delete:servers!user",
    "users:activity!user",
];

/// One role.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// What it allows.
    pub scopes: Vec<String>,
    /// The names of users who have it.
    pub users: BTreeSet<String>,
    /// The groups whose members have it.
    pub groups: BTreeSet<String>,
}

/// The roles of a hub by name, beside those that every hub has.
#[derive(Clone, Debug, Default)]
pub struct Roles(pub BTreeMap<String, Role>);

impl Roles {
    /// The names of the roles of a user, those that every hub has first.
    pub fn names(&self, user: &User, groups: &[String]) -> Vec<String> {
        let built_in = [Some(USER), user.admin.then_some(ADMIN)];
        let given = self.given(user, groups).map(|(name, _)| name);
        let names = built_in.into_iter().flatten().chain(given);
        names.map(str::to_owned).collect()
    }

    /// The names of the roles that the members of a group have.
    pub fn of_group(&self, group: &str) -> Vec<&str> {
        let roles = self.0.iter();
        let given = roles.filter(|(name, role)| *name != USER && role.groups.contains(group));
        given.map(|(name, _)| name.as_str()).collect()
    }

    fn given<'a>(
        &'a self,
        user: &'a User,
        groups: &'a [String],
    ) -> impl Iterator<Item = (&'a str, &'a Role)> {
        self.0.iter().filter_map(move |(name, role)| {
            let is_given = role.users.contains(user.name.as_str())
                || groups.iter().any(|group| role.groups.contains(group));
            (is_given && name != USER).then_some((name.as_str(), role))
        })
    }

    /// Everything that a user may do. `is_leaving` says that the rules no longer let them in.
    pub fn scopes(&self, user: &User, groups: &[String], is_leaving: bool) -> ScopeSet {
        let owner = Owner {
            user: Some(user.name.as_str()),
            server: None,
        };
        if is_leaving {
            return ScopeSet::expand(LEAVING.iter().copied(), owner, None);
        }
        let mut scopes = match self.0.get(USER) {
            Some(role) => expand(role, owner),
            None => ScopeSet::expand(USER_ROLE.iter().copied(), owner, None),
        };
        if user.admin {
            scopes.merge(&ScopeSet::expand(ADMIN_ROLE.iter().copied(), owner, None));
        }
        for (_, role) in self.given(user, groups) {
            scopes.merge(&expand(role, owner));
        }
        scopes
    }
}

impl Roles {
    /// What the roles give that are given to whoever has a name.
    pub fn scopes_by_name(&self, name: &str) -> ScopeSet {
        self.scopes_of_given(name, |role| role.users.contains(name))
    }

    /// What the roles of a group give to a member of this name.
    pub fn scopes_by_group(&self, group: &str, member: &str) -> ScopeSet {
        self.scopes_of_given(member, |role| role.groups.contains(group))
    }

    fn scopes_of_given(&self, name: &str, is_given: impl Fn(&Role) -> bool) -> ScopeSet {
        let owner = Owner {
            user: Some(name),
            server: None,
        };
        let mut scopes = ScopeSet::default();
        let given = self
            .0
            .iter()
            .filter(|(of, role)| *of != USER && is_given(role));
        for (_, role) in given {
            scopes.merge(&expand(role, owner));
        }
        scopes
    }
}

fn expand(role: &Role, owner: Owner<'_>) -> ScopeSet {
    ScopeSet::expand(role.scopes.iter().map(String::as_str), owner, None)
}

#[cfg(test)]
mod tests {
    use jansky_model::scope::Target;
    use jansky_model::{Scope, Timestamp, UserId};

    use super::*;

    const NOBODY: &dyn Fn(&str, &str) -> bool = &|_, _| false;

    fn user(name: &str, admin: bool) -> User {
        User {
            id: UserId(1),
            name: name.parse().expect("a valid name"),
            admin,
            created_at: Timestamp::from_seconds(0),
            last_activity_at: None,
        }
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn roles(name: &str, role: Role) -> Roles {
        Roles(BTreeMap::from([(name.to_owned(), role)]))
    }

    #[test]
    fn a_role_is_given_by_name_and_by_group() {
        let roles = roles(
            "operators",
            Role {
                scopes: vec!["list:users".to_owned(), "servers".to_owned()],
                users: set(&["wash"]),
                groups: set(&["/operators"]),
            },
        );
        let in_group = ["/operators".to_owned()];

        for (user, groups, expected) in [
            (user("wash", false), &[][..], true),
            (user("river", false), &in_group[..], true),
            (user("river", false), &[][..], false),
        ] {
            let names = roles.names(&user, groups);
            let scopes = roles.scopes(&user, groups, false);
            assert_eq!(
                names.contains(&"operators".to_owned()),
                expected,
                "{names:?}"
            );
            let stops_others = scopes.allows(Scope::SERVERS, Target::User("zoe"), NOBODY);
            assert_eq!(stops_others, expected, "{}", user.name);
            assert!(scopes.allows(Scope::SERVERS, Target::User(user.name.as_str()), NOBODY));
        }
    }

    #[test]
    fn the_role_of_everybody_can_be_narrowed() {
        let narrow = Role {
            scopes: vec!["access:servers!user".to_owned()],
            ..Role::default()
        };

        let scopes = roles("user", narrow).scopes(&user("river", false), &[], false);

        assert_eq!(scopes.to_texts(), ["access:servers!user=river"]);
    }

    #[test]
    fn somebody_who_leaves_can_open_and_stop_a_server_and_begin_nothing() {
        let scopes = Roles::default().scopes(&user("river", true), &[], true);

        let own = Target::Server("river", "");
        assert!(scopes.allows(Scope::ACCESS_SERVERS, own, NOBODY));
        assert!(scopes.allows(Scope::DELETE_SERVERS, own, NOBODY));
        for scope in [Scope::START_SERVERS, Scope::TOKENS, Scope::ADMIN_USERS] {
            assert!(!scopes.holds(scope), "{scope}");
        }
    }
}
