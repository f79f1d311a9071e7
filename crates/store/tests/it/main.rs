//! The contract of the store, held to by both databases: every test of a function runs on each.

mod harness;
mod identities;
mod opening;
mod schema;
mod servers;
mod sessions;
mod tokens;
mod users;
