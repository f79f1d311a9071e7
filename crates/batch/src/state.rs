//! What a scheduler says about a job, in the terms of the spawner.
//!
//! These are the words of `squeue`, `sacct` and the REST API of Slurm: its job states, and the flags that
//! are shown in their place (<https://slurm.schedmd.com/job_state_codes.html>).

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It waits for its turn, or for its nodes to be ready.
    Waiting,
    /// It runs, is held, or is about to end.
    Running,
    /// It has ended for good.
    Ended,
}

/// The state without what follows it: `CANCELLED by 1002`, or `CANCELLED+` where a column was too
/// narrow. A word that was itself cut off is none that anybody knows.
fn word(state: &str) -> &str {
    state.split([' ', '+']).next().unwrap_or_default()
}

/// Where a job in this state is; `None` for a state that nobody knows, which proves nothing.
pub fn life(state: &str) -> Option<Life> {
    Some(match word(state) {
        "PENDING" | "CONFIGURING" | "EXPEDITING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
        | "RESV_DEL_HOLD" | "SPECIAL_EXIT" | "POWER_UP_NODE" => Life::Waiting,
        "RUNNING" | "COMPLETING" | "RESIZING" | "SIGNALING" | "STAGE_OUT" | "STOPPED"
        | "SUSPENDED" => Life::Running,
        "BOOT_FAIL" | "CANCELLED" | "COMPLETED" | "DEADLINE" | "FAILED" | "LAUNCH_FAILED"
        | "NODE_FAIL" | "OUT_OF_MEMORY" | "PREEMPTED" | "RECONFIG_FAIL" | "REVOKED" | "TIMEOUT" => {
            Life::Ended
        }
        _ => return None,
    })
}

/// How a job ended, as the end of a sentence that begins with the server.
pub fn end_in_words(state: &str, exit_code: Option<i64>, signal: Option<i64>) -> String {
    match word(state) {
        "CANCELLED" => "was cancelled at the scheduler".to_owned(),
        "TIMEOUT" => "reached the time limit of its job".to_owned(),
        "DEADLINE" => "reached the deadline of its job".to_owned(),
        "OUT_OF_MEMORY" => "was ended because it used more memory than its job has".to_owned(),
        "PREEMPTED" => "had to give its place to another job".to_owned(),
        "NODE_FAIL" => "was lost with its node".to_owned(),
        "BOOT_FAIL" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => "could not begin on its node".to_owned(),
        _ => match (exit_code, signal) {
            (_, Some(signal)) if signal > 0 => format!("was killed by signal {signal}"),
            (Some(code), _) => format!("ended with status {code}"),
            _ => "ended".to_owned(),
        },
    }
}

/// What a person who waits reads about a job that waits.
pub fn waiting_in_words(job: &str, state: &str, reason: Option<&str>) -> String {
    if word(state) == "CONFIGURING" {
        return format!("Job {job} has its nodes, which are being made ready");
    }
    let why = match reason.unwrap_or_default() {
        "" | "None" | "(null)" => return format!("Job {job} waits in the queue"),
        "Priority" => "jobs with a higher priority come first",
        "Resources" => "no free nodes",
        "Dependency" => "it waits for another job",
        "Reservation" => "its reservation has not begun",
        "BeginTime" => "its time has not come",
        "PartitionDown" | "PartitionInactive" => "its partition is closed",
        "PartitionTimeLimit" => "its time limit is above that of its partition",
        other if other.starts_with("QOS") || other.starts_with("Assoc") => {
            return format!("Job {job} waits in the queue: a limit of its account ({other})");
        }
        other => return format!("Job {job} waits in the queue: {other}"),
    };
    format!("Job {job} waits in the queue: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_state_that_says_so_is_an_end() {
        assert_eq!(life("PENDING"), Some(Life::Waiting));
        assert_eq!(life("RUNNING"), Some(Life::Running));
        assert_eq!(life("COMPLETING"), Some(Life::Running));
        assert_eq!(life("CANCELLED by 1002"), Some(Life::Ended));
        assert_eq!(life("CANCELLED+"), Some(Life::Ended));
        for unknown in ["", "ended", "COMPLETED-ISH", "OUT_OF_ME+", "running"] {
            assert_eq!(life(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_end_of_a_job_is_told_in_words() {
        for (state, code, signal, words) in [
            ("COMPLETED", Some(0), Some(0), "ended with status 0"),
            ("FAILED", Some(3), Some(0), "ended with status 3"),
            ("FAILED", Some(0), Some(9), "was killed by signal 9"),
            ("FAILED", None, None, "ended"),
            (
                "TIMEOUT",
                Some(0),
                Some(15),
                "reached the time limit of its job",
            ),
        ] {
            assert_eq!(end_in_words(state, code, signal), words);
        }
    }

    #[test]
    fn who_waits_reads_why() {
        for (state, reason, words) in [
            (
                "PENDING",
                Some("Resources"),
                "Job 8 waits in the queue: no free nodes",
            ),
            ("PENDING", Some("None"), "Job 8 waits in the queue"),
            ("PENDING", None, "Job 8 waits in the queue"),
            (
                "PENDING",
                Some("QOSMaxJobsPerUserLimit"),
                "Job 8 waits in the queue: a limit of its account (QOSMaxJobsPerUserLimit)",
            ),
            (
                "CONFIGURING",
                Some("None"),
                "Job 8 has its nodes, which are being made ready",
            ),
        ] {
            assert_eq!(waiting_in_words("8", state, reason), words);
        }
    }
}
