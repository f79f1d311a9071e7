//! Servers as batch jobs, submitted through FirecREST (API v2).
//!
//! [`FirecrestSpawner`] submits a job in the person's name and looks at it with a service account, so
//! a session that ended stops nobody's work. Nothing secret is in the job: its script starts the
//! agent, and that reads ticket, command and environment from a file that is closed before
//! anything is in it and gone before anything is done with it.
//!
//! A job is found again by its name, which is the hub's, and by its working directory, which says
//! server and start.
//!
//! What is about jobs of any scheduler of Slurm's kind (states, nodes, script, names) is in the crate
//! `batch`; what is about FirecREST in `api`.
//!
//! May use `batch`, `handover`, `model`, `settings` and `spawn`.
//!
//! What holds everywhere: a directory that only one start can make comes before its job; what the scheduler
//! does not say proves nothing.

mod api;
mod check;
mod handle;
mod handover;
mod place;
mod settings;
mod spawner;
mod start;

pub use settings::FirecrestSettings;
pub use spawner::FirecrestSpawner;
