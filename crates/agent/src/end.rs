//! How long the agent lives.

use std::io;

use rustix::process::Signal;

/// Ends this process together with the one that started it, which is to be `parent` if that is known.
pub(crate) fn end_with_parent(parent: Option<u32>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let now = std::os::unix::process::parent_id();
    match parent {
        // The parent ended before the kernel was asked to tell of it.
        Some(parent) if parent != now => Err(io::Error::other("its server has ended")),
        _ => Ok(()),
    }
}
