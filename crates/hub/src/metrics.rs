//! Counts of what the hub did, for whoever exports them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the process began.
#[derive(Debug, Default)]
pub struct Metrics {
    started: AtomicU64,
    failed: AtomicU64,
    sign_ins: AtomicU64,
    refused_sign_ins: AtomicU64,
}

/// The values of [`Metrics`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Servers that came up.
    pub started: u64,
    /// Starts that failed.
    pub failed: u64,
    /// People who signed in.
    pub sign_ins: u64,
    /// Attempts to sign in that were refused.
    pub refused_sign_ins: u64,
}

impl Metrics {
    pub(crate) fn server_started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn start_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an attempt to sign in and how it ended.
    pub fn sign_in(&self, worked: bool) {
        let counter = if worked {
            &self.sign_ins
        } else {
            &self.refused_sign_ins
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The values now.
    pub fn counts(&self) -> Counts {
        Counts {
            started: self.started.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            sign_ins: self.sign_ins.load(Ordering::Relaxed),
            refused_sign_ins: self.refused_sign_ins.load(Ordering::Relaxed),
        }
    }
}
