//! From the section `[spawner]` to the spawner.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jansky_config::{
    Cgroups, Config, ContainerRemoval, DescribedImage, DockerSpawner, FirecrestSpawner,
    OfferedImage, ProcessSpawner, Pull, Spawner as Spawners, Tripwire, VolumeEntry,
};
use jansky_hub::SpawnerTokens;
use jansky_spawn::{
    CgroupPolicy, HomePolicy, ProcessSettings, ProcessSpawner as RunningProcesses, RunAs, Spawner,
};
use jansky_spawn_docker::{
    AboutImage, Agent, DockerSettings, DockerSpawner as RunningContainers, Network, PullPolicy,
    Reach, Removal, TripwirePolicy, Volume, VolumeSource,
};
use jansky_spawn_firecrest::{FirecrestSettings, FirecrestSpawner as RunningJobs, JobLimits};

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
    match &config.spawner {
        Spawners::Process(process) => processes(process, config, instance),
        Spawners::Docker(docker) => containers(docker, config, instance),
        Spawners::Firecrest(firecrest) => jobs(firecrest, config, instance, tokens),
    }
}

/// Where the spawner that the configuration names will get its tokens from.
pub(crate) fn tokens(config: &Config) -> Arc<SpawnerTokens> {
    let (mut people, mut service) = (None, None);
    if let Spawners::Firecrest(firecrest) = &config.spawner {
        people = firecrest.user_token.as_ref().map(ToString::to_string);
        service = firecrest.service_account.as_ref().map(ToString::to_string);
    }
    Arc::new(SpawnerTokens::new(people, service))
}

fn processes(
    process: &ProcessSpawner,
    config: &Config,
    instance: &str,
) -> anyhow::Result<Arc<dyn Spawner>> {
    let launcher = cli::ourselves(cli::LAUNCH);
    let state_dir = config.hub.data_dir.join("spawner");
    make_private_dir(&state_dir)?;
    let mut settings = ProcessSettings::new(process.command.clone(), launcher, state_dir, instance);
    let ourselves = || cli::ourselves(cli::AGENT);
    settings.agent = process.agent_command.clone().unwrap_or_else(ourselves);
    settings.runtime_dir.clone_from(&process.runtime_dir);
    settings.arguments.clone_from(&process.arguments);
    settings.home = home_policy(process, &config.hub.data_dir)?;
    settings.run_as = match process.run_as {
        jansky_config::RunAs::Hub => RunAs::Hub,
        jansky_config::RunAs::UnixAccount => RunAs::UnixAccount,
    };
    settings.may_be_root = process.servers_may_run_as_root;
    settings.lowest_uid = process.lowest_uid;
    settings.create_account = process
        .create_accounts
        .then(|| process.create_command.clone());
    settings.environment = environment(config)?;
    settings
        .keep_environment
        .clone_from(&process.keep_environment);
    settings.memory_limit = process.memory_limit.as_ref().map(|limit| **limit);
    settings.cpu_limit = process.cpu_limit;
    settings.interrupt_timeout = *process.interrupt_timeout;
    settings.terminate_timeout = *process.terminate_timeout;
    settings.no_new_privileges = process.no_new_privileges;
    settings.cgroups = match process.cgroups {
        Cgroups::Auto => CgroupPolicy::Auto,
        Cgroups::Off => CgroupPolicy::Off,
    };
    Ok(Arc::new(RunningProcesses::new(settings)?))
}

/// The part of a template before `{username}` is the directory that all homes are in.
fn home_policy(process: &ProcessSpawner, data_dir: &Path) -> anyhow::Result<HomePolicy> {
    let is_unix = matches!(process.run_as, jansky_config::RunAs::UnixAccount);
    let template = match &process.home_dir {
        None if is_unix => return Ok(HomePolicy::Account),
        None => "{data_dir}/homes/{username}",
        Some(template) => template.as_str(),
    };
    let template = template.replace("{data_dir}", &data_dir.display().to_string());
    let Some(at) = template.find("{username}") else {
        anyhow::bail!("spawner.home_dir: `{template}` must contain `{{username}}`");
    };
    let split = template[..at].rfind('/').map_or(0, |slash| slash + 1);
    let root = PathBuf::from(&template[..split]);
    if !root.is_dir() {
        make_private_dir(&root)?;
    }
    Ok(HomePolicy::Directory {
        root,
        template: template[split..].to_owned(),
    })
}

fn containers(
    docker: &DockerSpawner,
    config: &Config,
    instance: &str,
) -> anyhow::Result<Arc<dyn Spawner>> {
    let default_image = docker
        .default_image()
        .context("spawner.images names no default")?;
    let image = docker.images.get(default_image).map(OfferedImage::image);
    let mut settings = DockerSettings::new(
        docker.host.clone(),
        instance,
        image.unwrap_or_default().to_owned(),
        agent(docker)?,
    );
    settings.images = docker
        .images
        .iter()
        .map(|(id, offered)| (id.clone(), offered.image().to_owned()))
        .collect();
    settings.about = docker
        .images
        .iter()
        .filter_map(|(id, offered)| Some((id.clone(), about(offered.described()?))))
        .collect();
    default_image.clone_into(&mut settings.default_image);
    settings.pull = match docker.pull {
        Pull::Missing => PullPolicy::Missing,
        Pull::Always => PullPolicy::Always,
        Pull::Never => PullPolicy::Never,
    };
    settings.command = [&docker.command[..], &docker.arguments].concat();
    settings.user.clone_from(&docker.user);
    settings.port = docker.port;
    settings.reach = match docker.reach {
        jansky_config::Reach::Address => Reach::Address,
        jansky_config::Reach::Port => Reach::PublishedPort,
    };
    settings.network = Network {
        name: docker.network.clone(),
        subnet: docker.subnet.clone(),
    };
    for entry in &docker.volumes {
        let volume = VolumeEntry::read(entry)
            .map_err(|advice| anyhow::anyhow!("spawner.volumes: `{entry}`: {advice}"))?;
        let source = volume.source.to_owned();
        settings.volumes.push(Volume {
            source: if source.starts_with('/') {
                VolumeSource::Path(source)
            } else {
                VolumeSource::Named(source)
            },
            target: volume.target.to_owned(),
            read_only: volume.read_only,
        });
    }
    settings.environment = environment(config)?;
    settings.labels.clone_from(&docker.labels);
    settings.extra_hosts.clone_from(&docker.extra_hosts);
    settings.memory_limit = docker.memory_limit.as_ref().map(|limit| **limit);
    settings.cpu_limit = docker.cpu_limit;
    settings.pids_limit = Some(docker.pids_limit);
    settings.no_new_privileges = docker.no_new_privileges;
    settings.drop_capabilities = docker.drop_capabilities;
    settings.read_only_root = docker.read_only_root;
    settings.removal = match docker.removal {
        ContainerRemoval::Remove => Removal::Remove,
        ContainerRemoval::Keep => Removal::Keep,
    };
    settings.stop_timeout = *docker.stop_timeout;
    settings.tripwire = match docker.tripwire {
        Tripwire::Off => TripwirePolicy::Off,
        Tripwire::Tell => TripwirePolicy::Tell,
        Tripwire::Freeze => TripwirePolicy::Freeze,
    };
    Ok(Arc::new(RunningContainers::new(settings)?))
}

/// What is said about an image.
fn about(described: &DescribedImage) -> AboutImage {
    let users = described.allowed_users.iter();
    AboutImage {
        title: described.title.clone(),
        description: described.description.clone(),
        allowed_users: users.map(ToString::to_string).collect(),
        allowed_groups: crate::assemble::group_names(&described.allowed_groups),
    }
}

fn jobs(
    firecrest: &FirecrestSpawner,
    config: &Config,
    instance: &str,
    tokens: &Arc<SpawnerTokens>,
) -> anyhow::Result<Arc<dyn Spawner>> {
    let url = firecrest.url.as_ref().context("spawner.url is missing")?;
    let mut settings = FirecrestSettings::new((***url).clone(), &firecrest.system, instance);
    settings.command = [&firecrest.command[..], &firecrest.arguments].concat();
    settings.agent.clone_from(&firecrest.agent);
    settings.home_dir.clone_from(&firecrest.home_dir);
    settings.runtime_dir.clone_from(&firecrest.runtime_dir);
    settings.node_address.clone_from(&firecrest.node_address);
    settings.limits = JobLimits {
        partition: firecrest.partition.clone(),
        account: firecrest.account.clone(),
        reservation: firecrest.reservation.clone(),
        constraints: firecrest.constraints.clone(),
        time_limit: firecrest.time_limit.as_ref().map(|limit| **limit),
        options: firecrest.options.clone(),
    };
    settings.prologue.clone_from(&firecrest.prologue);
    settings.environment = environment(config)?;
    settings.has_service_account = firecrest.service_account.is_some();
    settings.service_account_may_cancel = firecrest.service_account_may_cancel;
    settings.request_timeout = *firecrest.request_timeout;
    settings.look_interval = *firecrest.look_interval;
    settings.stop_timeout = *firecrest.stop_timeout;
    Ok(Arc::new(RunningJobs::new(settings, tokens.clone())?))
}

/// What containers begin with: as configured, or the program beside ours.
fn agent(docker: &DockerSpawner) -> anyhow::Result<Agent> {
    if let Some(path) = &docker.agent_in_image {
        return Ok(Agent::InImage(vec![path.display().to_string()]));
    }
    if let Some(path) = &docker.agent {
        return Ok(Agent::Mounted(path.to_path_buf()));
    }
    let ours = std::env::current_exe().context("the path of this program is not known")?;
    Ok(Agent::Mounted(ours.with_file_name(AGENT)))
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
