//! What keeps other processes out of the memory of this one.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Makes memory, environment and descriptors of this process unreadable for processes without special
/// rights, those of the same account included: nobody may attach to it (ptrace(2)), and no dump of it
/// is ever written. A program that it becomes or starts begins anew.
///
/// # Errors
/// When the kernel refuses, which it has no reason for.
pub fn hide_memory() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Writes the memory of neither this process nor of what it starts into a file when it crashes, unless a
/// program that it starts asks for that itself.
///
/// # Errors
/// When the kernel refuses, which it has no reason for.
pub fn forbid_core_files() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(0),
        ..rustix::process::getrlimit(Resource::Core)
    };
    rustix::process::setrlimit(Resource::Core, limit)?;
    Ok(())
}
