//! The Unix socket, which only the server's own account may use, and of that only code of this server.
//!
//! The kernel says which process connects (`SO_PEERCRED`, unix(7)). One that this agent's PID namespace
//! does not have is on the outside of the container. One that it has must be in the control group of the
//! server or below it: there is what the server has started, a container of the person's own included,
//! and not a container that has joined the server's namespaces, nor another session of the account.
//! Where the server has no control group of its own, and inside of a container, the mount and PID
//! namespaces are compared as well.
//!
//! Whoever brings code into the server's own container (`docker exec`) is in all of these places.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Uid;
use tokio::net::{UnixListener, UnixStream};

use crate::log::say;

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
        let objection = objection_to(peer.pid());
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

/// Says why the process with this number is none of the server's; `None` when it is one.
fn objection_to(pid: Option<i32>) -> Option<&'static str> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    // Zero stands for a process that our namespace does not have.
    let Some(pid) = pid.filter(|pid| *pid > 0) else {
        return Some("it is in another PID namespace");
    };
    let place = |of: String| ProcessPlace::read(&Path::new("/proc").join(of));
    let Some(theirs) = place(pid.to_string()) else {
        return Some("it cannot be found");
    };
    place("self".to_owned())?.objection(&theirs, own == 1)
}

/// Where a process is.
struct ProcessPlace {
    /// For each hierarchy of control groups its name and the path in it (cgroups(7)).
    groups: Vec<(String, String)>,
    /// The mount and PID namespace, where we may see them.
    namespaces: Option<[PathBuf; 2]>,
}

impl ProcessPlace {
    fn read(process: &Path) -> Option<Self> {
        let groups = std::fs::read_to_string(process.join("cgroup")).ok()?;
        let namespace = |name: &str| std::fs::read_link(process.join("ns").join(name)).ok();
        Some(Self {
            groups: groups.lines().filter_map(group).collect(),
            namespaces: namespace("mnt").zip(namespace("pid")).map(Into::into),
        })
    }

    fn objection(&self, other: &Self, is_first: bool) -> Option<&'static str> {
        let is_within = |(name, own): &(String, String)| {
            let theirs = other.groups.iter().find(|(other, _)| other == name);
            theirs.is_some_and(|(_, theirs)| is_below(theirs, own))
        };
        if !self.groups.iter().all(is_within) {
            return Some("it is in another control group");
        }
        let is_apart = self.groups.iter().any(|(_, path)| path != "/");
        if is_apart && !is_first {
            return None;
        }
        match (&self.namespaces, &other.namespaces) {
            (Some(own), Some(theirs)) if own != theirs => Some("it is in other namespaces"),
            // Those of another account are only for who may trace it; the control group has to do.
            _ => None,
        }
    }
}

/// Reads `4:memory:/docker/c0ffee`; the number may be another for each reader.
fn group(line: &str) -> Option<(String, String)> {
    let mut fields = line.splitn(3, ':').skip(1);
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// Seen from a namespace, what is outside of it begins with `/..`.
fn is_below(path: &str, group: &str) -> bool {
    if path.starts_with("/..") && !group.starts_with("/..") {
        return false;
    }
    let rest = path.strip_prefix(group.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(group: &str, namespaces: &str) -> ProcessPlace {
        ProcessPlace {
            groups: vec![(String::new(), group.to_owned())],
            namespaces: Some(["mnt", "pid"].map(|name| format!("{name}:{namespaces}").into())),
        }
    }

    #[test]
    fn what_the_server_started_is_at_its_place_or_below() {
        let own = place("/jansky-x/7-2", "1");

        for near in ["/jansky-x/7-2", "/jansky-x/7-2/job"] {
            // A container of the person's own, in a notebook, has other namespaces.
            assert_eq!(own.objection(&place(near, "2"), false), None, "{near}");
        }
        for far in ["/", "/jansky-x", "/jansky-x/7-21", "/user.slice", "/../x"] {
            assert!(own.objection(&place(far, "1"), false).is_some(), "{far}");
        }
    }

    #[test]
    fn in_a_container_whoever_has_joined_it_is_told_apart() {
        let own = place("/", "1");

        assert_eq!(own.objection(&place("/", "1"), true), None);
        assert_eq!(own.objection(&place("/below", "1"), true), None);
        assert!(own.objection(&place("/../c0ffee", "1"), true).is_some());
        assert!(own.objection(&place("/", "2"), true).is_some());
    }

    #[test]
    fn this_process_is_at_its_own_place() {
        let own = rustix::process::getpid().as_raw_nonzero().get();

        assert_eq!(objection_to(Some(own)), None);
        assert!(objection_to(Some(0)).is_some());
        assert!(objection_to(None).is_some());
    }
}
