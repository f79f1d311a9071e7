//! Names: how jobs are found again.
//!
//! All jobs of a hub have one name, because that is what a scheduler can be asked for: without it,
//! finding them would mean to read the jobs of everybody on the machine. Which job is which
//! stands in the working directory, which a scheduler keeps for as long as the job.

use jansky_model::{ServerId, StartId};

/// What a job was submitted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The server that it is.
    pub server: ServerId,
    /// Which attempt to start that.
    pub start: StartId,
    /// Jobs of one start are counted: one that ended before anybody saw it run is followed by another.
    pub attempt: u32,
}

/// The name of all jobs of a hub.
pub fn job_name(instance: &str) -> String {
    format!("jansky-{instance}")
}

impl Marker {
    /// The name of the directory of a job.
    pub fn directory(self, instance: &str) -> String {
        let Self {
            server,
            start,
            attempt,
        } = self;
        format!("{instance}-{server}-{start}-{attempt}")
    }

    /// What [`Marker::directory`] made the last part of a path of; `None` for any other path.
    pub fn read(instance: &str, path: &str) -> Option<Self> {
        let name = path.trim_end_matches('/').rsplit('/').next()?;
        let rest = name.strip_prefix(instance)?.strip_prefix('-')?;
        let mut parts = rest.split('-');
        let mut number = || {
            let text = parts.next()?;
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then_some(number)
        };
        let marker = Self {
            server: ServerId(number()?),
            start: StartId(number()?),
            attempt: u32::try_from(number()?).ok()?,
        };
        parts.next().is_none().then_some(marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_which_start_its_job_is() {
        let marker = Marker {
            server: ServerId(7),
            start: StartId(12),
            attempt: 1,
        };

        let name = marker.directory("hub-1");

        assert_eq!(name, "hub-1-7-12-1");
        let path = format!("/home/river/.jansky/{name}");
        assert_eq!(Marker::read("hub-1", &path), Some(marker));
        assert_eq!(Marker::read("hub-1", &format!("{path}/")), Some(marker));
    }

    #[test]
    fn directories_of_others_are_not_ours() {
        for path in [
            "",
            "/home/river",
            "/x/hub-7-12-1",
            "/x/hub-1-7-12",
            "/x/hub-1-7-12-1-1",
            "/x/hub-1-7-012-1",
            "/x/hub-1-7-12--1",
            "/x/hub-1-7-12-1/y",
        ] {
            assert_eq!(Marker::read("hub-1", path), None, "{path}");
        }
    }
}
