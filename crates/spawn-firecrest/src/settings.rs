//! What the operator decides about servers that are batch jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use jansky_batch::is_plain;
use url::Url;

/// How servers are run as batch jobs.
#[derive(Clone, Debug)]
pub struct FirecrestSettings {
    /// Where FirecREST answers, without a version.
    pub url: Url,
    /// The name of the cluster there.
    pub system: String,
    /// The id of this hub, so that two hubs on one cluster never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The program and its arguments, as the cluster has them.
    pub command: Vec<String>,
    /// The program that every job begins with, a path of the cluster.
    pub agent: String,
    /// The home directory of people on the cluster, with `{username}`.
    pub home_dir: String,
    /// A directory in memory on the nodes, where the agent answers.
    pub runtime_dir: String,
    /// How the hub reaches a node, with `{node}`.
    pub node_address: String,
    /// What a job gets.
    pub limits: JobLimits,
    /// Lines for the script of each job, before the agent begins.
    pub prologue: String,
    /// Variables for every server; they have the last word.
    pub environment: BTreeMap<String, String>,
    /// Whether jobs are looked at with a token of the service account.
    pub has_service_account: bool,
    /// Whether the service account may end jobs of people whose session is over.
    pub service_account_may_cancel: bool,
    /// How long a request may take, with everything that FirecREST asks us to wait.
    pub request_timeout: Duration,
    /// How often a job that is about to run or to end is looked at.
    pub look_interval: Duration,
    /// How long a job that was cancelled may take to end.
    pub stop_timeout: Duration,
    /// How long somebody else who began with a job may take until there is one.
    pub claim_patience: Duration,
}

/// What a job gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLimits {
    /// The partition; the scheduler's own choice when not given.
    pub partition: Option<String>,
    /// The account that pays; the person's usual one when not given.
    pub account: Option<String>,
    /// A reservation.
    pub reservation: Option<String>,
    /// What its nodes must have.
    pub constraints: Option<String>,
    /// How long it may run.
    pub time_limit: Option<Duration>,
    /// Further options of the scheduler, such as `--gpus=1`.
    pub options: Vec<String>,
}

impl FirecrestSettings {
    /// Settings for a cluster, with nothing special.
    pub fn new(url: Url, system: impl Into<String>, instance: impl Into<String>) -> Self {
        Self {
            url,
            system: system.into(),
            instance: instance.into(),
            command: vec!["jupyterhub-singleuser".to_owned()],
            agent: "/usr/local/bin/jansky-agent".to_owned(),
            home_dir: "/home/{username}".to_owned(),
            runtime_dir: "/dev/shm".to_owned(),
            node_address: "{node}".to_owned(),
            limits: JobLimits::default(),
            prologue: String::new(),
            environment: BTreeMap::new(),
            has_service_account: false,
            service_account_may_cancel: false,
            request_timeout: Duration::from_secs(30),
            look_interval: Duration::from_secs(2),
            stop_timeout: Duration::from_mins(1),
            claim_patience: Duration::from_mins(2),
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
        if !matches!(self.url.scheme(), "http" | "https") || self.url.cannot_be_a_base() {
            return Err(format!("`{}` is no address of a web server", self.url));
        }
        if self.system.is_empty() || !self.system.bytes().all(|b| plain(b) || b == b'.') {
            return Err(format!(
                "the cluster `{}` cannot have this name",
                self.system
            ));
        }
        if self.command.is_empty() {
            return Err("the command of servers is empty".to_owned());
        }
        for (what, path) in [
            ("agent", self.agent.as_str()),
            ("home directory", &self.home_dir.replace("{username}", "x")),
            ("runtime directory", &self.runtime_dir),
        ] {
            if !is_plain(path) {
                return Err(format!(
                    "the {what} `{path}` must be a whole path of plain characters"
                ));
            }
        }
        if !self.home_dir.contains("{username}") {
            return Err(format!(
                "the home directory `{}` must contain `{{username}}`",
                self.home_dir
            ));
        }
        if self.limits.options.iter().any(|one| one.contains('\n')) {
            return Err("an option of the scheduler has more than one line".to_owned());
        }
        if self.service_account_may_cancel && !self.has_service_account {
            return Err("there is no service account that could cancel jobs".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FirecrestSettings {
        let url = Url::parse("https://firecrest.example.org/").expect("an address");
        FirecrestSettings::new(url, "lab", "a1b2")
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        assert_eq!(settings().check(), Ok(()));

        let wrong: [fn(&mut FirecrestSettings); 9] = [
            |one| one.instance = "a/b".to_owned(),
            |one| one.url = Url::parse("ftp://x/").expect("an address"),
            |one| one.system = "../x".to_owned(),
            |one| one.command.clear(),
            |one| one.agent = "jansky-agent".to_owned(),
            |one| one.home_dir = "/home".to_owned(),
            |one| one.runtime_dir = "/dev/shm;x".to_owned(),
            |one| one.limits.options = vec!["--a\n--b".to_owned()],
            |one| one.service_account_may_cancel = true,
        ];
        for change in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }
}
