//! The contract of the store, held to by both databases: every test of a function runs on each.

mod agents;
mod audit;
mod bound_scopes;
mod changes;
mod grants;
mod groups;
mod harness;
mod identities;
mod issuer;
mod local_accounts;
mod opening;
mod refresh;
mod rights;
mod schema;
mod server_visits;
mod servers;
mod sessions;
mod share_codes;
mod shares;
mod tokens;
mod users;
