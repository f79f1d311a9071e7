//! What the scripted provider gave out: every token is remembered, so that tests can look for it
//! where it must not be.

use std::collections::{HashMap, HashSet};

use jansky_model::Random as _;

use crate::signing::encode;

/// A refresh token that is good without a sign-in, for tests that begin in the middle.
pub const STANDING_REFRESH: &str = "canary-refresh";

/// A person's session at the provider; its tokens live and die together.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) subject: String,
    /// When the person proved who they are, in seconds since 1970.
    pub(super) proved_at: i64,
    pub(super) sid: String,
    pub(super) is_dead: bool,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pub(super) session: usize,
    /// The service whose token it renews, if it is not the person's own.
    pub(super) service: Option<String>,
    pub(super) is_spent: bool,
    pub(super) expires_at: Option<i64>,
}

/// An access token.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whom it is about.
    pub subject: String,
    /// The services that it is for.
    pub audience: Vec<String>,
    /// What it may be used for.
    pub scope: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: i64,
    pub(super) session: Option<usize>,
}

impl Access {
    /// A token of somebody, as one that nobody asked a provider for.
    pub fn new(subject: &str, expires_at: i64) -> Self {
        Self {
            subject: subject.to_owned(),
            audience: Vec::new(),
            scope: String::new(),
            expires_at,
            session: None,
        }
    }
}

/// What a code stands for.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) session: usize,
    pub(super) nonce: String,
    pub(super) challenge: String,
    pub(super) redirect_uri: String,
}

/// Everything that was given out.
pub struct Records {
    /// How often a refresh token was exchanged for new tokens.
    pub refreshes: usize,
    /// How often a refresh token was used a second time.
    pub reuses: usize,
    pub(super) sessions: Vec<Session>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) refresh: HashMap<String, Refresh>,
    pub(super) access: HashMap<String, Access>,
    /// Sign-ins that were sent beforehand.
    pub(super) pushed: HashMap<String, HashMap<String, String>>,
    pub(super) revoked: HashSet<String>,
    /// ID tokens, and the sessions that they tell of.
    pub(super) hints: HashMap<String, usize>,
    /// Every secret that left, in order.
    issued: Vec<(&'static str, String)>,
    tag: String,
    count: u32,
}

impl Records {
    pub(super) fn new() -> Self {
        let mut tag = [0; 9];
        crate::MachineRandom.fill(&mut tag);
        Self {
            refreshes: 0,
            reuses: 0,
            sessions: Vec::new(),
            codes: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
            pushed: HashMap::new(),
            revoked: HashSet::new(),
            hints: HashMap::new(),
            issued: Vec::new(),
            tag: encode(tag).replace(['-', '_'], "x"),
            count: 0,
        }
    }

    /// A name that nothing else in the world has.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("canary-{kind}-{}-{}", self.tag, self.count)
    }

    /// Remembers a secret that is about to leave.
    pub(super) fn issue(&mut self, kind: &'static str, text: &str) {
        self.issued.push((kind, text.to_owned()));
    }

    /// Every secret of a kind that was given out: `access`, `refresh`, `id`, `code`, `external`.
    pub fn issued(&self, kind: &str) -> Vec<String> {
        let of_kind = self.issued.iter().filter(|(found, _)| *found == kind);
        of_kind.map(|(_, text)| text.clone()).collect()
    }

    /// The newest secret of a kind.
    pub fn latest(&self, kind: &str) -> String {
        self.issued(kind).pop().unwrap_or_default()
    }

    /// Every secret that was given out, with its kind.
    pub fn all_issued(&self) -> &[(&'static str, String)] {
        &self.issued
    }

    /// What is known about an access token.
    pub fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    /// Whether a token was taken back by the client.
    pub fn is_revoked(&self, token: &str) -> bool {
        self.revoked.contains(token)
    }

    /// Refresh tokens that are still good for something: whose, by service, and the token.
    pub fn live_refresh_tokens(&self) -> Vec<(Option<String>, String)> {
        let live = self.refresh.iter().filter(|(token, refresh)| {
            !refresh.is_spent
                && !self.revoked.contains(*token)
                && !self.sessions[refresh.session].is_dead
        });
        live.map(|(token, refresh)| (refresh.service.clone(), token.clone()))
            .collect()
    }

    /// The ids of the sessions of a person, oldest first.
    pub fn sessions_of(&self, subject: &str) -> Vec<String> {
        let theirs = self.sessions.iter().filter(|one| one.subject == subject);
        theirs.map(|one| one.sid.clone()).collect()
    }

    pub(super) fn begin_session(&mut self, subject: &str, proved_at: i64) -> usize {
        let sid = self.name("session").replacen("canary-", "", 1);
        self.sessions.push(Session {
            subject: subject.to_owned(),
            proved_at,
            sid,
            is_dead: false,
        });
        self.sessions.len() - 1
    }

    /// Ends the sessions of a person: every refresh token of theirs is dead.
    pub fn end_sessions_of(&mut self, subject: &str) {
        for session in &mut self.sessions {
            session.is_dead |= session.subject == subject;
        }
    }
}
