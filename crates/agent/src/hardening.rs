//! What keeps other processes of the same account out of the agent.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

/// Makes memory and environment unreadable for processes without special rights, and dumps of it
/// impossible.
pub(crate) fn hide_memory() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Ends this process together with the one that started it, which is to be `parent` if that is known.
pub(crate) fn end_with_parent(parent: Option<u32>) -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let now = std::os::unix::process::parent_id();
    match parent {
        // It ended before the kernel had been asked.
        Some(parent) if parent != now => Err(io::Error::other("its server has ended")),
        _ => Ok(()),
    }
}
