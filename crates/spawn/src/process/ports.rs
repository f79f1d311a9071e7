//! The ports of servers: which are free, and who holds one.
//!
//! Between the choice of a port and the moment at which the server listens anybody on this machine can
//! take it, and would get the cookies of the server's visitors. So a server counts only when every
//! socket that a connection could end at belongs to one of its processes.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jansky_guard::{Listener, holders, holders_among, listeners};
use tokio::time::Instant;

use super::family::Family;
use crate::AddressOwner;

/// How long a server may take to bind its port before it can be given to another one.
const RESERVED: Duration = Duration::from_mins(1);
const TRIES: usize = 1000;

/// Picks free ports of the loopback interface, and none twice within a minute.
#[derive(Default)]
pub(crate) struct PortPicker(Mutex<Vec<(u16, Instant)>>);

impl PortPicker {
    pub(crate) fn pick(&self) -> io::Result<u16> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        recent.retain(|(_, until)| *until > now);
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if recent.iter().all(|(taken, _)| *taken != port) {
                recent.push((port, now + RESERVED));
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

impl Family {
    /// Who listens at the address of the main process's server. Reads the table of processes.
    pub(super) fn address_owner(&mut self, url: &str) -> io::Result<AddressOwner> {
        let address = address(url).ok_or(io::ErrorKind::InvalidInput)?;
        let mut found = listeners(address.port())?;
        found.retain(|one| one.answers_at(address.ip()));
        if found.is_empty() {
            return Ok(AddressOwner::Nobody);
        }
        let Some(main) = self.main else {
            return Ok(other(address, &found[0]));
        };
        let uid = self.table.uid(main.pid)?;
        for listener in &found {
            // Everything that a server starts has its account; another account's socket is not its.
            if listener.uid != uid || !self.holds(listener, main.pid)? {
                return Ok(other(address, listener));
            }
        }
        Ok(AddressOwner::Server)
    }

    /// Whether a process of the server has the socket, which is of the server's account.
    ///
    /// A hub without the right to look into the processes of others (`CAP_SYS_PTRACE`, which the unit
    /// for systemd does not give) sees of no socket who has it. Then the account has to do: only that
    /// person's own programs share it.
    fn holds(&mut self, listener: &Listener, main: i32) -> io::Result<bool> {
        if !holders_among(listener.inode, [main]).is_empty() {
            return Ok(true);
        }
        let members = self.look()?.into_iter().map(|member| member.pid);
        Ok(
            !holders_among(listener.inode, members).is_empty()
                || holders(listener.inode).is_empty(),
        )
    }
}

fn other(address: SocketAddr, listener: &Listener) -> AddressOwner {
    let names: BTreeSet<String> = holders(listener.inode)
        .into_iter()
        .map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            format!("`{}`, pid {pid}", name.unwrap_or_default().trim())
        })
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    let names = if names.is_empty() {
        "a process that Jansky may not look at".to_owned()
    } else {
        names.join(" and ")
    };
    AddressOwner::Other {
        who: format!(
            "the port {address} is held by {names} of the account {}, which is no process of this \
             server",
            account(listener.uid)
        ),
    }
}

fn account(uid: u32) -> String {
    let known = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
    match known {
        Ok(Some(account)) => format!("`{}`", account.name),
        _ => uid.to_string(),
    }
}

/// The address of `http://127.0.0.1:40001`.
fn address(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_port_is_picked_twice_within_a_minute() {
        let picker = PortPicker::default();

        let picked: BTreeSet<u16> = (0..500)
            .map(|_| picker.pick().expect("a free port"))
            .collect();

        assert_eq!(picked.len(), 500);
        tokio::time::advance(RESERVED).await;
        picker.pick().expect("a free port");
        assert_eq!(picker.0.lock().expect("not poisoned").len(), 1);
    }
}
