//! Servers as processes of this machine.

mod settings;

use async_trait::async_trait;
use jansky_model::ServerId;

use crate::{
    Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError, SpawnHandle, Spawner,
    Started, StopMode,
};
pub use settings::{CgroupPolicy, HomePolicy, ProcessSettings, RunAs};

/// Runs each server as a process that outlives the hub.
pub struct ProcessSpawner {
    settings: ProcessSettings,
}

impl ProcessSpawner {
    /// A spawner with these settings.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when the settings contradict themselves.
    pub fn new(settings: ProcessSettings) -> Result<Self, SpawnError> {
        Ok(Self { settings })
    }
}

#[async_trait]
impl Spawner for ProcessSpawner {
    fn kind(&self) -> &'static str {
        "process"
    }

    async fn start(
        &self,
        _spec: &ServerSpec,
        _progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        Err(SpawnError::unavailable(format!(
            "{:?}",
            self.settings.command
        )))
    }

    async fn poll(&self, _handle: &SpawnHandle) -> PollStatus {
        PollStatus::Running
    }

    async fn stop(&self, _handle: &SpawnHandle, _mode: StopMode) -> Result<(), SpawnError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        Ok(Vec::new())
    }

    async fn log_tail(&self, _handle: &SpawnHandle) -> String {
        String::new()
    }

    async fn remove(&self, _server: ServerId) -> Result<(), SpawnError> {
        Ok(())
    }

    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}
