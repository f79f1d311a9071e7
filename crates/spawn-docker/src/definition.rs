//! The definition of a container: everything that the engine writes down about it.
//!
//! It is readable for everybody who may ask the engine, and it is in the engine's files for as long
//! as the container exists. So nothing secret goes in here: neither the server's environment nor its
//! command, which come to the container through its standard input.

use std::collections::HashMap;
use std::hash::Hasher as _;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, Mount, MountType, PortBinding, RestartPolicy,
    RestartPolicyNameEnum,
};
use fnv::FnvHasher;
use jansky_settings::{ContainerRemoval, Reach, VolumeEntry};
use jansky_spawn::{ServerSpec, SpawnError};

use crate::handover::AGENT_DIRECTORY;
use crate::names::{self, escaped};
use crate::settings::{Agent, DockerSettings};

/// Where a mounted agent is inside of the container.
const AGENT: &str = "/opt/jansky/jansky-agent";

/// The definition of the container of a server with an image, given by the image's id.
///
/// # Errors
/// [`SpawnError::Refused`] when the user's name cannot be a part of a path.
pub(crate) fn of(
    settings: &DockerSettings,
    spec: &ServerSpec,
    image: &str,
    image_id: &str,
) -> Result<ContainerCreateBody, SpawnError> {
    let port = format!("{}/tcp", settings.port);
    let mut mounts = mounts(settings, spec)?;
    let entrypoint = match &settings.agent {
        Agent::InImage(command) => command.clone(),
        Agent::Mounted(path) => {
            mounts.push(Mount {
                target: Some(AGENT.to_owned()),
                source: Some(path.display().to_string()),
                typ: Some(MountType::BIND),
                read_only: Some(true),
                ..Mount::default()
            });
            vec![AGENT.to_owned()]
        }
    };
    let mut body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(entrypoint),
        // What the image would add to its own entry point.
        cmd: Some(Vec::new()),
        user: settings.user.clone(),
        exposed_ports: Some(vec![port.clone()]),
        // Open until the document was read, and closed for good when who wrote it is gone.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        tty: Some(false),
        stop_signal: Some("SIGTERM".to_owned()),
        // The hub asks the server itself, and nobody but an intruder runs programs in a container.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        host_config: Some(HostConfig {
            mounts: Some(mounts),
            ..host_config(settings, port)
        }),
        ..ContainerCreateBody::default()
    };
    let mut labels: HashMap<String, String> = settings.labels.clone().into_iter().collect();
    labels.insert(names::INSTANCE.to_owned(), settings.instance.clone());
    labels.insert(names::SERVER.to_owned(), spec.server.to_string());
    labels.insert(names::USER.to_owned(), spec.user.to_string());
    let digest = digest(&body, &labels, image_id);
    labels.insert(names::START.to_owned(), spec.start.to_string());
    labels.insert(names::DEFINITION.to_owned(), digest);
    body.labels = Some(labels);
    Ok(body)
}

fn host_config(settings: &DockerSettings, port: String) -> HostConfig {
    let memory = settings
        .memory_limit
        .as_deref()
        .map(|limit| i64::try_from(limit.0).unwrap_or(i64::MAX));
    HostConfig {
        network_mode: Some(settings.network.clone()),
        port_bindings: (settings.reach == Reach::Port).then(|| {
            let binding = PortBinding {
                host_ip: Some("127.0.0.1".to_owned()),
                // Any that is free.
                host_port: Some(String::new()),
            };
            HashMap::from([(port, Some(vec![binding]))])
        }),
        extra_hosts: some(settings.extra_hosts.clone()),
        memory,
        // The same number for both together means no swap.
        memory_swap: memory,
        nano_cpus: settings.cpu_limit.map(nano),
        pids_limit: Some(settings.pids_limit.into()),
        cap_drop: settings.drop_capabilities.then(|| vec!["ALL".to_owned()]),
        security_opt: settings
            .no_new_privileges
            .then(|| vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(settings.read_only_root),
        tmpfs: Some(tmpfs(settings)),
        // Who starts a server again is the hub, with a new ticket.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

/// What is in memory and nowhere else.
fn tmpfs(settings: &DockerSettings) -> HashMap<String, String> {
    let mut tmpfs = HashMap::from([(
        AGENT_DIRECTORY.to_owned(),
        "rw,nosuid,nodev,noexec,size=4m,mode=1777".to_owned(),
    )]);
    if settings.read_only_root {
        for place in ["/tmp", "/var/tmp", "/run"] {
            let options = "rw,nosuid,nodev,mode=1777".to_owned();
            tmpfs.insert(place.to_owned(), options);
        }
    }
    tmpfs
}

fn mounts(settings: &DockerSettings, spec: &ServerSpec) -> Result<Vec<Mount>, SpawnError> {
    let mut mounts = Vec::new();
    for entry in &settings.volumes {
        let volume = VolumeEntry::read(entry).map_err(|advice| {
            SpawnError::refused(format!("spawner.volumes: `{entry}`: {advice}"))
        })?;
        let (typ, source) = if volume.is_path() {
            // Of this machine. Names that could leave their directory are refused.
            let user = spec.user.as_str();
            if volume.has_username() && (user.starts_with('.') || user.contains('\\')) {
                return Err(SpawnError::refused(format!(
                    "the user name `{user}` cannot be a part of the path `{}`",
                    volume.source
                )));
            }
            let path = volume.filled(user, spec.name.as_str());
            (MountType::BIND, path)
        } else {
            // Of the engine. Characters that cannot stand in the name of a volume are escaped.
            let user = escaped(spec.user.as_str());
            let server = escaped(spec.name.as_str());
            (MountType::VOLUME, volume.filled(&user, &server))
        };
        mounts.push(Mount {
            target: Some(volume.target.to_owned()),
            source: Some(source),
            typ: Some(typ),
            read_only: Some(volume.read_only),
            ..Mount::default()
        });
    }
    Ok(mounts)
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Processors in billionths.
#[expect(
    clippy::cast_possible_truncation,
    reason = "processors are few, and billionths of one are exact enough"
)]
fn nano(cores: f64) -> i64 {
    (cores * 1e9).round() as i64
}

/// A number that changes when a container would be made differently, for those that are kept.
fn digest(body: &ContainerCreateBody, labels: &HashMap<String, String>, image_id: &str) -> String {
    // Through a value, whose keys have an order.
    let value = serde_json::json!([body, labels, image_id]);
    let mut digest = FnvHasher::default();
    digest.write(value.to_string().as_bytes());
    format!("{:016x}", digest.finish())
}

/// Whether containers of these settings are kept for the next start.
pub(crate) fn is_kept(settings: &DockerSettings) -> bool {
    settings.removal == ContainerRemoval::Keep
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jansky_model::{ByteSize, Secret, ServerId, ServerName, StartId};
    use jansky_settings::{DockerSpawner as Section, Written};

    use super::*;

    fn spec(user: &str) -> ServerSpec {
        ServerSpec {
            server: ServerId(7),
            start: StartId(2),
            user: user.parse().expect("a user name"),
            name: ServerName::default_server(),
            prefix: "/user/river/".to_owned(),
            environment: BTreeMap::from([(
                "JUPYTERHUB_API_TOKEN".to_owned(),
                Secret::new("canary-token"),
            )]),
            options: serde_json::Value::Null,
            agent: None,
        }
    }

    fn settings() -> DockerSettings {
        let agent = "/usr/lib/jansky/jansky-agent".into();
        let mut settings = DockerSettings::new(Section::default(), "hub", agent, BTreeMap::new());
        settings.volumes.clear();
        settings
    }

    fn made(settings: &DockerSettings, user: &str) -> ContainerCreateBody {
        of(settings, &spec(user), "lab:1", "sha256:1").expect("it can be made")
    }

    /// Holds a whole definition to its golden file, with its keys in order.
    fn assert_golden(name: &str, body: &ContainerCreateBody) {
        let mut body = serde_json::to_value(body).expect("JSON");
        // It follows from all the rest, and has a test of its own.
        body["Labels"][names::DEFINITION] = "(digest)".into();
        let mut golden = insta::Settings::clone_current();
        golden.set_snapshot_path("../tests/golden");
        golden.set_prepend_module_to_snapshot(false);
        golden.set_omit_expression(true);
        golden.bind(|| insta::assert_snapshot!(name, format!("{body:#}")));
    }

    #[test]
    fn the_usual_definition_is_as_its_golden_file_says() {
        assert_golden("usual", &made(&settings(), "river"));
    }

    #[test]
    fn nothing_secret_is_in_the_definition() {
        let mut settings = settings();
        settings
            .environment
            .insert("KEY".to_owned(), "canary-key".to_owned());

        let body = serde_json::to_string(&made(&settings, "river")).expect("JSON");

        assert!(!body.contains("canary"), "{body}");
        assert!(!body.contains("\"Env\""), "{body}");
    }

    #[test]
    fn limits_and_restrictions_are_passed_on() {
        let mut settings = settings();
        settings.memory_limit = Some(Written(ByteSize(512 << 20)));
        settings.cpu_limit = Some(1.5);
        settings.pids_limit = 256;
        settings.read_only_root = true;

        assert_golden("limited", &made(&settings, "river"));
    }

    #[test]
    fn volumes_are_named_after_users_and_paths_cannot_be_left() {
        let mut settings = settings();
        settings.agent = Agent::InImage(vec!["agent".to_owned()]);
        settings.volumes = ["home-{username}.{servername}:/x", "/srv/{username}/data:/x"]
            .map(str::to_owned)
            .to_vec();
        let sources = |user: &str| {
            let mounts = made(&settings, user).host_config?.mounts?;
            let sources = mounts.into_iter().filter_map(|mount| mount.source);
            Some(sources.collect::<Vec<_>>())
        };

        assert_eq!(
            sources("r@x"),
            Some(vec!["home-r_40x.".to_owned(), "/srv/r@x/data".to_owned()])
        );
        assert_eq!(
            sources("{servername}").map(|all| all[1].clone()),
            Some("/srv/{servername}/data".to_owned())
        );
        assert!(of(&settings, &spec(".hidden"), "lab:1", "sha256:1").is_err());
    }

    #[test]
    fn the_digest_changes_with_what_a_container_would_be_but_not_with_the_start() {
        let label = |body: ContainerCreateBody| {
            let labels = body.labels.unwrap_or_default();
            labels.get(names::DEFINITION).cloned().expect("a digest")
        };
        let first = label(made(&settings(), "river"));
        let mut later = spec("river");
        later.start = StartId(3);
        let later = of(&settings(), &later, "lab:1", "sha256:1").expect("it can be made");
        let mut limited = settings();
        limited.pids_limit = 5;
        let newer = of(&settings(), &spec("river"), "lab:1", "sha256:2").expect("it can be made");

        assert_eq!(label(later), first);
        assert_ne!(label(made(&limited, "river")), first);
        assert_ne!(label(newer), first);
    }
}
