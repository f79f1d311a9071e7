//! Whether the secrets that the configuration points to can be read.

use super::{Loaded, Report, structure};
use crate::problem::{Origin, Problem};
use jansky_settings::notation::{DatabaseUrl, SecretSource, SecretSources, TextOrSecret};
use jansky_settings::{Config, Provider};

impl Loaded {
    /// Reads every secret once and reports those that cannot be read, each at its place in the
    /// configuration. The secrets themselves are forgotten.
    pub fn unreadable_secrets(&self) -> Vec<Problem> {
        let mut report = Report::new(&self.file_name);
        for (key, source) in sources(&self.config) {
            if let Err(error) = source.read() {
                let found = match std::error::Error::source(&error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                };
                let origin = self.document.entry(&key).map(|entry| &entry.node.origin);
                let path = key
                    .iter()
                    .fold(String::new(), |parent, part| structure::join(&parent, part));
                report.error(
                    origin.unwrap_or(&Origin::Default),
                    &path,
                    found,
                    "every secret must be there before Jansky starts",
                );
            }
        }
        report.into_problems().0
    }
}

/// Every secret source with its key.
fn sources<'a>(config: &'a Config) -> Vec<(Vec<&'a str>, &'a SecretSource)> {
    let mut sources = Vec::new();
    if let Some(DatabaseUrl::Source(source)) = &config.database.url {
        sources.push((vec!["database", "url"], source));
    }
    for (id, provider) in &config.provider {
        let events = provider
            .oidc()
            .and_then(|oidc| oidc.security_events.as_ref());
        if let Some(source) = events.and_then(|events| events.authorization.as_ref()) {
            let key = ["provider", id.as_str(), "security_events", "authorization"];
            sources.push((key.to_vec(), source));
        }
        let mut add = |key, secrets: &'a [SecretSource]| {
            let key = vec!["provider", id.as_str(), key];
            sources.extend(secrets.iter().map(|source| (key.clone(), source)));
        };
        if let Some(oidc) = provider.oidc() {
            let secrets = oidc.client_secret.as_ref();
            add("client_secret", secrets.map_or(&[], SecretSources::sources));
            add("client_key", oidc.client_key.as_slice());
        }
        if let Provider::Github(github) = provider {
            add("client_secret", github.client_secret.sources());
        }
    }
    for (name, value) in config.spawner.common().environment {
        if let TextOrSecret::Secret(source) = value {
            sources.push((vec!["spawner", "environment", name], source));
        }
    }
    sources
}
