//! Who asks, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use jansky_model::scope::{Owner, Target};
use jansky_model::{Filter, Scope, ScopeSet, ServerId, ServerName, UserName};
use jansky_store::{Server, Share, TokenId, TokenKind, User};

/// The names of the members of groups, by the name of the group.
pub type Members = BTreeMap<String, BTreeSet<String>>;

/// An authenticated caller.
///
/// It is computed once per credential and kept for a short time, so it is shared and immutable. Only [`Access`](crate::Access) makes one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Actor {
    /// The user, as the database had them.
    pub user: User,
    /// The user's groups.
    pub groups: Vec<String>,
    /// What the credential allows, already cut to what its owner may do.
    pub scopes: ScopeSet,
    /// How the caller proved who they are.
    pub credential: Credential,
    /// Members of the groups that the scopes mention.
    pub members: Members,
    /// The answer to the question who this is, kept by the surface that gives it for as long as
    /// the actor itself is kept.
    pub whoami: OnceLock<bytes::Bytes>,
}

/// How a caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The cookie of a signed-in browser.
    Session {
        /// The public id of the session.
        session_id: String,
        /// Whether it began in a browser, and not in a program that keeps cookies.
        in_browser: bool,
    },
    /// A token in the `Authorization` header.
    Token {
        /// Its row.
        id: TokenId,
        /// What kind of token it is.
        kind: TokenKind,
        /// The browser session that it came from, if any.
        session_id: Option<String>,
        /// The server that it belongs to, for a server's own token.
        server: Option<ServerId>,
    },
}

impl Actor {
    /// Whether the caller holds `scope` for `target`.
    pub fn may(&self, scope: Scope, target: Target<'_>) -> bool {
        self.scopes
            .allows(scope, target, &|group, user| self.is_member(group, user))
    }

    /// Whether the caller holds `scope` for the server `name` of `owner`.
    pub fn may_on_server(&self, scope: Scope, owner: &UserName, name: &ServerName) -> bool {
        self.may(scope, Target::Server(owner.as_str(), name.as_str()))
    }

    /// Whether `user` is in `group`, as far as the caller's scopes need to know.
    pub fn is_member(&self, group: &str, user: &str) -> bool {
        self.members
            .get(group)
            .is_some_and(|members| members.contains(user))
    }

    /// The session that the credential belongs to.
    pub fn session_id(&self) -> Option<&str> {
        match &self.credential {
            Credential::Session { session_id, .. } => Some(session_id),
            Credential::Token { session_id, .. } => session_id.as_deref(),
        }
    }

    /// The row of the token, when the caller came with one.
    pub const fn token_id(&self) -> Option<TokenId> {
        match &self.credential {
            Credential::Token { id, .. } => Some(*id),
            Credential::Session { .. } => None,
        }
    }

    /// Whether the caller came with a browser cookie, so that requests need a proof against
    /// cross-site forgery.
    pub const fn is_browser(&self) -> bool {
        matches!(self.credential, Credential::Session { .. })
    }
}

/// What a user may do because owners of servers share them.
pub fn shared_scopes(user: &User, shares: &[Share]) -> ScopeSet {
    let owner = Owner {
        user: Some(user.name.as_str()),
        server: None,
    };
    let shared = shares.iter().flat_map(|share| &share.scopes);
    ScopeSet::expand(shared.map(String::as_str), owner, None)
}

/// What says who a user is, and nothing more: every token of a user may at least be asked this.
pub fn identify_scopes(user: &UserName) -> [String; 2] {
    [
        format!("read:users:name!user={user}"),
        format!("read:users:groups!user={user}"),
    ]
}

/// The scope that lets a visitor use one server.
pub fn access_scope(server: &Server) -> String {
    format!("access:servers!server={}/{}", server.user, server.name)
}

/// What is written in a token, to be cut to what its owner may do now, which is `owned`.
pub(crate) fn written_scopes(
    texts: &[String],
    user: &User,
    owned: &ScopeSet,
    server: Option<&Server>,
) -> ScopeSet {
    let owner = Owner {
        user: Some(user.name.as_str()),
        server: server.map(|server| (server.user.as_str(), server.name.as_str())),
    };
    let mut written = ScopeSet::expand(texts.iter().map(String::as_str), owner, Some(owned));
    let identify = identify_scopes(&user.name);
    written.merge(&ScopeSet::expand(
        identify.iter().map(String::as_str),
        owner,
        None,
    ));
    written
}

/// The groups that a set of scope texts mentions.
pub(crate) fn groups_in(scopes: &ScopeSet) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for text in scopes.to_texts() {
        if let Some((_, group)) = text.split_once("!group=") {
            groups.insert(group.to_owned());
        }
    }
    groups
}

/// The users that a caller may list: all of them, or these names.
pub(crate) fn visible_users(actor: &Actor) -> Option<BTreeSet<String>> {
    if actor.scopes.holds_unfiltered(Scope::LIST_USERS) {
        return None;
    }
    let mut names = BTreeSet::new();
    for filter in actor.scopes.filters(Scope::LIST_USERS) {
        match filter {
            Filter::User(user) => {
                names.insert(user.clone());
            }
            Filter::Group(group) => {
                names.extend(actor.members.get(group).into_iter().flatten().cloned());
            }
            Filter::Server(..) | Filter::Service(..) => {}
        }
    }
    Some(names)
}

/// The groups that a caller may list: all of them, or these names.
pub(crate) fn visible_groups(actor: &Actor) -> Option<Vec<String>> {
    if actor.scopes.holds_unfiltered(Scope::LIST_GROUPS) {
        return None;
    }
    let filters = actor.scopes.filters(Scope::LIST_GROUPS);
    let names = filters.filter_map(|filter| match filter {
        Filter::Group(group) => Some(group.clone()),
        Filter::User(_) | Filter::Server(..) | Filter::Service(..) => None,
    });
    Some(names.collect())
}

/// A shared actor, as requests carry it.
pub type SharedActor = Arc<Actor>;

#[cfg(test)]
mod tests {
    use jansky_model::{Timestamp, UserId};

    use super::*;
    use crate::roles::Roles;

    fn owned(user: &User) -> ScopeSet {
        Roles::default().scopes(user, &[], false)
    }

    fn user(name: &str, admin: bool) -> User {
        User {
            id: UserId(1),
            name: name.parse().expect("a valid name"),
            admin,
            created_at: Timestamp::from_seconds(0),
            last_activity_at: None,
        }
    }

    fn scopes_of(texts: &[String], user: &User) -> ScopeSet {
        let owned = owned(user);
        written_scopes(texts, user, &owned, None).intersect(&owned, NOBODY)
    }

    const NOBODY: &dyn Fn(&str, &str) -> bool = &|_, _| false;

    #[test]
    fn a_token_never_allows_more_than_its_owner_may() {
        let texts = ["admin:users".to_owned(), "servers".to_owned()];

        let scopes = scopes_of(&texts, &user("river", false));

        assert!(!scopes.holds(Scope::ADMIN_USERS));
        assert!(scopes.allows(Scope::START_SERVERS, Target::Server("river", ""), NOBODY));
        assert!(!scopes.allows(Scope::START_SERVERS, Target::Server("wash", ""), NOBODY));
    }

    #[test]
    fn inherit_follows_the_owner() {
        let texts = ["inherit".to_owned()];

        let zoe = user("zoe", true);
        assert_eq!(scopes_of(&texts, &zoe), owned(&zoe));
    }

    #[test]
    fn every_token_may_at_least_say_whose_it_is() {
        let scopes = scopes_of(&[], &user("river", false));

        assert_eq!(
            scopes.to_texts(),
            ["read:users:groups!user=river", "read:users:name!user=river"]
        );
    }
}
