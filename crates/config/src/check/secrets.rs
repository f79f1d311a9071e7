//! Whether the secrets that the configuration points to can be read.

use super::{Loaded, Report, structure};
use crate::notation::{DatabaseUrl, SecretSource, TextOrSecret};
use crate::problem::{Origin, Problem};
use crate::sections::{Config, Provider, Spawner};

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
fn sources(config: &Config) -> Vec<(Vec<&str>, &SecretSource)> {
    let mut sources = Vec::new();
    if let Some(DatabaseUrl::Source(source)) = &config.database.url {
        sources.push((vec!["database", "url"], source));
    }
    for (id, provider) in &config.provider {
        if let Provider::Oidc(oidc) = provider {
            let key = vec!["provider", id.as_str(), "client_secret"];
            let secrets = oidc.client_secret.sources().iter();
            sources.extend(secrets.map(|source| (key.clone(), source)));
        }
    }
    let Spawner::Process(process) = &config.spawner;
    for (name, value) in &process.environment {
        if let TextOrSecret::Secret(source) = value {
            sources.push((vec!["spawner", "environment", name], source));
        }
    }
    sources
}
