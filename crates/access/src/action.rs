//! Everything that somebody can be allowed to do, and the scopes of which one allows it.

use jansky_model::Scope;
use jansky_store::{Group, Server, User};

use crate::permit::{NewName, Place, Subject, TheHub};

/// Something that a [`Permit`](crate::Permit) allows.
pub trait Action: sealed::Sealed + Send + Sync + 'static {
    /// What it is done to.
    type On: Subject;
    /// One of these must be held.
    const SCOPES: &'static [Scope];
    /// For what it must be held.
    const HELD: Held;
}

/// For what a scope must be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// For the thing that it is about.
    ForIt,
    /// For anything: the answer shows those for which it is.
    ForAnything,
}

/// Something that people may do to what is their own when they sit at a browser, whatever their roles
/// say: pages show everybody their own account.
pub trait OwnAction: Action<On = User> {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident ($on:ty, $held:ident): $($scope:ident)|+;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl sealed::Sealed for $name {}

            impl Action for $name {
                type On = $on;
                const SCOPES: &'static [Scope] = &[$(Scope::$scope),+];
                const HELD: Held = Held::$held;
            }
        )+
    };
}

actions! {
    // The hub as a whole.

    /// See what the hub is made of.
    SeeHubInfo(TheHub, ForIt): READ_HUB;
    /// See the counters of the hub, where they are not for everybody.
    SeeMetrics(TheHub, ForIt): READ_METRICS;
    /// End the process.
    ShutDown(TheHub, ForIt): SHUTDOWN;
    /// Open the administrators' pages.
    OpenAdminPages(TheHub, ForIt): ADMIN_UI;
    /// See what was done with everybody's tokens.
    SeeWholeAudit(TheHub, ForIt): ADMIN_USERS;
    /// See who asks for an account, and say yes or no.
    AnswerSignUps(TheHub, ForIt): ADMIN_USERS;

    // Users.

    /// See users: those for whom the scope is held.
    ListUsers(TheHub, ForAnything): LIST_USERS;
    /// Make users of any name.
    CreateUsers(TheHub, ForIt): ADMIN_USERS;
    /// Make a user of this name.
    CreateUser(NewName, ForIt): ADMIN_USERS;
    /// See at least a part of a user.
    SeeUser(User, ForIt): READ_USERS | READ_USERS_NAME | READ_SERVERS | READ_USERS_GROUPS
        | READ_USERS_ACTIVITY | READ_ROLES_USERS;
    /// Change a user: name, administrator or not, password, second factor.
    ChangeUser(User, ForIt): ADMIN_USERS;
    /// Delete a user.
    DeleteUser(User, ForIt): DELETE_USERS;
    /// Say when a user and their servers were last active.
    ReportActivity(User, ForIt): USERS_ACTIVITY;
    /// See what the provider gave at a user's sign-in.
    SeeAuthState(User, ForIt): ADMIN_AUTH_STATE;

    // Tokens and sessions of users.

    /// See a user's tokens, without their secrets.
    SeeTokens(User, ForIt): READ_TOKENS;
    /// Make and revoke tokens of a user.
    ChangeTokens(User, ForIt): TOKENS;
    /// See what was done with a user's tokens.
    SeeAudit(User, ForIt): READ_TOKENS;
    /// See how a user is signed in. Administrators may read what providers said (`admin:auth_state`);
    /// whoever may list tokens may see sessions, too, which are credentials and shown no further.
    SeeSignIns(User, ForIt): ADMIN_AUTH_STATE | READ_TOKENS;
    /// Take back what a provider gave. Nobody does that to themselves, so `tokens` is not enough.
    DemandSignIn(User, ForIt): ADMIN_AUTH_STATE;
    /// End all sessions of a user: as who may change them, or revoke their tokens.
    EndSessions(User, ForIt): ADMIN_USERS | TOKENS;

    // Servers.

    /// See all servers of a user and their agents.
    SeeServers(User, ForIt): READ_SERVERS;
    /// See a server.
    SeeServer(Place, ForIt): READ_SERVERS;
    /// Watch the start of a server that there is.
    WatchServer(Server, ForIt): READ_SERVERS;
    /// Make, change and start a server.
    StartServer(Place, ForIt): START_SERVERS;
    /// Stop a server, remove it, and end its tokens.
    StopServer(Place, ForIt): DELETE_SERVERS;
    /// Use a server.
    EnterServer(Place, ForIt): ACCESS_SERVERS;

    // Shares of servers.

    /// See with whom a user shares servers.
    SeeSharesOfOwner(User, ForIt): READ_SHARES;
    /// See with whom a server is shared.
    SeeShares(Server, ForIt): READ_SHARES;
    /// Share a server, and end that.
    ShareServer(Server, ForIt): SHARES;
    /// See what is shared with a user.
    SeeSharedWithUser(User, ForIt): READ_USERS_SHARES;
    /// Give back what is shared with a user.
    LeaveSharesOfUser(User, ForIt): USERS_SHARES;
    /// See what is shared with a group.
    SeeSharedWithGroup(Group, ForIt): READ_GROUPS_SHARES;
    /// Give back what is shared with a group.
    LeaveSharesOfGroup(Group, ForIt): GROUPS_SHARES;

    // Groups.

    /// See groups: those for which the scope is held.
    ListGroups(TheHub, ForAnything): LIST_GROUPS;
    /// Make groups of any name.
    CreateGroups(TheHub, ForIt): ADMIN_GROUPS;
    /// Make a group of this name.
    CreateGroup(NewName<Group>, ForIt): ADMIN_GROUPS;
    /// See at least a part of a group.
    SeeGroup(Group, ForIt): READ_GROUPS | READ_GROUPS_NAME | READ_ROLES_GROUPS;
    /// Change who is in a group and what is kept with it.
    ChangeGroup(Group, ForIt): GROUPS;
    /// Delete a group.
    DeleteGroup(Group, ForIt): DELETE_GROUPS;
}

impl OwnAction for SeeTokens {}
impl OwnAction for ChangeTokens {}
impl OwnAction for SeeAudit {}
impl OwnAction for SeeSignIns {}
impl OwnAction for EndSessions {}
impl OwnAction for SeeServers {}
