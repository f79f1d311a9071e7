//! From the section `[spawner]` to the spawner.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use jansky_config::{Config, ProcessSpawner as ProcessSection, Spawner as Section};
use jansky_hub::SpawnerTokens;
use jansky_spawn::{HomePolicy, ProcessSettings, ProcessSpawner, Spawner};
use jansky_spawn_docker::{DockerSettings, DockerSpawner};
use jansky_spawn_firecrest::{FirecrestSettings, FirecrestSpawner};

use crate::cli;
use crate::files::make_private_dir;

/// The program that containers begin with, where it is installed beside ours.
const AGENT: &str = "jansky-agent";

/// Makes the spawner that the configuration names. It gets the tokens that it needs from `tokens`.
pub(crate) fn spawner(
    config: &Config,
    instance: &str,
    tokens: &Arc<SpawnerTokens>,
) -> anyhow::Result<Arc<dyn Spawner>> {
    let environment = environment(config)?;
    Ok(match config.spawner.clone() {
        Section::Process(section) => {
            let settings = process_settings(*section, config, instance, environment)?;
            Arc::new(ProcessSpawner::new(settings)?)
        }
        Section::Docker(section) => {
            let ours = std::env::current_exe().context("the path of this program is not known")?;
            let agent = ours.with_file_name(AGENT);
            let settings = DockerSettings::new(*section, instance, agent, environment);
            Arc::new(DockerSpawner::new(settings)?)
        }
        Section::Firecrest(section) => {
            let settings = FirecrestSettings::new(*section, instance, environment);
            Arc::new(FirecrestSpawner::new(settings, tokens.clone())?)
        }
    })
}

/// Where the spawner that the configuration names will get its tokens from.
pub(crate) fn tokens(config: &Config) -> Arc<SpawnerTokens> {
    let (mut people, mut service) = (None, None);
    if let Section::Firecrest(firecrest) = &config.spawner {
        people = firecrest.user_token.as_ref().map(ToString::to_string);
        service = firecrest.service_account.as_ref().map(ToString::to_string);
    }
    Arc::new(SpawnerTokens::new(people, service))
}

/// Makes the directories, too, that only the hub may make.
fn process_settings(
    section: ProcessSection,
    config: &Config,
    instance: &str,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<ProcessSettings> {
    let launcher = cli::ourselves(cli::LAUNCH);
    let data_dir = &config.hub.data_dir;
    let mut settings = ProcessSettings::new(section, launcher, data_dir, instance, environment);
    if settings.agent_command.is_none() {
        settings.agent = cli::ourselves(cli::AGENT);
    }
    make_private_dir(&settings.state_dir)?;
    if let HomePolicy::Directory { root, .. } = &settings.home
        && !root.is_dir()
    {
        make_private_dir(root)?;
    }
    Ok(settings)
}

/// The variables for every server, with those from files and variables read.
fn environment(config: &Config) -> anyhow::Result<BTreeMap<String, String>> {
    let mut environment = BTreeMap::new();
    for (name, value) in config.spawner.common().environment {
        let value = value
            .read()
            .with_context(|| format!("spawner.environment.{name} cannot be read"))?;
        environment.insert(name.clone(), value.expose().to_owned());
    }
    Ok(environment)
}
