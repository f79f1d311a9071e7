//! FirecREST's API, as far as servers need it.
//!
//! Every call has a time-out. When FirecREST asks us to wait (429), a call waits if that fits into its
//! time, and all others wait, too.

mod failure;
mod wire;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jansky_model::Secret;
use jansky_spawn::SpawnError;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

pub(crate) use failure::Failure;
pub(crate) use wire::{Job, Submission};

/// More than any answer needs, the jobs of a whole machine included.
const LONGEST_ANSWER: usize = 32 << 20;

/// How long to wait when FirecREST asks for that without saying how long.
const WAIT: Duration = Duration::from_secs(5);

/// Separates the one part of an upload from what is around it, where it stands at the beginning of a
/// line: what is uploaded is JSON in one line.
const BOUNDARY: &str = "jansky-6f1e2a4c0b9d";

/// FirecREST and one of its clusters.
pub(crate) struct Api {
    http: reqwest::Client,
    url: Url,
    system: String,
    patience: Duration,
    /// Until when FirecREST wants to be left alone.
    rest_until: Mutex<Option<Instant>>,
}

/// Whose jobs are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of the person whose token it is.
    Own,
    /// Everybody's, as far as the token lets one see them.
    All,
}

impl Whose {
    fn all_users(self) -> &'static str {
        match self {
            Self::Own => "false",
            Self::All => "true",
        }
    }
}

impl Api {
    /// A client that follows no redirect, so that a token goes nowhere else.
    pub(crate) fn new(url: &Url, system: &str, patience: Duration) -> Result<Self, SpawnError> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(patience)
            .build()
            .map_err(|error| {
                SpawnError::unavailable_because("could not make an HTTP client", error)
            })?;
        Ok(Self {
            http,
            url: url.clone(),
            system: system.to_owned(),
            patience,
            rest_until: Mutex::default(),
        })
    }

    /// Looks whether somebody is there who asks for a token.
    pub(crate) async fn address_owner(&self) -> Result<(), Failure> {
        let url = self.address(&["status", "systems"]);
        let response = self.http.get(url).send().await.map_err(Failure::lost)?;
        match response.status().as_u16() {
            401 | 403 | 200 => Ok(()),
            _ => Err(Failure::of(response).await),
        }
    }

    /// The account of a token on the cluster.
    pub(crate) async fn account(&self, token: &Secret) -> Result<String, Failure> {
        let url = self.address(&["status", &self.system, "userinfo"]);
        let info: wire::UserInfo = self.read(token, self.http.get(url)).await?;
        Ok(info.user.name)
    }

    /// The jobs of a name of the last day, those that have not ended among them.
    pub(crate) async fn jobs(
        &self,
        token: &Secret,
        name: &str,
        whose: Whose,
    ) -> Result<Vec<Job>, Failure> {
        let mut url = self.address(&["compute", &self.system, "jobs"]);
        url.query_pairs_mut()
            .append_pair("allusers", whose.all_users())
            .append_pair("name", name);
        let jobs: wire::Jobs = self.read(token, self.http.get(url)).await?;
        // Older servers do not know the name and answer with all.
        let mut jobs = jobs.jobs.unwrap_or_default();
        jobs.retain(|job| job.name.as_deref() == Some(name));
        Ok(jobs)
    }

    /// A job. An answer without it is an error: nothing is known then.
    pub(crate) async fn job(&self, token: &Secret, id: &str, whose: Whose) -> Result<Job, Failure> {
        let mut url = self.address(&["compute", &self.system, "jobs", id]);
        url.query_pairs_mut()
            .append_pair("allusers", whose.all_users());
        let jobs: wire::Jobs = self.read(token, self.http.get(url)).await?;
        let mut jobs = jobs.jobs.unwrap_or_default().into_iter();
        jobs.find(|job| job.id() == id)
            .ok_or_else(|| Failure::no_job("the answer does not have it"))
    }

    /// Submits a job; returns its id.
    pub(crate) async fn submit(
        &self,
        token: &Secret,
        job: &Submission<'_>,
    ) -> Result<String, Failure> {
        let url = self.address(&["compute", &self.system, "jobs"]);
        let request = self.http.post(url).json(&json!({ "job": job }));
        let made: wire::Submitted = self.read(token, request).await?;
        made.id()
            .ok_or_else(|| Failure::strange("the answer has no id of a job"))
    }

    /// Ends a job.
    pub(crate) async fn cancel(&self, token: &Secret, id: &str) -> Result<(), Failure> {
        let url = self.address(&["compute", &self.system, "jobs", id]);
        match self.send(token, self.http.delete(url)).await {
            Err(failure) if !failure.is_ending_already() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Makes a directory; without `with_parents` it is an error when there is one.
    pub(crate) async fn make_directory(
        &self,
        token: &Secret,
        path: &str,
        with_parents: bool,
    ) -> Result<(), Failure> {
        let body = json!({ "path": path, "parent": with_parents });
        let request = self.http.post(self.operation("mkdir")).json(&body);
        self.send(token, request).await.map(|_| ())
    }

    /// Sets the mode of a file, in octal digits.
    pub(crate) async fn set_mode(
        &self,
        token: &Secret,
        path: &str,
        mode: &str,
    ) -> Result<(), Failure> {
        let body = json!({ "path": path, "mode": mode });
        let request = self.http.put(self.operation("chmod")).json(&body);
        self.send(token, request).await.map(|_| ())
    }

    /// Whether nothing is in a directory.
    pub(crate) async fn is_empty(&self, token: &Secret, path: &str) -> Result<bool, Failure> {
        let mut url = self.operation("ls");
        url.query_pairs_mut()
            .append_pair("path", path)
            .append_pair("showHidden", "true");
        let listed: wire::Output<Vec<Value>> = self.read(token, self.http.get(url)).await?;
        Ok(listed.output.unwrap_or_default().is_empty())
    }

    /// Writes a file in a directory, in place of what was in it. A file that is there keeps its mode.
    pub(crate) async fn write(
        &self,
        token: &Secret,
        directory: &str,
        name: &str,
        content: &Secret,
    ) -> Result<(), Failure> {
        let mut url = self.operation("upload");
        url.query_pairs_mut().append_pair("path", directory);
        // To FirecREST, which puts it into the file.
        let content = content.expose();
        let body = format!(
            "--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             {content}\r\n\
             --{BOUNDARY}--\r\n"
        );
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = self.http.post(url).header("content-type", kind).body(body);
        self.send(token, request).await.map(|_| ())
    }

    /// The last bytes of a file.
    pub(crate) async fn end_of_file(
        &self,
        token: &Secret,
        path: &str,
        bytes: usize,
    ) -> Result<String, Failure> {
        let mut url = self.operation("tail");
        url.query_pairs_mut()
            .append_pair("path", path)
            .append_pair("bytes", &bytes.to_string());
        let read: wire::Output<wire::Content> = self.read(token, self.http.get(url)).await?;
        Ok(read.output.map(|output| output.content).unwrap_or_default())
    }

    /// Removes a directory with all that is in it.
    pub(crate) async fn remove(&self, token: &Secret, path: &str) -> Result<(), Failure> {
        let mut url = self.operation("rm");
        url.query_pairs_mut().append_pair("path", path);
        self.send(token, self.http.delete(url)).await.map(|_| ())
    }

    fn address(&self, parts: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    fn operation(&self, name: &str) -> Url {
        self.address(&["filesystem", &self.system, "ops", name])
    }

    async fn read<T: DeserializeOwned>(
        &self,
        token: &Secret,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let mut response = self.send(token, request).await?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(Failure::lost)? {
            if body.len() + part.len() > LONGEST_ANSWER {
                return Err(Failure::strange("the answer has no end"));
            }
            body.extend_from_slice(&part);
        }
        wire::read(&body).map_err(|problem| {
            Failure::strange(format!("the answer is not as FirecREST's are: {problem}"))
        })
    }

    /// Sends a request until it is not asked to wait, as long as there is time.
    async fn send(&self, token: &Secret, request: RequestBuilder) -> Result<Response, Failure> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(until) = self.resting() {
                if until > deadline {
                    return Err(Failure::asked_to_wait(until - Instant::now()));
                }
                tokio::time::sleep_until(until).await;
            }
            let attempt = request
                .try_clone()
                .ok_or_else(|| Failure::strange("the request cannot be sent twice"))?;
            // To FirecREST, as the credential that it asks for.
            let attempt = attempt.bearer_auth(token.expose());
            let response = match tokio::time::timeout_at(deadline, attempt.send()).await {
                Ok(sent) => sent.map_err(Failure::lost)?,
                Err(_) => return Err(Failure::late(self.patience)),
            };
            if response.status() == StatusCode::TOO_MANY_REQUESTS {
                let wait = failure::asked_wait(response.headers()).unwrap_or(WAIT);
                self.rest(wait);
                continue;
            }
            if response.status().is_success() {
                return Ok(response);
            }
            return Err(Failure::of(response).await);
        }
    }

    fn resting(&self) -> Option<Instant> {
        let until = *self
            .rest_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
    }

    fn rest(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut rest = self
            .rest_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *rest = Some(rest.map_or(until, |known| known.max(until)));
    }
}
