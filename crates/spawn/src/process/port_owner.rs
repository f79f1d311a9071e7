//! Who holds the port of a server.
//!
//! Between the choice of a port and the moment at which the server listens anybody on this machine can
//! take it, and would get the cookies of the server's visitors. So a server counts only when every
//! socket that a connection could end at belongs to one of its processes.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use jansky_guard::{Listener, holders, holders_among, listeners};

use super::family::Family;
use crate::AddressOwner;

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
