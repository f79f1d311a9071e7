//! How refreshes went since the process began, for the metrics.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use jansky_store::GrantState;

/// Counts refreshes by what came of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    renewed: AtomicU64,
    sign_in_again: AtomicU64,
    uncertain: AtomicU64,
    failed: AtomicU64,
    lease_waits: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(super) fn renewed(&self) {
        count(&self.renewed);
    }

    /// A refresh failed, and the grant is now in this state.
    pub(super) fn failed(&self, state: GrantState) {
        count(match state {
            GrantState::Reauth => &self.sign_in_again,
            GrantState::Uncertain => &self.uncertain,
            GrantState::Backoff | GrantState::Ok => &self.failed,
        });
    }

    /// A caller waited for another process.
    pub(super) fn waited(&self) {
        count(&self.lease_waits);
    }

    /// Writes the counts as Prometheus text.
    pub(crate) fn write(&self, text: &mut String) {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let name = "jansky_refreshes_total";
        let _ = writeln!(
            text,
            "# HELP {name} Refreshes of what providers gave, by what came of them\n\
             # TYPE {name} counter"
        );
        for (outcome, counter) in [
            ("renewed", &self.renewed),
            ("sign_in_again", &self.sign_in_again),
            ("uncertain", &self.uncertain),
            ("failed", &self.failed),
        ] {
            let _ = writeln!(text, "{name}{{outcome=\"{outcome}\"}} {}", value(counter));
        }
        let name = "jansky_refresh_lease_waits_total";
        let _ = writeln!(
            text,
            "# HELP {name} Callers who waited for another process to refresh\n\
             # TYPE {name} counter\n{name} {}",
            value(&self.lease_waits)
        );
    }
}
