//! The agent as the first process of a container: it starts the server and ends with it.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, ExitCode, Stdio};

use jansky_model::Secret;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use crate::log::say;

/// What a shell answers when a command cannot be run.
const NO_COMMAND: u8 = 127;

/// What is passed on to the server.
const PASSED_ON: [Signal; 7] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// Waits for `first`, then starts the command with exactly this environment. Passes signals on to it,
/// reaps orphans, and returns its exit status as a shell would.
pub(crate) async fn run(
    command: &[String],
    environment: &BTreeMap<String, Secret>,
    first: impl Future<Output = ()>,
) -> ExitCode {
    match supervise(command, environment, first).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let program = command.first().map_or("", String::as_str);
            say(&format!("could not run the command `{program}`: {error}"));
            ExitCode::from(NO_COMMAND)
        }
    }
}

async fn supervise(
    command: &[String],
    environment: &BTreeMap<String, Secret>,
    first: impl Future<Output = ()>,
) -> io::Result<u8> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // Listen before the command starts, so that no signal is missed.
    let mut ended = signal(SignalKind::child())?;
    let mut passed_on = PASSED_ON
        .into_iter()
        .map(|one| Ok((one, signal(SignalKind::from_raw(one.as_raw()))?)))
        .collect::<io::Result<Vec<_>>>()?;
    tokio::select! {
        () = first => {}
        one = any(&mut passed_on) => {
            if matches!(one, Signal::TERM | Signal::INT | Signal::QUIT | Signal::HUP) {
                return Ok(by_signal(one.as_raw()));
            }
        }
    }
    // Orphans go to the first process of the container, which may be another; have them come here.
    let own = rustix::process::getpid();
    let _ = rustix::process::set_child_subreaper(Some(own));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        // Exposed to the server, whose environment it is.
        .envs(
            environment
                .iter()
                .map(|(name, value)| (name, value.expose())),
        )
        .stdin(Stdio::null())
        .spawn()?;
    let server = Pid::from_child(&child);
    loop {
        if let Some(code) = reap(server)? {
            return Ok(code);
        }
        tokio::select! {
            _ = ended.recv() => {}
            one = any(&mut passed_on) => {
                // It may have ended just now.
                let _ = rustix::process::kill_process(server, one);
            }
        }
    }
}

/// Takes note of all children that have ended; returns the status of the server if it is among them.
fn reap(server: Pid) -> io::Result<Option<u8>> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == server => return Ok(Some(status_of(status))),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn status_of(status: WaitStatus) -> u8 {
    let code = status
        .exit_status()
        .and_then(|code| u8::try_from(code).ok());
    code.unwrap_or_else(|| by_signal(status.terminating_signal().unwrap_or_default()))
}

fn by_signal(signal: i32) -> u8 {
    128_u8.saturating_add(u8::try_from(signal).unwrap_or_default())
}

/// Waits for the next of several signals.
async fn any(signals: &mut [(Signal, Signals)]) -> Signal {
    std::future::poll_fn(|context| {
        for (one, received) in signals.iter_mut() {
            if received.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*one);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
