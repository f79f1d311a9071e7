//! The spawner itself.

use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use futures_util::StreamExt;
use jansky_model::{Outage, ProgressEvent, Secret, ServerId, StartId, UserName};
use jansky_settings::{Pull, Tripwire as TripwireRule, VolumeEntry};
use jansky_spawn::{
    Choice, Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle,
    Spawner, Started, StopMode, Tampering,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::check;
use crate::definition;
use crate::engine::{Engine, Made};
use crate::handle::{Handle, KIND};
use crate::handover;
use crate::images::{self, Layers};
use crate::names;
use crate::settings::DockerSettings;
use crate::state::{self, ContainerPhase};
use crate::tripwire::{self, Tripped, Tripwire};

/// How long another one who made a container may take to start it and to give it its document,
/// before it counts as given up.
const BEGIN_PATIENCE: Duration = Duration::from_secs(15);

/// How long a started container may take to have an address.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);

/// How long the removal of a container may take.
const REMOVAL_PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at something that is about to change.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How often a start begins anew because somebody else was at the same container.
const ATTEMPTS: usize = 5;

/// Runs each server as a container, which outlives the hub.
///
/// Dropping it leaves the containers alone; a new one with the same `instance` finds them.
pub struct DockerSpawner {
    settings: DockerSettings,
    engine: Engine,
}

/// A container and the start that it is in.
struct Ours {
    id: String,
    server: ServerId,
    start: StartId,
    life: ContainerPhase,
    /// Where it answers, while it has an address.
    url: Option<String>,
}

impl DockerSpawner {
    /// A spawner with these settings. The engine is not asked until there is something to do.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when the settings contradict themselves.
    pub fn new(settings: DockerSettings) -> Result<Self, SpawnError> {
        settings.check().map_err(SpawnError::refused)?;
        Ok(Self {
            engine: Engine::new(&settings.host, *settings.stop_timeout),
            settings,
        })
    }

    /// The container of a name or id, if it is one of this hub.
    async fn find(&self, name: &str) -> Result<Option<Ours>, SpawnError> {
        let Some(container) = self.engine.container(name).await? else {
            return Ok(None);
        };
        let name = container.name.as_deref().unwrap_or_default();
        let read = names::read_container(&self.settings.instance, name);
        let ours = read
            .zip(container.id.clone())
            .map(|((server, start), id)| Ours {
                id,
                server,
                start,
                life: state::life(&container),
                url: state::url(&container, &self.settings),
            });
        Ok(ours)
    }

    /// The container of a handle, if it still is in the start of the handle.
    async fn of_handle(&self, handle: &Handle) -> Result<Option<Ours>, SpawnError> {
        let found = self.find(&handle.container).await?;
        if found.is_none() && !handle.engine.is_empty() {
            // Only the engine that had it can say that it is gone.
            let engine = self.engine.id_now().await?;
            if engine != handle.engine {
                return Err(SpawnError::unavailable(format!(
                    "the server is a container of another engine (`{}`) than the one at {} (`{engine}`)",
                    handle.engine,
                    self.engine.host()
                )));
            }
        }
        Ok(found.filter(|ours| (ours.server, ours.start) == (handle.server, handle.start)))
    }

    async fn started(&self, ours: &Ours) -> Result<Option<Started>, SpawnError> {
        let engine = self.engine.id().await?;
        Ok(ours.url.clone().map(|url| Started {
            handle: Handle::new(ours.server, ours.start, &ours.id, &engine).write(),
            url,
        }))
    }

    /// Makes sure that the engine has the image; gives its id.
    async fn provide_image(
        &self,
        image: &str,
        progress: &ProgressSink,
    ) -> Result<String, SpawnError> {
        let found = self.engine.image(image).await?;
        let id = found.and_then(|found| found.id);
        let wanted = match self.settings.pull {
            Pull::Never => false,
            Pull::Missing => id.is_none(),
            Pull::Always => true,
        };
        if !wanted || images::is_local_id(image) {
            return id.ok_or_else(|| {
                SpawnError::refused(format!(
                    "the container engine does not have the image `{image}`, and the settings do \
                     not let it be fetched"
                ))
            });
        }
        if let Err(error) = self.pull(image, progress).await {
            let Some(id) = id else {
                return Err(error);
            };
            warn!(image, error = %error, "could not look for a newer image; taking the one that is there");
            return Ok(id);
        }
        let found = self.engine.image(image).await?.and_then(|found| found.id);
        found.ok_or_else(|| {
            SpawnError::unavailable(format!("the image `{image}` was fetched and is not there"))
        })
    }

    async fn pull(&self, image: &str, progress: &ProgressSink) -> Result<(), SpawnError> {
        progress.send(ProgressEvent::step(5, "Fetching the image"));
        let mut layers = Layers::default();
        let mut steps = std::pin::pin!(self.engine.pull(image).await?);
        while let Some(step) = steps.next().await {
            let step = step.map_err(|error| pull_failed(image, error))?;
            if let Some(detail) = &step.error_detail {
                let error = detail.message.clone().unwrap_or_default();
                return Err(pull_failed(image, Error::DockerStreamError { error }));
            }
            if let Some((percent, message)) = layers.note(&step) {
                // From 5 to 30 of the whole start.
                progress.send(ProgressEvent::step(5 + percent / 4, message));
            }
        }
        Ok(())
    }

    /// Makes sure that the network exists.
    async fn provide_network(&self) -> Result<(), SpawnError> {
        let settings = &self.settings;
        let (network, subnet) = (&settings.network, settings.subnet.as_deref());
        if self.engine.network(network).await?.is_none() {
            info!(network, "making the network of the servers");
            self.engine
                .make_network(network, subnet, &settings.instance)
                .await?;
        }
        Ok(())
    }

    /// Claims a container for a start: one that was kept, or a new one. `None` when somebody else
    /// has the turn by now.
    async fn claim(
        &self,
        spec: &ServerSpec,
        body: ContainerCreateBody,
    ) -> Result<Option<String>, SpawnError> {
        let name = names::begun(&self.settings.instance, spec.server, spec.start);
        if definition::is_kept(&self.settings)
            && let Some(kept) = self.kept(spec.server, &body).await?
        {
            let is_ours = self.engine.rename(&kept, &name).await?;
            return Ok(is_ours.then_some(kept));
        }
        match self.engine.create(&name, body).await? {
            Made::New(id) => Ok(Some(id)),
            Made::Exists => Ok(None),
        }
    }

    /// The container that an earlier start of the server left, if it is as a new one would be. What
    /// is different is removed.
    async fn kept(
        &self,
        server: ServerId,
        body: &ContainerCreateBody,
    ) -> Result<Option<String>, SpawnError> {
        let wanted = body
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::DEFINITION));
        let mut kept = None;
        for (id, definition) in self.stopped(server).await? {
            if kept.is_none() && definition.as_ref() == wanted {
                kept = Some(id);
            } else {
                info!(server.id = %server, "removing a container of earlier settings");
                self.engine.remove(&id).await?;
            }
        }
        Ok(kept)
    }

    /// The containers of a server that have run and do not run, with what they were made from.
    async fn stopped(&self, server: ServerId) -> Result<Vec<(String, Option<String>)>, SpawnError> {
        let server = server.to_string();
        let labels = [
            (names::INSTANCE, self.settings.instance.as_str()),
            (names::SERVER, server.as_str()),
        ];
        let mut stopped = Vec::new();
        for summary in self.engine.containers(&labels).await? {
            let Some(id) = summary.id else { continue };
            let Some(ours) = self.find(&id).await? else {
                continue;
            };
            if matches!(ours.life, ContainerPhase::Ended { .. }) {
                let definition = summary
                    .labels
                    .and_then(|mut labels| labels.remove(names::DEFINITION));
                stopped.push((id, definition));
            }
        }
        Ok(stopped)
    }

    /// Starts a container and gives it its document.
    async fn begin(&self, id: &str, document: &Secret) -> Result<(), SpawnError> {
        // Attached before it runs, so that nobody else is first.
        let attached = self.engine.attach(id).await?;
        self.engine.start(id).await?;
        if let Err(error) = handover::send(attached, document).await {
            // A container that ended tells more than a broken stream.
            let ended = self.find(id).await?;
            if let Some(ours) = ended
                && let ContainerPhase::Ended { reason } = ours.life
            {
                return Err(self.ended_at_once(id, &reason).await);
            }
            return Err(SpawnError::unavailable_because(
                "the container did not take what it needs from its standard input",
                error,
            ));
        }
        Ok(())
    }

    async fn ended_at_once(&self, id: &str, reason: &str) -> SpawnError {
        let log = self.engine.log_tail(id).await;
        SpawnError::failed(format!("the container {reason} at once"), log)
    }

    /// Waits until a started container has an address.
    async fn wait_for_address(&self, id: &str) -> Result<Option<Started>, SpawnError> {
        let deadline = Instant::now() + ADDRESS_PATIENCE;
        loop {
            let Some(ours) = self.find(id).await? else {
                return Ok(None);
            };
            if let ContainerPhase::Ended { reason } = ours.life {
                return Err(self.ended_at_once(id, &reason).await);
            }
            if let Some(started) = self.started(&ours).await? {
                return Ok(Some(started));
            }
            if Instant::now() >= deadline {
                return Err(SpawnError::unavailable(format!(
                    "the container has no address in the network `{}`",
                    self.settings.network
                )));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// What an earlier attempt at the same start has made, once it is known whether it runs. What is
    /// left of one that ended or was given up is cleared away.
    async fn earlier(&self, spec: &ServerSpec) -> Result<Option<Started>, SpawnError> {
        let instance = &self.settings.instance;
        let name = names::container(instance, spec.server, spec.start);
        let begun = names::begun(instance, spec.server, spec.start);
        let deadline = Instant::now() + BEGIN_PATIENCE;
        loop {
            let is_late = Instant::now() >= deadline;
            if let Some(ours) = self.find(&name).await? {
                match ours.life {
                    ContainerPhase::Running => {
                        if let Some(started) = self.started(&ours).await? {
                            return Ok(Some(started));
                        }
                    }
                    ContainerPhase::Ended { .. } if definition::is_kept(&self.settings) => {
                        return Ok(None);
                    }
                    // By id, so that it cannot be a newer one of the same name.
                    ContainerPhase::Created | ContainerPhase::Ended { .. } => {
                        self.engine.remove(&ours.id).await?;
                    }
                    ContainerPhase::Removing => {}
                }
                if is_late {
                    return Err(SpawnError::unavailable(format!(
                        "the container `{name}` has no address, or the engine does not finish \
                         removing it"
                    )));
                }
            } else if let Some(ours) = self.find(&begun).await? {
                // Somebody is about to start it, or has died over that.
                if is_late {
                    self.engine.remove(&ours.id).await?;
                    return Ok(None);
                }
            } else {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Leaves nothing running of a start that did not work.
    async fn clear_away(&self, server: ServerId, id: &str) {
        let cleared = if definition::is_kept(&self.settings) {
            self.engine.end(id, None).await
        } else {
            self.engine.remove(id).await
        };
        if let Err(error) = cleared {
            warn!(server.id = %server, error = %error, "could not remove a container that did not start");
        }
    }

    /// Follows what the engine reports until the connection ends. `last` is the time of the last
    /// event, so that nothing is missed between two connections.
    async fn follow(
        &self,
        tripwire: &mut Tripwire,
        last: &mut Option<i64>,
        outage: &mut Outage,
        freeze: bool,
        found: &mpsc::UnboundedSender<Tampering>,
    ) -> Result<(), SpawnError> {
        let instance = &self.settings.instance;
        let events = self.engine.events(last.map(|last| last + 1)).await?;
        if outage.ends() {
            info!("the trip-wire hears the container engine again");
        }
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| {
                SpawnError::unavailable_because("the events of the engine break off", error)
            })?;
            let mut tripped: Vec<Tripped> = tripwire.note(instance, &event).into_iter().collect();
            if let Some(newcomer) = tripwire.newcomer(&event) {
                tripped.extend(self.joined(tripwire, &newcomer).await?);
            }
            *last = event.time_nano.or(*last);
            for Tripped {
                server,
                start,
                what,
            } in tripped
            {
                // Nobody listens any more only when the hub ends.
                let _ = found.send(Tampering {
                    server,
                    start,
                    what,
                    freeze,
                });
            }
        }
        Ok(())
    }

    /// Our containers that another container shares namespaces or volumes with.
    async fn joined(
        &self,
        tripwire: &mut Tripwire,
        newcomer: &str,
    ) -> Result<Vec<Tripped>, SpawnError> {
        let Some(container) = self.engine.container(newcomer).await? else {
            return Ok(Vec::new());
        };
        let mut tripped = Vec::new();
        for (share, target) in tripwire::shares(&container) {
            let Some(ours) = self.find(&target).await? else {
                continue;
            };
            let what = format!("{share}: {newcomer:.12}");
            if tripwire.is_news(newcomer, &share, &ours.id) {
                tripped.push(Tripped {
                    server: ours.server,
                    start: ours.start,
                    what,
                });
            }
        }
        Ok(tripped)
    }

    /// Waits until a container that is being removed is gone.
    async fn wait_until_gone(&self, id: &str) -> Result<(), SpawnError> {
        let deadline = Instant::now() + REMOVAL_PATIENCE;
        while self.engine.container(id).await?.is_some() {
            if Instant::now() >= deadline {
                return Err(SpawnError::unavailable(format!(
                    "the container `{id}` is still there {} s after its removal began",
                    REMOVAL_PATIENCE.as_secs()
                )));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Spawner for DockerSpawner {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn choices(&self) -> Vec<Choice> {
        vec![images::choice(&self.settings)]
    }

    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        let image = images::chosen(&self.settings, &spec.options).map_err(SpawnError::refused)?;
        let document = handover::document(&self.settings, spec)?;
        let name = names::container(&self.settings.instance, spec.server, spec.start);
        for _ in 0..ATTEMPTS {
            if let Some(started) = self.earlier(spec).await? {
                info!(server.id = %spec.server, "the server was started before and still runs");
                return Ok(started);
            }
            let image_id = self.provide_image(image, progress).await?;
            self.provide_network().await?;
            progress.send(ProgressEvent::step(32, "Making the container"));
            let body = definition::of(&self.settings, spec, image, &image_id)?;
            let Some(id) = self.claim(spec, body).await? else {
                continue;
            };
            // Who had the turn before may have finished in between.
            if self.find(&name).await?.is_some_and(|other| other.id != id) {
                self.engine.remove(&id).await?;
                continue;
            }
            progress.send(ProgressEvent::step(40, "Starting the server"));
            let begun = match self.begin(&id, &document).await {
                Ok(()) => self.wait_for_address(&id).await,
                Err(error) => Err(error),
            };
            match begun {
                // The name says to everybody that it has its document.
                Ok(Some(started)) if self.engine.rename(&id, &name).await? => {
                    info!(server.id = %spec.server, container = id, "the server was started");
                    return Ok(started);
                }
                // Somebody else took it for given up and removed it.
                Ok(_) => self.engine.remove(&id).await?,
                Err(error) => {
                    self.clear_away(spec.server, &id).await;
                    return Err(error);
                }
            }
        }
        Err(SpawnError::unavailable(format!(
            "the container `{name}` is being made and removed by somebody else all the time"
        )))
    }

    async fn poll(&self, handle: &SpawnHandle) -> PollStatus {
        let found = match Handle::read(handle) {
            Ok(handle) => self.of_handle(&handle).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(None) => PollStatus::Exited {
                reason: "ended, and its container was removed".to_owned(),
            },
            Ok(Some(ours)) => match ours.life {
                ContainerPhase::Running | ContainerPhase::Created => PollStatus::Running,
                ContainerPhase::Ended { reason } => PollStatus::Exited { reason },
                ContainerPhase::Removing => PollStatus::Exited {
                    reason: "ended, and its container is being removed".to_owned(),
                },
            },
            Err(error) => PollStatus::Unknown {
                reason: error.to_string(),
            },
        }
    }

    async fn stop(&self, handle: &SpawnHandle, mode: StopMode) -> Result<(), SpawnError> {
        let handle = Handle::read(handle)?;
        let Some(ours) = self.of_handle(&handle).await? else {
            return Ok(());
        };
        let life = ours.life;
        if life == ContainerPhase::Running {
            let within = (mode == StopMode::Polite).then_some(*self.settings.stop_timeout);
            self.engine.end(&ours.id, within).await?;
        }
        if definition::is_kept(&self.settings) && life != ContainerPhase::Created {
            if let Some(left) = self.of_handle(&handle).await?
                && left.life == ContainerPhase::Running
            {
                return Err(SpawnError::unavailable(
                    "the container still runs after it was ended",
                ));
            }
        } else {
            self.engine.remove(&ours.id).await?;
            self.wait_until_gone(&ours.id).await?;
        }
        info!(server.id = %handle.server, "the server is gone");
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        let labels = [(names::INSTANCE, self.settings.instance.as_str())];
        let engine = self.engine.id().await?;
        let mut servers = Vec::new();
        for summary in self.engine.containers(&labels).await? {
            let Some(id) = summary.id else { continue };
            // It may have gone in between.
            let Some(ours) = self.find(&id).await? else {
                continue;
            };
            let has_ended = matches!(ours.life, ContainerPhase::Ended { .. });
            if has_ended && definition::is_kept(&self.settings) {
                continue;
            }
            servers.push(FoundServer {
                server: ours.server,
                start: ours.start,
                handle: Handle::new(ours.server, ours.start, &ours.id, &engine).write(),
                url: ours.url,
            });
        }
        Ok(servers)
    }

    async fn log_tail(&self, handle: &SpawnHandle) -> String {
        match Handle::read(handle) {
            Ok(handle) => self.engine.log_tail(&handle.container).await,
            // No log is an empty log: there is nothing that the caller could do about it.
            Err(_) => String::new(),
        }
    }

    async fn remove(&self, server: ServerId) -> Result<(), SpawnError> {
        for (id, _) in self.stopped(server).await? {
            self.engine.remove(&id).await?;
        }
        Ok(())
    }

    async fn belongings(&self, name: &UserName) -> Result<Vec<String>, SpawnError> {
        let user = names::escaped(name.as_str());
        let mut belongings = Vec::new();
        let mut volumes = None;
        for entry in &self.settings.volumes {
            let Ok(volume) = VolumeEntry::read(entry) else {
                continue;
            };
            if !volume.has_username() {
                continue;
            }
            if volume.is_path() {
                // The engine does not say what is there, and may be on another machine.
                let path = volume.source.replace("{username}", name.as_str());
                belongings.push(format!("the directory `{path}`"));
                continue;
            }
            if volumes.is_none() {
                volumes = Some(self.engine.volumes_with(&user).await?);
            }
            let of_user = volumes.iter().flatten();
            let of_user = of_user.filter(|found| volume.is_of(&user, found));
            belongings.extend(of_user.map(|found| format!("the volume `{found}`")));
        }
        Ok(belongings)
    }

    async fn check(&self) -> Vec<Finding> {
        check::all(&self.engine, &self.settings).await
    }

    async fn watch(&self, found: &mpsc::UnboundedSender<Tampering>) {
        let freeze = match self.settings.tripwire {
            TripwireRule::Off => return std::future::pending().await,
            TripwireRule::Tell => false,
            TripwireRule::Freeze => true,
        };
        let mut tripwire = Tripwire::default();
        let mut last = None;
        let mut outage = Outage::default();
        loop {
            let heard = self.follow(&mut tripwire, &mut last, &mut outage, freeze, found);
            if let Err(error) = heard.await
                && outage.begins()
            {
                warn!(error = %error, "the trip-wire does not hear the container engine");
            }
            tokio::time::sleep(outage.pause()).await;
        }
    }
}

/// What to say when an image could not be fetched: for ever, or for now.
fn pull_failed(image: &str, error: Error) -> SpawnError {
    let message = match &error {
        Error::DockerStreamError { error } => error.clone(),
        Error::DockerResponseServerError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let unknown = [
        "not found",
        "manifest unknown",
        "denied",
        "invalid reference",
    ];
    if unknown.iter().any(|words| message.contains(words)) {
        SpawnError::refused(format!(
            "the image `{image}` could not be fetched: {message}; check its name and whether the \
             registry asks for a sign-in"
        ))
    } else {
        let reason = format!("the image `{image}` could not be fetched now: {message}");
        SpawnError::unavailable_because(reason, error)
    }
}
