//! How the hub refers to a server that is a process.

use std::borrow::Cow;

use jansky_model::{ServerId, StartId};
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::table::ProcessId;
use crate::{SpawnError, SpawnHandle};

/// The kind of the spawner, and of its handles.
pub(super) const KIND: &str = "process";

/// What a [`SpawnHandle`] of this spawner holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Handle {
    pub(super) kind: Cow<'static, str>,
    pub(super) server: ServerId,
    pub(super) start: StartId,
    /// None when only remains were found.
    pub(super) main: Option<ProcessId>,
    /// The boot of the machine in which it was made.
    pub(super) boot: String,
}

impl Handle {
    pub(super) fn of(server: ServerId, start: StartId, record: &Record) -> Self {
        Self {
            kind: KIND.into(),
            server,
            start,
            main: Some(record.process),
            boot: record.boot.clone(),
        }
    }

    pub(super) fn read(handle: &SpawnHandle) -> Result<Self, SpawnError> {
        Self::deserialize(&handle.0)
            .ok()
            .filter(|handle| handle.kind == KIND)
            .ok_or_else(|| SpawnError::refused("the handle is not one of the process spawner"))
    }

    pub(super) fn write(&self) -> SpawnHandle {
        SpawnHandle(serde_json::to_value(self).expect("a handle has only text and numbers in it"))
    }
}
