//! `[spawner]`: how servers are started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jansky_model::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DockerSpawner, FirecrestSpawner, written};
use crate::notation::{TextOrSecret, Written};

/// How servers are started.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Spawner {
    /// Each server is a process on this machine.
    Process(Box<ProcessSpawner>),
    /// Each server is a container of Docker or Podman.
    Docker(Box<DockerSpawner>),
    /// Each server is a batch job of a cluster.
    Firecrest(Box<FirecrestSpawner>),
}

impl Default for Spawner {
    fn default() -> Self {
        Self::Process(Box::default())
    }
}

/// What all spawners have in common.
#[derive(Clone, Copy, Debug)]
pub struct CommonSpawner<'a> {
    /// The program and its first arguments.
    pub command: &'a [String],
    /// Arguments that are added to the command.
    pub arguments: &'a [String],
    /// How long a start may take.
    pub start_timeout: &'a Written<Duration>,
    /// How long a server may then take to answer.
    pub http_timeout: &'a Written<Duration>,
    /// How often the hub looks at servers.
    pub poll_interval: &'a Written<Duration>,
    /// Variables for every server.
    pub environment: &'a BTreeMap<String, TextOrSecret>,
    /// The most memory of a server.
    pub memory_limit: Option<&'a Written<ByteSize>>,
    /// What a server shows first.
    pub default_url: Option<&'a str>,
    /// The directory that a server shows.
    pub notebook_dir: Option<&'a str>,
}

impl Spawner {
    /// What all spawners have in common.
    pub fn common(&self) -> CommonSpawner<'_> {
        macro_rules! common {
            ($spawner:expr, $memory_limit:expr) => {
                CommonSpawner {
                    command: &$spawner.command,
                    arguments: &$spawner.arguments,
                    start_timeout: &$spawner.start_timeout,
                    http_timeout: &$spawner.http_timeout,
                    poll_interval: &$spawner.poll_interval,
                    environment: &$spawner.environment,
                    memory_limit: $memory_limit,
                    default_url: $spawner.default_url.as_deref(),
                    notebook_dir: $spawner.notebook_dir.as_deref(),
                }
            };
        }
        match self {
            Self::Process(process) => common!(process, process.memory_limit.as_ref()),
            Self::Docker(docker) => common!(docker, docker.memory_limit.as_ref()),
            Self::Firecrest(firecrest) => common!(firecrest, None),
        }
    }
}

/// Each server is a process on this machine.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key that is on or off"
)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct ProcessSpawner {
    /// The program of a server and its first arguments. A name without `/` is looked up in the
    /// `PATH` of the server.
    #[schemars(length(min = 1), extend("examples" = [["/opt/jupyter/bin/jupyterhub-singleuser"]]))]
    pub command: Vec<String>,

    /// Arguments that are added to the command.
    #[schemars(extend("examples" = [["--LabApp.collaborative=true"]]))]
    pub arguments: Vec<String>,

    /// The working directory of a server, which is also its `HOME`; it is made when it does not
    /// exist. `{username}` and `{data_dir}` are replaced.
    #[schemars(extend("x-default" = "the home directory of the account, or `\"{data_dir}/homes/{username}\"` with `run_as = \"hub\"`"), example = &"/home/jupyter/{username}")]
    pub home_dir: Option<String>,

    /// The account that servers run as.
    #[schemars(example = RunAs::UnixAccount)]
    pub run_as: RunAs,

    /// With `run_as = "hub"` code in a notebook can do what Jansky itself can: read its keys and its
    /// database, use the tokens of everybody, stop and change everything. So Jansky does not serve then
    /// unless this is `true`.
    #[schemars(example = true)]
    pub users_are_trusted_with_everything: bool,

    /// With `run_as = "hub"` and Jansky running as root, servers would be root, too. They are refused
    /// unless this is `true`; that is for containers in which root can do no harm, and for trying things
    /// out.
    #[schemars(example = true)]
    pub servers_may_run_as_root: bool,

    /// With `run_as = "unix-account"`, accounts with a lower user id are refused, so that nobody
    /// becomes a system account by having its name.
    #[schemars(range(min = 1), example = 2000)]
    pub lowest_uid: u32,

    /// With `run_as = "unix-account"`, makes the account of somebody who has none before their first
    /// server starts. Never for a name with other characters than a-z, 0-9, `_` and `-`, nor for the
    /// name of a group that exists.
    #[schemars(example = true)]
    pub create_accounts: bool,

    /// The command that makes an account. It is run as it stands, without a shell; `{username}` is
    /// replaced.
    #[schemars(length(min = 1), extend("examples" = [["adduser", "--disabled-password", "--gecos", "", "{username}"]]))]
    pub create_command: Vec<String>,

    /// Variables for every server, as text, or from a file or variable. They have the last word.
    #[schemars(extend("examples" = [{ "DATA": "/data", "API_KEY": { "file": "/etc/jansky/api-key" } }]))]
    pub environment: BTreeMap<String, TextOrSecret>,

    /// Which variables of Jansky's own environment servers inherit. A name may end in `*`.
    #[schemars(extend("examples" = [["PATH", "LANG", "CASA*"]]))]
    pub keep_environment: Vec<String>,

    /// The program that hands out tokens beside each server and its arguments, such as the smaller
    /// `jansky-agent`. It is told on its standard input what to do.
    #[schemars(extend("x-default" = "Jansky itself"), extend("examples" = [["/usr/bin/jansky-agent"]]))]
    pub agent_command: Option<Vec<String>>,

    /// Where servers meet the agents that hand out tokens beside them. It must be in memory for token
    /// files, and all accounts must be able to pass through it.
    #[schemars(extend("x-default" = "a directory below `/run`, `$XDG_RUNTIME_DIR` or `/dev/shm`"), example = &"/run/jansky/servers")]
    pub runtime_dir: Option<PathBuf>,

    /// The most memory that a server with all its kernels may use. Needs control groups.
    #[schemars(extend("x-default" = "no limit"), example = &"4 GiB")]
    pub memory_limit: Option<Written<ByteSize>>,

    /// The most processor time that a server may use, in processors. Needs control groups.
    #[schemars(extend("x-default" = "no limit", "exclusiveMinimum" = 0), example = 1.5)]
    pub cpu_limit: Option<f64>,

    /// How long a server may take from its start until its process runs and has an address.
    #[schemars(example = &"5m")]
    pub start_timeout: Written<Duration>,

    /// How long a server may then take to answer.
    #[schemars(example = &"2m")]
    pub http_timeout: Written<Duration>,

    /// How often Jansky looks whether a server still runs.
    #[schemars(example = &"1m")]
    pub poll_interval: Written<Duration>,

    /// How long a server that is to stop may take to end after SIGINT, before it gets SIGTERM.
    #[schemars(example = &"30s")]
    pub interrupt_timeout: Written<Duration>,

    /// How long it may then take after SIGTERM, before it gets SIGKILL.
    #[schemars(example = &"30s")]
    pub terminate_timeout: Written<Duration>,

    /// Whether servers are put into control groups.
    #[schemars(example = Cgroups::Off)]
    pub cgroups: Cgroups,

    /// Keeps programs such as `sudo` from giving servers more rights.
    #[schemars(example = false)]
    pub no_new_privileges: bool,

    /// What a server shows first, as a path below its own address.
    #[schemars(extend("x-default" = "JupyterLab"), example = &"/lab/tree/welcome.ipynb")]
    pub default_url: Option<String>,

    /// The directory that a server shows. `~` and `{username}` are replaced.
    #[schemars(extend("x-default" = "the working directory"), example = &"~/notebooks")]
    pub notebook_dir: Option<String>,
}

impl Default for ProcessSpawner {
    fn default() -> Self {
        Self {
            command: vec!["jupyterhub-singleuser".to_owned()],
            arguments: Vec::new(),
            home_dir: None,
            run_as: RunAs::UnixAccount,
            users_are_trusted_with_everything: false,
            servers_may_run_as_root: false,
            lowest_uid: 1000,
            create_accounts: false,
            create_command: USERADD.map(str::to_owned).to_vec(),
            environment: BTreeMap::new(),
            keep_environment: KEPT.map(str::to_owned).to_vec(),
            agent_command: None,
            runtime_dir: None,
            memory_limit: None,
            cpu_limit: None,
            start_timeout: written("60s"),
            http_timeout: written("30s"),
            poll_interval: written("30s"),
            interrupt_timeout: written("10s"),
            terminate_timeout: written("10s"),
            cgroups: Cgroups::Auto,
            no_new_privileges: true,
            default_url: None,
            notebook_dir: None,
        }
    }
}

impl ProcessSpawner {
    /// The template of the working directory with `{data_dir}` replaced and `{username}` left, or
    /// `None` for the home directory of the account.
    pub fn home_template(&self, data_dir: &std::path::Path) -> Option<String> {
        let template = match (&self.home_dir, self.run_as) {
            (Some(given), _) => given,
            (None, RunAs::Hub) => HOME_DIR,
            (None, RunAs::UnixAccount) => return None,
        };
        Some(template.replace("{data_dir}", &data_dir.display().to_string()))
    }
}

/// Every Linux has it; the account gets a home directory and no password.
const USERADD: [&str; 6] = [
    "useradd",
    "--create-home",
    "--shell",
    "/bin/bash",
    "--",
    "{username}",
];

const HOME_DIR: &str = "{data_dir}/homes/{username}";

/// The variables that JupyterHub lets servers inherit, and all of conda's.
const KEPT: [&str; 8] = [
    "CONDA_*",
    "JUPYTERHUB_SINGLEUSER_APP",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
];

/// The account that servers run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RunAs {
    /// The account of Jansky itself. People are kept apart neither from each other nor from Jansky;
    /// see `users_are_trusted_with_everything`.
    Hub,
    /// The account of this machine with the name of the user. Jansky must run as root.
    UnixAccount,
}

/// Whether servers are put into control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Cgroups {
    /// When the machine allows it.
    Auto,
    /// Never. Limits cannot be used then.
    Off,
}
