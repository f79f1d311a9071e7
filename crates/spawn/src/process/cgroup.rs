//! Control groups: limits, and certainty about which processes belong to a server.
//!
//! Version 2 (one tree, `Documentation/admin-guide/cgroup-v2.rst` of the kernel) and version 1 (one
//! tree for each controller) are both in use. Servers get `jansky-<instance>/<server>-<start>`
//! below the group of the hub, so that limits on the hub's service hold for them as well.

use std::io;
use std::path::{Path, PathBuf};

use jansky_model::ByteSize;

/// The length over which processor time is measured, in microseconds; the kernel's default.
const PERIOD: u64 = 100_000;
/// Controllers that we use, the first two for limits.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
/// Under version 2 a group has either processes or groups with controllers below it, so the hub
/// moves into this one.
const HUB_GROUP: &str = "hub";

/// What a server may use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) memory: Option<ByteSize>,
    /// In cores.
    pub(crate) cpu: Option<f64>,
}

/// The control groups of this machine that we may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// Version 2: the group that ours are made in.
    Unified(PathBuf),
    /// Version 1: for each controller the group that ours are made in.
    Split(Vec<(&'static str, PathBuf)>),
}

impl Cgroups {
    /// Finds what may be used on this machine, or says why nothing.
    pub(crate) fn detect() -> Result<Self, String> {
        let membership = std::fs::read_to_string("/proc/self/cgroup")
            .map_err(|error| format!("`/proc/self/cgroup` cannot be read: {error}"))?;
        Self::detect_in(Path::new("/sys/fs/cgroup"), &membership)
    }

    fn detect_in(mount: &Path, membership: &str) -> Result<Self, String> {
        let own = |controller: &str| {
            membership.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                let found = controllers.split(',').any(|name| name == controller);
                found.then(|| fields.next()).flatten()
            })
        };
        // In a container the path may be that of the machine; then the mount is our group.
        let below = |tree: PathBuf, path: &str| {
            let group = tree.join(path.trim_start_matches('/'));
            if group.is_dir() { group } else { tree }
        };
        if mount.join("cgroup.controllers").exists() {
            let path = own("").ok_or("this process is in no control group of version 2")?;
            let mut base = below(mount.to_owned(), path);
            if base.ends_with(HUB_GROUP) {
                base.pop();
            }
            let given = std::fs::read_to_string(base.join("cgroup.controllers"))
                .map_err(|error| format!("`{}` cannot be read: {error}", base.display()))?;
            let given: Vec<&str> = given.split_ascii_whitespace().collect();
            if !given.contains(&"memory") || !given.contains(&"cpu") {
                return Err(format!(
                    "the control group `{}` has no memory and cpu controllers",
                    base.display()
                ));
            }
            return if is_writable(&base) {
                Ok(Self::Unified(base))
            } else {
                Err(format!(
                    "the control group `{}` may not be written to",
                    base.display()
                ))
            };
        }
        let trees: Vec<_> = CONTROLLERS
            .iter()
            .filter_map(|controller| {
                let base = below(mount.join(controller), own(controller)?);
                (base.is_dir() && is_writable(&base)).then_some((*controller, base))
            })
            .collect();
        if trees.is_empty() {
            return Err(format!(
                "no control group below `{}` may be written to",
                mount.display()
            ));
        }
        Ok(Self::Split(trees))
    }

    /// The directories of a group, whether they exist or not.
    pub(crate) fn directories(&self, group: &str) -> Vec<PathBuf> {
        match self {
            Self::Unified(base) => vec![base.join(group)],
            Self::Split(trees) => trees.iter().map(|(_, base)| base.join(group)).collect(),
        }
    }

    /// Makes a group with limits, or sets the limits of one that exists.
    pub(crate) fn create(&self, group: &str, limits: Limits) -> io::Result<()> {
        if let Self::Unified(base) = self {
            enable_controllers(base)?;
            let parent = base.join(Path::new(group).parent().unwrap_or(Path::new("")));
            std::fs::create_dir_all(&parent)?;
            enable(&parent)?;
        }
        for directory in self.directories(group) {
            std::fs::create_dir_all(directory)?;
        }
        if let Some(memory) = limits.memory {
            self.limit_memory(group, memory)?;
        }
        if let Some(cores) = limits.cpu {
            self.limit_cpu(group, cores)?;
        }
        Ok(())
    }

    fn limit_memory(&self, group: &str, limit: ByteSize) -> io::Result<()> {
        let directory = self.tree("memory", group)?;
        let bytes = limit.0.to_string();
        // Without a limit on swap the server would slow down the machine instead of being ended.
        // Kernels without accounting of swap do not have these files.
        let (memory, swap, swap_limit) = match self {
            Self::Unified(_) => ("memory.max", "memory.swap.max", "0"),
            Self::Split(_) => (
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                &*bytes,
            ),
        };
        std::fs::write(directory.join(memory), &bytes)?;
        if directory.join(swap).exists() {
            std::fs::write(directory.join(swap), swap_limit)?;
        }
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a number of cores is small and not negative"
    )]
    fn limit_cpu(&self, group: &str, cores: f64) -> io::Result<()> {
        let directory = self.tree("cpu", group)?;
        // The kernel takes no less than a millisecond.
        let quota = ((cores * PERIOD as f64) as u64).max(1000);
        match self {
            Self::Unified(_) => {
                std::fs::write(directory.join("cpu.max"), format!("{quota} {PERIOD}"))
            }
            Self::Split(_) => {
                std::fs::write(directory.join("cpu.cfs_period_us"), PERIOD.to_string())?;
                std::fs::write(directory.join("cpu.cfs_quota_us"), quota.to_string())
            }
        }
    }

    /// Whether limits of this kind can be set.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.tree(controller, "").is_ok()
    }

    fn tree(&self, controller: &str, group: &str) -> io::Result<PathBuf> {
        match self {
            Self::Unified(base) => Some(base),
            Self::Split(trees) => trees
                .iter()
                .find(|(name, _)| *name == controller)
                .map(|(_, base)| base),
        }
        .map(|base| base.join(group))
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The pids in a group; none when there is no such group.
    pub(crate) fn pids(&self, group: &str) -> io::Result<Vec<i32>> {
        let mut pids = Vec::new();
        for directory in self.directories(group) {
            match std::fs::read_to_string(directory.join("cgroup.procs")) {
                Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Whether a process of the group was ended because it used more memory than it may.
    pub(crate) fn ran_out_of_memory(&self, group: &str) -> bool {
        let file = match self {
            Self::Unified(_) => "memory.events",
            Self::Split(_) => "memory.oom_control",
        };
        self.tree("memory", group)
            .and_then(|directory| std::fs::read_to_string(directory.join(file)))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim() != "0")
    }

    /// Removes a group without processes. What is in use stays and is an error.
    pub(crate) fn remove(&self, group: &str) -> io::Result<()> {
        for directory in self.directories(group) {
            match std::fs::remove_dir(&directory) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
            if let Some(parent) = directory.parent() {
                // Other servers may still be in it.
                let _ = std::fs::remove_dir(parent);
            }
        }
        Ok(())
    }
}

/// Lets groups below `base` have controllers, for which its own processes must leave it.
fn enable_controllers(base: &Path) -> io::Result<()> {
    match enable(base) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
        done => return done,
    }
    let hub = base.join(HUB_GROUP);
    std::fs::create_dir_all(&hub)?;
    for pid in std::fs::read_to_string(base.join("cgroup.procs"))?.lines() {
        // One that has ended meanwhile is no obstacle.
        let _ = std::fs::write(hub.join("cgroup.procs"), pid);
    }
    enable(base)
}

fn enable(group: &Path) -> io::Result<()> {
    std::fs::write(group.join("cgroup.subtree_control"), "+memory +cpu")
}

fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

/// `ENODEV` comes when the group is removed between opening and reading.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files as version 2 has them.
    fn unified(path: &str, controllers: &str) -> tempfile::TempDir {
        let mount = tempfile::tempdir().expect("a directory");
        let group = mount.path().join(path);
        std::fs::create_dir_all(&group).expect("made");
        std::fs::write(mount.path().join("cgroup.controllers"), controllers).expect("written");
        std::fs::write(group.join("cgroup.controllers"), controllers).expect("written");
        mount
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn version_two_puts_servers_beside_the_hub() {
        let mount = unified("a.slice/jansky.service", "cpuset cpu io memory pids");
        let base = mount.path().join("a.slice/jansky.service");

        let plain = Cgroups::detect_in(mount.path(), "0::/a.slice/jansky.service\n");
        std::fs::create_dir(base.join("hub")).expect("made");
        let moved = Cgroups::detect_in(mount.path(), "0::/a.slice/jansky.service/hub\n");

        assert_eq!(plain, Ok(Cgroups::Unified(base)));
        assert_eq!(moved, plain);
    }

    #[test]
    fn version_two_limits_memory_and_processor() {
        let mount = unified("", "cpu memory");
        let cgroups = Cgroups::detect_in(mount.path(), "0::/\n").expect("usable");
        let limits = Limits {
            memory: Some(ByteSize(1 << 30)),
            cpu: Some(1.5),
        };

        cgroups.create("jansky-one/3-1", limits).expect("made");

        let parent = mount.path().join("jansky-one");
        assert_eq!(
            read(&mount.path().join("cgroup.subtree_control")),
            "+memory +cpu"
        );
        assert_eq!(read(&parent.join("cgroup.subtree_control")), "+memory +cpu");
        assert_eq!(read(&parent.join("3-1/memory.max")), "1073741824");
        assert_eq!(read(&parent.join("3-1/cpu.max")), "150000 100000");
    }

    #[test]
    fn version_two_tells_when_memory_ran_out() {
        let mount = unified("", "cpu memory");
        let cgroups = Cgroups::detect_in(mount.path(), "0::/\n").expect("usable");
        cgroups.create("g/1", Limits::default()).expect("made");
        let events = mount.path().join("g/1/memory.events");

        std::fs::write(&events, "low 0\noom 1\noom_kill 0\n").expect("written");
        assert!(!cgroups.ran_out_of_memory("g/1"));
        std::fs::write(&events, "low 0\noom 1\noom_kill 1\n").expect("written");
        assert!(cgroups.ran_out_of_memory("g/1"));
    }

    #[test]
    fn version_two_lists_and_forgets_groups() {
        let mount = unified("", "cpu memory");
        let cgroups = Cgroups::detect_in(mount.path(), "0::/\n").expect("usable");
        cgroups.create("g/1", Limits::default()).expect("made");
        let processes = mount.path().join("g/1/cgroup.procs");

        std::fs::write(&processes, "12\n7\n").expect("written");
        assert_eq!(cgroups.pids("g/1").expect("readable"), [7, 12]);
        std::fs::remove_file(&processes).expect("removed");
        cgroups.remove("g/1").expect("removed");
        assert!(cgroups.pids("g/1").expect("readable").is_empty());
        cgroups.remove("g/1").expect("nothing to remove");
    }

    #[test]
    fn version_two_without_delegation_says_what_is_missing() {
        let mount = unified("", "hugetlb");

        let refused = Cgroups::detect_in(mount.path(), "0::/\n").expect_err("not usable");

        assert!(
            refused.contains("no memory and cpu controllers"),
            "{refused}"
        );
    }

    #[test]
    fn version_one_uses_the_trees_that_there_are() {
        let mount = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(mount.path().join("memory/box/1")).expect("made");
        std::fs::create_dir_all(mount.path().join("cpu")).expect("made");
        let membership = "9:name=systemd:/\n4:memory:/box/1\n3:pids:/\n1:cpu,cpuacct:/away\n0::/\n";

        let cgroups = Cgroups::detect_in(mount.path(), membership).expect("usable");

        let expected = Cgroups::Split(vec![
            ("memory", mount.path().join("memory/box/1")),
            ("cpu", mount.path().join("cpu")),
        ]);
        assert_eq!(cgroups, expected);
        assert!(cgroups.has("memory") && !cgroups.has("pids"));
    }
}
