//! Servers as processes of this machine.
//!
//! A server is a session of its own and outlives the hub. Its main process is found by its record,
//! which the launcher writes before it becomes the server; everything that the server starts is
//! found by control group, inherited marker or descent.

mod account;
mod belongings;
mod cgroup;
mod check;
mod family;
mod handle;
mod home;
mod left_over;
mod machine;
mod new_account;
mod ports;
mod record;
mod runtime;
mod settings;
mod table;

use std::collections::HashMap;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jansky_model::{ProgressEvent, ServerId, StartId, UserName};
use rustix::process::Signal;
use tokio::process::Child;
use tracing::{info, warn};

use crate::launcher::{Launched, launch};
use crate::{
    AddressOwner, Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError,
    SpawnHandle, Spawner, Started, StopMode,
};
pub use account::problem_with_name;
use cgroup::Cgroups;
use family::Family;
use handle::{Handle, KIND};
pub use left_over::remove_left_over;
use machine::Machine;
use ports::PortPicker;
use record::Records;
pub(crate) use record::{Record, place_of};
use runtime::RuntimeDirs;
pub use settings::{HomePolicy, ProcessSettings};
use table::ProcessId;
pub(crate) use table::{Marker, ProcessTable};

/// Runs each server as a process that outlives the hub.
///
/// Dropping it leaves the servers alone; a new one with the same `instance` and `state_dir` finds
/// them.
pub struct ProcessSpawner {
    machine: Arc<Machine>,
    ports: PortPicker,
    /// Servers that are children of this very hub: only a parent learns how a process ended.
    children: Mutex<Children>,
}

type Children = HashMap<ProcessId, (ServerId, Child)>;

impl ProcessSpawner {
    /// A spawner with these settings. Nothing is touched until it is asked to do something.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when the settings contradict themselves or ask for limits that this
    /// machine does not have.
    pub fn new(settings: ProcessSettings) -> Result<Self, SpawnError> {
        let cgroups = match settings.cgroups {
            jansky_settings::Cgroups::Auto => Cgroups::detect(),
            jansky_settings::Cgroups::Off => {
                Err("they are switched off in the settings".to_owned())
            }
        };
        check::settings(&settings, &cgroups).map_err(SpawnError::refused)?;
        Ok(Self {
            machine: Arc::new(Machine {
                records: Records::new(&settings.state_dir),
                runtime: RuntimeDirs::new(settings.runtime_dir.as_deref(), &settings.instance),
                table: ProcessTable::default(),
                settings,
                cgroups,
            }),
            ports: PortPicker::default(),
            children: Mutex::default(),
        })
    }

    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a child of ours ended. Asking also makes the kernel forget it.
    fn exit_status(&self, handle: &Handle) -> Option<ExitStatus> {
        let mut children = self.children();
        let (_, child) = children.get_mut(&handle.main?)?;
        child.try_wait().ok().flatten()
    }

    /// Runs blocking work elsewhere.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Machine) -> Result<T, SpawnError> + Send + 'static,
    ) -> Result<T, SpawnError> {
        let machine = Arc::clone(&self.machine);
        tokio::task::spawn_blocking(move || work(&machine))
            .await
            .map_err(|error| SpawnError::unavailable_because("the work was broken off", error))?
    }

    /// All processes of a handle.
    fn family(&self, handle: &Handle) -> Family {
        let machine = &self.machine;
        Family::new(
            machine.table.clone(),
            machine.marker(handle.server, handle.start),
            // A pid of an earlier boot says nothing.
            handle
                .main
                .filter(|_| machine.table.boot().is_ok_and(|boot| boot == handle.boot)),
            machine.cgroups.as_ref().ok().cloned(),
        )
    }

    /// Ends all processes of a handle; the main process first when there is time.
    async fn end(&self, handle: &Handle, mode: StopMode) -> io::Result<Vec<ProcessId>> {
        let settings = &self.machine.settings;
        let mut family = self.family(handle);
        if family.members().await?.is_empty() {
            return Ok(Vec::new());
        }
        if mode == StopMode::Polite {
            let _ended = family
                .end_main(Signal::INT, *settings.interrupt_timeout)
                .await?
                || family
                    .end_main(Signal::TERM, *settings.terminate_timeout)
                    .await?
                || family.end_main(Signal::KILL, settings.kill_timeout).await?;
            if family
                .end_all(Signal::TERM, *settings.terminate_timeout)
                .await?
                .is_empty()
            {
                return Ok(Vec::new());
            }
        }
        family.end_all(Signal::KILL, settings.kill_timeout).await
    }
}

#[async_trait]
impl Spawner for ProcessSpawner {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        let (server, start) = (spec.server, spec.start);
        let running = self
            .blocking(move |machine| machine.running(server, start))
            .await?;
        if let Some(record) = running {
            info!(server.id = %server, "the server was started before and still runs");
            return Ok(started(server, start, &record));
        }
        progress.send(ProgressEvent::step(10, "Preparing the working directory"));
        let port = self.ports.pick().map_err(|error| {
            SpawnError::unavailable_because("there is no free port on 127.0.0.1", error)
        })?;
        let url = format!("http://127.0.0.1:{port}");
        let plan = {
            let (spec, url) = (spec.clone(), url.clone());
            self.blocking(move |machine| machine.plan(&spec, &url))
                .await?
        };
        progress.send(ProgressEvent::step(30, "Starting the server"));
        let request = self.machine.request(&plan, server, start, url);
        let marker = self.machine.marker(server, start);
        let launched = launch(&self.machine.settings.launcher, &request, &marker).await;
        match launched {
            Ok(Launched::Began(child, record)) => {
                let mut children = self.children();
                // How the last server of this name ended matters no more.
                children.retain(|_, (other, child)| {
                    *other != server || !matches!(child.try_wait(), Ok(Some(_)))
                });
                children.insert(record.process, (server, child));
                info!(server.id = %server, pid = record.process.pid, "the server was started");
                Ok(started(server, start, &record))
            }
            Ok(Launched::Found(record)) => Ok(started(server, start, &record)),
            Err(error) => {
                if matches!(error, SpawnError::Failed { .. }) {
                    let _ = self.machine.runtime.remove(&marker);
                    if let Ok(cgroups) = &self.machine.cgroups {
                        // In use if another attempt was first; then it is not ours to remove.
                        let _ = cgroups.remove(&Family::group(&marker));
                    }
                }
                Err(error)
            }
        }
    }

    async fn poll(&self, handle: &SpawnHandle) -> PollStatus {
        let unknown = |reason: String| PollStatus::Unknown { reason };
        let handle = match Handle::read(handle) {
            Ok(handle) => handle,
            Err(error) => return unknown(error.to_string()),
        };
        let exited = |status| PollStatus::Exited {
            reason: self.machine.describe_end(&handle, status),
        };
        if let Some(status) = self.exit_status(&handle) {
            return exited(Some(status));
        }
        let log = self.machine.records.log(handle.server, handle.start);
        let shortened = self.blocking(move |_| Ok(record::shorten(&log)));
        if let Ok(Err(error)) = shortened.await {
            let server = handle.server;
            warn!(server.id = %server, error = %error, "could not shorten the log of a server");
        }
        match self.machine.is_running(&handle) {
            Ok(true) => PollStatus::Running,
            // It may have ended between the two questions.
            Ok(false) => exited(self.exit_status(&handle)),
            Err(error) => unknown(format!("the table of processes cannot be read: {error}")),
        }
    }

    async fn address_owner(&self, handle: &SpawnHandle, url: &str) -> AddressOwner {
        let unknown = |reason: String| AddressOwner::Unknown { reason };
        let handle = match Handle::read(handle) {
            Ok(handle) => handle,
            Err(error) => return unknown(error.to_string()),
        };
        let (mut family, url) = (self.family(&handle), url.to_owned());
        let asked = self.blocking(move |_| {
            family.address_owner(&url).map_err(|error| {
                SpawnError::unavailable(format!("the table of sockets cannot be read: {error}"))
            })
        });
        asked
            .await
            .unwrap_or_else(|error| unknown(error.to_string()))
    }

    async fn stop(&self, handle: &SpawnHandle, mode: StopMode) -> Result<(), SpawnError> {
        let handle = Handle::read(handle)?;
        let (server, start) = (handle.server, handle.start);
        let left = self.end(&handle, mode).await.map_err(|error| {
            SpawnError::unavailable_because("could not end the processes of the server", error)
        })?;
        self.exit_status(&handle);
        if !left.is_empty() {
            let pids: Vec<String> = left.iter().map(|id| id.pid.to_string()).collect();
            return Err(SpawnError::unavailable(format!(
                "processes of the server are still there after SIGKILL: {}",
                pids.join(", ")
            )));
        }
        if let Some(main) = handle.main {
            self.children().remove(&main);
        }
        self.blocking(move |machine| {
            machine.tidy_up(server, start);
            Ok(())
        })
        .await?;
        info!(server.id = %server, "the server is gone");
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        self.blocking(|machine| {
            machine.list().map_err(|error| {
                SpawnError::unavailable_because("could not look for servers", error)
            })
        })
        .await
    }

    async fn log_tail(&self, handle: &SpawnHandle) -> String {
        let Ok(handle) = Handle::read(handle) else {
            return String::new();
        };
        let tail = self.blocking(move |machine| {
            let log = machine.records.log(handle.server, handle.start);
            record::tail(&log)
                .map_err(|error| SpawnError::unavailable_because("could not read the log", error))
        });
        // No log is an empty log: there is nothing that the caller could do about it.
        tail.await.unwrap_or_default()
    }

    async fn remove(&self, server: ServerId) -> Result<(), SpawnError> {
        self.blocking(move |machine| {
            machine.records.remove(server).map_err(|error| {
                let reason = format!("could not remove the logs of server {server}");
                SpawnError::unavailable_because(reason, error)
            })
        })
        .await
    }

    async fn belongings(&self, name: &UserName) -> Result<Vec<String>, SpawnError> {
        let name = name.clone();
        self.blocking(move |machine| belongings::of(&machine.settings, &name))
            .await
    }

    async fn check(&self) -> Vec<Finding> {
        check::machine(&self.machine).await
    }
}

fn started(server: ServerId, start: StartId, record: &Record) -> Started {
    Started {
        handle: Handle::of(server, start, record).write(),
        url: record.url.clone(),
    }
}
