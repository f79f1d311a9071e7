//! The Unix socket, which only the server's own account may use.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::process::Uid;
use tokio::net::{UnixListener, UnixStream};

/// A socket that listens.
pub(crate) struct Socket {
    listener: UnixListener,
    own: Uid,
    other: Option<u32>,
}

impl Socket {
    /// Listens at `path`, in a directory that nobody else can enter. `uid` may ask, too.
    ///
    /// # Errors
    /// In words for the log.
    pub(crate) fn bind(path: &Path, uid: Option<u32>) -> Result<Self, String> {
        let own = rustix::process::geteuid();
        let give_to = uid.filter(|uid| own.is_root() && *uid != own.as_raw());
        let listener = bind(path, give_to)
            .map_err(|error| format!("could not listen at `{}`: {error}", path.display()))?;
        Ok(Self {
            listener,
            own,
            other: uid,
        })
    }

    /// Waits for somebody who may ask.
    ///
    /// # Errors
    /// In words for the log, when there will be nobody any more.
    pub(crate) async fn accept(&self) -> Result<UnixStream, String> {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if self.may_ask(&stream) => return Ok(stream),
                Ok(_) => {}
                // Others may hang up, and files may be scarce for a while.
                Err(error) if is_temporary(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(format!("the socket fails: {error}")),
            }
        }
    }

    fn may_ask(&self, stream: &UnixStream) -> bool {
        // SO_PEERCRED: the kernel's word, not the peer's.
        stream.peer_cred().is_ok_and(|peer| {
            peer.uid() == self.own.as_raw() || self.other.is_some_and(|uid| uid == peer.uid())
        })
    }
}

fn bind(path: &Path, give_to: Option<u32>) -> io::Result<UnixListener> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = std::fs::symlink_metadata(directory)?;
    let own = rustix::process::geteuid().as_raw();
    let ours = found.uid() == own || give_to.is_some_and(|uid| uid == found.uid());
    if !found.is_dir() || !ours || found.mode() & 0o077 != 0 {
        return Err(io::Error::other("its directory is not closed to others"));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    if let Some(uid) = give_to {
        std::os::unix::fs::lchown(path, Some(uid), None)?;
        std::os::unix::fs::lchown(directory, Some(uid), None)?;
    }
    Ok(listener)
}

fn is_temporary(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let temporary = [
        Errno::CONNABORTED,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::INTR,
    ];
    temporary
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
