//! What of a thing is shown to somebody who may see that it is there: each detail has the scopes of which one
//! shows it. No surface decides that by itself.

use jansky_model::Scope;
use jansky_model::scope::Target;
use jansky_store::Server;

use crate::actor::Actor;

/// A part of a user, a server or a group that not everybody sees who sees the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The groups of a user.
    UserGroups,
    /// When a user was last active.
    UserActivity,
    /// The roles that a user has.
    UserRoles,
    /// Since when there is a user, and how their default server is.
    UserState,
    /// How a user is signed in: what identity providers said about them.
    UserSignIns,
    /// That what came with a user's sign-in can be asked for.
    UserAuthState,
    /// A server, also in the answer about its owner.
    Server,
    /// How its spawner finds a server again.
    ServerHandle,
    /// Who is in a group, and what is kept with it.
    GroupMembers,
    /// The roles that the members of a group have.
    GroupRoles,
}

impl Detail {
    /// One of these must be held for the thing.
    const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::UserGroups => &[Scope::READ_USERS_GROUPS],
            Self::UserActivity => &[Scope::READ_USERS_ACTIVITY],
            Self::UserRoles => &[Scope::READ_ROLES_USERS, Scope::READ_USERS],
            Self::UserState => &[Scope::READ_USERS],
            Self::UserSignIns => &[Scope::ADMIN_AUTH_STATE],
            Self::UserAuthState => &[Scope::ADMIN_USERS],
            Self::Server => &[Scope::READ_SERVERS],
            Self::ServerHandle => &[Scope::ADMIN_SERVER_STATE],
            Self::GroupMembers => &[Scope::READ_GROUPS],
            Self::GroupRoles => &[Scope::READ_ROLES_GROUPS],
        }
    }
}

impl Actor {
    /// Whether the caller is shown this of `target`.
    pub fn sees(&self, detail: Detail, target: Target<'_>) -> bool {
        let mut scopes = detail.scopes().iter();
        scopes.any(|scope| self.may(*scope, target))
    }

    /// Whether the caller is shown this of a server.
    pub fn sees_of_server(&self, detail: Detail, server: &Server) -> bool {
        let (owner, name) = (server.user.as_str(), server.name.as_str());
        self.sees(detail, Target::Server(owner, name))
    }
}
