//! Who listens at a port of this machine (proc(5), `/proc/net/tcp`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// How the kernel writes that a socket listens.
const LISTENS: &str = "0A";

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to, which may stand for all.
    pub address: IpAddr,
    /// The account that made it.
    pub uid: u32,
    /// Its number in the kernel.
    pub inode: u64,
}

/// The sockets that listen at a port in the network of this process.
///
/// # Errors
/// When the kernel's table cannot be read. There may be no IPv6.
pub fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let four = std::fs::read_to_string("/proc/self/net/tcp")?;
    let six = std::fs::read_to_string("/proc/self/net/tcp6").unwrap_or_default();
    let lines = four.lines().chain(six.lines());
    Ok(lines.filter_map(|line| read(line, port)).collect())
}

impl Listener {
    /// Whether a connection to an address may end here.
    pub fn answers_at(&self, address: IpAddr) -> bool {
        match self.address {
            IpAddr::V6(six) if six.is_unspecified() => true,
            IpAddr::V4(four) if four.is_unspecified() => address.is_ipv4(),
            own => own.to_canonical() == address.to_canonical(),
        }
    }
}

/// The processes that have the socket open, as far as this account may see.
pub fn holders(inode: u64) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    holders_among(inode, pids)
}

/// Those of the processes that have the socket open, as far as this account may see.
pub fn holders_among(inode: u64, pids: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let link = format!("socket:[{inode}]");
    let has = |pid: &i32| {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let mut descriptors = descriptors.into_iter().flatten().flatten();
        descriptors.any(|one| std::fs::read_link(one.path()).is_ok_and(|it| it == Path::new(&link)))
    };
    pids.into_iter().filter(has).collect()
}

/// Reads a line of the table if it is a socket that listens at the port.
fn read(line: &str, port: u16) -> Option<Listener> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, state, _, _, _, owner, _, inode, ..] = fields[..] else {
        return None;
    };
    let (address, at) = local.rsplit_once(':')?;
    if state != LISTENS || u16::from_str_radix(at, 16).ok()? != port {
        return None;
    }
    Some(Listener {
        address: read_address(address)?,
        uid: owner.parse().ok()?,
        inode: inode.parse().ok()?,
    })
}

/// Words of 32 bits in the byte order of the machine, each in hexadecimal.
fn read_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_a_listening_socket_at_the_port_counts() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0";

        let found = read(line, 8080).expect("it listens");
        assert_eq!((found.uid, found.inode), (1000, 12345));
        if cfg!(target_endian = "little") {
            assert_eq!(found.address, Ipv4Addr::LOCALHOST);
        }
        assert_eq!(read(line, 8081), None);
        assert_eq!(read(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(read("  sl  local_address rem_address   st", 8080), None);
    }

    #[test]
    fn sockets_of_our_own_are_found_with_address_owner_and_holder() {
        let own = rustix::process::geteuid().as_raw();
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            let address: IpAddr = address.parse().expect("an address");
            let Ok(socket) = TcpListener::bind((address, 0)) else {
                assert!(address.is_ipv6(), "{address}");
                continue;
            };
            let port = socket.local_addr().expect("it has one").port();

            let found = listeners(port).expect("readable");

            let one = found.iter().find(|one| one.address == address);
            let one = one.unwrap_or_else(|| panic!("no {address} in {found:?}"));
            assert_eq!(one.uid, own);
            assert!(holders(one.inode).contains(&pid));
            let here: IpAddr = Ipv4Addr::LOCALHOST.into();
            assert_eq!(one.answers_at(here), address.to_string() != "::1");
            drop(socket);
            assert!(listeners(port).expect("readable").is_empty());
        }
    }
}
