//! What a hub leaves that was killed: the directory in memory where its servers met their agents.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::runtime::{PREFIX, SOCKET, usual_place};
use super::table::ProcessTable;

/// Removes the directories that hubs of this account have left where a hub has its own unless one is
/// configured, and returns how many there were. `is_instance` tells the ids of hubs from other names.
///
/// A directory stays for as long as its hub runs, or anything that its hub has started: servers outlive
/// their hub.
///
/// # Errors
/// When something cannot be read or removed. What could not be looked at is still there.
pub fn remove_left_over(is_instance: impl Fn(&str) -> bool) -> io::Result<usize> {
    clear(&usual_place(), &ProcessTable::default(), is_instance)
}

fn clear(
    place: &Path,
    table: &ProcessTable,
    is_instance: impl Fn(&str) -> bool,
) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let instance = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some(instance) = instance.filter(|instance| is_instance(instance)) else {
            continue;
        };
        match remove_unless_needed(&entry.path(), instance, table) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            // Its hub was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn remove_unless_needed(path: &Path, instance: &str, table: &ProcessTable) -> io::Result<bool> {
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    let directory = File::open(path)?;
    // Until the directory is gone, no hub begins to use it.
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        locked => locked?,
    }
    let is_needed = table
        .all()?
        .iter()
        .filter_map(|process| table.marker(process.id.pid))
        .any(|marker| marker.instance == instance);
    if is_needed || has_an_agent(path)? {
        return Ok(false);
    }
    std::fs::remove_dir_all(path)?;
    Ok(true)
}

/// Whether an agent listens there, perhaps one that is in no table of ours because it runs in a
/// container which shares the memory of this machine and not its processes.
fn has_an_agent(path: &Path) -> io::Result<bool> {
    for start in std::fs::read_dir(path)? {
        if UnixStream::connect(start?.path().join(SOCKET)).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use jansky_model::{ServerId, StartId};
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::super::account::Account;
    use super::super::runtime::RuntimeDirs;
    use super::super::table::{INSTANCE, Marker};
    use super::*;

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn path_of(&self, instance: &str) -> PathBuf {
            self.0.path().join(format!("{PREFIX}{instance}"))
        }

        /// A hub that has begun to start a server.
        fn hub(&self, instance: &str) -> RuntimeDirs {
            let dirs = RuntimeDirs::new(Some(&self.path_of(instance)), instance);
            begin_a_start(&dirs, instance);
            dirs
        }

        fn clear(&self) -> usize {
            let all = |instance: &str| instance.bytes().all(|byte| byte.is_ascii_lowercase());
            clear(self.0.path(), &ProcessTable::default(), all).expect("all can be read")
        }

        /// Clears until the directory of `instance` is gone. What nobody needs is still held for a
        /// moment by each process that another test begins: until it runs its own program, it has
        /// the open files of this one, the locks and listeners among them.
        fn clears(&self, instance: &str) -> bool {
            let until = Instant::now() + Duration::from_secs(10);
            loop {
                let removed = self.clear();
                if removed > 0 || Instant::now() > until {
                    return removed == 1 && !self.path_of(instance).exists();
                }
                std::thread::yield_now();
            }
        }
    }

    fn begin_a_start(dirs: &RuntimeDirs, instance: &str) {
        let marker = Marker {
            instance: instance.to_owned(),
            server: ServerId(3),
            start: StartId(4),
        };
        let account = Account {
            name: "hub".to_owned(),
            home: "/home/hub".into(),
            shell: "/bin/sh".into(),
            identity: None,
        };
        let prepared = dirs.prepare(&marker, &account).expect("made");
        std::fs::write(prepared.socket(), "left over").expect("the directory is ours");
    }

    #[test]
    fn what_a_hub_left_is_removed_once_it_has_ended() {
        let place = Place::new();
        let hub = place.hub("serenity");

        assert_eq!(place.clear(), 0);
        assert!(place.path_of("serenity").exists());
        drop(hub);

        assert!(place.clears("serenity"));
    }

    #[test]
    fn a_hub_goes_on_in_a_new_directory_when_its_own_was_removed() {
        let place = Place::new();
        let hub = place.hub("miranda");
        std::fs::remove_dir_all(place.path_of("miranda")).expect("ours");

        begin_a_start(&hub, "miranda");

        assert_eq!(place.clear(), 0);
        drop(hub);
        assert!(place.clears("miranda"));
    }

    #[test]
    fn what_a_server_needs_stays() {
        let place = Place::new();
        drop(place.hub("persephone"));
        let mut server = Command::new("sleep")
            .arg("60")
            .env(INSTANCE, "persephone")
            .env("JANSKY_SERVER", "3")
            .env("JANSKY_START", "4")
            .stdin(Stdio::null())
            .spawn()
            .expect("it is on every machine");

        assert_eq!(place.clear(), 0);
        server.kill().expect("it is our child");
        server.wait().expect("it is our child");

        assert!(place.clears("persephone"));
    }

    #[test]
    fn what_an_agent_listens_in_stays() {
        let place = Place::new();
        drop(place.hub("ariel"));
        let start = place.path_of("ariel").join("3-5");
        std::fs::create_dir(&start).expect("ours");
        let agent = UnixListener::bind(start.join(SOCKET)).expect("it listens");

        assert_eq!(place.clear(), 0);
        drop(agent);

        assert!(place.clears("ariel"));
    }

    #[test]
    fn what_is_not_of_a_hub_stays() {
        let place = Place::new();
        let at = |name: &str| place.0.path().join(name);
        std::fs::create_dir(at("jansky-UPPER")).expect("ours");
        std::fs::create_dir(at("other-haven")).expect("ours");
        std::fs::write(at("jansky-haven"), "a file").expect("ours");
        std::os::unix::fs::symlink(at("other-haven"), at("jansky-whitefall")).expect("ours");

        assert_eq!(place.clear(), 0);
    }
}
