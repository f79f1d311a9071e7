//! What the operator decides about servers that are processes.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jansky_settings::ProcessSpawner as Section;

/// What in a template stands for the name of the user.
pub(super) const USERNAME: &str = "{username}";

/// How servers are run as processes of this machine: the section of the configuration, and what the hub
/// adds to it.
#[derive(Clone)]
pub struct ProcessSettings {
    /// What the operator wrote.
    pub section: Section,
    /// The command line of the program that calls [`crate::launcher::run`]: in production this
    /// program itself with `launch`. As `/proc/self/exe` it is also found after an upgrade has
    /// replaced the file.
    pub launcher: Vec<String>,
    /// The command line of the agent that hands out tokens beside each server: in production this
    /// program itself with `agent`. Empty for servers without an agent.
    pub agent: Vec<String>,
    /// Where logs and the records of running servers are kept. Only the hub may read it; it must be
    /// on this machine and must not be shared with another hub.
    pub state_dir: PathBuf,
    /// The id of this hub, so that two hubs on one machine never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The working directory of each user, which is also `HOME`.
    pub home: HomePolicy,
    /// The variables of the section, with those from files read. They have the last word, also over
    /// what the hub sets.
    pub environment: BTreeMap<String, String>,
    /// How long the kernel may take to end processes after SIGKILL.
    pub kill_timeout: Duration,
}

impl Deref for ProcessSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl DerefMut for ProcessSettings {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.section
    }
}

impl ProcessSettings {
    /// What a section says, for a hub with this id whose files are in `data_dir`. The agent is that of
    /// the section or none.
    pub fn new(
        section: Section,
        launcher: Vec<String>,
        data_dir: &Path,
        instance: impl Into<String>,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let template = section.home_template(data_dir);
        Self {
            home: template.map_or(HomePolicy::Account, |template| HomePolicy::of(&template)),
            launcher,
            agent: section.agent_command.clone().unwrap_or_default(),
            state_dir: data_dir.join("spawner"),
            instance: instance.into(),
            environment,
            kill_timeout: Duration::from_secs(5),
            section,
        }
    }
}

/// Where a server works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomePolicy {
    /// The home directory of the account that the server runs as.
    Account,
    /// A directory below `root` for each user, made with mode 0700 when it does not exist.
    Directory {
        /// The directory that all are in. Only the hub should be able to write to it.
        root: PathBuf,
        /// The path below `root`, in which `{username}` stands for the name of the user.
        template: String,
    },
}

impl HomePolicy {
    /// Takes the path of a home directory apart: the directory that all are in ends before the part with
    /// `{username}`.
    fn of(path: &str) -> Self {
        let at = path.find(USERNAME).unwrap_or(path.len());
        let split = path[..at].rfind('/').map_or(0, |slash| slash + 1);
        Self::Directory {
            root: PathBuf::from(&path[..split]),
            template: path[split..].to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_homes_are_in_ends_before_the_name() {
        for (path, root, template) in [
            ("/srv/homes/{username}", "/srv/homes/", "{username}"),
            ("/srv/h-{username}/work", "/srv/", "h-{username}/work"),
            ("{username}", "", "{username}"),
        ] {
            let (root, template) = (root.into(), template.to_owned());
            assert_eq!(
                HomePolicy::of(path),
                HomePolicy::Directory { root, template }
            );
        }
    }
}
