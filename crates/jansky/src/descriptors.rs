//! How many files and sockets this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// As many as the unit of systemd allows. Servers inherit it, and some programs look at each possible
/// descriptor, so it is not as many as could be had.
const WANTED: u64 = 65_536;

/// Kept for the database, providers, servers that are starting, and files.
const OWN: u64 = 256;

/// Below this many connections a class room may be too much.
const FEW: u64 = 2_000;

/// How many connections of clients there may be, after the limit was raised as far as it may be.
///
/// Each may need another one, to the server that it is for.
pub(crate) fn connections() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_some_and(|now| now < wanted) {
        let before = limit.current;
        limit.current = Some(wanted);
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    let connections = connections_with(limit.current.unwrap_or(u64::MAX));
    if connections < FEW {
        warn!(
            connections,
            "this process may have few files and sockets open; raise its limit \
             (`LimitNOFILE=` in the unit, or `ulimit -n`) so that more people can be served"
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

fn connections_with(descriptors: u64) -> u64 {
    (descriptors.saturating_sub(OWN) / 2).max(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_descriptors_left_for_the_servers_behind_and_for_the_hub_itself() {
        assert_eq!(connections_with(65_536), 32_640);
        assert_eq!(connections_with(1024), 384);
        assert_eq!(connections_with(0), 64);
        assert!(connections_with(u64::MAX) > 1 << 60);
    }
}
