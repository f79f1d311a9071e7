//! What the operator decides about servers that are processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jansky_model::ByteSize;

/// How servers are run as processes of this machine.
#[derive(Clone)]
pub struct ProcessSettings {
    /// The program and its first arguments, for example `["jupyterhub-singleuser"]`. A name without
    /// a slash is looked up in the `PATH` of the server's environment.
    pub command: Vec<String>,
    /// Arguments after those of `command`.
    pub arguments: Vec<String>,
    /// The command line of the program that calls [`crate::launcher::run`]: in production this
    /// program itself with `launch`. As `/proc/self/exe` it is also found after an upgrade has
    /// replaced the file.
    pub launcher: Vec<String>,
    /// The command line of the agent that hands out tokens beside each server: in production this
    /// program itself with `agent`. Empty for servers without an agent.
    pub agent: Vec<String>,
    /// Where servers meet their agents: a directory that only the hub can write to and all accounts
    /// can pass through. `None` for the usual place, in memory where the machine has one.
    pub runtime_dir: Option<PathBuf>,
    /// Where logs and the records of running servers are kept. Only the hub may read it; it must be
    /// on this machine and must not be shared with another hub.
    pub state_dir: PathBuf,
    /// The id of this hub, so that two hubs on one machine never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The working directory of each user, which is also `HOME`.
    pub home: HomePolicy,
    /// The account that servers run as.
    pub run_as: RunAs,
    /// Whether servers that run as the account of the hub may be root when that is. Otherwise nothing
    /// is started as root.
    pub may_be_root: bool,
    /// With [`RunAs::UnixAccount`], accounts with a lower uid are refused, so that nobody who signs
    /// in as `postgres` becomes the database. The uid 0 is refused whatever this says.
    pub lowest_uid: u32,
    /// With [`RunAs::UnixAccount`], the command that makes the account of somebody who has none,
    /// with `{username}` in one of its arguments. It is run without a shell, as the hub.
    pub create_account: Option<Vec<String>>,
    /// Variables for every server. They have the last word, also over what the hub sets.
    pub environment: BTreeMap<String, String>,
    /// Names of the hub's own variables that servers inherit; a name may end in `*`.
    pub keep_environment: Vec<String>,
    /// The most memory that a server with all its kernels may use; needs control groups.
    pub memory_limit: Option<ByteSize>,
    /// The most processor time per time that a server may use, in cores; needs control groups.
    pub cpu_limit: Option<f64>,
    /// How long a server may take to end after SIGINT.
    pub interrupt_timeout: Duration,
    /// How long a server may take to end after SIGTERM, and then its kernels.
    pub terminate_timeout: Duration,
    /// How long the kernel may take to end processes after SIGKILL.
    pub kill_timeout: Duration,
    /// Whether servers are put into control groups.
    pub cgroups: CgroupPolicy,
    /// Whether programs such as `sudo` are kept from giving servers more rights (`no_new_privs`).
    pub no_new_privileges: bool,
}

/// The variables that `JupyterHub` lets servers inherit, and all of conda's.
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

impl ProcessSettings {
    /// Settings for servers that run `command` as the hub's own account in its home directory.
    pub fn new(
        command: Vec<String>,
        launcher: Vec<String>,
        state_dir: impl Into<PathBuf>,
        instance: impl Into<String>,
    ) -> Self {
        Self {
            command,
            arguments: Vec::new(),
            launcher,
            agent: Vec::new(),
            runtime_dir: None,
            state_dir: state_dir.into(),
            instance: instance.into(),
            home: HomePolicy::Account,
            run_as: RunAs::Hub,
            may_be_root: false,
            lowest_uid: 1000,
            create_account: None,
            environment: BTreeMap::new(),
            keep_environment: KEPT.map(str::to_owned).to_vec(),
            memory_limit: None,
            cpu_limit: None,
            interrupt_timeout: Duration::from_secs(10),
            terminate_timeout: Duration::from_secs(10),
            kill_timeout: Duration::from_secs(5),
            cgroups: CgroupPolicy::Auto,
            no_new_privileges: true,
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

/// Which account servers run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// The account of the hub itself: users are not kept apart from each other.
    Hub,
    /// The account with the same name as the user. The hub must run as root.
    UnixAccount,
}

/// Whether servers are put into control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupPolicy {
    /// When the machine lets us, also without limits: then no process of a server can escape.
    Auto,
    /// Never; limits are refused then.
    Off,
}
