//! Whether what is written somewhere is ever on a disk.

use std::io;
use std::path::Path;

use rustix::fs::FsWord;

/// What statfs(2) says of file systems that never are: tmpfs and ramfs.
const IN_MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

/// Whether a path is on a file system in memory, so that what lies there is in no backup.
///
/// # Errors
/// When the path cannot be looked at.
pub fn is_in_memory(path: &Path) -> io::Result<bool> {
    Ok(IN_MEMORY.contains(&rustix::fs::statfs(path)?.f_type))
}
