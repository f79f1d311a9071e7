//! The API over HTTP.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use jansky_model::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::files::{self, Done, failed, path_of};
use super::script::{Fault, FirecrestCall};
use super::{Cluster, SYSTEM, jobs};

pub(super) async fn serve(listener: TcpListener, cluster: Cluster) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        let cluster = cluster.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let cluster = cluster.clone();
                async move { Ok::<_, Infallible>(answer(&cluster, request).await) }
            });
            // A client that goes away is none of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A request, read to its end.
struct Asked {
    kind: &'static str,
    /// The job, where it is about one.
    job: String,
    query: HashMap<String, String>,
    content_type: String,
    body: Bytes,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn query(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What a request is about; `None` for what there is not.
fn kind_of(method: &Method, path: &str) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let kind = match (method.as_str(), parts.as_slice()) {
        ("GET", ["status", "systems"]) => "systems",
        ("GET", ["status", SYSTEM, "userinfo"]) => "userinfo",
        ("POST", ["compute", SYSTEM, "jobs"]) => "submit",
        ("GET", ["compute", SYSTEM, "jobs"]) => "jobs",
        ("GET", ["compute", SYSTEM, "jobs", id]) => return Some(("job", (*id).to_owned())),
        ("DELETE", ["compute", SYSTEM, "jobs", id]) => return Some(("cancel", (*id).to_owned())),
        ("POST", ["filesystem", SYSTEM, "ops", "mkdir"]) => "mkdir",
        ("PUT", ["filesystem", SYSTEM, "ops", "chmod"]) => "chmod",
        ("POST", ["filesystem", SYSTEM, "ops", "upload"]) => "upload",
        ("GET", ["filesystem", SYSTEM, "ops", "ls"]) => "ls",
        ("GET", ["filesystem", SYSTEM, "ops", "tail"]) => "tail",
        ("DELETE", ["filesystem", SYSTEM, "ops", "rm"]) => "rm",
        _ => return None,
    };
    Some((kind, String::new()))
}

async fn answer(cluster: &Cluster, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Some((kind, job)) = kind_of(&head.method, head.uri.path()) else {
        return respond(failed(404, "", "System not found"), None);
    };
    let header = |name: &str| {
        let value = head.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let asked = Asked {
        kind,
        job,
        query: form_urlencoded::parse(query).into_owned().collect(),
        content_type: header("content-type"),
        body: body.unwrap_or_default(),
    };
    let authorization = header("authorization");
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let access = (cluster.judge)(token);
    let now = SystemClock.now().seconds();
    let mut call = FirecrestCall {
        kind,
        subject: access
            .as_ref()
            .map(|a| a.subject.clone())
            .unwrap_or_default(),
        token: token.to_owned(),
        left: access.as_ref().map_or(0, |access| access.expires_at - now),
        asked: head.uri.to_string(),
        note: String::new(),
        status: 0,
    };
    let fault = fault(cluster, kind);
    let mut retry_after = None;
    let done = match fault {
        Some(Fault::Silence) => {
            cluster.script().calls.push(call);
            tokio::time::sleep(Duration::from_mins(10)).await;
            return respond((200, Value::Null), None);
        }
        Some(Fault::Status(status, message)) => failed(status, &call.subject, message),
        Some(Fault::TooMany {
            retry_after: wait, ..
        }) => {
            retry_after = Some(wait);
            failed(429, &call.subject, "Too many requests")
        }
        None => match account_of(cluster, &call) {
            Ok(account) => work(cluster, &account, &asked, &mut call),
            Err(refused) => refused,
        },
    };
    call.status = done.0;
    cluster.script().calls.push(call);
    respond(done, retry_after)
}

/// What goes wrong this time.
fn fault(cluster: &Cluster, kind: &str) -> Option<Fault> {
    let mut script = cluster.script();
    let fault = script.faults.get_mut(kind)?;
    if let Fault::TooMany { times, .. } = fault {
        if *times == 0 {
            return None;
        }
        *times -= 1;
    }
    Some(fault.clone())
}

/// The account of a token, which must be good for long enough.
fn account_of(cluster: &Cluster, call: &FirecrestCall) -> Result<String, Done> {
    let script = cluster.script();
    if call.subject.is_empty() {
        return Err(failed(401, "", "Access token is invalid."));
    }
    if call.left < script.least_life {
        let message = "Access token expires too soon (less than 30s remaining).";
        return Err(failed(401, "", message));
    }
    let account = script.accounts.get(&call.subject).cloned();
    account.ok_or_else(|| failed(403, &call.subject, "Permission denied"))
}

fn work(cluster: &Cluster, account: &str, asked: &Asked, call: &mut FirecrestCall) -> Done {
    match asked.kind {
        "systems" => (200, json!({ "systems": [{ "name": SYSTEM }] })),
        "userinfo" => {
            let group = json!({ "id": "1002", "name": account });
            let accounts = json!([{ "name": "jup", "default": true }]);
            let info =
                json!({ "user": group, "group": group, "groups": [group], "accounts": accounts });
            (200, info)
        }
        "submit" => {
            let job = &asked.json()["job"];
            // Slurm's own check, and the one that FirecREST makes of the request.
            if !job["script"].as_str().unwrap_or_default().starts_with("#!") {
                let message = "Unexpected Slurm command response. exit_status:1 std_err:sbatch: error: This does not look like a batch script.";
                return failed(500, account, message);
            }
            if job["workingDirectory"].as_str().is_none() {
                return failed(422, account, "workingDirectory: Field required");
            }
            (201, json!({ "jobId": jobs::submit(cluster, account, job) }))
        }
        "job" | "jobs" => look(cluster, account, asked),
        "cancel" => cancel(cluster, account, &asked.job),
        _ => on_files(cluster, account, asked, call),
    }
}

fn look(cluster: &Cluster, account: &str, asked: &Asked) -> Done {
    let script = cluster.script();
    let everybody = asked.query("allusers") == "true";
    let name = asked.query("name");
    let found = script.jobs.iter().filter(|job| {
        (everybody || job.account == account)
            && (asked.job.is_empty() || job.id == asked.job)
            && (name.is_empty() || job.request["name"] == name)
    });
    let found: Vec<Value> = found.map(jobs::Job::json).collect();
    if found.is_empty() && asked.kind == "job" {
        return failed(404, account, "Job not found.");
    }
    (200, json!({ "jobs": found }))
}

fn cancel(cluster: &Cluster, account: &str, id: &str) -> Done {
    let told = |text: &str| {
        let message = format!(
            "Unexpected Slurm command response. exit_status:1 std_err:scancel: error: Kill job error on job id {id}: {text}"
        );
        failed(500, account, &message)
    };
    {
        let script = cluster.script();
        let Some(job) = script.jobs.iter().find(|job| job.id == id) else {
            return told("Invalid job id specified");
        };
        if job.account != account && !script.operators.contains(account) {
            return told("Access/permission denied");
        }
    }
    jobs::cancel(cluster, id);
    (204, Value::Null)
}

fn on_files(cluster: &Cluster, account: &str, asked: &Asked, call: &mut FirecrestCall) -> Done {
    let body = asked.json();
    let path = body["path"].as_str().unwrap_or(asked.query("path"));
    let path = match path_of(cluster, account, path) {
        Ok(path) => path,
        Err(refused) => return refused,
    };
    match asked.kind {
        "mkdir" => files::make_directory(account, &path, body["parent"] == true),
        "chmod" => files::set_mode(account, &path, body["mode"].as_str().unwrap_or_default()),
        "upload" => {
            let part = files::part(&asked.content_type, &asked.body);
            let (name, size) = part
                .map(|(name, content)| (name, content.len()))
                .unwrap_or_default();
            let (outer, inner) = (files::mode(&path), files::mode(&path.join(&name)));
            call.note = format!("{name}: {size} bytes into {outer}, {inner}");
            files::upload(account, &path, &asked.content_type, &asked.body)
        }
        "ls" => files::list(account, &path),
        "tail" => {
            let bytes = asked.query("bytes").parse().unwrap_or(1000);
            files::tail(account, &path, bytes)
        }
        _ => files::remove(account, &path),
    }
}

fn respond((status, body): Done, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    let body = match body {
        Value::Null => Full::default(),
        body => Full::from(body.to_string()),
    };
    response
        .header("content-type", "application/json")
        .body(body)
        .expect("it is a response")
}
