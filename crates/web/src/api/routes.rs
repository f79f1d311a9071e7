//! The routes of the REST API, each with what its page in the reference says (docs/reference/rest-api.md).

use axum::routing::{MethodFilter, MethodRouter, on};
use jansky_model::Scope;

use crate::api::{agents, audit, groups, hub, progress, servers};
use crate::api::{share_codes, shares, sign_ins, tokens, users};
use crate::pages::assets;
use crate::state::WebState;

/// What a route of the REST API does, and with which rights.
#[derive(Debug)]
pub struct Operation {
    /// What it is about, for example "Users".
    pub section: &'static str,
    /// The method, for example `GET`.
    pub method: &'static str,
    /// The path below the hub's prefix, as in [`crate::route_names`].
    pub path: &'static str,
    /// The scopes of which each is enough. None where no scope is needed.
    pub scopes: &'static [Scope],
    /// What it does, in a sentence or two.
    pub summary: &'static str,
}

/// `METHOD "path" => handler [SCOPES] "What it does.";`
macro_rules! routes {
    ($($section:literal {$(
        $method:ident $path:literal => $part:ident::$handler:ident [$($scope:ident)*] $summary:literal;
    )*})*) => {
        vec![$($((
            Operation {
                section: $section,
                method: stringify!($method),
                path: $path,
                scopes: &[$(Scope::$scope),*],
                summary: $summary,
            },
            on(MethodFilter::$method, $part::$handler),
        ),)*)*]
    };
}

/// Every route of the REST API and its handler.
pub(crate) fn table() -> Vec<(Operation, MethodRouter<WebState>)> {
    routes! {
        "Hub" {
            GET "api" => hub::version []
                "Says which version of JupyterHub's API this is.";
            GET "api/" => hub::version []
                "Says which version of JupyterHub's API this is.";
            GET "api/health" => assets::health []
                "Says that the process answers.";
            GET "api/metrics" => hub::metrics [READ_METRICS]
                "Gives the metrics of this process, for Prometheus; without `hub.authenticate_metrics` to anybody.";
            GET "api/info" => hub::info [READ_HUB]
                "Says what this hub is made of and how it starts servers.";
            POST "api/shutdown" => hub::shutdown [SHUTDOWN]
                "Stops the hub. Servers go on running unless the body says `servers: true`.";
        }
        "Users" {
            GET "api/user" => hub::whoami []
                "Says who the caller is and what they may do.";
            GET "api/users" => users::list [LIST_USERS]
                "Lists the users whom the caller may see, a page at a time.";
            POST "api/users" => users::create_many [ADMIN_USERS]
                "Makes several users, or none of them.";
            GET "api/users/{user}" => users::get [READ_USERS READ_USERS_NAME READ_SERVERS READ_USERS_GROUPS READ_USERS_ACTIVITY READ_ROLES_USERS]
                "Shows a user; each scope shows its part.";
            POST "api/users/{user}" => users::create [ADMIN_USERS]
                "Makes a user.";
            PATCH "api/users/{user}" => users::change [ADMIN_USERS]
                "Gives a user another name, or makes or unmakes an admin.";
            DELETE "api/users/{user}" => users::delete [DELETE_USERS]
                "Deletes a user, and stops their servers first.";
            POST "api/users/{user}/activity" => users::activity [USERS_ACTIVITY]
                "Tells when a user and their servers were last active.";
        }
        "Servers" {
            GET "api/users/{user}/server" => servers::get [READ_SERVERS]
                "Shows a server.";
            PUT "api/users/{user}/server" => servers::create [START_SERVERS]
                "Makes a server without starting it.";
            PATCH "api/users/{user}/server" => servers::change [START_SERVERS]
                "Gives a stopped server another name, title or options.";
            POST "api/users/{user}/server" => servers::start [START_SERVERS]
                "Starts a server: 201 when it is ready at once, or else 202.";
            DELETE "api/users/{user}/server" => servers::stop [DELETE_SERVERS]
                "Stops a server, and removes it when the body says `remove: true`: 204 when that is done, or else 202.";
            GET "api/users/{user}/server/progress" => progress::get [READ_SERVERS]
                "Follows a start, as server-sent events.";
            GET "api/users/{user}/servers/" => servers::get [READ_SERVERS]
                "Shows a server.";
            POST "api/users/{user}/servers/" => servers::start [START_SERVERS]
                "Starts a server: 201 when it is ready at once, or else 202.";
            DELETE "api/users/{user}/servers/" => servers::stop [DELETE_SERVERS]
                "Stops a server, and removes it when the body says `remove: true`: 204 when that is done, or else 202.";
            GET "api/users/{user}/servers/{server}" => servers::get [READ_SERVERS]
                "Shows a server.";
            PUT "api/users/{user}/servers/{server}" => servers::create [START_SERVERS]
                "Makes a server without starting it.";
            PATCH "api/users/{user}/servers/{server}" => servers::change [START_SERVERS]
                "Gives a stopped server another name, title or options.";
            POST "api/users/{user}/servers/{server}" => servers::start [START_SERVERS]
                "Starts a server: 201 when it is ready at once, or else 202.";
            DELETE "api/users/{user}/servers/{server}" => servers::stop [DELETE_SERVERS]
                "Stops a server, and removes it when the body says `remove: true`: 204 when that is done, or else 202.";
            GET "api/users/{user}/servers/{server}/progress" => progress::get [READ_SERVERS]
                "Follows a start, as server-sent events.";
            POST "api/users/{user}/server/tokens/freeze" => agents::freeze [DELETE_SERVERS]
                "Stops a server from getting tokens.";
            POST "api/users/{user}/servers/{server}/tokens/freeze" => agents::freeze [DELETE_SERVERS]
                "Stops a server from getting tokens.";
        }
        "Groups" {
            GET "api/groups" => groups::list [LIST_GROUPS]
                "Lists the groups that the caller may see, a page at a time.";
            POST "api/groups" => groups::create_many [ADMIN_GROUPS]
                "Makes several groups with the same members, or none of them.";
            GET "api/groups/{group}" => groups::get [READ_GROUPS READ_GROUPS_NAME READ_ROLES_GROUPS]
                "Shows a group; each scope shows its part.";
            POST "api/groups/{group}" => groups::create [ADMIN_GROUPS]
                "Makes a group.";
            DELETE "api/groups/{group}" => groups::delete [DELETE_GROUPS]
                "Deletes a group; its members stay.";
            POST "api/groups/{group}/users" => groups::add [GROUPS]
                "Puts users into a group.";
            DELETE "api/groups/{group}/users" => groups::remove [GROUPS]
                "Takes users out of a group: those whom the body names.";
            PUT "api/groups/{group}/properties" => groups::set_properties [GROUPS]
                "Replaces what is kept with a group.";
        }
        "Sharing" {
            GET "api/groups/{group}/shared" => shares::with_group [READ_GROUPS_SHARES]
                "Lists what is shared with a group.";
            GET "api/groups/{group}/shared/{owner}/" => shares::of_group [READ_GROUPS_SHARES]
                "Shows what of a server is shared with a group.";
            DELETE "api/groups/{group}/shared/{owner}/" => shares::give_back_for_group [GROUPS_SHARES]
                "Gives a share back for a group.";
            GET "api/groups/{group}/shared/{owner}/{server}" => shares::of_group [READ_GROUPS_SHARES]
                "Shows what of a server is shared with a group.";
            DELETE "api/groups/{group}/shared/{owner}/{server}" => shares::give_back_for_group [GROUPS_SHARES]
                "Gives a share back for a group.";
            GET "api/shares/{user}" => shares::list [READ_SHARES]
                "Lists what a user shares.";
            GET "api/shares/{user}/" => shares::get [READ_SHARES]
                "Lists with whom a server is shared.";
            POST "api/shares/{user}/" => shares::add [SHARES]
                "Lets a user or a group do more with a server.";
            PATCH "api/shares/{user}/" => shares::reduce [SHARES]
                "Lets a user or a group do less with a server.";
            DELETE "api/shares/{user}/" => shares::end [SHARES]
                "Ends all shares of a server.";
            GET "api/shares/{user}/{server}" => shares::get [READ_SHARES]
                "Lists with whom a server is shared.";
            POST "api/shares/{user}/{server}" => shares::add [SHARES]
                "Lets a user or a group do more with a server.";
            PATCH "api/shares/{user}/{server}" => shares::reduce [SHARES]
                "Lets a user or a group do less with a server.";
            DELETE "api/shares/{user}/{server}" => shares::end [SHARES]
                "Ends all shares of a server.";
            GET "api/share-codes/{user}" => share_codes::list [READ_SHARES]
                "Lists the codes with which others can take up a share of a user's servers.";
            GET "api/share-codes/{user}/" => share_codes::get [READ_SHARES]
                "Lists such codes of one server.";
            POST "api/share-codes/{user}/" => share_codes::create [SHARES]
                "Makes such a code, which is told this once.";
            DELETE "api/share-codes/{user}/" => share_codes::end [SHARES]
                "Ends the code that `code` or `id` in the query names, or all codes of the server.";
            GET "api/share-codes/{user}/{server}" => share_codes::get [READ_SHARES]
                "Lists such codes of one server.";
            POST "api/share-codes/{user}/{server}" => share_codes::create [SHARES]
                "Makes such a code, which is told this once.";
            DELETE "api/share-codes/{user}/{server}" => share_codes::end [SHARES]
                "Ends the code that `code` or `id` in the query names, or all codes of the server.";
            GET "api/users/{user}/shared" => shares::with_user [READ_USERS_SHARES]
                "Lists what is shared with a user, also through groups.";
            GET "api/users/{user}/shared/{owner}/" => shares::own [READ_USERS_SHARES]
                "Shows what of a server is shared with a user.";
            DELETE "api/users/{user}/shared/{owner}/" => shares::give_back [USERS_SHARES]
                "Gives a share back.";
            GET "api/users/{user}/shared/{owner}/{server}" => shares::own [READ_USERS_SHARES]
                "Shows what of a server is shared with a user.";
            DELETE "api/users/{user}/shared/{owner}/{server}" => shares::give_back [USERS_SHARES]
                "Gives a share back.";
        }
        "Tokens" {
            GET "api/audit" => audit::all [ADMIN_USERS]
                "Lists the audit trail of tokens, a page at a time.";
            GET "api/users/{user}/audit" => audit::of_user [READ_TOKENS]
                "Lists what was done with a user's tokens.";
            GET "api/users/{user}/agents" => agents::list [READ_SERVERS]
                "Lists the agents beside a user's servers.";
            GET "api/users/{user}/tokens" => tokens::list [READ_TOKENS]
                "Lists a user's tokens, without their secrets.";
            POST "api/users/{user}/tokens" => tokens::create [TOKENS]
                "Makes a token that may do no more than the caller; its secret is told this once. Without a credential, `auth` in the body says name and password.";
            GET "api/users/{user}/tokens/{id}" => tokens::get [READ_TOKENS]
                "Shows a token, without its secret.";
            DELETE "api/users/{user}/tokens/{id}" => tokens::revoke [TOKENS]
                "Revokes a token.";
        }
        "Sign-ins" {
            GET "api/users/{user}/sign-ins" => sign_ins::get [ADMIN_AUTH_STATE READ_TOKENS]
                "Shows through which providers a user is signed in, and their sessions.";
            POST "api/users/{user}/reauthenticate" => sign_ins::reauthenticate [ADMIN_AUTH_STATE]
                "Takes back what a provider gave, so that the user has to sign in there again.";
            DELETE "api/users/{user}/sessions" => sign_ins::end [ADMIN_USERS TOKENS]
                "Signs a user out everywhere.";
        }
    }
}

/// Every route of the REST API, for its reference.
pub fn operations() -> Vec<Operation> {
    table()
        .into_iter()
        .map(|(operation, _)| operation)
        .collect()
}
