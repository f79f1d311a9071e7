//! The environment of a server.

use jansky_handover::{Environment, StartDocument, variables};
use jansky_model::Secret;

use super::ProcessSettings;
use super::account::Account;
use super::home::Home;
use super::table::Marker;
use crate::{ServerSpec, SpawnError};

/// Puts the environment together: the later has the last word.
///
/// 1. what servers inherit from the hub, 2. the account, 3. what the hub sets for this server,
/// 4. the settings, 5. what we cannot do without: the address, the agent and the marker.
#[expect(clippy::too_many_arguments, reason = "each is one layer of it")]
pub(crate) fn for_server(
    settings: &ProcessSettings,
    inherited: impl Iterator<Item = (String, String)>,
    spec: &ServerSpec,
    account: &Account,
    home: &Home,
    url: &str,
    marker: &Marker,
    agent: Option<&StartDocument>,
) -> Result<Environment, SpawnError> {
    let mut environment = Environment::default();
    environment.extend(inherited.filter(|(name, _)| {
        let mut kept = settings.keep_environment.iter();
        kept.any(|kept| covers(kept, name))
    }));
    let mut set = |name: &str, value: &str| environment.set(name, Secret::new(value));
    set("USER", &account.name);
    set("LOGNAME", &account.name);
    set("HOME", &home.directory.to_string_lossy());
    set("SHELL", &account.shell.to_string_lossy());
    for (name, value) in &spec.environment {
        set(name, value.expose());
    }
    for (name, value) in &settings.environment {
        set(name, value);
    }
    set(variables::SERVICE_URL, &format!("{url}{}", spec.prefix));
    environment.extend(agent.into_iter().flat_map(StartDocument::variables));
    environment.extend(marker.variables());
    environment.check()?;
    Ok(environment)
}

fn covers(kept: &str, name: &str) -> bool {
    kept.strip_suffix('*')
        .map_or(kept == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_star_covers_all_that_begin_with_it() {
        assert!(covers("CONDA_*", "CONDA_PREFIX"));
        assert!(!covers("CONDA_*", "XCONDA_PREFIX"));
        assert!(covers("PATH", "PATH"));
        assert!(!covers("PATH", "PATH_INFO"));
    }
}
