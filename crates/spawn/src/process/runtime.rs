//! Where a server meets its agent: a directory in memory for each start, which only the server's
//! account can enter.

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jansky_guard::Place;
use rustix::fs::{Access, FlockOperation, flock};
use rustix::io::retry_on_intr;

use super::account::Account;
use super::table::Marker;

/// How the name of the usual directory of a hub begins; the rest is the id of the hub.
pub(crate) const PREFIX: &str = "jansky-";

/// The file name of the socket of an agent.
pub(crate) const SOCKET: &str = "agent.sock";

/// The directory that those of all servers are in.
#[derive(Debug)]
pub(crate) struct RuntimeDirs {
    path: PathBuf,
    /// The directory, open with a lock (flock(2)) that ends with this process however it ends: what
    /// nobody holds may be cleared away.
    held: Mutex<Option<File>>,
}

/// The directory of one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeDir {
    path: PathBuf,
    /// Whether it is in memory, so that tokens may lie there.
    in_memory: bool,
}

impl RuntimeDirs {
    /// The directory that was chosen, or the usual one of this machine.
    pub(crate) fn new(chosen: Option<&Path>, instance: &str) -> Self {
        Self {
            path: chosen.map_or_else(|| usual(instance), Path::to_owned),
            held: Mutex::default(),
        }
    }

    /// Makes the directory of a start, empty, for its account.
    pub(crate) fn prepare(&self, marker: &Marker, account: &Account) -> io::Result<RuntimeDir> {
        self.hold()?;
        forget(&self.path(marker))?;
        let path = self.path(marker);
        let identity = account.identity.as_ref();
        let owner = identity.map(|of| (of.uid, of.gid));
        let name = name(marker);
        let make = || Place::open(&self.path)?.directory(&name, 0o700, owner);
        match make() {
            // Another server, the last one so far, was removed together with what they are all in.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.hold()?;
                make()?;
            }
            made => drop(made?),
        }
        Ok(RuntimeDir {
            in_memory: is_in_memory(&path),
            path,
        })
    }

    /// Makes the directory that those of all servers are in unless it is there, and holds it.
    fn hold(&self) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Accounts pass through it on the way to their own.
            let made = DirBuilder::new().mode(0o711).create(&self.path);
            if let Err(error) = made
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
            let found = std::fs::symlink_metadata(&self.path)?;
            let own = rustix::process::geteuid().as_raw();
            if !found.is_dir() || found.uid() != own || found.mode() & 0o022 != 0 {
                return Err(io::Error::other(format!(
                    "`{}` is not a directory that only the hub can write to",
                    self.path.display()
                )));
            }
            if let Some(directory) = &*held
                && is_same(&directory.metadata()?, &found)
            {
                return Ok(());
            }
            let directory = File::open(&self.path)?;
            // A file system without locks was chosen by the operator; nothing is cleared away there.
            let _ = retry_on_intr(|| flock(&directory, FlockOperation::LockShared));
            // It may have been removed before it was locked, so it is looked at once more.
            *held = Some(directory);
        }
    }

    /// Removes the directory of a start with everything in it, if it is there.
    pub(crate) fn remove(&self, marker: &Marker) -> io::Result<()> {
        forget(&self.path(marker))?;
        // Nothing is left of a hub without servers; with others it is not empty.
        let _ = std::fs::remove_dir(&self.path);
        Ok(())
    }

    fn path(&self, marker: &Marker) -> PathBuf {
        self.path.join(name(marker))
    }
}

/// The name of the directory of a start.
fn name(marker: &Marker) -> String {
    format!("{}-{}", marker.server, marker.start)
}

impl RuntimeDir {
    /// Where the agent listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Where the agent may write token files.
    pub(crate) fn token_dir(&self) -> Option<PathBuf> {
        self.in_memory.then(|| self.path.clone())
    }
}

fn forget(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn usual(instance: &str) -> PathBuf {
    usual_place().join(format!("{PREFIX}{instance}"))
}

/// The first of the usual places that can be used and is in memory, or that can be used.
pub(crate) fn usual_place() -> PathBuf {
    let is_root = rustix::process::geteuid().is_root();
    let mut places = Vec::new();
    places.extend(is_root.then(|| PathBuf::from("/run")));
    places.extend(
        std::env::var_os("XDG_RUNTIME_DIR")
            .filter(|_| !is_root)
            .map(PathBuf::from),
    );
    places.extend(["/dev/shm", "/tmp"].map(PathBuf::from));
    places.retain(|place| place.is_dir() && rustix::fs::access(place, Access::WRITE_OK).is_ok());
    let best = places.iter().find(|place| is_in_memory(place));
    let place = best.or(places.first()).cloned();
    place.unwrap_or_else(|| PathBuf::from("/tmp"))
}

fn is_in_memory(path: &Path) -> bool {
    jansky_guard::is_in_memory(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jansky_model::{ServerId, StartId};

    use super::*;

    fn marker() -> Marker {
        Marker {
            instance: "one".to_owned(),
            server: ServerId(3),
            start: StartId(4),
        }
    }

    fn account() -> Account {
        Account {
            name: "hub".to_owned(),
            home: "/home/hub".into(),
            shell: "/bin/sh".into(),
            identity: None,
        }
    }

    #[test]
    fn a_start_begins_with_an_empty_directory_of_its_own() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = RuntimeDirs::new(Some(&root.path().join("run")), "one");
        let first = dirs.prepare(&marker(), &account()).expect("made");
        std::fs::write(first.socket(), "left over").expect("written");

        let again = dirs.prepare(&marker(), &account()).expect("made anew");

        assert_eq!(again, first);
        let mode = std::fs::metadata(&again.path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        assert!(!again.socket().exists());
        dirs.remove(&marker()).expect("removed");
        assert!(!again.path.exists());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_not_used() {
        let root = tempfile::tempdir().expect("a directory");
        let shared = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(root.path(), shared).expect("ours");

        let dirs = RuntimeDirs::new(Some(root.path()), "one");

        assert!(dirs.prepare(&marker(), &account()).is_err());
    }

    #[test]
    fn the_usual_directory_is_named_after_the_hub() {
        let usual = usual("one");

        assert!(usual.ends_with("jansky-one"), "{}", usual.display());
    }
}
