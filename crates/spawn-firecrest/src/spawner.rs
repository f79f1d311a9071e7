//! The spawner itself.

use std::sync::Arc;

use async_trait::async_trait;
use jansky_batch::{Life, Marker, end_in_words, job_name, life};
use jansky_model::{Secret, ServerId, UserName};
use jansky_spawn::{
    Finding, FoundServer, NoToken, PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle,
    Spawner, Started, StopMode, UserTokens,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::{Api, Failure, Job, Whose};
use crate::check;
use crate::handle::{Handle, KIND};
use crate::place::Directory;
use crate::settings::FirecrestSettings;
use crate::start::{TOKEN_LIFE, has_ended};

/// How much of a log is told.
pub(crate) const LOG_BYTES: usize = 8 << 10;

/// Runs each server as a batch job, which outlives the hub.
///
/// Dropping it leaves the jobs alone; a new one with the same `instance` finds them.
pub struct FirecrestSpawner {
    pub(crate) settings: FirecrestSettings,
    pub(crate) api: Api,
    tokens: Arc<dyn UserTokens>,
}

/// Why a job could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSeen {
    #[error(transparent)]
    Token(#[from] NoToken),
    #[error(transparent)]
    Answer(#[from] Failure),
}

impl From<NotSeen> for SpawnError {
    fn from(error: NotSeen) -> Self {
        match error {
            NotSeen::Token(error) => error.into(),
            NotSeen::Answer(error) => error.into(),
        }
    }
}

impl FirecrestSpawner {
    /// A spawner with these settings. FirecREST is not asked until there is something to do.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when the settings contradict themselves.
    pub fn new(
        settings: FirecrestSettings,
        tokens: Arc<dyn UserTokens>,
    ) -> Result<Self, SpawnError> {
        settings.check().map_err(SpawnError::refused)?;
        let url = settings
            .url
            .as_ref()
            .ok_or_else(|| SpawnError::refused("spawner.url is missing"))?;
        Ok(Self {
            api: Api::new(url, &settings.system, *settings.request_timeout)?,
            settings,
            tokens,
        })
    }

    /// The person's own token, for what is done in their name.
    pub(crate) async fn token_of_owner(&self, server: ServerId) -> Result<Secret, NoToken> {
        self.tokens.for_owner(server, TOKEN_LIFE).await
    }

    /// Asks for the state of a job, with the token of the account that looks at jobs.
    pub(crate) async fn look_at(&self, server: ServerId, job: &str) -> Result<Job, NotSeen> {
        let (token, whose) = if self.settings.has_service_account() {
            (self.tokens.for_service(TOKEN_LIFE).await?, Whose::All)
        } else {
            (self.token_of_owner(server).await?, Whose::Own)
        };
        Ok(self.api.job(&token, job, whose).await?)
    }

    /// Every job of this hub that has not ended.
    async fn all_jobs(&self) -> Result<Vec<Job>, NotSeen> {
        let name = job_name(&self.settings.instance);
        let mut jobs = Vec::new();
        if self.settings.has_service_account() {
            let token = self.tokens.for_service(TOKEN_LIFE).await?;
            jobs = self.api.jobs(&token, &name, Whose::All).await?;
        } else {
            for server in self.tokens.at_work().await? {
                let token = self.token_of_owner(server).await?;
                jobs.extend(self.api.jobs(&token, &name, Whose::Own).await?);
            }
        }
        jobs.retain(|job| !has_ended(job));
        Ok(jobs)
    }

    /// A token with which a job may be ended: the owner's, or the service account's if that may.
    async fn token_to_cancel(&self, server: ServerId) -> Result<Secret, NoToken> {
        match self.token_of_owner(server).await {
            Err(error) if self.settings.service_account_may_cancel => {
                info!(server.id = %server, error = %error, "the service account ends the job");
                self.tokens.for_service(TOKEN_LIFE).await
            }
            token => token,
        }
    }

    /// Ends a job and waits until the scheduler says that it has.
    async fn cancel(&self, handle: &Handle) -> Result<(), SpawnError> {
        // That somebody does not know the job is no proof yet: the service account may not see it.
        if let Ok(job) = self.look_at(handle.server, &handle.job).await
            && has_ended(&job)
        {
            return Ok(());
        }
        let token = self.token_to_cancel(handle.server).await;
        let token = token.map_err(|error| {
            SpawnError::unavailable(format!(
                "job {} on `{}` goes on, because {error}; cancel it there, or let the service \
                 account do so (spawner.service_account_may_cancel)",
                handle.job, handle.system
            ))
        })?;
        match self.api.cancel(&token, &handle.job).await {
            Ok(()) => self.wait_until_gone(handle).await,
            Err(failure) if failure.is_not_found() => Ok(()),
            Err(failure) => {
                let reason = format!("could not cancel job {}: {failure}", handle.job);
                Err(SpawnError::unavailable_because(reason, failure))
            }
        }
    }

    /// Waits until a job that was cancelled has ended, or the scheduler has forgotten it.
    async fn wait_until_gone(&self, handle: &Handle) -> Result<(), SpawnError> {
        let deadline = Instant::now() + *self.settings.stop_timeout;
        loop {
            match self.look_at(handle.server, &handle.job).await {
                Ok(job) if has_ended(&job) => return Ok(()),
                Ok(_) => {}
                Err(NotSeen::Answer(failure)) if failure.is_not_found() => return Ok(()),
                Err(error) => {
                    warn!(server.id = %handle.server, error = %error, "could not look at a job that is ending");
                }
            }
            if Instant::now() >= deadline {
                return Err(SpawnError::unavailable(format!(
                    "job {} has not ended {} s after it was cancelled",
                    handle.job,
                    self.settings.stop_timeout.as_secs()
                )));
            }
            tokio::time::sleep(*self.settings.look_interval).await;
        }
    }
}

#[async_trait]
impl Spawner for FirecrestSpawner {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        self.bring_up(spec, progress).await
    }

    async fn poll(&self, handle: &SpawnHandle) -> PollStatus {
        let looked = match Handle::read(handle, &self.settings.system) {
            Ok(handle) => {
                let looked = self.look_at(handle.server, &handle.job).await;
                looked.map_err(SpawnError::from)
            }
            Err(error) => Err(error),
        };
        let job = match looked {
            Ok(job) => job,
            // Also when the scheduler does not know the job: it may have lost its accounting.
            Err(error) => {
                return PollStatus::Unknown {
                    reason: error.to_string(),
                };
            }
        };
        let status = &job.status;
        match life(&status.state) {
            Some(Life::Waiting | Life::Running) => PollStatus::Running,
            Some(Life::Ended) => PollStatus::Exited {
                reason: end_in_words(&status.state, status.exit_code, status.interrupt_signal),
            },
            None => PollStatus::Unknown {
                reason: format!("the scheduler calls its state `{}`", status.state),
            },
        }
    }

    async fn stop(&self, handle: &SpawnHandle, _mode: StopMode) -> Result<(), SpawnError> {
        // The scheduler gives every job the same time to end after SIGTERM.
        let handle = Handle::read(handle, &self.settings.system)?;
        self.cancel(&handle).await?;
        info!(server.id = %handle.server, job.id = handle.job, "the server is gone");
        if let Ok(token) = self.token_of_owner(handle.server).await {
            self.clear_away(&token, &Directory(handle.directory)).await;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        let Self { settings, .. } = self;
        let jobs = self.all_jobs().await.map_err(|error| {
            SpawnError::unavailable(format!("the jobs could not be listed: {error}"))
        })?;
        let found = jobs.iter().filter_map(|job| {
            let directory = job.working_directory.as_deref()?;
            let Marker { server, start, .. } = Marker::read(&settings.instance, directory)?;
            Some(FoundServer {
                server,
                start,
                handle: Handle::new(server, start, &settings.system, &job.id(), directory).write(),
                url: None,
            })
        });
        Ok(found.collect())
    }

    async fn log_tail(&self, handle: &SpawnHandle) -> String {
        // No log is an empty log: there is nothing that the caller could do about it.
        let Ok(handle) = Handle::read(handle, &self.settings.system) else {
            return String::new();
        };
        match self.token_of_owner(handle.server).await {
            Ok(token) => self.log_of(&token, &Directory(handle.directory)).await,
            Err(_) => String::new(),
        }
    }

    async fn remove(&self, _server: ServerId) -> Result<(), SpawnError> {
        // What a job leaves goes when it is stopped; the rest is the person's.
        Ok(())
    }

    async fn belongings(&self, _: &UserName) -> Result<Vec<String>, SpawnError> {
        // The account on the cluster is that of the token, whatever somebody is called here.
        Ok(Vec::new())
    }

    async fn check(&self) -> Vec<Finding> {
        check::all(&self.api, &self.settings).await
    }
}
