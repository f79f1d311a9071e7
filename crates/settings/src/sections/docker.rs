//! `[spawner]` with `kind = "docker"`: servers as containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jansky_model::{ByteSize, UserName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{TextOrSecret, Written};

/// Each server is a container of Docker or Podman.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct DockerSpawner {
    /// Where the engine answers: `unix://` with the path of its socket, or `tcp://` with an address
    /// of this machine, where a proxy stands that lets only some requests through. Who may ask the
    /// engine is an administrator of the machine.
    #[schemars(example = &"unix:///run/podman/podman.sock")]
    pub host: String,

    /// The images that people may choose, each with an id of your choice. Write each with its digest
    /// (`name@sha256:…`): what a tag means can change at any time. At least one is needed. Who may
    /// have several is asked before a start.
    ///
    /// An image is its name, or a table that says more: `image` is the name, `title` what people read
    /// in place of the id, `description` what it is good for, in a sentence or two. With
    /// `allowed_users` or `allowed_groups` only these people and the members of these groups may
    /// choose it.
    #[schemars(extend("x-default" = "none", "examples" = [{ "lab": { "image": "quay.io/jupyter/scipy-notebook@sha256:6bb2aff0d0f2a2b6a3c4f1ab6e9a9b7a0e0f3f8d2b1c0d9e8f7a6b5c4d3e2f10", "title": "Python for astronomy" } }]))]
    pub images: BTreeMap<String, OfferedImage>,

    /// The id of the image of those who choose none.
    #[schemars(extend("x-default" = "the only one in `images`"), example = &"lab")]
    pub default_image: Option<String>,

    /// When images are fetched from their registry.
    #[schemars(example = Pull::Never)]
    pub pull: Pull,

    /// The program of a server and its arguments, inside of the container.
    #[schemars(length(min = 1), extend("examples" = [["/opt/conda/bin/jupyterhub-singleuser"]]))]
    pub command: Vec<String>,

    /// Arguments that are added to the command.
    #[schemars(extend("examples" = [["--LabApp.collaborative=true"]]))]
    pub arguments: Vec<String>,

    /// The program that every container begins with, a file of this machine: it takes over what is
    /// secret, starts the server and answers its requests for tokens. It is mounted read-only.
    #[schemars(with = "Option<Written<PathBuf>>", extend("x-default" = "`jansky-agent` beside the program of Jansky"), example = &"/usr/lib/jansky/jansky-agent")]
    pub agent: Option<Written<PathBuf>>,

    /// The same as a path inside of the images, where they bring it with them.
    #[schemars(with = "Option<Written<PathBuf>>", example = &"/usr/local/bin/jansky-agent")]
    pub agent_in_image: Option<Written<PathBuf>>,

    /// The account inside of the container, as `UID` or `UID:GID`.
    #[schemars(extend("x-default" = "the one that the image names"), example = &"1000:100")]
    pub user: Option<String>,

    /// The network that all containers are in. A bridge of this name is made when there is none, on
    /// which containers reach this machine but not each other. Servers reach Jansky at `hub.api_url`.
    #[schemars(example = &"notebooks")]
    pub network: String,

    /// The addresses of that bridge when it is made. The first of them is this machine.
    #[schemars(extend("x-default" = "what the engine chooses"), example = &"172.30.0.0/24")]
    pub subnet: Option<String>,

    /// How Jansky reaches a server.
    #[schemars(example = Reach::Port)]
    pub reach: Reach,

    /// The port that a server listens on inside of its container.
    #[schemars(range(min = 1024), example = 8080)]
    pub port: u16,

    /// What is mounted into each container, as `source:target` or `source:target:ro`. A source that
    /// begins with `/` is a path of this machine, any other is a volume of the engine, which is made
    /// when it does not exist and is never removed. `{username}` and `{servername}` are replaced: in a
    /// path by the name as it is, in a volume with `_` and two hexadecimal digits for each byte that is
    /// no letter, digit or hyphen.
    #[schemars(extend("examples" = [["jansky-home-{username}:/home/jovyan", "/data/archive:/data:ro"]]))]
    pub volumes: Vec<String>,

    /// Variables for every server, as text, or from a file or variable. They have the last word and
    /// are not in the definition of the container.
    #[schemars(extend("examples" = [{ "DATA": "/data", "API_KEY": { "file": "/etc/jansky/api-key" } }]))]
    pub environment: BTreeMap<String, TextOrSecret>,

    /// Labels for every container. Everybody who may ask the engine can read them.
    #[schemars(extend("examples" = [{ "backup": "no" }]))]
    pub labels: BTreeMap<String, String>,

    /// Further names of hosts, as `name:address`.
    #[schemars(extend("examples" = [["archive.example.org:10.0.0.7"]]))]
    pub extra_hosts: Vec<String>,

    /// The most memory that a container may use; it gets no swap on top of it.
    #[schemars(extend("x-default" = "no limit"), example = &"4 GiB")]
    pub memory_limit: Option<Written<ByteSize>>,

    /// The most processor time that a container may use, in processors.
    #[schemars(extend("x-default" = "no limit", "exclusiveMinimum" = 0), example = 1.5)]
    pub cpu_limit: Option<f64>,

    /// How many processes and threads a container may have.
    #[schemars(range(min = 16), example = 1024)]
    pub pids_limit: u32,

    /// Keeps programs such as `sudo` from giving servers more rights.
    #[schemars(example = false)]
    pub no_new_privileges: bool,

    /// Takes all capabilities of root away.
    #[schemars(example = false)]
    pub drop_capabilities: bool,

    /// Lets only volumes, `/tmp`, `/var/tmp` and `/run` be written to; the last three are in memory.
    #[schemars(example = true)]
    pub read_only_root: bool,

    /// What becomes of a container that has stopped.
    #[schemars(example = ContainerRemoval::Keep)]
    pub removal: ContainerRemoval,

    /// How long a server may take from its start until its container runs and has an address. That
    /// includes fetching the image.
    #[schemars(example = &"20m")]
    pub start_timeout: Written<Duration>,

    /// How long a server may then take to answer.
    #[schemars(example = &"2m")]
    pub http_timeout: Written<Duration>,

    /// How often Jansky looks whether a server still runs.
    #[schemars(example = &"1m")]
    pub poll_interval: Written<Duration>,

    /// How long a server that is to stop may take to end after SIGTERM, before it gets SIGKILL.
    #[schemars(example = &"30s")]
    pub stop_timeout: Written<Duration>,

    /// What happens when somebody with rights at the engine reaches into a container: runs a program
    /// in it, attaches to it, copies files in or out, or makes an image of it. Jansky itself does none
    /// of that. What happens while Jansky does not run goes unnoticed.
    #[schemars(example = Tripwire::Freeze)]
    pub tripwire: Tripwire,

    /// What a server shows first, as a path below its own address.
    #[schemars(extend("x-default" = "JupyterLab"), example = &"/lab/tree/welcome.ipynb")]
    pub default_url: Option<String>,

    /// The directory that a server shows. `~` and `{username}` are replaced.
    #[schemars(extend("x-default" = "the working directory of the image"), example = &"~/notebooks")]
    pub notebook_dir: Option<String>,
}

impl Default for DockerSpawner {
    fn default() -> Self {
        Self {
            host: "unix:///var/run/docker.sock".to_owned(),
            images: BTreeMap::new(),
            default_image: None,
            pull: Pull::Missing,
            command: vec!["jupyterhub-singleuser".to_owned()],
            arguments: Vec::new(),
            agent: None,
            agent_in_image: None,
            user: None,
            network: "jansky".to_owned(),
            subnet: None,
            reach: Reach::Address,
            port: 8888,
            volumes: vec!["jansky-home-{username}:/home/jovyan".to_owned()],
            environment: BTreeMap::new(),
            labels: BTreeMap::new(),
            extra_hosts: Vec::new(),
            memory_limit: None,
            cpu_limit: None,
            pids_limit: 4096,
            no_new_privileges: true,
            drop_capabilities: true,
            read_only_root: false,
            removal: ContainerRemoval::Remove,
            start_timeout: written("10m"),
            http_timeout: written("60s"),
            poll_interval: written("30s"),
            stop_timeout: written("10s"),
            tripwire: Tripwire::Tell,
            default_url: None,
            notebook_dir: None,
        }
    }
}

impl DockerSpawner {
    /// The id of the image of those who choose none, if that is clear.
    pub fn default_image(&self) -> Option<&str> {
        self.default_image.as_deref().or_else(|| {
            let mut ids = self.images.keys();
            ids.next()
                .filter(|_| ids.next().is_none())
                .map(String::as_str)
        })
    }
}

/// An image that people may choose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OfferedImage {
    /// The name of the image.
    Name(String),
    /// The name, and what is said about it.
    Described(DescribedImage),
}

/// An image with what is said about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct DescribedImage {
    /// The name of the image, with its digest.
    #[schemars(length(min = 1), example = &"registry.example.org/casa@sha256:9f8e7d6c5b4a3f2e1d0c9b8a7f6e5d4c3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e")]
    pub image: String,

    /// What people read in place of the id.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id"), length(min = 1), example = &"CASA 6.7")]
    pub title: Option<String>,

    /// What it is good for, in a sentence or two.
    #[serde(default)]
    #[schemars(example = &"Calibration and imaging of radio data.")]
    pub description: Option<String>,

    /// The names of people who may choose it.
    #[serde(default)]
    #[schemars(extend("x-default" = "everybody", "examples" = [["river", "wash"]]))]
    pub allowed_users: Vec<Written<UserName>>,

    /// The groups whose members may choose it.
    #[serde(default)]
    #[schemars(extend("x-default" = "everybody", "examples" = [["/radio"]]))]
    pub allowed_groups: Vec<String>,
}

impl OfferedImage {
    /// The name of the image.
    pub fn image(&self) -> &str {
        match self {
            Self::Name(image) => image,
            Self::Described(described) => &described.image,
        }
    }

    /// What is said about it.
    pub const fn described(&self) -> Option<&DescribedImage> {
        match self {
            Self::Name(_) => None,
            Self::Described(described) => Some(described),
        }
    }
}

/// When images are fetched from their registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Pull {
    /// When the engine does not have them.
    Missing,
    /// Before every start. What the engine has is used when the registry does not answer.
    Always,
    /// Never: you put them there.
    Never,
}

/// How Jansky reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Reach {
    /// At the address that its container has in the network.
    Address,
    /// At a port of 127.0.0.1 that the engine publishes for it.
    Port,
}

/// What happens when somebody reaches into a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Tripwire {
    /// Nothing: Jansky does not look.
    Off,
    /// It is written into the log and the audit trail.
    Tell,
    /// The server gets no tokens any more until it is started again, as well.
    Freeze,
}

/// What becomes of a container that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ContainerRemoval {
    /// It is removed. Volumes stay.
    Remove,
    /// It stays with everything that was changed in it, and the next start of the server goes on
    /// with it, unless settings or image have changed since.
    Keep,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_image_is_the_default() {
        let mut docker = DockerSpawner::default();
        assert_eq!(docker.default_image(), None);
        let image = |name: &str| OfferedImage::Name(name.to_owned());
        docker.images.insert("lab".to_owned(), image("lab:1"));
        assert_eq!(docker.default_image(), Some("lab"));
        docker.images.insert("casa".to_owned(), image("casa:1"));
        assert_eq!(docker.default_image(), None);
        docker.default_image = Some("casa".to_owned());
        assert_eq!(docker.default_image(), Some("casa"));
    }
}
