//! Where things are on the cluster.

use jansky_batch::{Marker, is_plain};
use jansky_spawn::SpawnError;

use crate::settings::FirecrestSettings;

/// The directory in people's homes that is Jansky's.
const OURS: &str = ".jansky";

/// The file in which the agent says where the server listens.
const ADDRESS: &str = "address";

/// The file with what the job wrote.
const LOG: &str = "log";

/// The home of a person on the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Home(pub(crate) String);

/// The directory of one job.
#[derive(Clone, Debug)]
pub(crate) struct Directory(pub(crate) String);

impl Home {
    /// The home of an account of the cluster.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when its name cannot be a part of a path.
    pub(crate) fn of(settings: &FirecrestSettings, account: &str) -> Result<Self, SpawnError> {
        let home = settings.home_dir.replace("{username}", account);
        if account.is_empty() || account.contains('/') || !is_plain(&home) {
            return Err(SpawnError::refused(format!(
                "the account `{account}` of the cluster cannot be a part of a path"
            )));
        }
        Ok(Self(home))
    }

    /// The directory that those of all jobs are in.
    pub(crate) fn of_jobs(&self) -> String {
        format!("{}/{OURS}", self.0)
    }

    /// The directory of a job.
    pub(crate) fn directory(&self, instance: &str, marker: Marker) -> Directory {
        Directory(format!("{}/{}", self.of_jobs(), marker.directory(instance)))
    }
}

impl Directory {
    pub(crate) fn address(&self) -> String {
        format!("{}/{ADDRESS}", self.0)
    }

    pub(crate) fn log(&self) -> String {
        format!("{}/{LOG}", self.0)
    }
}
