//! Servers as processes of this machine.
//!
//! A server is a session of its own and outlives the hub. Its main process is found by its record,
//! which the launcher writes before it becomes the server; everything that the server starts is
//! found by control group, inherited marker or descent.

mod account;
mod cgroup;
mod check;
mod environment;
mod family;
mod home;
mod launch;
mod ports;
mod record;
mod settings;
mod table;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jansky_model::{ProgressEvent, ServerId, StartId};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tracing::{debug, info, warn};

use crate::launcher::LaunchRequest;
use crate::{
    Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle, Spawner,
    Started, StopMode,
};
use account::Account;
use cgroup::{Cgroups, Limits};
use family::Family;
use home::Home;
use launch::Launched;
use ports::PortPicker;
pub(crate) use record::Record;
use record::Records;
pub use settings::{CgroupPolicy, HomePolicy, ProcessSettings, RunAs};
pub(crate) use table::ProcessTable;
use table::{Marker, ProcessId};

const KIND: &str = "process";

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

/// Everything that blocking work needs.
struct Machine {
    settings: ProcessSettings,
    table: ProcessTable,
    records: Records,
    cgroups: Result<Cgroups, String>,
}

/// What a [`SpawnHandle`] of this spawner holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Handle {
    kind: Cow<'static, str>,
    server: ServerId,
    start: StartId,
    /// None when only remains were found.
    main: Option<ProcessId>,
    /// The boot of the machine in which it was made.
    boot: String,
}

impl Handle {
    fn of(server: ServerId, start: StartId, record: &Record) -> Self {
        Self {
            kind: KIND.into(),
            server,
            start,
            main: Some(record.process),
            boot: record.boot.clone(),
        }
    }

    fn read(handle: &SpawnHandle) -> Result<Self, SpawnError> {
        Self::deserialize(&handle.0)
            .ok()
            .filter(|handle| handle.kind == KIND)
            .ok_or_else(|| SpawnError::refused("the handle is not one of the process spawner"))
    }

    fn write(&self) -> SpawnHandle {
        SpawnHandle(serde_json::to_value(self).expect("a handle has only text and numbers in it"))
    }
}

impl ProcessSpawner {
    /// A spawner with these settings. Nothing is touched until it is asked to do something.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when the settings contradict themselves or ask for limits that this
    /// machine does not have.
    pub fn new(settings: ProcessSettings) -> Result<Self, SpawnError> {
        let cgroups = match settings.cgroups {
            CgroupPolicy::Auto => Cgroups::detect(),
            CgroupPolicy::Off => Err("they are switched off in the settings".to_owned()),
        };
        check::settings(&settings, &cgroups).map_err(SpawnError::refused)?;
        Ok(Self {
            machine: Arc::new(Machine {
                records: Records::new(&settings.state_dir),
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

    /// Ends all processes of a handle; the main process first when there is time.
    async fn end(&self, handle: &Handle, mode: StopMode) -> io::Result<Vec<ProcessId>> {
        let machine = &self.machine;
        let settings = &machine.settings;
        let mut family = Family::new(
            machine.table.clone(),
            machine.marker(handle.server, handle.start),
            // A pid of an earlier boot says nothing.
            handle
                .main
                .filter(|_| machine.table.boot().is_ok_and(|boot| boot == handle.boot)),
            machine.cgroups.as_ref().ok().cloned(),
        );
        if family.members().await?.is_empty() {
            return Ok(Vec::new());
        }
        if mode == StopMode::Polite {
            let _ended = family
                .end_main(Signal::INT, settings.interrupt_timeout)
                .await?
                || family
                    .end_main(Signal::TERM, settings.terminate_timeout)
                    .await?
                || family.end_main(Signal::KILL, settings.kill_timeout).await?;
            if family
                .end_all(Signal::TERM, settings.terminate_timeout)
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
        let launched = launch::launch(&self.machine.settings.launcher, &request, &marker).await;
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
                if matches!(error, SpawnError::Failed { .. })
                    && let Ok(cgroups) = &self.machine.cgroups
                {
                    // In use if another attempt was first; then it is not ours to remove.
                    let _ = cgroups.remove(&Family::group(&marker));
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
        match self.machine.is_running(&handle) {
            Ok(true) => PollStatus::Running,
            // It may have ended between the two questions.
            Ok(false) => exited(self.exit_status(&handle)),
            Err(error) => unknown(format!("the table of processes cannot be read: {error}")),
        }
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

    async fn check(&self) -> Vec<Finding> {
        check::machine(&self.machine).await
    }
}

/// Everything that was decided for one start.
struct Plan {
    environment: BTreeMap<String, jansky_model::Secret>,
    account: Account,
    home: Home,
    cgroups: Vec<std::path::PathBuf>,
}

impl Machine {
    fn marker(&self, server: ServerId, start: StartId) -> Marker {
        Marker {
            instance: self.settings.instance.clone(),
            server,
            start,
        }
    }

    /// The record of a start whose main process runs.
    fn running(&self, server: ServerId, start: StartId) -> Result<Option<Record>, SpawnError> {
        let find = || {
            let record = Record::read(&self.records.record(server, start))?;
            match record {
                Some(record) if record.is_alive(&self.table)? => Ok(Some(record)),
                _ => io::Result::Ok(None),
            }
        };
        find().map_err(|error| {
            SpawnError::unavailable_because("could not look for the server", error)
        })
    }

    fn plan(&self, spec: &ServerSpec, url: &str) -> Result<Plan, SpawnError> {
        let settings = &self.settings;
        let account = Account::find(settings.run_as, &spec.user, settings.lowest_uid)?;
        let home = Home::prepare(&settings.home, &spec.user, &account)?;
        self.records
            .prepare(spec.server, spec.start, &self.table)
            .map_err(|error| {
                let state_dir = settings.state_dir.display();
                let reason = format!("could not use the state directory `{state_dir}`");
                SpawnError::unavailable_because(reason, error)
            })?;
        let marker = self.marker(spec.server, spec.start);
        Ok(Plan {
            environment: environment::for_server(
                settings,
                // Names and values that are not UTF-8 are not inherited.
                std::env::vars_os().filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                }),
                spec,
                &account,
                &home,
                url,
                &marker,
            )?,
            cgroups: self.make_cgroup(&marker)?,
            account,
            home,
        })
    }

    /// Makes the control group of a server and returns the directories to join, if any.
    fn make_cgroup(&self, marker: &Marker) -> Result<Vec<std::path::PathBuf>, SpawnError> {
        let limits = Limits {
            memory: self.settings.memory_limit,
            cpu: self.settings.cpu_limit,
        };
        let Ok(cgroups) = &self.cgroups else {
            return Ok(Vec::new());
        };
        let group = Family::group(marker);
        match cgroups.create(&group, limits) {
            Ok(()) => Ok(cgroups.directories(&group)),
            Err(error) if limits == Limits::default() => {
                debug!(%error, "servers run without control groups");
                Ok(Vec::new())
            }
            Err(error) => Err(SpawnError::unavailable_because(
                format!("could not set the limits of the control group `{group}`"),
                error,
            )),
        }
    }

    fn request<'a>(
        &'a self,
        plan: &'a Plan,
        server: ServerId,
        start: StartId,
        url: String,
    ) -> LaunchRequest<'a> {
        let settings = &self.settings;
        let words = settings.command.iter().chain(&settings.arguments);
        LaunchRequest {
            command: words.map(|word| word.as_str().into()).collect(),
            environment: plan
                .environment
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.expose().into()))
                .collect(),
            directory: plan.home.directory.clone(),
            make_directory: plan.home.make,
            account: plan.account.identity.clone(),
            cgroups: plan.cgroups.clone(),
            log: self.records.log(server, start),
            lock: self.records.lock(server),
            record: self.records.record(server, start),
            url,
            no_new_privileges: settings.no_new_privileges,
        }
    }

    /// Whether the main process runs. A handle without one has only remains.
    fn is_running(&self, handle: &Handle) -> io::Result<bool> {
        let same_boot = self.table.boot()? == handle.boot;
        match handle.main {
            Some(main) if same_boot => self.table.is_alive(main),
            _ => Ok(false),
        }
    }

    /// How a server ended, as [`PollStatus::Exited`] has it.
    fn describe_end(&self, handle: &Handle, status: Option<ExitStatus>) -> String {
        let group = Family::group(&self.marker(handle.server, handle.start));
        let out_of_memory = self
            .cgroups
            .as_ref()
            .is_ok_and(|cgroups| cgroups.ran_out_of_memory(&group));
        let signal = status.and_then(|status| status.signal());
        let code = status.and_then(|status| status.code());
        match (code, signal) {
            (Some(code), _) => format!("ended with status {code}"),
            (_, Some(9)) if out_of_memory => "was killed by signal 9 (out of memory)".to_owned(),
            (_, Some(signal)) => format!("was killed by signal {signal}"),
            _ if out_of_memory => "ended after it had run out of memory".to_owned(),
            _ => "ended".to_owned(),
        }
    }

    /// Removes what a server that is gone leaves behind, all but its log.
    fn tidy_up(&self, server: ServerId, start: StartId) {
        if let Err(error) = record::forget(&self.records.record(server, start)) {
            // Its process has ended, so the record only takes space.
            warn!(server.id = %server, %error, "could not remove the record of a server");
        }
        if let Ok(cgroups) = &self.cgroups
            && let Err(error) = cgroups.remove(&Family::group(&self.marker(server, start)))
        {
            warn!(server.id = %server, %error, "could not remove the control group of a server");
        }
    }

    fn list(&self) -> io::Result<Vec<FoundServer>> {
        let mut found = BTreeMap::new();
        let mut ended = HashMap::new();
        for (server, start, record) in self.records.all()? {
            let handle = Handle::of(server, start, &record);
            if record.is_alive(&self.table)? {
                found.insert((server, start), (handle, Some(record.url)));
            } else {
                ended.insert((server, start), handle);
            }
        }
        let boot = self.table.boot()?;
        for process in self.table.all()? {
            let marker = self.table.marker(process.id.pid);
            let Some(marker) = marker.filter(|one| one.instance == self.settings.instance) else {
                continue;
            };
            let (server, start) = (marker.server, marker.start);
            found.entry((server, start)).or_insert_with(|| {
                let remains = ended.remove(&(server, start)).unwrap_or_else(|| Handle {
                    kind: KIND.into(),
                    server,
                    start,
                    main: None,
                    boot: boot.clone(),
                });
                (remains, None)
            });
        }
        let found = found.into_iter();
        let found = found.map(|((server, start), (handle, url))| FoundServer {
            server,
            start,
            handle: handle.write(),
            url,
        });
        Ok(found.collect())
    }
}

fn started(server: ServerId, start: StartId, record: &Record) -> Started {
    Started {
        handle: Handle::of(server, start, record).write(),
        url: record.url.clone(),
    }
}
