//! From a request to a running job.
//!
//! Two hubs may try the same start at once, and each may die at any point. Only one can make the directory
//! of the job, and that one submits it; a submitted job is found again by its directory.

use std::time::Duration;

use jansky_batch::{
    DOCUMENT, Life, Marker, Script, end_in_words, first_node, job_name, life, waiting_in_words,
};
use jansky_handover::Announced;
use jansky_model::{ProgressEvent, Secret};
use jansky_spawn::{ProgressSink, ServerSpec, SpawnError, Started};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::api::{Failure, Job, Submission, Whose};
use crate::handle::Handle;
use crate::handover;
use crate::place::{Directory, Home};
use crate::spawner::{FirecrestSpawner, LOG_BYTES};

/// How many jobs of one start there may be, one after the other.
const MOST_ATTEMPTS: u32 = 20;

/// More than an address file has.
const ADDRESS_BYTES: usize = 256;

/// A job and where its things are.
struct Submitted {
    id: String,
    directory: Directory,
}

impl FirecrestSpawner {
    /// Starts a server, or finds it.
    pub(crate) async fn bring_up(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        progress.send(ProgressEvent::step(5, "Asking the cluster"));
        let token = self.token_of_owner(spec.server).await?;
        let account = self.api.account(&token).await?;
        let home = Home::of(&self.settings, &account)?;
        let submitted = self.submitted(spec, &home, progress).await?;
        self.wait_until_it_runs(spec, &submitted, progress).await
    }

    /// The job of a start: the one that there is, or a new one.
    async fn submitted(
        &self,
        spec: &ServerSpec,
        home: &Home,
        progress: &ProgressSink,
    ) -> Result<Submitted, SpawnError> {
        let mut marker = Marker {
            server: spec.server,
            start: spec.start,
            attempt: 1,
        };
        let mut seen_claimed = None;
        loop {
            // Read before the claim, so that what another one submits in between is found next time.
            let token = self.token_of_owner(spec.server).await?;
            let jobs = self.jobs_of_start(&token, spec).await?;
            if let Some((_, job)) = jobs.iter().find(|(_, job)| !has_ended(job)) {
                info!(server.id = %spec.server, job.id = job.id(), "the server's job is there already");
                let directory = job.working_directory.clone().unwrap_or_default();
                return Ok(Submitted {
                    id: job.id(),
                    directory: Directory(directory),
                });
            }
            if let Some(last) = jobs.iter().map(|(marker, _)| marker.attempt).max() {
                marker.attempt = marker.attempt.max(last + 1);
            }
            if marker.attempt > MOST_ATTEMPTS {
                return Err(SpawnError::unavailable(format!(
                    "{MOST_ATTEMPTS} jobs of this start have ended or were never submitted"
                )));
            }
            let directory = home.directory(&self.settings.instance, marker);
            if self.claim(&token, home, &directory).await? {
                return self
                    .submit(&token, spec, home, marker, directory, progress)
                    .await;
            }
            // Somebody else is about to submit it, or has died over that.
            match seen_claimed {
                Some((attempt, since)) if attempt == marker.attempt => {
                    let since: Instant = since;
                    if since.elapsed() >= self.settings.claim_patience {
                        marker.attempt += 1;
                        continue;
                    }
                }
                _ => seen_claimed = Some((marker.attempt, Instant::now())),
            }
            tokio::time::sleep(*self.settings.look_interval).await;
        }
    }

    /// The jobs of a start, those that have ended among them.
    async fn jobs_of_start(
        &self,
        token: &Secret,
        spec: &ServerSpec,
    ) -> Result<Vec<(Marker, Job)>, Failure> {
        let instance = &self.settings.instance;
        let jobs = self
            .api
            .jobs(token, &job_name(instance), Whose::Own)
            .await?;
        let marked = jobs.into_iter().filter_map(|job| {
            let marker = Marker::read(instance, job.working_directory.as_deref()?)?;
            Some((marker, job))
        });
        Ok(marked
            .filter(|(marker, _)| (marker.server, marker.start) == (spec.server, spec.start))
            .collect())
    }

    /// Makes the directory of a job; false when somebody else has.
    async fn claim(
        &self,
        token: &Secret,
        home: &Home,
        directory: &Directory,
    ) -> Result<bool, Failure> {
        self.api
            .make_directory(token, &home.of_jobs(), true)
            .await?;
        match self.api.make_directory(token, &directory.0, false).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_there() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn submit(
        &self,
        token: &Secret,
        spec: &ServerSpec,
        home: &Home,
        marker: Marker,
        directory: Directory,
        progress: &ProgressSink,
    ) -> Result<Submitted, SpawnError> {
        progress.send(ProgressEvent::step(10, "Submitting the job"));
        let began = Instant::now();
        let document = handover::document(&self.settings, spec, marker, &directory)?;
        let result = async {
            self.hand_over(token, &directory, &document).await?;
            // Others take this attempt for given up soon.
            if began.elapsed() >= self.settings.claim_patience / 2 {
                return Err(SpawnError::unavailable(
                    "the cluster takes too long to take what the server needs",
                ));
            }
            Ok(self.send_job(token, home, &directory).await?)
        }
        .await;
        match result {
            Ok(id) => {
                info!(server.id = %spec.server, job.id = id, "the job was submitted");
                Ok(Submitted { id, directory })
            }
            Err(error) => {
                // Whether there is a job nobody knows now. Without its document it ends at once.
                let jobs = self.jobs_of_start(token, spec).await.unwrap_or_default();
                let found = jobs
                    .iter()
                    .find(|(one, job)| *one == marker && !has_ended(job));
                if let Some((_, job)) = found {
                    let id = job.id();
                    return Ok(Submitted { id, directory });
                }
                self.clear_away(token, &directory).await;
                Err(error)
            }
        }
    }

    /// Puts the document where only the agent finds it. The directory is closed before anything is in
    /// it, and the file before the document is in it, whatever the person's files are made with.
    async fn hand_over(
        &self,
        token: &Secret,
        directory: &Directory,
        document: &Secret,
    ) -> Result<(), SpawnError> {
        let path = format!("{}/{DOCUMENT}", directory.0);
        self.api.set_mode(token, &directory.0, "700").await?;
        if !self.api.is_empty(token, &directory.0).await? {
            return Err(SpawnError::unavailable(format!(
                "somebody has put something into `{}` before it was closed to others",
                directory.0
            )));
        }
        // FirecREST never ends the input of the command that writes an empty file, which then fails.
        let next_to_nothing = Secret::new("\n");
        self.api
            .write(token, &directory.0, DOCUMENT, &next_to_nothing)
            .await?;
        self.api.set_mode(token, &path, "600").await?;
        self.api
            .write(token, &directory.0, DOCUMENT, document)
            .await?;
        Ok(())
    }

    async fn send_job(
        &self,
        token: &Secret,
        home: &Home,
        directory: &Directory,
    ) -> Result<String, Failure> {
        let settings = &self.settings;
        let script = Script {
            directory: &directory.0,
            home: &home.0,
            time_limit: settings.time_limit.as_deref().copied(),
            options: &settings.options,
            prologue: &settings.prologue,
            agent: &settings.agent,
        };
        let (name, log) = (job_name(&settings.instance), directory.log());
        let job = Submission {
            name: &name,
            working_directory: &directory.0,
            standard_output: &log,
            standard_error: &log,
            partition: settings.partition.as_deref(),
            account: settings.account.as_deref(),
            reservation: settings.reservation.as_deref(),
            constraints: settings.constraints.as_deref(),
            script: &script.text(),
        };
        self.api.submit(token, &job).await
    }

    /// Waits until the job runs and its agent has said where the server listens. How long that may
    /// take is for the caller to say.
    async fn wait_until_it_runs(
        &self,
        spec: &ServerSpec,
        submitted: &Submitted,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        let Submitted { id, directory } = submitted;
        let mut said = String::new();
        let mut say = |percent: u8, message: String| {
            if said != message {
                progress.send(ProgressEvent::step(percent, message.clone()));
                said = message;
            }
        };
        loop {
            match self.look_at(spec.server, id).await {
                Ok(job) => match life(&job.status.state) {
                    Some(Life::Ended) => return Err(self.ended(spec, &job, directory).await),
                    Some(Life::Running) => {
                        let node = first_node(job.nodes.as_deref().unwrap_or_default());
                        let place = node.as_deref().unwrap_or("the cluster");
                        say(35, format!("Job {id} runs on {place}"));
                        match self.port(spec, directory).await {
                            Ok(port) => {
                                if let Some(url) = node.zip(port).map(|at| self.url(&at.0, at.1)) {
                                    info!(server.id = %spec.server, job.id = id, "the server's job runs");
                                    return Ok(Started {
                                        handle: self.handle(spec, id, directory),
                                        url,
                                    });
                                }
                            }
                            Err(error) => {
                                debug!(server.id = %spec.server, error = %error, "no address yet");
                                say(35, format!("Job {id} runs on {place}; {error}"));
                            }
                        }
                    }
                    Some(Life::Waiting) | None => {
                        let status = &job.status;
                        let reason = status.state_reason.as_deref();
                        say(20, waiting_in_words(id, &status.state, reason));
                    }
                },
                // Accounting may not know it yet, or nobody answers: neither says anything about it.
                Err(error) => {
                    warn!(server.id = %spec.server, job.id = id, error = %error, "could not look at the job");
                    say(20, format!("Job {id} was submitted; {error}"));
                }
            }
            tokio::time::sleep(*self.settings.look_interval).await;
        }
    }

    /// The port that the agent has written down, if it has.
    async fn port(
        &self,
        spec: &ServerSpec,
        directory: &Directory,
    ) -> Result<Option<u16>, SpawnError> {
        let token = self.token_of_owner(spec.server).await?;
        let path = directory.address();
        match self.api.end_of_file(&token, &path, ADDRESS_BYTES).await {
            Ok(text) => {
                let announced = Announced::read(&text);
                // Below are services of the node itself.
                Ok(announced.map(|it| it.port).filter(|port| *port >= 1024))
            }
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    fn url(&self, node: &str, port: u16) -> String {
        let host = self.settings.node_address.replace("{node}", node);
        format!("http://{host}:{port}")
    }

    fn handle(
        &self,
        spec: &ServerSpec,
        id: &str,
        directory: &Directory,
    ) -> jansky_spawn::SpawnHandle {
        let system = &self.settings.system;
        Handle::new(spec.server, spec.start, system, id, &directory.0).write()
    }

    /// What to say about a job that ended while somebody waited for it.
    async fn ended(&self, spec: &ServerSpec, job: &Job, directory: &Directory) -> SpawnError {
        let status = &job.status;
        let how = end_in_words(&status.state, status.exit_code, status.interrupt_signal);
        let mut log = String::new();
        if let Ok(token) = self.token_of_owner(spec.server).await {
            log = self.log_of(&token, directory).await;
            self.clear_away(&token, directory).await;
        }
        SpawnError::failed(format!("the job {} {how}", job.id()), log)
    }

    /// The end of the log of a job; empty when there is none.
    pub(crate) async fn log_of(&self, token: &Secret, directory: &Directory) -> String {
        let read = self
            .api
            .end_of_file(token, &directory.log(), LOG_BYTES)
            .await;
        let text = read.unwrap_or_default();
        // What was cut off in front is not a whole line.
        match text.split_once('\n') {
            Some((_, whole)) if text.len() >= LOG_BYTES => whole.to_owned(),
            _ => text,
        }
    }

    /// Removes the directory of a job that has ended. What stays behind opens nothing any more.
    pub(crate) async fn clear_away(&self, token: &Secret, directory: &Directory) {
        // Nothing but what is ours, whatever a scheduler says the working directory is.
        if Marker::read(&self.settings.instance, &directory.0).is_none() {
            return;
        }
        if let Err(error) = self.api.remove(token, &directory.0).await
            && !error.is_not_found()
        {
            debug!(error = %error, "could not remove the directory of a job");
        }
    }
}

/// Whether it is proven that a job has ended.
pub(crate) fn has_ended(job: &Job) -> bool {
    life(&job.status.state) == Some(Life::Ended)
}

/// How long a token must be good for: a request and what FirecREST does with it. It accepts none
/// with less than 30 s left.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_mins(1);
