//! Scopes: what a caller may do, with JupyterHub's names, filters and expansion.
//!
//! A scope such as `servers` can carry a filter such as `!user=river`. Holding a scope means holding
//! its subscopes with the same filter. Two metascopes exist only before expansion: `self` (what a
//! user may do with their own things) and `inherit` (whatever the owner of a token may do).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Every scope and its direct subscopes.
const TABLE: &[(&str, &[&str])] = &[
    ("access:servers", &[]),
    ("access:services", &[]),
    ("admin-ui", &[]),
    ("admin:auth_state", &[]),
    (
        "admin:groups",
        &["groups", "read:roles:groups", "delete:groups"],
    ),
    ("admin:server_state", &[]),
    ("admin:servers", &["admin:server_state", "servers"]),
    (
        "admin:services",
        &["list:services", "read:services", "read:roles:services"],
    ),
    (
        "admin:users",
        &[
            "admin:auth_state",
            "users",
            "read:roles:users",
            "delete:users",
        ],
    ),
    ("delete:groups", &[]),
    ("delete:servers", &[]),
    ("delete:users", &[]),
    ("groups", &["read:groups", "list:groups"]),
    ("groups:shares", &["read:groups:shares"]),
    ("list:groups", &["read:groups:name"]),
    ("list:services", &["read:services:name"]),
    ("list:users", &["read:users:name"]),
    ("proxy", &[]),
    ("read:groups", &["read:groups:name"]),
    ("read:groups:name", &[]),
    ("read:groups:shares", &[]),
    ("read:hub", &[]),
    ("read:metrics", &[]),
    (
        "read:roles",
        &[
            "read:roles:users",
            "read:roles:services",
            "read:roles:groups",
        ],
    ),
    ("read:roles:groups", &[]),
    ("read:roles:services", &[]),
    ("read:roles:users", &[]),
    ("read:servers", &["read:users:name"]),
    ("read:services", &["read:services:name"]),
    ("read:services:name", &[]),
    ("read:shares", &[]),
    ("read:tokens", &[]),
    (
        "read:users",
        &[
            "read:users:name",
            "read:users:groups",
            "read:users:activity",
        ],
    ),
    ("read:users:activity", &[]),
    ("read:users:groups", &[]),
    ("read:users:name", &[]),
    ("read:users:shares", &[]),
    (
        "servers",
        &["read:servers", "start:servers", "delete:servers"],
    ),
    // Our own, not JupyterHub's: servers of a user with it start without a look at what the user's
    // identity provider gave, so that a program can drive them with an API token alone.
    ("service-account", &[]),
    (
        "shares",
        &[
            "access:servers",
            "read:shares",
            "users:shares",
            "groups:shares",
        ],
    ),
    ("shutdown", &[]),
    ("start:servers", &[]),
    ("tokens", &["read:tokens"]),
    ("users", &["read:users", "list:users", "users:activity"]),
    ("users:activity", &["read:users:activity"]),
    ("users:shares", &["read:users:shares"]),
];

/// What `self` stands for, each with the filter `!user=<owner>`.
const SELF_SCOPES: &[&str] = &[
    "read:users",
    "users:shares",
    "read:shares",
    "users:activity",
    "servers",
    "tokens",
    "access:servers",
];

/// What the role `admin` holds.
pub const ADMIN_ROLE: &[&str] = &[
    "admin-ui",
    "admin:users",
    "admin:servers",
    "admin:services",
    "tokens",
    "admin:groups",
    "list:services",
    "read:services",
    "read:hub",
    "proxy",
    "shutdown",
    "access:services",
    "access:servers",
    "read:roles",
    "read:metrics",
    "shares",
];

/// What the role `user` holds.
pub const USER_ROLE: &[&str] = &["self"];

/// What the API token of a single-user server holds.
pub const SERVER_ROLE: &[&str] = &["users:activity!user", "access:servers!server"];

/// What a token holds when its maker names nothing.
pub const TOKEN_ROLE: &[&str] = &["inherit"];

/// The name of one permission, from a closed list: JupyterHub's, and `service-account`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(&'static str);

macro_rules! scopes {
    ($($constant:ident = $name:literal;)*) => {
        impl Scope {
            $(
                #[doc = concat!("The scope `", $name, "`.")]
                pub const $constant: Self = Self($name);
            )*
        }

        #[cfg(test)]
        const NAMED: &[&str] = &[$($name),*];
    };
}

scopes! {
    ACCESS_SERVERS = "access:servers";
    ADMIN_AUTH_STATE = "admin:auth_state";
    ADMIN_GROUPS = "admin:groups";
    ADMIN_SERVER_STATE = "admin:server_state";
    ADMIN_UI = "admin-ui";
    ADMIN_USERS = "admin:users";
    DELETE_GROUPS = "delete:groups";
    DELETE_SERVERS = "delete:servers";
    DELETE_USERS = "delete:users";
    GROUPS = "groups";
    GROUPS_SHARES = "groups:shares";
    LIST_GROUPS = "list:groups";
    LIST_USERS = "list:users";
    READ_GROUPS = "read:groups";
    READ_GROUPS_NAME = "read:groups:name";
    READ_GROUPS_SHARES = "read:groups:shares";
    READ_HUB = "read:hub";
    READ_METRICS = "read:metrics";
    READ_ROLES_GROUPS = "read:roles:groups";
    READ_ROLES_USERS = "read:roles:users";
    READ_SERVERS = "read:servers";
    READ_SHARES = "read:shares";
    READ_TOKENS = "read:tokens";
    READ_USERS = "read:users";
    READ_USERS_ACTIVITY = "read:users:activity";
    READ_USERS_GROUPS = "read:users:groups";
    READ_USERS_NAME = "read:users:name";
    READ_USERS_SHARES = "read:users:shares";
    SERVERS = "servers";
    SERVICE_ACCOUNT = "service-account";
    SHARES = "shares";
    SHUTDOWN = "shutdown";
    START_SERVERS = "start:servers";
    TOKENS = "tokens";
    USERS_ACTIVITY = "users:activity";
    USERS_SHARES = "users:shares";
}

impl Scope {
    /// Finds a scope by its name.
    pub fn find(name: &str) -> Option<Self> {
        let index = TABLE
            .binary_search_by(|(known, _)| (*known).cmp(name))
            .ok()?;
        Some(Self(TABLE[index].0))
    }

    /// Every scope, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(name, _)| Self(name))
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// This scope and everything below it.
    fn closure(self) -> BTreeSet<Self> {
        let mut found = BTreeSet::from([self]);
        let mut open = vec![self];
        while let Some(scope) = open.pop() {
            let below = TABLE
                .binary_search_by(|(known, _)| (*known).cmp(scope.0))
                .map_or(&[][..], |index| TABLE[index].1);
            open.extend(
                below
                    .iter()
                    .map(|name| Self(name))
                    .filter(|s| found.insert(*s)),
            );
        }
        found
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a scope is limited to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filter {
    /// One user and all their servers.
    User(String),
    /// The users of one group and their servers; or, for group resources, the group itself.
    Group(String),
    /// One server; the second part is empty for the default server.
    Server(String, String),
    /// One service.
    Service(String),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "!user={user}"),
            Self::Group(group) => write!(f, "!group={group}"),
            Self::Server(user, server) => write!(f, "!server={user}/{server}"),
            Self::Service(service) => write!(f, "!service={service}"),
        }
    }
}

/// The thing that a caller wants to touch.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Nothing in particular: the hub as a whole.
    Hub,
    /// A user.
    User(&'a str),
    /// A group itself, not its members.
    Group(&'a str),
    /// A server of a user.
    Server(&'a str, &'a str),
}

/// Who a list of scopes belongs to; completes the short filters `!user` and `!server`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner<'a> {
    /// The user who owns the token.
    pub user: Option<&'a str>,
    /// The server that the token was made for.
    pub server: Option<(&'a str, &'a str)>,
}

/// A scope text that is not in the list, or a filter that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known scope")]
pub struct UnknownScope(pub String);

/// Without filters, or limited to some.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Extent {
    Everything,
    Only(BTreeSet<Filter>),
}

/// A set of expanded scopes: what somebody may really do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeMap<Scope, Extent>);

/// A scope text taken apart, before expansion.
enum Parsed {
    SelfScope,
    Inherit,
    Nothing,
    Plain(Scope, Option<Filter>),
}

fn parse(text: &str, owner: Owner<'_>) -> Result<Parsed, UnknownScope> {
    let unknown = || UnknownScope(text.to_owned());
    let (name, filter) = match text.split_once('!') {
        Some((name, filter)) => (name, Some(filter)),
        None => (text, None),
    };
    match (name, filter) {
        ("self", None) => return Ok(Parsed::SelfScope),
        ("inherit", None) => return Ok(Parsed::Inherit),
        ("(no_scope)" | "identify", None) => return Ok(Parsed::Nothing),
        _ => {}
    }
    let scope = Scope::find(name).ok_or_else(unknown)?;
    let Some(filter) = filter else {
        return Ok(Parsed::Plain(scope, None));
    };
    let filter = match filter.split_once('=') {
        Some(("user", user)) => Filter::User(user.to_owned()),
        Some(("group", group)) => Filter::Group(group.to_owned()),
        Some(("service", service)) => Filter::Service(service.to_owned()),
        Some(("server", path)) => {
            let (user, server) = path.split_once('/').ok_or_else(unknown)?;
            Filter::Server(user.to_owned(), server.to_owned())
        }
        None if filter == "user" => match owner.user {
            Some(user) => Filter::User(user.to_owned()),
            None => return Ok(Parsed::Nothing),
        },
        None if filter == "server" => match owner.server {
            Some((user, server)) => Filter::Server(user.to_owned(), server.to_owned()),
            None => return Ok(Parsed::Nothing),
        },
        _ => return Err(unknown()),
    };
    Ok(Parsed::Plain(scope, Some(filter)))
}

/// Checks that every text is a scope; the error names the first that is not.
pub fn check_scopes<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), UnknownScope> {
    texts
        .into_iter()
        .try_for_each(|text| parse(text, Owner::default()).map(|_| ()))
}

impl ScopeSet {
    /// Expands a list of scope texts for `owner`; unknown texts are left out.
    ///
    /// `inherit` adds `inherited`, which is what the owner may do.
    pub fn expand<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        owner: Owner<'_>,
        inherited: Option<&Self>,
    ) -> Self {
        let mut set = Self::default();
        for text in texts {
            match parse(text, owner) {
                Ok(Parsed::SelfScope) => {
                    for name in SELF_SCOPES {
                        if let (Some(scope), Some(user)) = (Scope::find(name), owner.user) {
                            set.grant(scope, Some(&Filter::User(user.to_owned())));
                        }
                    }
                }
                Ok(Parsed::Inherit) => {
                    if let Some(inherited) = inherited {
                        set.merge(inherited);
                    }
                }
                Ok(Parsed::Plain(scope, filter)) => set.grant(scope, filter.as_ref()),
                Ok(Parsed::Nothing) | Err(_) => {}
            }
        }
        set
    }

    /// Adds a scope with everything below it.
    pub fn grant(&mut self, scope: Scope, filter: Option<&Filter>) {
        for below in scope.closure() {
            // A right on one server says nothing about who its owner is.
            if matches!(filter, Some(Filter::Server(..)))
                && below != scope
                && below.0.starts_with("read:user")
            {
                continue;
            }
            self.insert(below, filter);
        }
    }

    fn insert(&mut self, scope: Scope, filter: Option<&Filter>) {
        match filter {
            None => {
                self.0.insert(scope, Extent::Everything);
            }
            Some(filter) => {
                let extent = self
                    .0
                    .entry(scope)
                    .or_insert_with(|| Extent::Only(BTreeSet::new()));
                if let Extent::Only(filters) = extent {
                    filters.insert(filter.clone());
                }
            }
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (scope, extent) in &other.0 {
            match extent {
                Extent::Everything => self.insert(*scope, None),
                Extent::Only(filters) => {
                    for filter in filters {
                        self.insert(*scope, Some(filter));
                    }
                }
            }
        }
    }

    /// What both sets allow. `is_member(group, user)` answers for group filters.
    #[must_use]
    pub fn intersect(&self, other: &Self, is_member: &dyn Fn(&str, &str) -> bool) -> Self {
        let mut both = Self::default();
        for (scope, mine) in &self.0 {
            match (mine, other.0.get(scope)) {
                (_, None) => {}
                (Extent::Everything, Some(extent)) | (extent, Some(Extent::Everything)) => {
                    both.0.insert(*scope, extent.clone());
                }
                (Extent::Only(mine), Some(Extent::Only(theirs))) => {
                    for a in mine {
                        for b in theirs {
                            if let Some(narrower) = narrower(a, b, is_member) {
                                both.insert(*scope, Some(narrower));
                            }
                        }
                    }
                }
            }
        }
        both
    }

    /// Whether everything that this set holds is also in `other`.
    pub fn is_within(&self, other: &Self, is_member: &dyn Fn(&str, &str) -> bool) -> bool {
        self.beyond(other, is_member).is_empty()
    }

    /// What this set holds and `other` does not, as texts.
    pub fn beyond(&self, other: &Self, is_member: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
        let mut beyond = self.clone();
        beyond.retain(|scope, filter| match (other.0.get(&scope), filter) {
            (Some(Extent::Everything), _) => false,
            (None, _) | (Some(Extent::Only(_)), None) => true,
            (Some(Extent::Only(theirs)), Some(mine)) => {
                !theirs.iter().any(|wide| covers(wide, mine, is_member))
            }
        });
        beyond.to_texts()
    }

    /// Every scope with each of its filters; `None` is one without.
    pub fn iter(&self) -> impl Iterator<Item = (Scope, Option<&Filter>)> {
        self.0.iter().flat_map(|(scope, extent)| {
            let (plain, filters) = match extent {
                Extent::Everything => (Some((*scope, None)), None),
                Extent::Only(filters) => (None, Some(filters)),
            };
            let filtered = filters.into_iter().flatten();
            let filtered = filtered.map(|filter| (*scope, Some(filter)));
            plain.into_iter().chain(filtered)
        })
    }

    /// Keeps what `is_kept` says yes to.
    pub fn retain(&mut self, is_kept: impl Fn(Scope, Option<&Filter>) -> bool) {
        self.0.retain(|scope, extent| match extent {
            Extent::Everything => is_kept(*scope, None),
            Extent::Only(filters) => {
                filters.retain(|filter| is_kept(*scope, Some(filter)));
                !filters.is_empty()
            }
        });
    }

    /// The same with rights over the user `from`, and over their servers, as rights over `to`.
    #[must_use]
    pub fn renamed(&self, from: &str, to: &str) -> Self {
        let mut set = Self::default();
        for (scope, filter) in self.iter() {
            let filter = filter.map(|filter| match filter {
                Filter::User(user) if user == from => Filter::User(to.to_owned()),
                Filter::Server(user, server) if user == from => {
                    Filter::Server(to.to_owned(), server.clone())
                }
                other => other.clone(),
            });
            set.insert(scope, filter.as_ref());
        }
        set
    }

    /// Whether the scope is held for `target`.
    pub fn allows(
        &self,
        scope: Scope,
        target: Target<'_>,
        is_member: &dyn Fn(&str, &str) -> bool,
    ) -> bool {
        match self.0.get(&scope) {
            None => false,
            Some(Extent::Everything) => true,
            Some(Extent::Only(filters)) => filters.iter().any(|filter| match (filter, target) {
                (Filter::User(mine), Target::User(user) | Target::Server(user, _)) => mine == user,
                (Filter::Group(group), Target::User(user) | Target::Server(user, _)) => {
                    is_member(group, user)
                }
                (Filter::Group(mine), Target::Group(group)) => mine == group,
                (Filter::Server(mine, name), Target::Server(user, server)) => {
                    mine == user && name == server
                }
                _ => false,
            }),
        }
    }

    /// Whether the scope is held at all, with whatever filter.
    pub fn holds(&self, scope: Scope) -> bool {
        self.0.contains_key(&scope)
    }

    /// Whether the scope is held without a filter.
    pub fn holds_unfiltered(&self, scope: Scope) -> bool {
        matches!(self.0.get(&scope), Some(Extent::Everything))
    }

    /// The filters of a scope; empty when it is not held or is held without one.
    pub fn filters(&self, scope: Scope) -> impl Iterator<Item = &Filter> {
        match self.0.get(&scope) {
            Some(Extent::Only(filters)) => Some(filters.iter()),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    /// The scopes as text, sorted, as JupyterHub puts them on the wire.
    pub fn to_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (scope, extent) in &self.0 {
            match extent {
                Extent::Everything => texts.push(scope.0.to_owned()),
                Extent::Only(filters) => {
                    texts.extend(filters.iter().map(|filter| format!("{scope}{filter}")));
                }
            }
        }
        texts
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The filter that covers what both cover, if one contains the other.
fn narrower<'a>(
    a: &'a Filter,
    b: &'a Filter,
    is_member: &dyn Fn(&str, &str) -> bool,
) -> Option<&'a Filter> {
    if covers(a, b, is_member) {
        Some(b)
    } else if covers(b, a, is_member) {
        Some(a)
    } else {
        None
    }
}

/// Whether one filter lets through everything that another one does.
fn covers(wide: &Filter, narrow: &Filter, is_member: &dyn Fn(&str, &str) -> bool) -> bool {
    match (wide, narrow) {
        (wide, narrow) if wide == narrow => true,
        (Filter::User(user), Filter::Server(owner, _)) => user == owner,
        (Filter::Group(group), Filter::User(user) | Filter::Server(user, _)) => {
            is_member(group, user)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: &dyn Fn(&str, &str) -> bool = &|_, _| false;

    fn river() -> Owner<'static> {
        Owner {
            user: Some("river"),
            server: Some(("river", "")),
        }
    }

    fn set(texts: &[&str]) -> ScopeSet {
        ScopeSet::expand(texts.iter().copied(), river(), None)
    }

    #[test]
    fn the_table_is_sorted_and_closed() {
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
        for name in TABLE.iter().flat_map(|(_, below)| *below) {
            assert!(
                Scope::find(name).is_some(),
                "`{name}` is used but not defined"
            );
        }
        for name in NAMED.iter().chain(ADMIN_ROLE).chain(SELF_SCOPES) {
            assert!(
                Scope::find(name).is_some(),
                "`{name}` is named but not defined"
            );
        }
    }

    #[test]
    fn subscopes_come_with_the_same_filter() {
        let scopes = set(&["servers!user=wash"]);

        assert_eq!(
            scopes.to_texts(),
            [
                "delete:servers!user=wash",
                "read:servers!user=wash",
                "read:users:name!user=wash",
                "servers!user=wash",
                "start:servers!user=wash"
            ]
        );
    }

    #[test]
    fn a_server_filter_tells_nothing_about_the_user() {
        let scopes = set(&["servers!server=river/gpu"]);

        assert!(!scopes.holds(Scope::READ_USERS_NAME));
        assert!(scopes.allows(Scope::START_SERVERS, Target::Server("river", "gpu"), NOBODY));
        assert!(!scopes.allows(Scope::START_SERVERS, Target::Server("river", ""), NOBODY));
    }

    #[test]
    fn short_filters_are_completed_from_the_owner() {
        let scopes = ScopeSet::expand(SERVER_ROLE.iter().copied(), river(), None);

        assert_eq!(
            scopes.to_texts(),
            [
                "access:servers!server=river/",
                "read:users:activity!user=river",
                "users:activity!user=river"
            ]
        );
    }

    #[test]
    fn self_reaches_no_other_user() {
        let scopes = set(USER_ROLE);

        assert!(scopes.allows(Scope::ACCESS_SERVERS, Target::Server("river", "x"), NOBODY));
        assert!(!scopes.allows(Scope::ACCESS_SERVERS, Target::Server("wash", ""), NOBODY));
        assert!(!scopes.allows(Scope::READ_USERS, Target::Hub, NOBODY));
    }

    #[test]
    fn intersection_keeps_the_narrower_filter() {
        let user = set(&["access:servers!user=river"]);
        let server = set(&["access:servers!server=river/"]);
        let group = set(&["access:servers!group=crew"]);
        let crew: &dyn Fn(&str, &str) -> bool = &|group, user| group == "crew" && user == "river";

        assert_eq!(user.intersect(&server, NOBODY), server);
        assert_eq!(server.intersect(&user, NOBODY), server);
        assert_eq!(group.intersect(&user, crew), user);
        assert!(group.intersect(&user, NOBODY).is_empty());
        assert!(server.is_within(&user, NOBODY));
        assert!(!user.is_within(&server, NOBODY));
    }

    #[test]
    fn unknown_scopes_and_filters_are_named() {
        assert_eq!(
            check_scopes(["servers", "rule"]),
            Err(UnknownScope("rule".to_owned()))
        );
        assert!(check_scopes(["servers!planet=mars"]).is_err());
        assert!(check_scopes(["servers!server=x"]).is_err());
        assert_eq!(check_scopes(["self", "inherit", "servers!user"]), Ok(()));
    }

    #[test]
    fn an_unfiltered_grant_swallows_filtered_ones() {
        let scopes = set(&["read:hub", "servers!user=a", "servers"]);

        assert!(scopes.holds_unfiltered(Scope::SERVERS));
        assert!(scopes.allows(Scope::SERVERS, Target::User("anyone"), NOBODY));
    }
}
