//! Whether somebody who asks is code of this server: not only its account, but its place.
//!
//! The kernel says which process connects (`SO_PEERCRED`, unix(7)). One that this agent's PID namespace
//! does not have is on the outside of the container. One that it has must be in the control group of the
//! server or below it: there is what the server has started, a container of the person's own included,
//! and not a container that has joined the server's namespaces, nor another session of the account.
//! Where the server has no control group of its own, and inside of a container, the mount and PID
//! namespaces are compared as well.
//!
//! Whoever brings code into the server's own container (`docker exec`) is in all of these places.

use std::path::{Path, PathBuf};

/// Says why the process with this number is none of the server's; `None` when it is one.
pub(crate) fn objection(pid: Option<i32>) -> Option<&'static str> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    // Zero stands for a process that our namespace does not have.
    let Some(pid) = pid.filter(|pid| *pid > 0) else {
        return Some("it is in another PID namespace");
    };
    let place = |of: String| Place::read(&Path::new("/proc").join(of));
    let Some(theirs) = place(pid.to_string()) else {
        return Some("it cannot be found");
    };
    place("self".to_owned())?.objection(&theirs, own == 1)
}

/// Where a process is.
struct Place {
    /// For each hierarchy of control groups its name and the path in it (cgroups(7)).
    groups: Vec<(String, String)>,
    /// The mount and PID namespace, where we may see them.
    namespaces: Option<[PathBuf; 2]>,
}

impl Place {
    fn read(process: &Path) -> Option<Self> {
        let groups = std::fs::read_to_string(process.join("cgroup")).ok()?;
        let namespace = |name: &str| std::fs::read_link(process.join("ns").join(name)).ok();
        Some(Self {
            groups: groups.lines().filter_map(group).collect(),
            namespaces: namespace("mnt").zip(namespace("pid")).map(Into::into),
        })
    }

    fn objection(&self, other: &Self, is_first: bool) -> Option<&'static str> {
        let is_within = |(name, own): &(String, String)| {
            let theirs = other.groups.iter().find(|(other, _)| other == name);
            theirs.is_some_and(|(_, theirs)| is_below(theirs, own))
        };
        if !self.groups.iter().all(is_within) {
            return Some("it is in another control group");
        }
        let is_apart = self.groups.iter().any(|(_, path)| path != "/");
        if is_apart && !is_first {
            return None;
        }
        match (&self.namespaces, &other.namespaces) {
            (Some(own), Some(theirs)) if own != theirs => Some("it is in other namespaces"),
            // Those of another account are only for who may trace it; the control group has to do.
            _ => None,
        }
    }
}

/// Reads `4:memory:/docker/c0ffee`; the number may be another for each reader.
fn group(line: &str) -> Option<(String, String)> {
    let mut fields = line.splitn(3, ':').skip(1);
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// Seen from a namespace, what is outside of it begins with `/..`.
fn is_below(path: &str, group: &str) -> bool {
    if path.starts_with("/..") && !group.starts_with("/..") {
        return false;
    }
    let rest = path.strip_prefix(group.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(group: &str, namespaces: &str) -> Place {
        Place {
            groups: vec![(String::new(), group.to_owned())],
            namespaces: Some(["mnt", "pid"].map(|name| format!("{name}:{namespaces}").into())),
        }
    }

    #[test]
    fn what_the_server_started_is_at_its_place_or_below() {
        let own = place("/jansky-x/7-2", "1");

        for near in ["/jansky-x/7-2", "/jansky-x/7-2/job"] {
            // A container of the person's own, in a notebook, has other namespaces.
            assert_eq!(own.objection(&place(near, "2"), false), None, "{near}");
        }
        for far in ["/", "/jansky-x", "/jansky-x/7-21", "/user.slice", "/../x"] {
            assert!(own.objection(&place(far, "1"), false).is_some(), "{far}");
        }
    }

    #[test]
    fn in_a_container_whoever_has_joined_it_is_told_apart() {
        let own = place("/", "1");

        assert_eq!(own.objection(&place("/", "1"), true), None);
        assert_eq!(own.objection(&place("/below", "1"), true), None);
        assert!(own.objection(&place("/../c0ffee", "1"), true).is_some());
        assert!(own.objection(&place("/", "2"), true).is_some());
    }

    #[test]
    fn this_process_is_at_its_own_place() {
        let own = rustix::process::getpid().as_raw_nonzero().get();

        assert_eq!(objection(Some(own)), None);
        assert!(objection(Some(0)).is_some());
        assert!(objection(None).is_some());
    }
}
