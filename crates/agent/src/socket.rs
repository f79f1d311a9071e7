//! The Unix socket, which only the server's own account may use.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Uid;
use tokio::net::{UnixListener, UnixStream};

use crate::log::say;
use crate::peer;

/// A socket that listens.
pub(crate) struct Socket {
    listener: UnixListener,
    own: Uid,
    other: Option<u32>,
    /// Whether a refusal was logged: one is enough for the log of the server.
    has_complained: AtomicBool,
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
            has_complained: AtomicBool::new(false),
        })
    }

    /// Waits for a connection of a process that may ask.
    ///
    /// # Errors
    /// In words for the log, when the socket takes no connections any more.
    pub(crate) async fn accept(&self) -> Result<UnixStream, String> {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if self.may_ask(&stream) => return Ok(stream),
                Ok(_) => {}
                // A client has hung up, or there are too few file descriptors for a while.
                Err(error) if is_temporary(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(format!("the socket fails: {error}")),
            }
        }
    }

    fn may_ask(&self, stream: &UnixStream) -> bool {
        // SO_PEERCRED: the kernel's word, not the peer's.
        let Ok(peer) = stream.peer_cred() else {
            return false;
        };
        let is_known =
            peer.uid() == self.own.as_raw() || self.other.is_some_and(|uid| uid == peer.uid());
        if !is_known {
            return false;
        }
        let objection = peer::objection(peer.pid());
        if let Some(why) = objection
            && !self.has_complained.swap(true, Ordering::Relaxed)
        {
            say(&format!(
                "a process of this account that is not of this server asked for tokens and was \
                 refused: {why}"
            ));
        }
        objection.is_none()
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
    // The directory is ours while the socket is made, as its owner could put a link there instead.
    let place = jansky_guard::Place::open(directory)?;
    place.give_to(own)?;
    let bound = bind_in(&place, path);
    if let Some(uid) = give_to {
        if bound.is_ok() {
            std::os::unix::fs::lchown(path, Some(uid), None)?;
        }
        place.give_to(uid)?;
    }
    bound
}

fn bind_in(place: &jansky_guard::Place, path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            place.remove(&path.file_name().unwrap_or_default().to_string_lossy())?;
        }
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
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
