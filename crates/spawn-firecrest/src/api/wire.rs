//! What goes over the wire. Only what is needed is read, so that new versions can say more.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

/// Reads an answer.
///
/// # Errors
/// Which place is not as it should be, without what is there: it may be secret.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let problem = error.inner();
        if problem.classify() != Category::Data {
            return "it is not JSON".to_owned();
        }
        let path = error.path().to_string();
        let text = problem.to_string();
        // The name of a field is the program's own, and so is the end of the text.
        let missing = text.strip_prefix("missing field ");
        match (
            missing.and_then(|rest| rest.split(" at ").next()),
            path.as_str(),
        ) {
            (Some(field), ".") => format!("{field} is missing"),
            (Some(field), path) => format!("{field} is missing in `{path}`"),
            (None, ".") => "it is not an object of the expected kind".to_owned(),
            (None, path) => format!("`{path}` has another type"),
        }
    })
}

/// A job, as FirecREST describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    #[serde(rename = "jobId")]
    id: Id,
    pub(crate) name: Option<String>,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) nodes: Option<String>,
    #[serde(default)]
    pub(crate) working_directory: Option<String>,
}

/// The state of a job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) state_reason: Option<String>,
    #[serde(default)]
    pub(crate) exit_code: Option<i64>,
    #[serde(default)]
    pub(crate) interrupt_signal: Option<i64>,
}

/// The id of a job, which is a number in some versions.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
}

impl Id {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Job {
    pub(crate) fn id(&self) -> String {
        self.id.text()
    }
}

#[derive(Deserialize)]
pub(super) struct Jobs {
    pub(super) jobs: Option<Vec<Job>>,
}

/// A job that is to be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Submission<'a> {
    pub(crate) name: &'a str,
    pub(crate) working_directory: &'a str,
    pub(crate) standard_output: &'a str,
    pub(crate) standard_error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) constraints: Option<&'a str>,
    pub(crate) script: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Submitted {
    job_id: Option<Id>,
}

impl Submitted {
    pub(super) fn id(&self) -> Option<String> {
        let id = self.job_id.as_ref()?.text();
        // It becomes a part of addresses.
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        (!id.is_empty() && id.bytes().all(plain)).then_some(id)
    }
}

#[derive(Deserialize)]
pub(super) struct UserInfo {
    pub(super) user: Account,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Output<T> {
    pub(super) output: Option<T>,
}

#[derive(Deserialize)]
pub(super) struct Content {
    pub(super) content: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What FirecREST 2 answered in front of Slurm 22.05, shortened.
    const JOBS: &str = r#"{"jobs":[{"jobId":"8","name":"x","status":{"state":"CANCELLED by 1002",
        "stateReason":"None","exitCode":0,"interruptSignal":0},"tasks":[{"id":"8.batch"}],
        "time":{"elapsed":2,"start":1795315741,"end":1795315743,"suspended":0,"limit":300},
        "account":"jup","allocationNodes":1,"cluster":"lab","group":"alice","nodes":"n1",
        "partition":"debug","killRequestUser":null,"user":"alice",
        "workingDirectory":"/home/alice","priority":4294901752}]}"#;

    #[test]
    fn a_job_is_read_as_firecrest_writes_it() {
        let jobs: Jobs = serde_json::from_str(JOBS).expect("it can be read");

        let job = &jobs.jobs.expect("there is one")[0];
        assert_eq!((job.id().as_str(), job.nodes.as_deref()), ("8", Some("n1")));
        assert_eq!(job.status.state, "CANCELLED by 1002");
    }

    #[test]
    fn what_is_not_as_expected_is_told_by_its_place_and_never_by_its_value() {
        for (body, expected) in [
            ("<html>canary", "it is not JSON"),
            ("[]", "it is not an object of the expected kind"),
            (r#"{"jobs":"canary"}"#, "`jobs` has another type"),
            (
                r#"{"jobs":[{"jobId":"8"}]}"#,
                "`status` is missing in `jobs[0]`",
            ),
            (
                r#"{"jobs":[{"jobId":"8","status":{"state":4711}}]}"#,
                "`jobs[0].status.state` has another type",
            ),
        ] {
            let problem = read::<Jobs>(body.as_bytes()).err();
            assert_eq!(problem.as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn the_id_of_a_new_job_may_be_a_number_but_nothing_else_that_is_not_plain() {
        for (text, id) in [
            (r#"{"jobId":"8"}"#, Some("8")),
            (r#"{"jobId":8}"#, Some("8")),
            (r#"{"jobId":"../8"}"#, None),
            (r#"{"jobId":null}"#, None),
            ("{}", None),
        ] {
            let read: Submitted = serde_json::from_str(text).expect("it can be read");
            assert_eq!(read.id().as_deref(), id, "{text}");
        }
    }
}
