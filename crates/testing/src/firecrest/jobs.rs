//! Jobs, as processes of this machine.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Cluster, SYSTEM};

/// How long a job may take to end after SIGTERM, as Slurm's `KillWait`.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// A job that was submitted.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Everything of the request: script, name, environment.
    pub request: Value,
    /// Whose it is, on the cluster.
    pub account: String,
    /// Slurm's word for its state.
    pub state: String,
    exit_code: i64,
    signal: i64,
    /// The process group, while it runs.
    group: Option<i32>,
}

impl Job {
    fn text(&self, key: &str) -> &str {
        self.request[key].as_str().unwrap_or_default()
    }

    /// Whether it waits or runs.
    pub fn is_live(&self) -> bool {
        matches!(self.state.as_str(), "PENDING" | "RUNNING")
    }

    /// As FirecREST shows it.
    pub(super) fn json(&self) -> Value {
        let status = json!({
            "state": self.state,
            "stateReason": if self.state == "PENDING" { "Resources" } else { "None" },
            "exitCode": self.exit_code,
            "interruptSignal": self.signal,
        });
        json!({
            "jobId": self.id,
            "name": self.text("name"),
            "status": status,
            "tasks": [],
            "time": { "elapsed": 1, "start": null, "end": null, "suspended": 0, "limit": 300 },
            "account": "jup",
            "allocationNodes": 1,
            "cluster": SYSTEM,
            "group": self.account,
            "nodes": if self.state == "PENDING" { "" } else { "n1" },
            "partition": self.request["partition"].as_str().unwrap_or("debug"),
            "killRequestUser": null,
            "user": self.account,
            "workingDirectory": self.text("workingDirectory"),
            "priority": 4_294_901_752_u64,
        })
    }
}

/// Takes a job; returns its id.
pub(super) fn submit(cluster: &Cluster, account: &str, request: &Value) -> String {
    let id = {
        let mut script = cluster.script();
        let id = (script.jobs.len() + 8).to_string();
        script.jobs.push(Job {
            id: id.clone(),
            request: request.clone(),
            account: account.to_owned(),
            state: "PENDING".to_owned(),
            exit_code: 0,
            signal: 0,
            group: None,
        });
        id
    };
    run_waiting(cluster);
    id
}

/// Starts the jobs that wait, unless the queue is held.
pub(super) fn run_waiting(cluster: &Cluster) {
    let waiting: Vec<Job> = {
        let mut script = cluster.script();
        if script.holds_queue {
            return;
        }
        let waiting = script.jobs.iter_mut().filter(|job| job.state == "PENDING");
        let mut begun = Vec::new();
        for job in waiting {
            "RUNNING".clone_into(&mut job.state);
            begun.push(job.clone());
        }
        begun
    };
    for job in waiting {
        run(cluster, &job);
    }
}

fn run(cluster: &Cluster, job: &Job) {
    let spooled = cluster.root.join("spool").join(format!("{}.sh", job.id));
    std::fs::write(&spooled, job.text("script")).expect("the directory is ours");
    let output = PathBuf::from(job.text("standardOutput").replace("%j", &job.id));
    let log = || {
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(&output);
        file.map_or_else(|_| Stdio::null(), Stdio::from)
    };
    let spawned = Command::new("bash")
        .arg("-l")
        .arg(&spooled)
        .current_dir(job.text("workingDirectory"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", cluster.home(&job.account))
        .env("USER", &job.account)
        .env("SLURM_JOB_ID", &job.id)
        .stdin(Stdio::null())
        .stdout(log())
        .stderr(log())
        .process_group(0)
        .spawn();
    let Ok(mut child) = spawned else {
        end(cluster, &job.id, "FAILED", 1, 0);
        return;
    };
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    change(cluster, &job.id, |job| job.group = group);
    let (cluster, id) = (cluster.clone(), job.id.clone());
    tokio::spawn(async move {
        let status = child
            .wait()
            .await
            .unwrap_or_else(|_| ExitStatus::from_raw(1));
        // Whatever it left running goes with it.
        signal(group, Signal::KILL);
        let (code, signal) = (status.code(), status.signal());
        let state = match code {
            Some(0) => "COMPLETED",
            _ => "FAILED",
        };
        end(
            &cluster,
            &id,
            state,
            code.unwrap_or_default().into(),
            signal.unwrap_or_default().into(),
        );
    });
}

fn change(cluster: &Cluster, id: &str, change: impl FnOnce(&mut Job)) {
    let mut script = cluster.script();
    if let Some(job) = script.jobs.iter_mut().find(|job| job.id == id) {
        change(job);
    }
}

/// Notes the end of a job, unless it was noted before.
fn end(cluster: &Cluster, id: &str, state: &str, code: i64, signal: i64) {
    change(cluster, id, |job| {
        job.group = None;
        if job.is_live() {
            state.clone_into(&mut job.state);
            (job.exit_code, job.signal) = (code, signal);
        }
    });
}

fn signal(group: Option<i32>, signal: Signal) {
    if let Some(group) = group.and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process_group(group, signal);
    }
}

/// Cancels a job, as scancel does: it is noted at once, and the processes get a while.
pub(super) fn cancel(cluster: &Cluster, id: &str) {
    let mut group = None;
    change(cluster, id, |job| {
        group = job.group;
        if job.is_live() {
            "CANCELLED by 1002".clone_into(&mut job.state);
            job.signal = 15;
        }
    });
    signal(group, Signal::TERM);
    let (cluster, id) = (cluster.clone(), id.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(KILL_WAIT).await;
        let mut left = None;
        change(&cluster, &id, |job| left = job.group);
        signal(left, Signal::KILL);
    });
}

/// Ends a job with its node.
pub(super) fn lose(cluster: &Cluster, id: &str) {
    let mut group = None;
    change(cluster, id, |job| {
        group = job.group;
        "NODE_FAIL".clone_into(&mut job.state);
    });
    signal(group, Signal::KILL);
}

/// Ends every job.
pub(super) fn end_all(cluster: &Cluster) {
    for job in &cluster.script().jobs {
        signal(job.group, Signal::KILL);
    }
}
