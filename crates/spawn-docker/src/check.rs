//! What `jansky doctor` says about the engine.

use std::path::Path;

use bollard::models::{NetworkInspect, SystemInfo};
use jansky_settings::Pull;
use jansky_spawn::{Finding, SpawnError};

use crate::access;
use crate::engine::Engine;
use crate::settings::{Agent, DockerSettings};

/// Looks at everything that a start needs.
pub(crate) async fn all(engine: &Engine, settings: &DockerSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    match engine.info().await {
        Ok(info) => {
            let is_podman = engine.is_podman().await.unwrap_or(false);
            findings.push(version(engine, &info, is_podman));
            findings.push(rights(&info));
            findings.push(storage(&info));
            findings.push(limits(&info, settings));
            findings.extend(images(engine, settings).await);
            findings.push(network(engine.network(&settings.network).await, settings));
        }
        Err(error) => findings.push(Finding::error(
            "container engine",
            error.to_string(),
            "start it (`systemctl start docker`), or correct spawner.host; Jansky's account must be \
             able to write to its socket",
        )),
    }
    findings.push(match settings.host.strip_prefix("unix://") {
        Some(path) => access::of_socket(Path::new(path)),
        None => Finding::warning(
            "Docker rights",
            format!(
                "every account of this machine can connect to {}",
                settings.host
            ),
            "let a proxy stand there that passes on only what a hub needs; see \
             docs/how-to/docker.md",
        ),
    });
    if let Agent::Mounted(path) = &settings.agent {
        findings.push(agent(path));
    }
    findings
}

fn version(engine: &Engine, info: &SystemInfo, is_podman: bool) -> Finding {
    let name = if is_podman { "Podman" } else { "Docker Engine" };
    let version = info.server_version.as_deref().unwrap_or("unknown");
    Finding::good(
        "container engine",
        format!("{name} {version} answers at {}", engine.host()),
    )
}

/// Whether root of a container would be root of the machine.
fn rights(info: &SystemInfo) -> Finding {
    let subject = "isolation";
    let options = info.security_options.as_deref().unwrap_or_default();
    let has = |name: &str| {
        options.iter().any(|option| {
            option
                .split(',')
                .any(|part| part.strip_prefix("name=").unwrap_or(part) == name)
        })
    };
    if has("rootless") {
        Finding::good(subject, "the engine runs without root's rights")
    } else if has("userns") {
        Finding::good(
            subject,
            "the engine maps root of a container to an account without rights",
        )
    } else {
        Finding::warning(
            subject,
            "the engine runs as root without user namespaces: root of a container is root of this \
             machine, kept back only by missing capabilities",
            "run servers as an account of their own (spawner.user), or set `userns-remap` in the \
             engine's settings, or use a rootless engine",
        )
    }
}

fn storage(info: &SystemInfo) -> Finding {
    let driver = info.driver.as_deref().unwrap_or("unknown");
    let place = info.docker_root_dir.as_deref().unwrap_or("unknown");
    let message = format!("containers are stored below `{place}` with the driver `{driver}`");
    if driver == "vfs" {
        Finding::warning(
            "storage",
            message,
            "`vfs` copies the whole image for each container: use `overlay2`",
        )
    } else {
        Finding::good("storage", message)
    }
}

/// Whether the limits of the settings would hold.
fn limits(info: &SystemInfo, settings: &DockerSettings) -> Finding {
    let subject = "limits";
    let can = |supported: Option<bool>| supported == Some(true);
    let missing: Vec<&str> = [
        ("memory", settings.memory_limit.is_some(), info.memory_limit),
        (
            "processors",
            settings.cpu_limit.is_some(),
            info.cpu_cfs_quota,
        ),
        ("processes", true, info.pids_limit),
    ]
    .into_iter()
    .filter(|(_, wanted, supported)| *wanted && !can(*supported))
    .map(|(name, ..)| name)
    .collect();
    let driver = info
        .cgroup_driver
        .map_or_else(|| "unknown".to_owned(), |driver| driver.to_string());
    let version = info
        .cgroup_version
        .map_or_else(|| "1".to_owned(), |version| version.to_string());
    let groups = format!("control groups v{version} through `{driver}`");
    if missing.is_empty() {
        Finding::good(subject, format!("the engine can set them, with {groups}"))
    } else {
        Finding::error(
            subject,
            format!(
                "the engine cannot limit {} here, with {groups}",
                missing.join(" and ")
            ),
            "take the limits out of the settings, or mend the control groups of this machine",
        )
    }
}

async fn images(engine: &Engine, settings: &DockerSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, offered) in &settings.images {
        let image = offered.image();
        findings.push(match engine.image(image).await {
            Ok(Some(found)) => {
                let megabytes = found.size.unwrap_or_default() / 1_000_000;
                Finding::good("image", format!("`{id}` is there, with {megabytes} MB"))
            }
            Ok(None) if settings.pull == Pull::Never => Finding::error(
                "image",
                format!("`{id}` is not there: `{image}`"),
                "fetch or build it, or let Jansky fetch it with spawner.pull",
            ),
            Ok(None) => Finding::warning(
                "image",
                format!("`{id}` is not there yet: `{image}`"),
                "fetch it with `docker pull`, or the first who starts it waits for that",
            ),
            Err(error) => Finding::error("image", error.to_string(), "look at the engine's log"),
        });
    }
    findings
}

fn network(
    found: Result<Option<NetworkInspect>, SpawnError>,
    settings: &DockerSettings,
) -> Finding {
    let subject = "network";
    let name = &settings.network;
    match found {
        Ok(Some(network)) => {
            let ranges = network
                .ipam
                .and_then(|ipam| ipam.config)
                .unwrap_or_default();
            let gateway = ranges.into_iter().find_map(|range| range.gateway);
            match gateway {
                Some(gateway) => Finding::good(
                    subject,
                    format!("`{name}` is there; containers reach this machine at {gateway}"),
                ),
                None => Finding::warning(
                    subject,
                    format!("`{name}` is there and does not say how to reach this machine"),
                    "make sure that containers reach hub.api_url",
                ),
            }
        }
        Ok(None) => Finding::warning(
            subject,
            format!("`{name}` does not exist yet; it is made with the first server"),
            "hub.bind can only be its address when it exists: make it with `docker network create`",
        ),
        Err(error) => Finding::error(subject, error.to_string(), "look at the engine's log"),
    }
}

fn agent(path: &Path) -> Finding {
    let subject = "agent";
    let shown = path.display();
    if path.is_file() {
        Finding::good(
            subject,
            format!("`{shown}` is mounted into every container"),
        )
    } else {
        Finding::error(
            subject,
            format!("`{shown}` does not exist"),
            "install `jansky-agent` there, or say where it is with spawner.agent or \
             spawner.agent_in_image",
        )
    }
}

#[cfg(test)]
mod tests {
    use jansky_spawn::Severity;

    use super::*;

    fn isolated(options: &[&str]) -> Severity {
        let options = options.iter().map(ToString::to_string).collect();
        rights(&SystemInfo {
            security_options: Some(options),
            ..SystemInfo::default()
        })
        .severity
    }

    #[test]
    fn an_engine_with_roots_rights_is_told_of() {
        let seccomp = "name=seccomp,profile=default";
        assert_eq!(isolated(&[seccomp]), Severity::Warning);
        assert_eq!(isolated(&[seccomp, "name=rootless"]), Severity::Good);
        assert_eq!(isolated(&[seccomp, "name=userns"]), Severity::Good);
    }

    #[test]
    fn limits_that_the_engine_cannot_set_are_an_error() {
        let section = jansky_settings::DockerSpawner::default();
        let settings = DockerSettings::new(section, "a", "/agent".into(), [].into());
        let info = |pids| SystemInfo {
            pids_limit: Some(pids),
            ..SystemInfo::default()
        };

        assert_eq!(limits(&info(true), &settings).severity, Severity::Good);
        assert_eq!(limits(&info(false), &settings).severity, Severity::Error);
    }
}
