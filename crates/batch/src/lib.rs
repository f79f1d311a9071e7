//! What jobs of a batch system of Slurm's kind are called, how they begin, and what is said about them.
//!
//! Owns the vocabulary that spawners of jobs share, however they reach the scheduler: the states of a job
//! and what they mean for a server ([`life`]), its first node ([`first_node`]), the script that starts the
//! agent ([`Script`]), and the names by which jobs are found again ([`Marker`], [`job_name`]). It does no
//! I/O and may use `model` alone.
//!
//! What holds everywhere: a state that is not known proves nothing, so it ends no server; and nothing
//! that goes to a scheduler is secret, since it is kept and shown for years.

mod names;
mod nodes;
mod script;
mod state;

pub use names::{Marker, job_name};
pub use nodes::first_node;
pub use script::{DOCUMENT, Script, is_plain};
pub use state::{Life, end_in_words, life, waiting_in_words};
