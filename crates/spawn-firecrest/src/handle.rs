//! How the hub refers to a server that is a job.

use std::borrow::Cow;

use jansky_model::{ServerId, StartId};
use jansky_spawn::{SpawnError, SpawnHandle};
use serde::{Deserialize, Serialize};

/// The kind of the spawner, and of its handles.
pub(crate) const KIND: &str = "firecrest";

/// What a [`SpawnHandle`] of this spawner holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handle {
    kind: Cow<'static, str>,
    pub(crate) server: ServerId,
    pub(crate) start: StartId,
    /// The cluster, since another one knows nothing of the job.
    pub(crate) system: String,
    /// The id of the job.
    pub(crate) job: String,
    /// Its directory on the cluster.
    pub(crate) directory: String,
}

impl Handle {
    pub(crate) fn new(
        server: ServerId,
        start: StartId,
        system: &str,
        job: &str,
        directory: &str,
    ) -> Self {
        Self {
            kind: KIND.into(),
            server,
            start,
            system: system.to_owned(),
            job: job.to_owned(),
            directory: directory.to_owned(),
        }
    }

    /// Reads a handle of this cluster.
    pub(crate) fn read(handle: &SpawnHandle, system: &str) -> Result<Self, SpawnError> {
        let read = Self::deserialize(&handle.0)
            .ok()
            .filter(|handle| handle.kind == KIND)
            .ok_or_else(|| SpawnError::refused("the handle is not one of the FirecREST spawner"))?;
        if read.system == system {
            return Ok(read);
        }
        Err(SpawnError::unavailable(format!(
            "the server is a job of the cluster `{}`, and the settings name `{system}`",
            read.system
        )))
    }

    pub(crate) fn write(&self) -> SpawnHandle {
        SpawnHandle(serde_json::to_value(self).expect("a handle has only text and numbers in it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_was_written_and_those_of_others_are_refused() {
        let handle = Handle::new(ServerId(7), StartId(2), "lab", "8", "/home/river/.jansky/x");

        assert_eq!(
            Handle::read(&handle.write(), "lab").ok(),
            Some(handle.clone())
        );
        assert!(Handle::read(&handle.write(), "other").is_err());
        let other = SpawnHandle(serde_json::json!({ "kind": "process", "server": 7, "start": 2 }));
        assert!(Handle::read(&other, "lab").is_err());
    }
}
