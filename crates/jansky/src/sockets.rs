//! The socket on which the hub listens, when somebody else has opened it.
//!
//! Whoever opens it keeps it open while the hub is restarted, so that nobody is refused meanwhile:
//! connections wait in its queue. That is systemd, with its protocol (`LISTEN_FDS`) or as the standard
//! input (`StandardInput=socket`), or this program itself, when it begins again in its own place.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Takes the socket that was handed over, if there is one. It belongs before the first thread, since
/// it changes the environment.
pub(crate) fn handed_over() -> anyhow::Result<Option<TcpListener>> {
    let mut sockets = listenfd::ListenFd::from_env();
    match sockets.len() {
        0 => from_standard_input(),
        1 => sockets
            .take_tcp_listener(0)
            .context("the socket that was handed over cannot be listened on"),
        count => anyhow::bail!("{count} sockets were handed over, and Jansky listens on one"),
    }
}

fn from_standard_input() -> anyhow::Result<Option<TcpListener>> {
    let input = std::io::stdin();
    if !rustix::net::sockopt::socket_acceptconn(&input).unwrap_or(false) {
        return Ok(None);
    }
    let socket: OwnedFd = input.as_fd().try_clone_to_owned()?;
    // What is started from here must not keep the port.
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(Some(TcpListener::from(socket)))
}

/// How to begin again: the program as it lies at its place by then, with the arguments of this one.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    program: PathBuf,
    arguments: Vec<std::ffi::OsString>,
}

impl Again {
    /// To be made at the start: later the program may have been replaced.
    pub(crate) fn as_started() -> anyhow::Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("the program does not find itself")?,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Puts a new run of the program in the place of this process, listening on the same socket;
    /// returns only when that does not work.
    pub(crate) fn begin(&self, socket: TcpListener) -> anyhow::Error {
        use std::os::unix::process::CommandExt as _;

        let error = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .exec();
        let program = self.program.display();
        anyhow::Error::new(error).context(format!("could not begin `{program}` again"))
    }
}
