//! The engine: every question that the spawner asks it, with errors in the spawner's terms.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, CreateImageInfo, EventMessage,
    ImageInspect, Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect, SystemInfo,
};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, CreateImageOptions, EventsOptions,
    InspectContainerOptions, InspectNetworkOptions, KillContainerOptions, ListContainersOptions,
    ListVolumesOptions, LogsOptions, RemoveContainerOptions, RenameContainerOptions,
    StartContainerOptions, StopContainerOptions,
};
use futures_util::{Stream, StreamExt};
use tokio::sync::Mutex;

use jansky_spawn::SpawnError;

use crate::images;
use crate::log;
use crate::names;

/// How long the engine may take for an answer, beyond what it was asked to wait itself.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection to the engine, made when it is needed.
pub(crate) struct Engine {
    host: String,
    patience: Duration,
    connected: Mutex<Option<Connected>>,
}

/// An engine that has answered.
#[derive(Clone)]
struct Connected {
    docker: Docker,
    /// Empty when the engine does not say.
    id: String,
    is_podman: bool,
}

/// What became of a container that was asked for by name.
pub(crate) enum Made {
    /// It was made; this is its id.
    New(String),
    /// There is one of that name.
    Exists,
}

impl Engine {
    /// The engine at `host`, which may be asked to wait for `longest` itself.
    pub(crate) fn new(host: &str, longest: Duration) -> Self {
        Self {
            host: host.to_owned(),
            patience: PATIENCE + longest,
            connected: Mutex::default(),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What to say when the engine did not answer.
    fn unavailable(&self, what: &str, error: Error) -> SpawnError {
        let reason = match &error {
            Error::DockerResponseServerError { message, .. } => {
                format!("the container engine could not {what}: {message}")
            }
            Error::SocketNotFoundError(_) | Error::HyperLegacyError { .. } => format!(
                "the container engine at {} does not answer; is it running?",
                self.host
            ),
            _ => format!("the container engine at {} could not {what}", self.host),
        };
        SpawnError::unavailable_because(reason, error)
    }

    /// Connects, or gives the connection that there is.
    async fn connected(&self) -> Result<Connected, SpawnError> {
        let mut connected = self.connected.lock().await;
        if let Some(connected) = &*connected {
            return Ok(connected.clone());
        }
        let new = self.connect().await;
        let new = new.map_err(|error| self.unavailable("be reached", error))?;
        *connected = Some(new.clone());
        Ok(new)
    }

    async fn connect(&self) -> Result<Connected, Error> {
        let seconds = self.patience.as_secs();
        let version = bollard::API_DEFAULT_VERSION;
        let docker = if self.host.starts_with("unix://") {
            Docker::connect_with_unix(&self.host, seconds, version)?
        } else {
            Docker::connect_with_http(&self.host, seconds, version)?
        };
        // An older engine refuses a newer client.
        let docker = docker.negotiate_version().await?;
        let version = docker.version().await?;
        let mut components = version.components.into_iter().flatten();
        let is_podman = components.any(|component| component.name.contains("Podman"));
        let id = match docker.info().await?.id {
            // Podman makes up another one for each answer.
            Some(id) if !is_podman => id,
            _ => String::new(),
        };
        Ok(Connected {
            docker,
            id,
            is_podman,
        })
    }

    pub(crate) async fn docker(&self) -> Result<Docker, SpawnError> {
        Ok(self.connected().await?.docker)
    }

    /// The id of the engine; empty when it does not say.
    pub(crate) async fn id(&self) -> Result<String, SpawnError> {
        Ok(self.connected().await?.id)
    }

    /// The id that the engine has now, also when another one has taken its place.
    pub(crate) async fn id_now(&self) -> Result<String, SpawnError> {
        Ok(self.info().await?.id.unwrap_or_default())
    }

    pub(crate) async fn info(&self) -> Result<SystemInfo, SpawnError> {
        let info = self.docker().await?.info().await;
        info.map_err(|error| self.unavailable("describe itself", error))
    }

    /// The container of a name or id; `None` when the engine has none.
    pub(crate) async fn container(
        &self,
        name: &str,
    ) -> Result<Option<Box<ContainerInspectResponse>>, SpawnError> {
        let docker = self.docker().await?;
        let found = Box::pin(docker.inspect_container(name, None::<InspectContainerOptions>)).await;
        found
            .map(|found| Some(Box::new(found)))
            .or_else(nothing_for_404)
            .map_err(|error| self.unavailable("look at a container", error))
    }

    /// All containers with these labels, also those that do not run.
    pub(crate) async fn containers(
        &self,
        labels: &[(&str, &str)],
    ) -> Result<Vec<ContainerSummary>, SpawnError> {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..ListContainersOptions::default()
        };
        let listed = self.docker().await?.list_containers(Some(options)).await;
        listed.map_err(|error| self.unavailable("list its containers", error))
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<Made, SpawnError> {
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        let docker = self.docker().await?;
        match docker.create_container(Some(options), body).await {
            Ok(made) => Ok(Made::New(made.id)),
            Err(error) if is_conflict(&error) => Ok(Made::Exists),
            // It will never like these settings.
            Err(Error::DockerResponseServerError {
                status_code: 400,
                message,
            }) => Err(SpawnError::refused(format!(
                "the container engine refused the settings of the container: {message}"
            ))),
            Err(error) => Err(self.unavailable("make a container", error)),
        }
    }

    /// Gives a container another name; `false` when there is already one of that name, or when the
    /// container is gone.
    pub(crate) async fn rename(&self, id: &str, name: &str) -> Result<bool, SpawnError> {
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        match self.docker().await?.rename_container(id, options).await {
            Ok(()) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(false),
            Err(error) => Err(self.unavailable("rename a container", error)),
        }
    }

    /// Opens the stream to the standard input of a container.
    pub(crate) async fn attach(&self, id: &str) -> Result<AttachContainerResults, SpawnError> {
        let options = AttachContainerOptions {
            stdin: true,
            stream: true,
            ..AttachContainerOptions::default()
        };
        let docker = self.docker().await?;
        let attached = docker.attach_container(id, Some(options)).await;
        attached.map_err(|error| self.unavailable("attach to a container", error))
    }

    /// Starts a container. The error of the engine itself, when it says why it cannot, is
    /// [`SpawnError::Failed`].
    pub(crate) async fn start(&self, id: &str) -> Result<(), SpawnError> {
        let docker = self.docker().await?;
        match docker
            .start_container(id, None::<StartContainerOptions>)
            .await
        {
            Ok(()) => Ok(()),
            Err(Error::DockerResponseServerError {
                status_code: 400 | 500,
                message,
            }) => Err(SpawnError::failed(
                format!("the container could not be started: {message}"),
                "",
            )),
            Err(error) => Err(self.unavailable("start a container", error)),
        }
    }

    /// Ends a container: politely within a time, or at once. One that has ended or is gone is fine.
    pub(crate) async fn end(&self, id: &str, within: Option<Duration>) -> Result<(), SpawnError> {
        let docker = self.docker().await?;
        let ended = if let Some(time) = within {
            let options = StopContainerOptions {
                t: Some(i32::try_from(time.as_secs()).unwrap_or(i32::MAX)),
                ..StopContainerOptions::default()
            };
            docker.stop_container(id, Some(options)).await
        } else {
            let options = KillContainerOptions {
                signal: "SIGKILL".to_owned(),
            };
            docker.kill_container(id, Some(options)).await
        };
        // It had ended; it is gone; it does not run.
        fine_for(&[304, 404, 409], ended)
            .map_err(|error| self.unavailable("end a container", error))
    }

    /// Removes a container, which is ended first, with its nameless volumes. One that is gone is fine.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), SpawnError> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        let removed = self
            .docker()
            .await?
            .remove_container(id, Some(options))
            .await;
        // It is gone; somebody else is removing it.
        fine_for(&[404, 409], removed)
            .map_err(|error| self.unavailable("remove a container", error))
    }

    /// The end of a container's log; empty when there is none.
    pub(crate) async fn log_tail(&self, id: &str) -> String {
        let Ok(docker) = self.docker().await else {
            return String::new();
        };
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: log::LINES.to_owned(),
            ..LogsOptions::default()
        };
        let mut lines = docker.logs(id, Some(options));
        let mut log = Vec::new();
        while let Some(Ok(line)) = lines.next().await {
            log.extend_from_slice(&LogOutput::into_bytes(line));
        }
        log::tail(&log)
    }

    /// What the engine knows about an image; `None` when it does not have it.
    pub(crate) async fn image(&self, image: &str) -> Result<Option<ImageInspect>, SpawnError> {
        let found = self.docker().await?.inspect_image(image).await;
        found
            .map(Some)
            .or_else(nothing_for_404)
            .map_err(|error| self.unavailable("look at an image", error))
    }

    /// Lets the engine fetch an image and tells of every step.
    pub(crate) async fn pull(
        &self,
        image: &str,
    ) -> Result<impl Stream<Item = Result<CreateImageInfo, Error>> + use<>, SpawnError> {
        let (name, tag) = images::split(image);
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
            ..CreateImageOptions::default()
        };
        let docker = self.docker().await?;
        Ok(docker.create_image(Some(options), None, None))
    }

    /// The names of all volumes in which a text stands.
    pub(crate) async fn volumes_with(&self, text: &str) -> Result<Vec<String>, SpawnError> {
        let options = ListVolumesOptions {
            filters: Some(HashMap::from([("name".to_owned(), vec![text.to_owned()])])),
        };
        let listed = self.docker().await?.list_volumes(Some(options)).await;
        let listed = listed.map_err(|error| self.unavailable("list its volumes", error))?;
        let volumes = listed.volumes.unwrap_or_default();
        Ok(volumes.into_iter().map(|volume| volume.name).collect())
    }

    pub(crate) async fn network(&self, name: &str) -> Result<Option<NetworkInspect>, SpawnError> {
        let docker = self.docker().await?;
        let found = docker
            .inspect_network(name, None::<InspectNetworkOptions>)
            .await;
        found
            .map(Some)
            .or_else(nothing_for_404)
            .map_err(|error| self.unavailable("look at a network", error))
    }

    /// Makes a bridge on which containers reach this machine and the world, but not each other. It is
    /// fine when somebody else was faster.
    pub(crate) async fn make_network(
        &self,
        name: &str,
        subnet: Option<&str>,
        instance: &str,
    ) -> Result<(), SpawnError> {
        let options = [
            ("com.docker.network.bridge.enable_icc", "false"),
            // Of Podman.
            ("isolate", "true"),
        ];
        let podman = self.is_podman().await?;
        let options = options
            .into_iter()
            .filter(|(name, _)| (*name == "isolate") == podman)
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            ipam: subnet.map(|subnet| Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(subnet.to_owned()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            options: Some(options.collect()),
            labels: Some(HashMap::from([(
                names::INSTANCE.to_owned(),
                instance.to_owned(),
            )])),
            ..NetworkCreateRequest::default()
        };
        match self.docker().await?.create_network(request).await {
            Ok(_) => Ok(()),
            Err(error) if is_conflict(&error) => Ok(()),
            Err(error) => Err(self.unavailable(&format!("make the network `{name}`"), error)),
        }
    }

    /// What happens to the containers of a hub, from a time in nanoseconds since 1970 or from now on.
    pub(crate) async fn events(
        &self,
        since: Option<i64>,
    ) -> Result<impl Stream<Item = Result<EventMessage, Error>> + use<>, SpawnError> {
        let options = EventsOptions {
            since: since.map(|nanos| {
                let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                format!("{seconds}.{rest:09}")
            }),
            until: None,
            filters: Some([("type".to_owned(), vec!["container".to_owned()])].into()),
        };
        Ok(self.docker().await?.events(Some(options)))
    }

    pub(crate) async fn is_podman(&self) -> Result<bool, SpawnError> {
        Ok(self.connected().await?.is_podman)
    }
}

/// Takes some answers of the engine for success.
fn fine_for(statuses: &[u16], result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code, .. })
            if statuses.contains(&status_code) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn nothing_for_404<T>(error: Error) -> Result<Option<T>, Error> {
    match error {
        Error::DockerResponseServerError {
            status_code: 404, ..
        } => Ok(None),
        error => Err(error),
    }
}

/// Whether there is already something of that name. Podman says so with 500.
fn is_conflict(error: &Error) -> bool {
    match error {
        Error::DockerResponseServerError {
            status_code: 409, ..
        } => true,
        // It has that name already: another task of ours has claimed it.
        Error::DockerResponseServerError {
            status_code: 400,
            message,
        } => message.contains("same name as its current name"),
        Error::DockerResponseServerError {
            status_code: 500,
            message,
        } => message.contains("already in use") || message.contains("already exists"),
        _ => false,
    }
}
