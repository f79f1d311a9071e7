//! What runs on this machine for a house, as `/proc` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::{Pid, Signal};

/// The variable by which the processes of a house are known; servers hand it on.
pub(crate) const HOUSE: &str = "JANSKY_TEST_HOUSE";

/// A process that runs for a server.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// The environment that it was started with.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Process {
    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.environment.get(name).map_or("", String::as_str)
    }
}

/// Everything that runs and carries `name=value` in its environment.
pub(crate) fn with_variable(name: &str, value: &str) -> Vec<Process> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten()
    {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let environment = read_environment(&entry.path());
        if environment.get(name).is_some_and(|found| found == value) && !is_zombie(&entry.path()) {
            found.push(Process { pid, environment });
        }
    }
    found
}

/// Sends a signal; a process that is gone is no error.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The value of a line of `/proc/PID/status` in KiB, for example `VmRSS`.
pub(crate) fn memory(pid: i32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let value = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
    value
        .and_then(|value| value.parse().ok())
        .expect("the kernel says how much memory a process has")
}

/// Makes `VmHWM`, the most memory a process had, begin anew (proc(5)).
pub(crate) fn reset_peak_memory(pid: i32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process is ours");
}

fn read_environment(process: &Path) -> BTreeMap<String, String> {
    let bytes = std::fs::read(process.join("environ")).unwrap_or_default();
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn is_zombie(process: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
