//! A cluster, people with tokens, and a spawner.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{Clock as _, Secret, ServerId, ServerName, StartId, SystemClock};
use jansky_settings::notation::Notation as _;
use jansky_settings::{FirecrestSpawner as FirecrestSection, HttpUrl, Written};
use jansky_spawn::{
    AgentTicket, NoToken, ProgressSink, ServerSpec, Spawner as _, Started, UserTokens,
};
use jansky_spawn_firecrest::{FirecrestSettings, FirecrestSpawner};
use jansky_testing::ScriptedFirecrest;
use jansky_testing::firecrest::SYSTEM;
use jansky_testing::provider::Access;
use tempfile::TempDir;

/// How long anything may take here before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The tokens of the person and of the service account.
pub(crate) const PERSON: &str = "canary-token-of-river";
pub(crate) const SERVICE: &str = "canary-token-of-the-service";

/// What else must not be found anywhere.
pub(crate) const TICKET: &str = "canary-ticket";
pub(crate) const SERVER_TOKEN: &str = "canary-server-token";

/// Tokens as a hub would give them, until the person has to sign in again.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) has_ended: Mutex<bool>,
}

impl Tokens {
    pub(crate) fn end_session(&self) {
        *self.has_ended.lock().expect("nobody panicked with it") = true;
    }
}

#[async_trait]
impl UserTokens for Tokens {
    async fn for_owner(&self, _server: ServerId, least: Duration) -> Result<Secret, NoToken> {
        assert!(least >= Duration::from_mins(1), "{least:?}");
        if *self.has_ended.lock().expect("nobody panicked with it") {
            let who = "`river`".to_owned();
            return Err(NoToken::SignInAgain { who });
        }
        Ok(Secret::new(PERSON))
    }

    async fn for_service(&self, _least: Duration) -> Result<Secret, NoToken> {
        Ok(Secret::new(SERVICE))
    }

    async fn at_work(&self) -> Result<Vec<ServerId>, NoToken> {
        Ok(vec![ServerId(7)])
    }
}

pub(crate) struct Rig {
    directory: TempDir,
    pub(crate) firecrest: ScriptedFirecrest,
    pub(crate) tokens: Arc<Tokens>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let ends = SystemClock.now().seconds() + 300;
        let known = BTreeMap::from([
            (PERSON.to_owned(), Access::new("subject-1", ends)),
            (SERVICE.to_owned(), Access::new("service", ends)),
        ]);
        let judge = move |token: &str| known.get(token).cloned();
        let firecrest = ScriptedFirecrest::start(directory.path(), judge);
        firecrest.add_account("subject-1", "river1002");
        firecrest.add_account("service", "svc");
        Self {
            directory,
            firecrest,
            tokens: Arc::default(),
        }
    }

    /// A file in the home directory of the person.
    pub(crate) fn in_home(&self, name: &str) -> PathBuf {
        self.firecrest.home("river1002").join(name)
    }

    /// The directory of the first job of the usual start.
    pub(crate) fn of_job(&self) -> PathBuf {
        self.in_home(".jansky/a1b2-7-2-1")
    }

    pub(crate) fn settings(&self) -> FirecrestSettings {
        let agent = self.directory.path().join("agent");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stand_in.py");
        let text = format!("#!/bin/sh\nexec python3 {script}\n");
        std::fs::write(&agent, text).expect("the directory is ours");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&agent, mode).expect("the file is ours");
        let url = HttpUrl::read(&self.firecrest.url).expect("an address");
        let section = FirecrestSection {
            url: Some(Written(url)),
            system: SYSTEM.to_owned(),
            ..FirecrestSection::default()
        };
        let mut settings = FirecrestSettings::new(section, "a1b2", BTreeMap::new());
        settings.agent = agent.display().to_string();
        settings.home_dir = self.firecrest.home_template();
        "127.0.0.1".clone_into(&mut settings.node_address);
        settings.service_account = Some(Written("service".parse().expect("an id")));
        settings.look_interval = Written(Duration::from_millis(20));
        settings.request_timeout = Written(Duration::from_secs(10));
        settings.stop_timeout = Written(Duration::from_secs(10));
        settings
    }

    pub(crate) fn spawner(&self) -> FirecrestSpawner {
        self.spawner_with(|_| {})
    }

    pub(crate) fn spawner_with(
        &self,
        change: impl FnOnce(&mut FirecrestSettings),
    ) -> FirecrestSpawner {
        let mut settings = self.settings();
        change(&mut settings);
        let tokens = Arc::clone(&self.tokens);
        FirecrestSpawner::new(settings, tokens).expect("they are right")
    }

    /// A spawner with a server that runs.
    pub(crate) async fn running(&self) -> (FirecrestSpawner, Started) {
        let spawner = self.spawner();
        let started = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;
        (spawner, started.expect("it starts"))
    }
}

/// The server of river, in its second start.
pub(crate) fn spec() -> ServerSpec {
    ServerSpec {
        server: ServerId(7),
        start: StartId(2),
        user: "river".parse().expect("a user name"),
        name: ServerName::default_server(),
        prefix: "/user/river/".to_owned(),
        environment: BTreeMap::from([(
            "JUPYTERHUB_API_TOKEN".to_owned(),
            Secret::new(SERVER_TOKEN),
        )]),
        options: serde_json::Value::Null,
        agent: Some(AgentTicket {
            ticket: Secret::new(TICKET),
            broker_url: "http://127.0.0.1:8000/hub/broker/v1/".to_owned(),
            token_file: false,
        }),
    }
}

/// Waits for something that must end.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it ends in time")
}
