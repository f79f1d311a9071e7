//! A port for a server on a machine that nobody knew before, as with batch jobs.
//!
//! The agent chooses a port that is free, and says which only when a socket of its own account listens
//! there: on a machine with other people, one that is only expected could be theirs.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jansky_model::Secret;
use serde::Deserialize;

use crate::log::say;

/// Where JupyterHub's servers find their address.
const VARIABLE: &str = "JUPYTERHUB_SERVICE_URL";

/// Between two looks whether the server listens.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How the kernel writes that a socket listens.
const LISTENS: &str = "0A";

/// What the spawner wants to know.
#[derive(Deserialize)]
pub(crate) struct Listen {
    /// The address of the server, with `{port}`.
    url: String,
    /// The file in which the port is to stand: `{"port": 12345}`.
    announce: PathBuf,
}

/// A port that was free.
pub(crate) struct Chosen {
    listen: Listen,
    port: u16,
}

impl Listen {
    /// Chooses a port that is free on every interface.
    pub(crate) fn choose(self) -> io::Result<Chosen> {
        let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = socket.local_addr()?.port();
        Ok(Chosen { listen: self, port })
    }
}

impl Chosen {
    /// The variable with which the server is told.
    pub(crate) fn variable(&self) -> (&'static str, Secret) {
        let url = self.listen.url.replace("{port}", &self.port.to_string());
        (VARIABLE, Secret::new(url))
    }

    /// Waits until the server listens and writes its port down.
    pub(crate) async fn announce(self) {
        let own = rustix::process::geteuid().as_raw();
        while !listens(self.port, own) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if let Err(error) = write(&self.listen.announce, self.port) {
            let path = self.listen.announce.display();
            say(&format!(
                "the port cannot be written into `{path}`: {error}"
            ));
        }
    }
}

/// Whether a socket of an account listens at a port.
fn listens(port: u16, uid: u32) -> bool {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .any(|table| table.lines().any(|line| is_listener(line, port, uid)))
}

/// Whether a line of proc(5) `/proc/net/tcp` is a socket of an account that listens at a port.
fn is_listener(line: &str, port: u16, uid: u32) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, state, _, _, _, owner, ..] = fields[..] else {
        return false;
    };
    let found = local.rsplit_once(':');
    let found = found.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
    state == LISTENS && found == Some(port) && owner.parse() == Ok(uid)
}

/// Writes the file so that nobody ever reads a part of it.
fn write(path: &Path, port: u16) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{{\"port\":{port}}}")?;
    drop(file);
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listening_socket_of_the_account_counts() {
        let line = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0";

        assert!(is_listener(line, 8080, 1000));
        assert!(!is_listener(line, 8081, 1000));
        assert!(!is_listener(line, 8080, 1001));
        assert!(!is_listener(&line.replace(" 0A ", " 01 "), 8080, 1000));
        assert!(!is_listener(
            "  sl  local_address rem_address   st",
            8080,
            1000
        ));
    }

    #[test]
    fn a_socket_of_our_own_is_found() {
        let own = rustix::process::geteuid().as_raw();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = socket.local_addr().expect("it has one").port();

        assert!(listens(port, own));
        assert!(!listens(port, own + 1));
        drop(socket);
        assert!(!listens(port, own));
    }
}
