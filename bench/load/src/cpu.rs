//! The CPU time of processes.

use std::time::Duration;

use anyhow::{Context as _, anyhow};

/// The kernel reports times in these units, on every Linux that we know of (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of the processes, with all their threads.
pub(crate) fn time_of(pids: &[u32]) -> anyhow::Result<Duration> {
    pids.iter().map(|pid| time_of_one(*pid)).sum()
}

fn time_of_one(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read `{path}`"))?;
    // The name of the program stands in parentheses and may contain anything.
    let fields = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_ascii_whitespace())
        .ok_or_else(|| anyhow!("`{path}` has an unknown form"))?;
    let ticks: u32 = fields
        .skip(11)
        .take(2)
        .map(str::parse::<u32>)
        .sum::<Result<_, _>>()?;
    Ok(TICK * ticks)
}
