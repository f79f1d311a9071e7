//! How the hub refers to a server that is a container.

use std::borrow::Cow;

use jansky_model::{ServerId, StartId};
use jansky_spawn::{SpawnError, SpawnHandle};
use serde::{Deserialize, Serialize};

/// The kind of the spawner, and of its handles.
pub(crate) const KIND: &str = "docker";

/// What a [`SpawnHandle`] of this spawner holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handle {
    kind: Cow<'static, str>,
    pub(crate) server: ServerId,
    pub(crate) start: StartId,
    /// The id of the container.
    pub(crate) container: String,
    /// The id of the engine, since another one knows nothing of the container; empty when the engine
    /// does not say.
    pub(crate) engine: String,
}

impl Handle {
    pub(crate) fn new(server: ServerId, start: StartId, container: &str, engine: &str) -> Self {
        Self {
            kind: KIND.into(),
            server,
            start,
            container: container.to_owned(),
            engine: engine.to_owned(),
        }
    }

    pub(crate) fn read(handle: &SpawnHandle) -> Result<Self, SpawnError> {
        Self::deserialize(&handle.0)
            .ok()
            .filter(|handle| handle.kind == KIND)
            .ok_or_else(|| SpawnError::refused("the handle is not one of the Docker spawner"))
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
        let handle = Handle::new(ServerId(7), StartId(2), "c0ffee", "engine");

        assert_eq!(Handle::read(&handle.write()).ok(), Some(handle));
        let other = SpawnHandle(serde_json::json!({ "kind": "process", "server": 7, "start": 2 }));
        assert!(Handle::read(&other).is_err());
    }
}
