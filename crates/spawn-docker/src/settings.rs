//! What the operator decides about servers that are containers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jansky_model::ByteSize;

/// How servers are run as containers.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// Where the engine answers: `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    pub host: String,
    /// The id of this hub, so that two hubs on one engine never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The images that people may choose, by their ids.
    pub images: BTreeMap<String, String>,
    /// What is said about images, by their ids. One of which nothing is said is for everybody.
    pub about: BTreeMap<String, AboutImage>,
    /// The id of the image of those who choose none.
    pub default_image: String,
    /// When images are fetched from their registry.
    pub pull: PullPolicy,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The program that every container begins with.
    pub agent: Agent,
    /// The account inside of the container, `UID` or `UID:GID`; else the one that the image names.
    pub user: Option<String>,
    /// The port that a server listens on inside of its container.
    pub port: u16,
    /// How the hub reaches a server.
    pub reach: Reach,
    /// The network that all containers are in.
    pub network: Network,
    /// What is mounted into each container.
    pub volumes: Vec<Volume>,
    /// Variables for every server; they have the last word. They are handed over with the other
    /// variables and are in no container's definition.
    pub environment: BTreeMap<String, String>,
    /// Labels for every container, besides those that the spawner needs.
    pub labels: BTreeMap<String, String>,
    /// Further names of hosts, as `name:address`.
    pub extra_hosts: Vec<String>,
    /// The most memory that a container may use; swap is not given on top of it.
    pub memory_limit: Option<ByteSize>,
    /// The most processor time per time that a container may use, in processors.
    pub cpu_limit: Option<f64>,
    /// How many processes and threads a container may have.
    pub pids_limit: Option<u32>,
    /// Whether programs such as `sudo` are kept from giving more rights.
    pub no_new_privileges: bool,
    /// Whether all capabilities of root are taken away.
    pub drop_capabilities: bool,
    /// Whether only volumes, `/tmp`, `/var/tmp` and `/run` can be written to.
    pub read_only_root: bool,
    /// What becomes of a container that has stopped.
    pub removal: Removal,
    /// How long a server may take to end after SIGTERM.
    pub stop_timeout: Duration,
    /// What happens when somebody else reaches into a container.
    pub tripwire: TripwirePolicy,
}

/// What is said about an image.
#[derive(Clone, Debug, Default)]
pub struct AboutImage {
    /// Its name for people; else its id.
    pub title: Option<String>,
    /// What it is good for.
    pub description: Option<String>,
    /// The names of people who may choose it.
    pub allowed_users: BTreeSet<String>,
    /// The groups whose members may choose it. Without any name or group everybody may.
    pub allowed_groups: BTreeSet<String>,
}

/// What happens when somebody else reaches into a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TripwirePolicy {
    /// Nobody looks.
    Off,
    /// The hub is told.
    Tell,
    /// The hub is told to freeze the tokens of the server.
    Freeze,
}

/// The program that every container begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// A file of the engine's machine that is mounted read-only.
    Mounted(PathBuf),
    /// A command of the image.
    InImage(Vec<String>),
}

/// When images are fetched from their registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// When the engine does not have them.
    Missing,
    /// Before every start; what the engine has is used when the registry does not answer.
    Always,
    /// Never.
    Never,
}

/// How the hub reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By the container's address in its network.
    Address,
    /// By a port that the engine publishes on 127.0.0.1.
    PublishedPort,
}

/// The network that all containers are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name. A bridge of this name is made when there is none, on which containers cannot reach
    /// each other.
    pub name: String,
    /// The addresses of a network that is made, for example `172.30.0.0/24`.
    pub subnet: Option<String>,
}

/// What becomes of a container that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is removed; only volumes stay.
    Remove,
    /// It stays with all that was changed in it, and the next start of the server continues with it
    /// as long as the settings and the image are the same.
    Keep,
}

/// Something that is mounted into each container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What it is.
    pub source: VolumeSource,
    /// Where it is inside of the container.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What a [`Volume`] is. In both, `{username}` and `{servername}` are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume of the engine, which is made when it does not exist. Characters of names that
    /// cannot stand in the name of a volume are escaped.
    Named(String),
    /// A path of the engine's machine. Names that could leave their directory are refused.
    Path(String),
}

impl DockerSettings {
    /// Settings for servers of one image, with the network `jansky` and no volume.
    pub fn new(
        host: impl Into<String>,
        instance: impl Into<String>,
        image: impl Into<String>,
        agent: Agent,
    ) -> Self {
        Self {
            host: host.into(),
            instance: instance.into(),
            images: BTreeMap::from([("default".to_owned(), image.into())]),
            about: BTreeMap::new(),
            default_image: "default".to_owned(),
            pull: PullPolicy::Missing,
            command: vec!["jupyterhub-singleuser".to_owned()],
            agent,
            user: None,
            port: 8888,
            reach: Reach::Address,
            network: Network {
                name: "jansky".to_owned(),
                subnet: None,
            },
            volumes: Vec::new(),
            environment: BTreeMap::new(),
            labels: BTreeMap::new(),
            extra_hosts: Vec::new(),
            memory_limit: None,
            cpu_limit: None,
            pids_limit: None,
            no_new_privileges: true,
            drop_capabilities: true,
            read_only_root: false,
            removal: Removal::Remove,
            stop_timeout: Duration::from_secs(10),
            tripwire: TripwirePolicy::Tell,
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
        if !self.images.contains_key(&self.default_image) {
            return Err(format!(
                "the default image `{}` is none of: {}",
                self.default_image,
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
        let network = self.network.name.as_str();
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
        DockerSettings::new(
            "unix:///run/docker.sock",
            "a1b2",
            "lab:1",
            Agent::InImage(vec!["jansky-agent".to_owned()]),
        )
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        assert_eq!(settings().check(), Ok(()));

        let wrong: [fn(&mut DockerSettings); 7] = [
            |one| one.instance = "a/b".to_owned(),
            |one| one.host = "/run/docker.sock".to_owned(),
            |one| one.default_image = "other".to_owned(),
            |one| one.command.clear(),
            |one| one.agent = Agent::InImage(Vec::new()),
            |one| one.cpu_limit = Some(0.0),
            |one| one.network.name = "host".to_owned(),
        ];
        for change in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }
}
