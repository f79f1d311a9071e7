//! Everything that outlives the process: users, sessions, tokens, servers.
//!
//! SQLite (embedded, the default) and PostgreSQL stand behind one set of statements and one set of
//! migrations; a [`Store`] is opened by URL and nobody else needs to know which one it is. Each
//! function is one short transaction: when it returns, its effect survives a kill of the process;
//! when its future is dropped, the effect is either whole or absent.
//!
//! Secrets that others present to us (tokens, cookies, codes, state, links) are never stored: the
//! caller passes their SHA-256 as a [`Digest`]. Tokens of identity providers, which we present to
//! others, come and go [`Sealed`]. Times come from the caller, too. Something with an
//! expiry is valid as long as its `expires_at` is later than `now`.
//!
//! May use `guard` and `model`. No other crate knows SQL.
//!
//! What holds everywhere: a change that others must know of is written in the transaction that makes it. What
//! may happen once is one statement with a condition. A database of a newer program is not opened.

mod accounts;
mod agents;
mod attempts;
mod audit;
mod bound_scopes;
mod change_listener;
mod changes;
mod codes;
mod database_lock;
mod db;
mod device_requests;
mod error;
mod faults;
mod grants;
mod group_names;
mod groups;
mod identities;
mod issuer_keys;
mod links;
mod logouts;
mod lookups;
mod memory_feed;
mod migrate;
mod names;
mod open;
mod refresh;
mod revoked_tokens;
mod rights;
mod row;
mod second_factors;
mod second_steps;
mod server_visits;
mod servers;
mod sessions;
mod settings;
mod share_codes;
mod shares;
mod sign_ups;
mod sqlite;
mod stale_connections;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;
mod tokens;
mod users;

pub use accounts::LocalAccount;
pub use agents::{AgentSession, AgentSessionId, Agents, Enrolment, FreezeReason, NewTicket};
pub use attempts::LoginAttemptRow;
pub use audit::{
    AuditCheck, AuditEvent, AuditHead, AuditQuery, EventAddress, NewAuditEvent, Record,
};
pub use changes::{Change, GRANT_CHANGED, SERVERS_STOPPING, SESSION_ENDED, USER_CHANGED};
pub use codes::{Challenge, Code};
pub use database_lock::DatabaseLock;
pub use device_requests::{DeviceRequest, DeviceState};
pub use error::StoreError;
pub use grants::{Grant, GrantId, GrantKind, GrantState, Lease, NewGrant, Sealed, SealedTokens};
pub use groups::{Group, GroupId, GroupQuery};
pub use identities::{Adoption, Identity, IdentityId, NewIdentity};
pub use issuer_keys::{IssuerKey, NewIssuerKey};
pub use open::Store;
pub use refresh::{RefreshFailure, RefreshedTokens};
pub use rights::{Exclusion, Rights, RightsSource};
pub use second_factors::{CodeAttempt, SecondFactor};
pub use second_steps::SecondStep;
pub use server_visits::ServerVisit;
pub use servers::{BeginStart, NewServer, Server};
pub use sessions::{NewSession, Session};
pub use share_codes::{NewShareCode, ShareCode, ShareCodes};
pub use shares::{Share, ShareWith};
pub use sign_ups::{NewSignUp, SignUp};
pub use tokens::{NewToken, Token, TokenId, TokenKind};
pub use users::{ActivityFilter, User, UserQuery, UserSort};

/// The SHA-256 of a secret that somebody presents to us.
pub type Digest = [u8; 32];
