//! Rules over several keys, and over what a value means.

mod audience;
mod docker;
mod firecrest;
mod hub;
mod issuer;
mod provider;
mod role;
mod spawner;

use std::time::Duration;

use super::Report;
use crate::document::Node;
use crate::problem::{Origin, Severity};
use jansky_settings::Config;
use jansky_settings::notation::Written;

/// Reports what breaks a rule. Keys that already have a mistake are left alone.
pub(super) fn check(config: &Config, document: &Node, report: &mut Report<'_>) {
    let mut rules = Rules { document, report };
    hub::check(config, &mut rules);
    issuer::check(config, &mut rules);
    provider::check(config, &mut rules);
    role::check(config, &mut rules);
    audience::check(config, &mut rules);
    spawner::check(config, &mut rules);
}

struct Rules<'a, 'b> {
    document: &'a Node,
    report: &'a mut Report<'b>,
}

impl Rules<'_, '_> {
    fn error(&mut self, key: &[&str], found: &str, advice: &str) {
        self.add(Severity::Error, key, found, advice);
    }

    fn warning(&mut self, key: &[&str], found: &str, advice: &str) {
        self.add(Severity::Warning, key, found, advice);
    }

    fn add(&mut self, severity: Severity, key: &[&str], found: &str, advice: &str) {
        let path = key.iter().fold(String::new(), |parent, part| {
            super::structure::join(&parent, part)
        });
        if self.report.knows(&path) {
            return;
        }
        let origin = self.origin(key);
        self.report.add(
            severity,
            &origin,
            &path,
            format!("found {found}"),
            advice.to_owned(),
        );
    }

    /// Where the key is, or else the closest table around it.
    fn origin(&self, key: &[&str]) -> Origin {
        (1..=key.len())
            .rev()
            .find_map(|length| self.document.entry(&key[..length]))
            .map_or(Origin::Default, |entry| match entry.node.value {
                crate::document::Value::Table(_) => entry.key.clone(),
                _ => entry.node.origin.clone(),
            })
    }

    fn not_zero(&mut self, key: &[&str], duration: &Written<Duration>) {
        if duration.is_zero() {
            self.error(key, "no time at all", "write a duration longer than \"0s\"");
        }
    }
}
