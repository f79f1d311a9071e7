//! The processes of this machine, as `/proc` shows them (proc(5)).

use std::io;
use std::path::PathBuf;

use jansky_model::{ServerId, StartId};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

/// The variables by which the processes of a server are known.
pub(crate) const INSTANCE: &str = "JANSKY_INSTANCE";
pub(crate) const SERVER: &str = "JANSKY_SERVER";
pub(crate) const START: &str = "JANSKY_START";

/// A process, told apart from a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// When it began, in ticks since the machine was started.
    pub(crate) began: u64,
}

/// What a process was started for. Everything that a server starts inherits it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Marker {
    pub(crate) instance: String,
    pub(crate) server: ServerId,
    pub(crate) start: StartId,
}

impl Marker {
    /// The marker as variables of an environment.
    pub(crate) fn variables(&self) -> [(&'static str, String); 3] {
        [
            (INSTANCE, self.instance.clone()),
            (SERVER, self.server.to_string()),
            (START, self.start.to_string()),
        ]
    }

    fn read(environment: &[u8]) -> Option<Self> {
        let value = |name: &str| {
            environment.split(|byte| *byte == 0).find_map(|entry| {
                let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                std::str::from_utf8(value).ok()
            })
        };
        Some(Self {
            instance: value(INSTANCE)?.to_owned(),
            server: ServerId(value(SERVER)?.parse().ok()?),
            start: StartId(value(START)?.parse().ok()?),
        })
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// It has ended and its parent has not asked how yet.
    pub(crate) zombie: bool,
}

/// The table of processes. Every method reads it anew.
#[derive(Clone, Debug)]
pub(crate) struct ProcessTable(PathBuf);

impl Default for ProcessTable {
    fn default() -> Self {
        Self(PathBuf::from("/proc"))
    }
}

impl ProcessTable {
    /// Whether this is one of the variables by which the processes of a server are known.
    pub(crate) fn marks(name: &str) -> bool {
        [INSTANCE, SERVER, START].contains(&name)
    }

    /// Changes whenever the machine is started anew.
    pub(crate) fn boot(&self) -> io::Result<String> {
        let text = std::fs::read_to_string(self.0.join("sys/kernel/random/boot_id"))?;
        Ok(text.trim().to_owned())
    }

    /// The process with this pid; `None` only when there certainly is none.
    pub(crate) fn find(&self, pid: i32) -> io::Result<Option<Process>> {
        match std::fs::read_to_string(self.0.join(pid.to_string()).join("stat")) {
            Ok(text) => parse_stat(pid, &text).map(Some).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the form of `stat` is not known",
                )
            }),
            Err(error) if is_no_process(&error) => {
                // Without this, a `/proc` that is not mounted would look like an end of everything.
                std::fs::metadata(self.0.join("self/stat"))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this very process runs; one that waits to be reaped does not.
    pub(crate) fn is_alive(&self, id: ProcessId) -> io::Result<bool> {
        Ok(self
            .find(id.pid)?
            .is_some_and(|found| found.id == id && !found.zombie))
    }

    /// All processes that run.
    pub(crate) fn all(&self) -> io::Result<Vec<Process>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok())
                && let Ok(Some(process)) = self.find(pid)
                && !process.zombie
            {
                found.push(process);
            }
        }
        Ok(found)
    }

    /// The account that a process acts as (proc(5), `status`).
    pub(crate) fn uid(&self, pid: i32) -> io::Result<u32> {
        let status = std::fs::read_to_string(self.0.join(pid.to_string()).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let effective = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
        effective.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// What the process was started for, if it is ours and we may see it.
    pub(crate) fn marker(&self, pid: i32) -> Option<Marker> {
        let environment = std::fs::read(self.0.join(pid.to_string()).join("environ")).ok()?;
        Marker::read(&environment)
    }

    /// Sends a signal to this very process; one that is gone is no error.
    pub(crate) fn signal(&self, id: ProcessId, signal: Signal) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(id.pid).filter(|pid| *pid != rustix::process::getpid())
        else {
            return Ok(());
        };
        let sent = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            // The descriptor holds the process, so it is the one whose beginning we check now.
            Ok(_) | Err(Errno::NOSYS) if !self.is_alive(id)? => Ok(()),
            Ok(descriptor) => rustix::process::pidfd_send_signal(descriptor, signal),
            Err(Errno::NOSYS) => rustix::process::kill_process(pid, signal),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// `ESRCH` comes when the process ends between opening and reading.
fn is_no_process(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// The second field is the name in parentheses, which may itself contain anything.
fn parse_stat(pid: i32, text: &str) -> Option<Process> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        id: ProcessId {
            pid,
            began: fields.get(19)?.parse().ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a b) c) S 7 42 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987 1 2";

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let process = parse_stat(42, STAT).expect("a line as proc(5) has it");

        assert_eq!(
            process.id,
            ProcessId {
                pid: 42,
                began: 987
            }
        );
        assert_eq!(
            (process.parent, process.session, process.zombie),
            (7, 41, false)
        );
    }

    #[test]
    fn a_zombie_does_not_run() {
        let root = tempfile::tempdir().expect("a directory");
        let table = ProcessTable(root.path().to_owned());
        std::fs::create_dir(root.path().join("42")).expect("a directory");
        std::fs::write(root.path().join("42/stat"), STAT.replace(" S ", " Z ")).expect("written");

        assert!(
            !table
                .is_alive(ProcessId {
                    pid: 42,
                    began: 987
                })
                .expect("readable")
        );
        assert!(table.all().expect("readable").is_empty());
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_taken_for_ours() {
        let root = tempfile::tempdir().expect("a directory");
        let table = ProcessTable(root.path().to_owned());
        std::fs::create_dir(root.path().join("42")).expect("a directory");
        std::fs::write(root.path().join("42/stat"), STAT).expect("written");

        assert!(
            table
                .is_alive(ProcessId {
                    pid: 42,
                    began: 987
                })
                .expect("readable")
        );
        assert!(
            !table
                .is_alive(ProcessId {
                    pid: 42,
                    began: 986
                })
                .expect("readable")
        );
    }

    #[test]
    fn a_missing_table_is_an_error_and_not_an_end() {
        let root = tempfile::tempdir().expect("a directory");
        let table = ProcessTable(root.path().to_owned());

        assert!(
            table
                .is_alive(ProcessId {
                    pid: 42,
                    began: 987
                })
                .is_err()
        );
    }

    #[test]
    fn a_marker_is_read_from_an_environment_only_when_complete() {
        let marker = Marker {
            instance: "one".to_owned(),
            server: ServerId(3),
            start: StartId(4),
        };

        let whole = b"PATH=/bin\0JANSKY_INSTANCE=one\0JANSKY_SERVER=3\0JANSKY_START=4\0";
        assert_eq!(Marker::read(whole), Some(marker));
        assert_eq!(
            Marker::read(b"JANSKY_INSTANCE=one\0XJANSKY_SERVER=3\0"),
            None
        );
    }
}
