//! `[spawner]` with `kind = "firecrest"`: servers as batch jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use jansky_model::ProviderId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{HttpUrl, TextOrSecret, Written};

/// Each server is a batch job of a cluster, submitted through FirecREST (version 2 of its API).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct FirecrestSpawner {
    /// Where FirecREST answers. It is needed.
    #[schemars(with = "Option<Written<HttpUrl>>", extend("x-default" = "none"), example = &"https://firecrest.example.org/")]
    pub url: Option<Written<HttpUrl>>,

    /// The name of the cluster at FirecREST. It is needed.
    #[schemars(extend("x-default" = "none"), example = &"daint")]
    pub system: String,

    /// The audience that gives FirecREST's tokens in people's names: the id of a section
    /// `[audience.<id>]`, whose rules about who gets tokens are for the code on servers only. Its tokens
    /// must be valid for more than a minute.
    #[schemars(with = "Option<String>", extend("x-default" = "the token of the sign-in"), example = &"firecrest")]
    pub user_token: Option<Written<ProviderId>>,

    /// The service account that looks at jobs: the id of a section `[audience.<id>]` with
    /// `source = "client-credentials"`. Without it jobs are looked at with the tokens of their owners,
    /// which end. Users with the scope `service-account` start and stop servers with it, too.
    #[schemars(with = "Option<String>", extend("x-default" = "none"), example = &"firecrest-service")]
    pub service_account: Option<Written<ProviderId>>,

    /// Lets the service account end jobs of people who would have to sign in again for that. It must be
    /// an operator at the scheduler.
    #[schemars(example = true)]
    pub service_account_may_cancel: bool,

    /// The program of a server and its arguments, as the job finds it.
    #[schemars(length(min = 1), extend("examples" = [["/apps/jupyter/bin/jupyterhub-singleuser"]]))]
    pub command: Vec<String>,

    /// Arguments that are added to the command.
    #[schemars(extend("examples" = [["--LabApp.collaborative=true"]]))]
    pub arguments: Vec<String>,

    /// The program that every job begins with, a path of the cluster: it takes over what is secret,
    /// starts the server and answers its requests for tokens.
    #[schemars(example = &"/apps/jansky/jansky-agent")]
    pub agent: String,

    /// The home directory of people on the cluster, which login nodes and compute nodes must share.
    /// `{username}` is replaced by the name of the account that FirecREST tells.
    #[schemars(example = &"/users/{username}")]
    pub home_dir: String,

    /// A directory in memory on the compute nodes, where servers meet the agents that hand out tokens
    /// beside them.
    #[schemars(example = &"/run/jansky")]
    pub runtime_dir: String,

    /// How Jansky reaches a compute node. `{node}` is replaced by its name at the scheduler.
    #[schemars(example = &"{node}.hsn.example.org")]
    pub node_address: String,

    /// The partition of jobs.
    #[schemars(extend("x-default" = "the scheduler's"), example = &"interactive")]
    pub partition: Option<String>,

    /// The account that pays for jobs.
    #[schemars(extend("x-default" = "the person's usual one"), example = &"radio")]
    pub account: Option<String>,

    /// A reservation for jobs.
    #[schemars(extend("x-default" = "none"), example = &"workshop")]
    pub reservation: Option<String>,

    /// What the nodes of jobs must have.
    #[schemars(extend("x-default" = "nothing"), example = &"gpu")]
    pub constraints: Option<String>,

    /// How long a job may run.
    #[schemars(extend("x-default" = "as the scheduler says"), example = &"8h")]
    pub time_limit: Option<Written<Duration>>,

    /// Further options of the scheduler, each as it stands after `#SBATCH`.
    #[schemars(extend("examples" = [["--nodes=1", "--gpus=1"]]))]
    pub options: Vec<String>,

    /// Lines for the script of each job, before the agent begins. Everybody who may look into the
    /// scheduler's accounting can read them.
    #[schemars(example = &"module load jupyter")]
    pub prologue: String,

    /// Variables for every server, as text, or from a file or variable. They have the last word and
    /// are not in the job.
    #[schemars(extend("examples" = [{ "DATA": "/data", "API_KEY": { "file": "/etc/jansky/api-key" } }]))]
    pub environment: BTreeMap<String, TextOrSecret>,

    /// How long a server may take from its start until its job runs and the server listens. That
    /// includes waiting in the queue.
    #[schemars(example = &"2h")]
    pub start_timeout: Written<Duration>,

    /// How long a server may then take to answer.
    #[schemars(example = &"2m")]
    pub http_timeout: Written<Duration>,

    /// How often Jansky looks whether a server still runs.
    #[schemars(example = &"5m")]
    pub poll_interval: Written<Duration>,

    /// How often Jansky looks at a job that is about to run or to end.
    #[schemars(example = &"5s")]
    pub look_interval: Written<Duration>,

    /// How long a request to FirecREST may take, with everything that it asks to wait.
    #[schemars(example = &"1m")]
    pub request_timeout: Written<Duration>,

    /// How long a job that was cancelled may take to end, before Jansky tries again.
    #[schemars(example = &"2m")]
    pub stop_timeout: Written<Duration>,

    /// What a server shows first, as a path below its own address.
    #[schemars(extend("x-default" = "JupyterLab"), example = &"/lab/tree/welcome.ipynb")]
    pub default_url: Option<String>,

    /// The directory that a server shows. `~` and `{username}` are replaced.
    #[schemars(extend("x-default" = "the home directory"), example = &"~/notebooks")]
    pub notebook_dir: Option<String>,
}

impl Default for FirecrestSpawner {
    fn default() -> Self {
        Self {
            url: None,
            system: String::new(),
            user_token: None,
            service_account: None,
            service_account_may_cancel: false,
            command: vec!["jupyterhub-singleuser".to_owned()],
            arguments: Vec::new(),
            agent: "/usr/local/bin/jansky-agent".to_owned(),
            home_dir: "/home/{username}".to_owned(),
            runtime_dir: "/dev/shm".to_owned(),
            node_address: "{node}".to_owned(),
            partition: None,
            account: None,
            reservation: None,
            constraints: None,
            time_limit: None,
            options: Vec::new(),
            prologue: String::new(),
            environment: BTreeMap::new(),
            start_timeout: written("30m"),
            http_timeout: written("60s"),
            poll_interval: written("60s"),
            look_interval: written("2s"),
            request_timeout: written("30s"),
            stop_timeout: written("60s"),
            default_url: None,
            notebook_dir: None,
        }
    }
}
