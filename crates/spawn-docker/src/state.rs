//! What the engine says about a container, in the terms of the spawner.

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum};

use jansky_settings::Reach;

use crate::settings::DockerSettings;

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContainerPhase {
    /// It was made and not started.
    Created,
    /// It runs, also when it is paused.
    Running,
    /// It has ended.
    Ended {
        /// How, as in [`jansky_spawn::PollStatus::Exited`].
        reason: String,
    },
    /// It is being removed.
    Removing,
}

/// Where a container is in its life.
pub(crate) fn life(container: &ContainerInspectResponse) -> ContainerPhase {
    use ContainerStateStatusEnum as Status;
    let Some(state) = &container.state else {
        return ContainerPhase::Created;
    };
    match state.status.unwrap_or(Status::EMPTY) {
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => {
            ContainerPhase::Running
        }
        Status::REMOVING => ContainerPhase::Removing,
        Status::EXITED | Status::DEAD => ContainerPhase::Ended { reason: end(state) },
        Status::CREATED | Status::EMPTY => ContainerPhase::Created,
    }
}

/// How a container ended, as the end of a sentence.
fn end(state: &ContainerState) -> String {
    let how = match state.exit_code {
        // By convention, what a signal ends has its number and 128 as its status.
        Some(code @ 129..=192) => format!("was killed by signal {}", code - 128),
        Some(code) => format!("ended with status {code}"),
        None => "ended".to_owned(),
    };
    if state.oom_killed == Some(true) {
        format!("{how} (out of memory)")
    } else {
        how
    }
}

/// Where a running container answers, without a path; `None` while it has no address.
pub(crate) fn url(
    container: &ContainerInspectResponse,
    settings: &DockerSettings,
) -> Option<String> {
    let network = container.network_settings.as_ref()?;
    match settings.reach {
        Reach::Address => {
            let endpoints = network.networks.as_ref()?;
            let address = endpoints.get(&settings.network)?.ip_address.as_ref()?;
            (!address.is_empty()).then(|| format!("http://{address}:{}", settings.port))
        }
        Reach::Port => {
            let ports = network.ports.as_ref()?;
            let bindings = ports.get(&format!("{}/tcp", settings.port))?.as_ref()?;
            let port = bindings.iter().find_map(|one| one.host_port.as_ref())?;
            (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i64, oom_killed: bool) -> String {
        end(&ContainerState {
            exit_code: Some(code),
            oom_killed: Some(oom_killed),
            ..ContainerState::default()
        })
    }

    #[test]
    fn the_end_of_a_container_is_told_in_words() {
        assert_eq!(ended(0, false), "ended with status 0");
        assert_eq!(ended(3, false), "ended with status 3");
        assert_eq!(ended(137, false), "was killed by signal 9");
        assert_eq!(ended(137, true), "was killed by signal 9 (out of memory)");
        assert_eq!(ended(1, true), "ended with status 1 (out of memory)");
    }
}
