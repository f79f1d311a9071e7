//! A port for a server on a machine that nobody knew before, as with batch jobs.
//!
//! The agent chooses a port that is free, and says which only when a socket of its own account listens
//! there: on a machine with other people, one that is only expected could be theirs.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use jansky_handover::{Announced, Listen, variables};
use jansky_model::Secret;

use crate::log::say;

/// Between two looks whether the server listens.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A port that was free.
pub(crate) struct Chosen {
    listen: Listen,
    port: u16,
}

impl Chosen {
    /// Chooses a port that is free on every interface.
    pub(crate) fn from_free_ports(listen: Listen) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = socket.local_addr()?.port();
        Ok(Self { listen, port })
    }

    /// The variable with which the server is told.
    pub(crate) fn variable(&self) -> (&'static str, Secret) {
        let url = self.listen.url_at(self.port);
        (variables::SERVICE_URL, Secret::new(url))
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
    let found = jansky_guard::listeners(port).unwrap_or_default();
    found.iter().any(|one| one.uid == uid)
}

/// Writes the file so that nobody ever reads a part of it.
fn write(path: &Path, port: u16) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let place = jansky_guard::Place::open(directory)?;
    let announced = Announced { port }.write();
    place.write(&name.to_string_lossy(), announced.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

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
