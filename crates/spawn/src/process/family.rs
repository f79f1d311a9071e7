//! All processes of a server, and how they are ended.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::cgroup::Cgroups;
use super::table::{Marker, ProcessId, ProcessTable};

/// The processes that were started for one marker.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) table: ProcessTable,
    pub(crate) marker: Marker,
    pub(crate) main: Option<ProcessId>,
    pub(crate) cgroups: Option<Cgroups>,
    /// Members that were seen earlier: once the main process has ended, descent from it shows no
    /// longer.
    seen: HashSet<ProcessId>,
}

impl Family {
    pub(crate) fn new(
        table: ProcessTable,
        marker: Marker,
        main: Option<ProcessId>,
        cgroups: Option<Cgroups>,
    ) -> Self {
        Self {
            table,
            marker,
            main,
            cgroups,
            seen: HashSet::new(),
        }
    }

    /// The name of the control group of these processes.
    pub(crate) fn group(marker: &Marker) -> String {
        format!(
            "jansky-{}/{}-{}",
            marker.instance, marker.server, marker.start
        )
    }

    /// Finds those that run: in the control group, with the marker, or descended from the main
    /// process (or of its session) while that runs.
    ///
    /// A control group holds all of them for certain. Without one, a process that has cleared its
    /// environment and has left its parents and its session is not found.
    pub(super) fn look(&mut self) -> io::Result<Vec<ProcessId>> {
        let table = self.table.all()?;
        let mut pids: HashSet<i32> = match &self.cgroups {
            Some(cgroups) => cgroups
                .pids(&Self::group(&self.marker))?
                .into_iter()
                .collect(),
            None => HashSet::new(),
        };
        let marked = |pid| {
            self.table
                .marker(pid)
                .is_some_and(|found| found == self.marker)
        };
        pids.extend(
            table
                .iter()
                .map(|process| process.id.pid)
                .filter(|pid| marked(*pid)),
        );
        if let Some(main) = self.main
            && table.iter().any(|process| process.id == main)
        {
            pids.insert(main.pid);
            pids.extend(
                table
                    .iter()
                    .filter(|one| one.session == main.pid)
                    .map(|one| one.id.pid),
            );
        }
        loop {
            let before = pids.len();
            let children = table.iter().filter(|one| pids.contains(&one.parent));
            let children: Vec<i32> = children.map(|one| one.id.pid).collect();
            pids.extend(children);
            if pids.len() == before {
                break;
            }
        }
        // Never the hub or the first process, whatever the table says.
        pids.remove(&1);
        pids.remove(&rustix::process::getpid().as_raw_nonzero().get());
        let running: Vec<ProcessId> = table
            .iter()
            .map(|process| process.id)
            .filter(|id| pids.contains(&id.pid) || self.seen.contains(id))
            .collect();
        self.seen.extend(&running);
        Ok(running)
    }

    /// Like [`Self::look`], without keeping the caller's thread.
    pub(crate) async fn members(&mut self) -> io::Result<Vec<ProcessId>> {
        let mut family = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let found = family.look();
            (family, found)
        });
        let (family, found) = looked.await.map_err(io::Error::other)?;
        *self = family;
        found
    }

    /// Sends `signal` to the main process and waits until it is gone; says whether it is.
    pub(crate) async fn end_main(&self, signal: Signal, timeout: Duration) -> io::Result<bool> {
        let Some(main) = self.main else {
            return Ok(true);
        };
        let deadline = Instant::now() + timeout;
        let mut pause = Pause::default();
        self.table.signal(main, signal)?;
        while self.table.is_alive(main)? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            pause.wait().await;
        }
        Ok(true)
    }

    /// Sends `signal` to every process, also to those that begin meanwhile, and waits until all are
    /// gone; returns what is left after `timeout`.
    pub(crate) async fn end_all(
        &mut self,
        signal: Signal,
        timeout: Duration,
    ) -> io::Result<Vec<ProcessId>> {
        let deadline = Instant::now() + timeout;
        let mut pause = Pause::default();
        let mut told = HashSet::new();
        loop {
            let members = self.members().await?;
            if members.is_empty() {
                return Ok(members);
            }
            for member in &members {
                if told.insert(*member) {
                    self.table.signal(*member, signal)?;
                }
            }
            if Instant::now() >= deadline {
                return Ok(members);
            }
            pause.wait().await;
        }
    }
}

/// Waits a little between two looks, and longer each time.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl Pause {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(200));
    }
}
