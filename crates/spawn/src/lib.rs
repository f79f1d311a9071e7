//! How servers are made, watched and ended.
//!
//! [`Spawner`] is the contract between the hub and whatever runs servers: processes on this
//! machine, containers, jobs. This crate has the contract and the [`ProcessSpawner`], which runs
//! each server as a process that outlives the hub. The program that embeds it must call
//! [`launcher::run`] for its hidden role `launch`.
//!
//! What the hub does with servers (tokens, routes, readiness, limits on how many) is not here.
//!
//! May use `guard`, `handover`, `model` and `settings`.
//!
//! What holds everywhere: the same start never makes two servers; only proof that a server has ended ends it;
//! what is secret is handed over a pipe. Every spawner is held to this by `conformance`.

mod choice;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;
#[cfg(feature = "testing")]
pub mod fake;
mod finding;
pub mod launcher;
mod process;
mod progress;
mod spawner;
mod tampering;
mod tokens;

pub use choice::{Choice, Offer};
pub use error::SpawnError;
pub use finding::{Finding, Severity};
pub use jansky_handover::AgentTicket;
pub use process::{
    HomePolicy, ProcessSettings, ProcessSpawner, problem_with_name, remove_left_over,
};
pub use progress::ProgressSink;
pub use spawner::{
    AddressOwner, FoundServer, PollStatus, ServerSpec, SpawnHandle, Spawner, Started, StopMode,
};
pub use tampering::Tampering;
pub use tokens::{NoToken, UserTokens};
