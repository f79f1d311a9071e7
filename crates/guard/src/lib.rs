//! What keeps the other accounts and processes of a machine out of ours.
//!
//! Programs that hold secrets begin with [`hide_memory`] and [`keep_descriptors`]; whatever is written in a directory that
//! somebody with fewer rights may change goes through [`Place`]; and a port is believed to be that of
//! a program only after a look at [`listeners`].
//!
//! May use none of our crates, so that every program can begin with it.
//!
//! What holds everywhere: a directory or file is opened step by step and never by a path that somebody else
//! can change in between; what cannot be found out counts as unsafe.

mod descriptors;
mod memory;
mod place;
mod sockets;
mod volatile;

pub use descriptors::keep_descriptors;
pub use memory::{forbid_core_files, hide_memory};
pub use place::{Place, must_be_plain};
pub use sockets::{Listener, holders, holders_among, listeners};
pub use volatile::is_in_memory;
