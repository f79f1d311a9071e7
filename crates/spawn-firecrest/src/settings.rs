//! What the operator decides about servers that are batch jobs.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use jansky_batch::is_plain;
use jansky_settings::FirecrestSpawner as Section;

/// How servers are run as batch jobs: the section of the configuration, and what the hub adds to it.
#[derive(Clone, Debug)]
pub struct FirecrestSettings {
    /// What the operator wrote.
    pub section: Section,
    /// The id of this hub, so that two hubs on one cluster never take each other's servers. It must
    /// stay the same when the hub is started again. 1 to 40 characters of `A-Za-z0-9_-`.
    pub instance: String,
    /// The variables of the section, with those from files read; they have the last word.
    pub environment: BTreeMap<String, String>,
    /// How long somebody else who began with a job may take until there is one.
    pub claim_patience: Duration,
}

impl Deref for FirecrestSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl DerefMut for FirecrestSettings {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.section
    }
}

impl FirecrestSettings {
    /// What a section says, for a hub with this id.
    pub fn new(
        section: Section,
        instance: impl Into<String>,
        environment: BTreeMap<String, String>,
    ) -> Self {
        Self {
            section,
            instance: instance.into(),
            environment,
            claim_patience: Duration::from_mins(2),
        }
    }

    /// Whether jobs are looked at with a token of the service account.
    pub(crate) fn has_service_account(&self) -> bool {
        self.service_account.is_some()
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
        if self.url.is_none() {
            return Err("there is no address of FirecREST".to_owned());
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
        if self.options.iter().any(|one| one.contains('\n')) {
            return Err("an option of the scheduler has more than one line".to_owned());
        }
        if self.service_account_may_cancel && !self.has_service_account() {
            return Err("there is no service account that could cancel jobs".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FirecrestSettings {
        let url = r#"{ "url": "https://firecrest.example.org/", "system": "lab" }"#;
        let section = serde_json::from_str(url).expect("a section");
        FirecrestSettings::new(section, "a1b2", BTreeMap::new())
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        assert_eq!(settings().check(), Ok(()));

        let wrong: [fn(&mut FirecrestSettings); 9] = [
            |one| one.instance = "a/b".to_owned(),
            |one| one.url = None,
            |one| one.system = "../x".to_owned(),
            |one| one.command.clear(),
            |one| one.agent = "jansky-agent".to_owned(),
            |one| one.home_dir = "/home".to_owned(),
            |one| one.runtime_dir = "/dev/shm;x".to_owned(),
            |one| one.options = vec!["--a\n--b".to_owned()],
            |one| one.service_account_may_cancel = true,
        ];
        for change in wrong {
            let mut settings = settings();
            change(&mut settings);
            assert!(settings.check().is_err(), "{settings:?}");
        }
    }
}
