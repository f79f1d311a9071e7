//! The knobs of the scripted FirecREST, and what it remembers.

use std::collections::{BTreeMap, BTreeSet};

use super::jobs::Job;

/// How a kind of call goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It answers with this status and message.
    Status(u16, &'static str),
    /// It answers so many times that there are too many requests, and to come back in some seconds.
    TooMany {
        /// How often.
        times: usize,
        /// In how many seconds.
        retry_after: u64,
    },
    /// It answers only after the test has ended.
    Silence,
}

/// A call that came.
#[derive(Clone, Debug)]
pub struct FirecrestCall {
    /// What was wanted: `userinfo`, `submit`, `job`, `jobs`, `cancel`, `mkdir`, `chmod`, `upload`,
    /// `ls`, `tail`, `rm`.
    pub kind: &'static str,
    /// Whose the token was; empty when it was nobody's.
    pub subject: String,
    /// The token itself.
    pub token: String,
    /// For how many seconds it was good.
    pub left: i64,
    /// The path and the query.
    pub asked: String,
    /// What was found on the way: the modes of directory and file before an upload.
    pub note: String,
    /// The answer.
    pub status: u16,
}

/// The knobs.
pub struct FirecrestScript {
    /// The accounts of people, by the subject of their tokens.
    pub accounts: BTreeMap<String, String>,
    /// Accounts that may cancel the jobs of others.
    pub operators: BTreeSet<String>,
    /// For how many seconds a token must be good.
    pub least_life: i64,
    /// What goes wrong, by kind of call.
    pub faults: BTreeMap<&'static str, Fault>,
    /// Whether jobs wait until they are released.
    pub holds_queue: bool,
    /// Every call, in order.
    pub calls: Vec<FirecrestCall>,
    pub(super) jobs: Vec<Job>,
}

impl FirecrestScript {
    pub(super) fn new() -> Self {
        Self {
            accounts: BTreeMap::new(),
            operators: BTreeSet::new(),
            least_life: 30,
            faults: BTreeMap::new(),
            holds_queue: false,
            calls: Vec::new(),
            jobs: Vec::new(),
        }
    }
}
