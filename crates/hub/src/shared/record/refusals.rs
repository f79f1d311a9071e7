//! Who was not let in: a line in the log and an event for each, and for a flood one for all the rest.
//!
//! The line is documented (docs/how-to/fail2ban.md), because other programs read it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jansky_model::Timestamp;
use jansky_store::User;
use serde_json::json;
use tracing::{error, warn};

use super::{AuditEntry, AuditTrail, Event, NOBODY};
use crate::shared::error::HubError;
use crate::shared::request_context::{self, network_of};

/// The name under which the lines are logged: as the documentation has it, wherever this file is.
const TARGET: &str = "jansky_hub::record::refusals";

/// For so long refusals are counted together.
const WINDOW: Duration = Duration::from_mins(10);

/// So many of one network are written down one by one in that time, for each reason.
const EACH: u64 = 20;

/// So many of all networks are.
const ALL: u64 = 2000;

/// So many networks are told apart.
const NETWORKS: usize = 10_000;

/// Where the counts go of networks that are not told apart.
const ELSEWHERE: &str = "other networks";

/// Why somebody was not let in, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SignInRefusal {
    /// A name or a password was wrong.
    WrongPassword,
    /// The code of a second factor was wrong.
    WrongCode,
    /// They have to wait.
    TooManyAttempts,
    /// A rule does not let them in, or their provider did not.
    NotAllowed,
    /// They came back from a provider without having left for it, or late.
    NotBegun,
}

impl SignInRefusal {
    /// The reason in the log and the audit trail.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong_password",
            Self::WrongCode => "wrong_code",
            Self::TooManyAttempts => "too_many_attempts",
            Self::NotAllowed => "not_allowed",
            Self::NotBegun => "not_begun",
        }
    }
}

#[derive(Clone, Copy)]
struct Count {
    since: Timestamp,
    written: u64,
    more: u64,
}

/// Counts refusals, so that a flood of them fills neither log nor database.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<(String, SignInRefusal), Count>>);

/// Refusals of one network that were only counted.
struct Rest {
    network: String,
    reason: SignInRefusal,
    count: u64,
}

impl Refusals {
    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<(String, SignInRefusal), Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal; says whether it is to be written down by itself.
    fn count(&self, network: String, reason: SignInRefusal, now: Timestamp) -> bool {
        let mut counts = self.counts();
        let is_known = counts.contains_key(&(network.clone(), reason));
        let written: u64 = if is_known || counts.is_empty() {
            0
        } else {
            counts.values().map(|count| count.written).sum()
        };
        let network = if is_known || (counts.len() < NETWORKS && written < ALL) {
            network
        } else {
            ELSEWHERE.to_owned()
        };
        let each = if network == ELSEWHERE { 0 } else { EACH };
        let count = counts.entry((network, reason)).or_insert(Count {
            since: now,
            written: 0,
            more: 0,
        });
        if count.written < each {
            count.written += 1;
            return true;
        }
        count.more += 1;
        false
    }

    /// What was only counted, of the networks whose time is over; of all of them at the end.
    fn take(&self, now: Timestamp, is_end: bool) -> Vec<Rest> {
        let mut rest = Vec::new();
        self.counts().retain(|(network, reason), count| {
            let is_over = is_end || now.since(count.since) >= WINDOW;
            if is_over && count.more > 0 {
                rest.push(Rest {
                    network: network.clone(),
                    reason: *reason,
                    count: count.more,
                });
            }
            !is_over
        });
        rest
    }
}

impl AuditTrail {
    /// Writes down that somebody was not let in. `user` is whose account it was about, if it is
    /// known; a name that somebody typed is not written down, because it may be a password.
    pub(crate) async fn refuse_sign_in(
        &self,
        provider: Option<&str>,
        reason: SignInRefusal,
        user: Option<&User>,
    ) {
        let address = request_context::address().map(|address| address.to_string());
        let address = address.unwrap_or_default();
        let provider = provider.unwrap_or_default();
        let now = self.clock.now();
        if !self.refusals.count(network_of(&address), reason, now) {
            return;
        }
        let word = reason.as_str();
        warn!(
            target: TARGET,
            { client.address = %address, provider.id = %provider, reason = word },
            "sign-in refused"
        );
        let event = AuditEntry {
            event: Event::SignInRefused,
            actor: NOBODY.to_owned(),
            user,
            server: None,
            outcome: word,
            detail: json!({ "provider": provider, "address": address }),
        };
        if let Err(error) = self.write_audit(event).await {
            error!(error = %error, "could not write down that a sign-in was refused");
        }
    }

    /// Writes down how many were not let in of those who were only counted.
    pub(crate) async fn write_refusals(&self, is_end: bool) {
        for rest in self.refusals.take(self.clock.now(), is_end) {
            let word = rest.reason.as_str();
            let Rest { network, count, .. } = rest;
            warn!(
                target: TARGET,
                { client.network = %network, reason = word, count },
                "further sign-ins refused"
            );
            let event = AuditEntry {
                event: Event::SignInsRefused,
                actor: NOBODY.to_owned(),
                user: None,
                server: None,
                outcome: word,
                detail: json!({ "count": count, "address": network }),
            };
            if let Err(error) = self.write_audit(event).await {
                error!(error = %error, "could not write down that sign-ins were refused");
            }
        }
    }
}

/// The reason behind the answer to somebody who tried to sign in; `None` if nobody refused them.
pub(crate) fn reason_of(error: &HubError, otherwise: SignInRefusal) -> Option<SignInRefusal> {
    match error {
        HubError::Busy { .. } => Some(SignInRefusal::TooManyAttempts),
        HubError::Forbidden(_) | HubError::SignInAgain(_) => Some(otherwise),
        HubError::Invalid(_) => Some(SignInRefusal::NotBegun),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: SignInRefusal = SignInRefusal::WrongPassword;

    #[test]
    fn a_flood_of_one_network_is_written_down_once_for_all() {
        let refusals = Refusals::default();
        let begin = Timestamp::from_seconds(1000);

        let written = (0..100_000).filter(|_| refusals.count("192.0.2.1".into(), WRONG, begin));
        assert_eq!(written.count(), 20);
        assert!(refusals.count("192.0.2.2".into(), WRONG, begin));
        assert!(refusals.take(begin, false).is_empty(), "it goes on");

        let rest = refusals.take(begin.plus(WINDOW), false);
        let counts: Vec<_> = rest
            .iter()
            .map(|rest| (&*rest.network, rest.count))
            .collect();
        assert_eq!(counts, [("192.0.2.1", 99_980)]);
        assert!(refusals.count("192.0.2.1".into(), WRONG, begin.plus(WINDOW)));
    }

    #[test]
    fn a_flood_of_many_networks_is_bounded_too() {
        let refusals = Refusals::default();
        let now = Timestamp::from_seconds(1000);

        let written = (0..30_000).filter(|n| refusals.count(format!("network {n}"), WRONG, now));

        assert_eq!(written.count(), 2000);
        assert!(refusals.counts().len() <= NETWORKS + 5);
        let rest = refusals.take(now, true);
        let [all] = &rest[..] else {
            panic!("{} rows", rest.len());
        };
        assert_eq!((&*all.network, all.count), ("other networks", 28_000));
        assert!(refusals.take(now, true).is_empty(), "each is told once");
    }
}
