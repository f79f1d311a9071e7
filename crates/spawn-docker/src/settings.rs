//! What the operator decides about servers that are containers.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use jansky_settings::DockerSpawner as Section;

/// How servers are run as containers: the section of the configuration, and what the hub adds to it.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// What the operator wrote.
    pub section: Section,
    /// The id of this hub, so that two hubs on one engine never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The program that every container begins with.
    pub agent: Agent,
    /// The variables of the section, with those from files read; they have the last word. They are
    /// handed over with the other variables and are in no container's definition.
    pub environment: BTreeMap<String, String>,
}

impl Deref for DockerSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl DerefMut for DockerSettings {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.section
    }
}

/// The program that every container begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// A file of the engine's machine that is mounted read-only.
    Mounted(PathBuf),
    /// A command of the image.
    InImage(Vec<String>),
}

impl DockerSettings {
    /// What a section says, for a hub with this id. The agent is that of the section, or else `usual`, a
    /// file of this machine.
    pub fn new(
        section: Section,
        instance: impl Into<String>,
        usual: PathBuf,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let agent = match (&section.agent_in_image, &section.agent) {
            (Some(path), _) => Agent::InImage(vec![path.display().to_string()]),
            (None, Some(path)) => Agent::Mounted(path.to_path_buf()),
            (None, None) => Agent::Mounted(usual),
        };
        Self {
            section,
            instance: instance.into(),
            agent,
            environment,
        }
    }

    /// Says what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let instance = &self.instance;
        if instance.is_empty() || instance.len() > 40 || !instance.bytes().all(plain) {
            return Err(format!(
                "the instance `{instance}` must be 1 to 40 characters of A-Z, a-z, 0-9, `_` and `-`"
            ));
        }
        if !self.host.starts_with("unix://") && !self.host.starts_with("tcp://") {
            return Err(format!(
                "the engine `{}` must be written as `unix://` with a path or `tcp://` with an \
                 address",
                self.host
            ));
        }
        let default = self.default_image().unwrap_or_default();
        if !self.images.contains_key(default) {
            return Err(format!(
                "the default image `{default}` is none of: {}",
                self.image_ids()
            ));
        }
        if self.command.is_empty() {
            return Err("the command of servers is empty".to_owned());
        }
        if matches!(&self.agent, Agent::InImage(command) if command.is_empty()) {
            return Err("the command of the agent is empty".to_owned());
        }
        if let Some(cores) = self.cpu_limit
            && !(cores.is_finite() && cores > 0.0)
        {
            return Err(format!(
                "the processor limit `{cores}` must be a number above 0"
            ));
        }
        let network = self.network.as_str();
        if matches!(network, "" | "host" | "none" | "default") || network.contains(':') {
            return Err(format!(
                "servers cannot be reached in the network `{network}`; name a bridge"
            ));
        }
        Ok(())
    }

    /// The ids of the images that people may choose, for messages.
    pub(crate) fn image_ids(&self) -> String {
        let ids: Vec<&str> = self.images.keys().map(String::as_str).collect();
        ids.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> DockerSettings {
        let section = serde_json::from_str(r#"{ "images": { "lab": "lab:1" } }"#);
        let (section, agent) = (section.expect("a section"), "/agent".into());
        DockerSettings::new(section, "a1b2", agent, BTreeMap::new())
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        assert_eq!(settings().check(), Ok(()));

        let wrong: [fn(&mut DockerSettings); 7] = [
            |one| one.instance = "a/b".to_owned(),
            |one| one.host = "/run/docker.sock".to_owned(),
            |one| one.default_image = Some("other".to_owned()),
            |one| one.command.clear(),
            |one| one.agent = Agent::InImage(Vec::new()),
            |one| one.cpu_limit = Some(0.0),
            |one| one.network = "host".to_owned(),
        ];
        for change in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }
}
