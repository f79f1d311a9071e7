//! The environment of a server.

use std::collections::BTreeMap;

use jansky_model::Secret;

use super::ProcessSettings;
use super::account::Account;
use super::home::Home;
use super::runtime::RuntimeDir;
use super::table::Marker;
use crate::{AgentTicket, ServerSpec, SpawnError};

/// Where the code of a server finds its agent.
const AGENT_SOCKET: &str = "JANSKY_AGENT_SOCKET";

/// Where programs look for a token that know nothing of agents (WLCG Bearer Token Discovery).
const TOKEN_FILE: &str = "BEARER_TOKEN_FILE";

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
    agent: Option<(&AgentTicket, &RuntimeDir)>,
) -> Result<BTreeMap<String, Secret>, SpawnError> {
    let mut environment: BTreeMap<String, Secret> = inherited
        .filter(|(name, _)| {
            settings
                .keep_environment
                .iter()
                .any(|kept| covers(kept, name))
        })
        .map(|(name, value)| (name, Secret::new(value)))
        .collect();
    let mut set = |name: &str, value: &str| {
        environment.insert(name.to_owned(), Secret::new(value));
    };
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
    set("JUPYTERHUB_SERVICE_URL", &format!("{url}{}", spec.prefix));
    if let Some((ticket, place)) = agent {
        set(AGENT_SOCKET, &place.socket().to_string_lossy());
        if let Some(file) = place.token_file().filter(|_| ticket.token_file) {
            set(TOKEN_FILE, &file.to_string_lossy());
        }
    }
    for (name, value) in marker.variables() {
        set(name, &value);
    }
    for (name, value) in &environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(SpawnError::refused(format!(
                "`{name}` cannot be the name of a variable of the environment"
            )));
        }
        if value.expose().contains('\0') {
            return Err(SpawnError::refused(format!(
                "the value of the variable `{name}` contains a zero byte"
            )));
        }
    }
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
