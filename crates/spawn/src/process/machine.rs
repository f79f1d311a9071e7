//! The part of the work that reads files and asks databases, and so may block a thread.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use jansky_handover::{Environment, StartDocument, variables};
use jansky_model::{Secret, ServerId, StartId};
use tracing::{debug, warn};

use super::ProcessSettings;
use super::account::Account;
use super::cgroup::{Cgroups, Limits};
use super::family::Family;
use super::handle::{Handle, KIND};
use super::home::Home;
use super::record::{self, Record, Records};
use super::runtime::RuntimeDirs;
use super::table::{Marker, ProcessTable};
use crate::launcher::{AgentRequest, LaunchRequest};
use crate::{FoundServer, ServerSpec, SpawnError};

/// Everything that blocking work needs.
pub(super) struct Machine {
    pub(super) settings: ProcessSettings,
    pub(super) table: ProcessTable,
    pub(super) records: Records,
    pub(super) runtime: RuntimeDirs,
    pub(super) cgroups: Result<Cgroups, String>,
}

/// Everything that was decided for one start.
pub(super) struct Plan {
    environment: Environment,
    account: Account,
    home: Home,
    cgroups: Vec<PathBuf>,
    /// The start document of the agent, as text.
    agent: Option<Secret>,
}

impl Machine {
    pub(super) fn marker(&self, server: ServerId, start: StartId) -> Marker {
        Marker {
            instance: self.settings.instance.clone(),
            server,
            start,
        }
    }

    /// The record of a start whose main process runs.
    pub(super) fn running(
        &self,
        server: ServerId,
        start: StartId,
    ) -> Result<Option<Record>, SpawnError> {
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

    pub(super) fn plan(&self, spec: &ServerSpec, url: &str) -> Result<Plan, SpawnError> {
        let settings = &self.settings;
        let account = Account::find(settings, &spec.user)?;
        let home = Home::prepare(&settings.home, &spec.user, &account)?;
        self.records
            .prepare(spec.server, spec.start, &self.table)
            .map_err(|error| {
                let state_dir = settings.state_dir.display();
                let reason = format!("could not use the state directory `{state_dir}`");
                SpawnError::unavailable_because(reason, error)
            })?;
        let marker = self.marker(spec.server, spec.start);
        let agent = self.agent(spec, &marker, &account);
        Ok(Plan {
            environment: server_environment(
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
                agent.as_ref(),
            )?,
            cgroups: self.make_cgroup(&marker)?,
            account,
            home,
            agent: agent.map(|document| document.write()).transpose()?,
        })
    }

    /// Makes the directory in which the server meets its agent, and what the agent begins with. A
    /// server for which that does not work runs without tokens.
    fn agent(
        &self,
        spec: &ServerSpec,
        marker: &Marker,
        account: &Account,
    ) -> Option<StartDocument> {
        let ticket = spec.agent.as_ref()?;
        if self.settings.agent.is_empty() {
            return None;
        }
        match self.runtime.prepare(marker, account) {
            Ok(place) => {
                let token_dir = place.token_dir();
                Some(StartDocument::new(Some(ticket), place.socket(), token_dir))
            }
            Err(error) => {
                warn!(server.id = %spec.server, %error, "the server runs without an agent");
                None
            }
        }
    }

    /// Makes the control group of a server and returns the directories to join, if any.
    pub(super) fn make_cgroup(&self, marker: &Marker) -> Result<Vec<PathBuf>, SpawnError> {
        let limits = Limits {
            memory: self.settings.memory_limit.as_deref().copied(),
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

    pub(super) fn request<'a>(
        &'a self,
        plan: &'a Plan,
        server: ServerId,
        start: StartId,
        url: String,
    ) -> LaunchRequest<'a> {
        let settings = &self.settings;
        let words = settings.command.iter().chain(&settings.arguments);
        LaunchRequest {
            hub: std::process::id(),
            command: words.map(|word| word.as_str().into()).collect(),
            environment: plan
                .environment
                .iter()
                .map(|(name, value)| (name.into(), value.expose().into()))
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
            may_be_root: settings.servers_may_run_as_root,
            agent: plan.agent.as_ref().map(|document| AgentRequest {
                command: settings
                    .agent
                    .iter()
                    .map(|word| word.as_str().into())
                    .collect(),
                // Exposed to the launcher, which hands it on over a pipe as well.
                document: document.expose().into(),
            }),
        }
    }

    /// Whether the main process runs. A handle without one has only remains.
    pub(super) fn is_running(&self, handle: &Handle) -> io::Result<bool> {
        let same_boot = self.table.boot()? == handle.boot;
        match handle.main {
            Some(main) if same_boot => self.table.is_alive(main),
            _ => Ok(false),
        }
    }

    /// How a server ended, as [`crate::PollStatus::Exited`] has it.
    pub(super) fn describe_end(&self, handle: &Handle, status: Option<ExitStatus>) -> String {
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
    pub(super) fn tidy_up(&self, server: ServerId, start: StartId) {
        if let Err(error) = record::forget(&self.records.record(server, start)) {
            // Its process has ended, so the record only takes space.
            warn!(server.id = %server, %error, "could not remove the record of a server");
        }
        let marker = self.marker(server, start);
        if let Err(error) = self.runtime.remove(&marker) {
            warn!(server.id = %server, %error, "could not remove the directory of an agent");
        }
        if let Ok(cgroups) = &self.cgroups
            && let Err(error) = cgroups.remove(&Family::group(&marker))
        {
            warn!(server.id = %server, %error, "could not remove the control group of a server");
        }
    }

    pub(super) fn list(&self) -> io::Result<Vec<FoundServer>> {
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

/// Puts the environment together: the later has the last word.
///
/// 1. what servers inherit from the hub, 2. the account, 3. what the hub sets for this server,
/// 4. the settings, 5. what we cannot do without: the address, the agent and the marker.
#[expect(clippy::too_many_arguments, reason = "each is one layer of it")]
fn server_environment(
    settings: &ProcessSettings,
    inherited: impl Iterator<Item = (String, String)>,
    spec: &ServerSpec,
    account: &Account,
    home: &Home,
    url: &str,
    marker: &Marker,
    agent: Option<&StartDocument>,
) -> Result<Environment, SpawnError> {
    let mut environment = Environment::default();
    environment.extend(inherited.filter(|(name, _)| {
        let mut kept = settings.keep_environment.iter();
        kept.any(|kept| covers(kept, name))
    }));
    let mut set = |name: &str, value: &str| environment.set(name, Secret::new(value));
    set("USER", &account.name);
    set("LOGNAME", &account.name);
    set("HOME", &home.directory.to_string_lossy());
    set("SHELL", &account.shell.to_string_lossy());
    for (name, value) in &spec.environment {
        set(name, value.expose());
    }
    for (name, value) in &settings.environment {
        set(name, value);
    }
    set(variables::SERVICE_URL, &format!("{url}{}", spec.prefix));
    environment.extend(agent.into_iter().flat_map(StartDocument::variables));
    environment.extend(marker.variables());
    environment.check()?;
    Ok(environment)
}

fn covers(kept: &str, name: &str) -> bool {
    kept.strip_suffix('*')
        .map_or(kept == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_star_covers_all_that_begin_with_it() {
        assert!(covers("CONDA_*", "CONDA_PREFIX"));
        assert!(!covers("CONDA_*", "XCONDA_PREFIX"));
        assert!(covers("PATH", "PATH"));
        assert!(!covers("PATH", "PATH_INFO"));
    }
}
