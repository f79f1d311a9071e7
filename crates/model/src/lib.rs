//! The vocabulary of Jansky: names, scopes, the states of a server, time, randomness and secrets.
//!
//! Nothing here opens a file, a socket or a database. Every other crate may use this one and this
//! one uses none of them, so a rule written here holds everywhere.
//!
//! May use none of our crates.
//!
//! What holds everywhere: a name, a scope or a state that exists is valid: parsing is the only way to make
//! one. [`Secret`] is never printed, logged or serialized. Time and randomness are traits ([`Clock`],
//! [`Random`]), so that tests choose them.

pub mod clock;
pub mod dn;
pub mod limits;
pub mod name;
pub mod outage;
pub mod progress;
pub mod random;
pub mod scope;
pub mod secret;
pub mod server;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use limits::ByteSize;
pub use name::{InvalidName, ProviderId, ServerName, UserName};
pub use outage::Outage;
pub use progress::ProgressEvent;
pub use random::Random;
pub use scope::{Filter, Scope, ScopeSet};
pub use secret::Secret;
pub use server::{InvalidTransition, ServerEvent, ServerId, ServerState, StartId, UserId};
