//! The role of our program that becomes a server, and how the hub begins it.
//!
//! Between the hub and a server stands one short step that must run in the new process: leaving the
//! hub's session, joining control groups, giving up rights. Done in a program of its own it needs
//! no unsafe code. What to become comes as one JSON document on standard input, so that no secret
//! is on a command line or in a file; what became of it goes to standard output as lines of JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use jansky_guard::Place;
use jansky_handover::StartDocument;
use jansky_model::Secret;
use rustix::fs::FlockOperation;
use rustix::process::{Gid, Signal, Uid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::SpawnError;
use crate::process::{Marker, ProcessTable, Record, place_of};

/// How long the launcher may take. A home directory on a slow file server is the longest part.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Variables of the server that are for its agent, too: whom to believe when the hub uses TLS.
const AGENT_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What to become.
#[derive(Serialize, Deserialize)]
pub(crate) struct LaunchRequest<'a> {
    /// The pid of the hub, without which nothing is begun.
    pub(crate) hub: u32,
    pub(crate) command: Vec<Cow<'a, str>>,
    /// All of the server's environment, with secrets.
    pub(crate) environment: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Where to work; made with mode 0700 by the server's account when `make_directory` is set.
    pub(crate) directory: PathBuf,
    pub(crate) make_directory: bool,
    /// The account to become, if not the hub's.
    pub(crate) account: Option<Identity>,
    /// The directories of control groups to join.
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) log: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) record: PathBuf,
    pub(crate) url: String,
    pub(crate) no_new_privileges: bool,
    /// Whether the server may be root, which it is only when the hub is.
    pub(crate) may_be_root: bool,
    /// The agent to start beside the server.
    pub(crate) agent: Option<AgentRequest<'a>>,
}

/// An agent, and what it is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct AgentRequest<'a> {
    pub(crate) command: Vec<Cow<'a, str>>,
    /// A [`StartDocument`], which still lacks the process with which to end.
    pub(crate) document: Cow<'a, str>,
}

/// The rights of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// What became of it. A `Began` that no `Failed` follows is a success.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaunchReport {
    /// The launcher is about to become the server.
    Began(Record),
    /// Another launcher was first.
    Found(Record),
    /// It did not work, in words for a person.
    Failed(String),
}

/// What a launcher did.
pub(crate) enum Launched {
    /// It became the server.
    Began(tokio::process::Child, Record),
    /// The server was there already.
    Found(Record),
}

/// Starts the launcher and waits until it has become the server, or has not.
///
/// If this is dropped before the launcher has its whole request, nothing is started; later, the
/// record tells of the server.
pub(crate) async fn launch(
    launcher: &[String],
    request: &LaunchRequest<'_>,
    marker: &Marker,
) -> Result<Launched, SpawnError> {
    let document = serde_json::to_string(request)
        .map(Secret::new)
        .map_err(|error| SpawnError::unavailable_because("could not write the request", error))?;
    let (program, arguments) = launcher
        .split_first()
        .ok_or_else(|| SpawnError::refused("the command line of the launcher is empty"))?;
    let unavailable = |what: &str, error: std::io::Error| {
        SpawnError::unavailable_because(format!("could not {what} the launcher `{program}`"), error)
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(marker.variables())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| unavailable("run", error))?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(SpawnError::unavailable("the launcher has no pipes"));
    };
    let talk = async {
        input.write_all(document.expose().as_bytes()).await?;
        drop(input);
        let mut answer = Vec::new();
        output.read_to_end(&mut answer).await.map(|_| answer)
    };
    let answer = match tokio::time::timeout(LAUNCH_TIMEOUT, talk).await {
        Ok(Ok(answer)) => answer,
        // It ended without reading all; what it said is lost with the pipe.
        Ok(Err(error)) => {
            let _ = child.start_kill();
            return Err(unavailable("talk to", error));
        }
        Err(_) => {
            let _ = child.start_kill();
            return Err(SpawnError::unavailable(format!(
                "the launcher `{program}` did not start the server within {} s; is the working \
                 directory on a file server that does not answer?",
                LAUNCH_TIMEOUT.as_secs()
            )));
        }
    };
    let last = answer
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<LaunchReport>(line).ok())
        .next_back();
    match last {
        Some(LaunchReport::Began(record)) => return Ok(Launched::Began(child, record)),
        Some(LaunchReport::Found(record)) => {
            let _ = child.wait().await;
            return Ok(Launched::Found(record));
        }
        Some(LaunchReport::Failed(reason)) => {
            let _ = child.wait().await;
            return Err(SpawnError::failed(reason, ""));
        }
        None => {}
    }
    let status = child
        .wait()
        .await
        .map_err(|error| unavailable("wait for", error))?;
    Err(SpawnError::unavailable(format!(
        "the launcher `{program}` ended before it began ({status})"
    )))
}

/// Reads from standard input what to become, and becomes it; returns only if it did not.
///
/// The program must call this first of all: a process with several threads could not give up its
/// rights as a whole, and is refused.
pub fn run() -> ExitCode {
    // A descriptor of its own, closed when the server begins, since its standard output is the log.
    let Ok(status) = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3) else {
        return ExitCode::FAILURE;
    };
    let mut status = File::from(status);
    match become_server(&mut status) {
        Ok(found) => report(&mut status, &LaunchReport::Found(found)),
        Err(reason) => report(&mut status, &LaunchReport::Failed(reason)),
    }
}

fn report(status: &mut File, report: &LaunchReport) -> ExitCode {
    let written = serde_json::to_vec(report).is_ok_and(|mut line| {
        line.push(b'\n');
        status.write_all(&line).is_ok()
    });
    match report {
        LaunchReport::Failed(_) => ExitCode::FAILURE,
        _ if written => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Returns the record of another launcher's server if there is one.
fn become_server(status: &mut File) -> Result<Record, String> {
    let request = io::read_to_string(io::stdin()).map_err(because("could not read the request"))?;
    let request: LaunchRequest<'_> =
        serde_json::from_str(&request).map_err(|_| "the request is not complete".to_owned())?;
    let table = ProcessTable::default();
    let threads =
        std::fs::read_dir("/proc/self/task").map_err(because("could not read `/proc`"))?;
    if threads.count() != 1 {
        return Err("the launcher must be called before the program has threads".to_owned());
    }

    // Until there is a record a launcher is not found, so it must not outlive its hub: the next one
    // may already have started this server with another token.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(because("could not ask to end with the hub"))?;
    if std::os::unix::process::parent_id() != request.hub {
        return Err("the hub has ended".to_owned());
    }
    rustix::process::setsid().map_err(because("could not leave the session of the hub"))?;
    let (log, lock) = open_files(&request)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)
        .map_err(because("could not lock the directory of the server"))?;
    let found = Record::read(&request.record).map_err(because("could not read the record"))?;
    if let Some(found) = found
        && found
            .is_alive(&table)
            .map_err(because("could not read `/proc`"))?
    {
        return Ok(found);
    }

    for group in &request.cgroups {
        std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()).map_err(
            because(format!(
                "could not join the control group `{}`",
                group.display()
            )),
        )?;
    }
    let record = own_record(&table, &request).map_err(because("could not read `/proc`"))?;
    record
        .write(&request.record)
        .map_err(because("could not write the record"))?;
    rustix::process::set_parent_process_death_signal(None)
        .map_err(because("could not ask to outlive the hub"))?;
    give_up_rights(&request).map_err(because("could not take the rights of the account"))?;
    if rustix::process::geteuid().is_root() && !request.may_be_root {
        return Err("the server would run as root".to_owned());
    }
    enter(&request)?;
    if let Some(agent) = &request.agent
        && let Err(error) = start_agent(agent, &request, &log)
    {
        // The server is worth more than its tokens; its owner reads why in its log.
        let _ = writeln!(
            &log,
            "this server gets no tokens: its agent did not start: {error}"
        );
    }

    report(status, &LaunchReport::Began(record));
    let again = |reason| because::<io::Error>(reason);
    let errors = log.try_clone().map_err(again("could not use the log"))?;
    let (program, arguments) = request
        .command
        .split_first()
        .ok_or("the command is empty")?;
    let error = Command::new(program.as_ref())
        .args(arguments.iter().map(AsRef::as_ref))
        .env_clear()
        .envs(
            request
                .environment
                .iter()
                .map(|(name, value)| (name.as_ref(), value.as_ref())),
        )
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .exec();
    Err(explain(program, &error))
}

/// Opens the log, which the server's account may open again by `/dev/stderr`, and the lock.
fn open_files(request: &LaunchRequest<'_>) -> Result<(File, File), String> {
    let open = |path: &Path| {
        place_of(path)
            .and_then(|(directory, name)| Place::open(directory)?.append(name, 0o600))
            .map_err(because(format!("could not open `{}`", path.display())))
    };
    let log = open(&request.log)?;
    if let Some(account) = &request.account {
        std::os::unix::fs::fchown(&log, Some(account.uid), Some(account.gid))
            .map_err(because("could not give the log to the account"))?;
    }
    Ok((log, open(&request.lock)?))
}

fn own_record(table: &ProcessTable, request: &LaunchRequest<'_>) -> io::Result<Record> {
    let own = table.find(rustix::process::getpid().as_raw_nonzero().get())?;
    let own = own.ok_or(io::ErrorKind::NotFound)?;
    Ok(Record {
        process: own.id,
        boot: table.boot()?,
        url: request.url.clone(),
    })
}

/// The calls are those for one thread, and this process has only one.
fn give_up_rights(request: &LaunchRequest<'_>) -> io::Result<()> {
    if let Some(account) = &request.account {
        let groups: Vec<Gid> = account
            .groups
            .iter()
            .map(|gid| Gid::from_raw(*gid))
            .collect();
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        rustix::thread::set_thread_groups(&groups)?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    }
    // What the hub was given to open low ports, for example, is not for servers. Kernels before 4.3
    // know no such rights.
    let _ = rustix::thread::clear_ambient_capability_set();
    if request.no_new_privileges {
        rustix::thread::set_no_new_privs(true)?;
    }
    Ok(())
}

/// Starts the agent as the server's account and in its control groups. It is a child of what is about
/// to become the server, so it learns from the kernel when that ends.
fn start_agent(
    agent: &AgentRequest<'_>,
    request: &LaunchRequest<'_>,
    log: &File,
) -> io::Result<()> {
    let (program, arguments) = agent
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut document = StartDocument::read(agent.document.as_bytes()).map_err(io::Error::other)?;
    document.parent = Some(std::process::id());
    let document = document.write().map_err(io::Error::other)?;
    let kept = request
        .environment
        .iter()
        .filter(|(name, _)| ProcessTable::marks(name) || AGENT_VARIABLES.contains(&name.as_ref()));
    let mut child = Command::new(program.as_ref())
        .args(arguments.iter().map(AsRef::as_ref))
        .env_clear()
        .envs(kept.map(|(name, value)| (name.as_ref(), value.as_ref())))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()?;
    // Without a command it is far smaller than a pipe, so this waits for nobody.
    match child.stdin.take() {
        Some(mut input) => input.write_all(document.expose().as_bytes()),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Makes the working directory with the rights of the account, so that a link which the user put
/// there leads nowhere the user could not go.
fn enter(request: &LaunchRequest<'_>) -> Result<(), String> {
    let directory = request.directory.display();
    if request.make_directory {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&request.directory)
            .map_err(because(format!(
                "could not make the working directory `{directory}`"
            )))?;
    }
    std::env::set_current_dir(&request.directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("the working directory `{directory}` does not exist"),
        _ => format!("could not enter the working directory `{directory}`: {error}"),
    })
}

fn explain(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => format!(
            "the command `{program}` does not exist, or the program that its first line names \
             does not; install it or correct the command"
        ),
        io::ErrorKind::NotFound => format!(
            "the command `{program}` does not exist in the `PATH` of the server; install it or \
             write its whole path"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("the account of the server may not run the command `{program}`")
        }
        _ => format!("could not run the command `{program}`: {error}"),
    }
}

/// Makes a sentence of what was tried and why it did not work.
fn because<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> String {
    let what = what.into();
    move |error| format!("{what}: {error}")
}
