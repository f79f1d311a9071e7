//! The one document that an agent begins with.

use std::collections::BTreeMap;

use jansky_model::Secret;
use jansky_spawn::{ServerSpec, SpawnError};
use serde::Serialize;

use crate::job::Marker;
use crate::place::Directory;
use crate::settings::FirecrestSettings;

/// What the agent reads.
#[derive(Serialize)]
struct Document<'a> {
    ticket: Option<&'a str>,
    broker_url: Option<&'a str>,
    socket: String,
    token_dir: Option<String>,
    command: &'a [String],
    environment: BTreeMap<&'a str, &'a str>,
    /// What the node, the scheduler and the operator's lines set is for the server as well.
    inherit_environment: bool,
    listen: Listen,
}

/// Where the server is to listen. Only the node knows which port is free.
#[derive(Serialize)]
struct Listen {
    url: String,
    announce: String,
}

/// Puts the document for a server together.
pub(crate) fn document(
    settings: &FirecrestSettings,
    spec: &ServerSpec,
    marker: Marker,
    directory: &Directory,
) -> Result<Secret, SpawnError> {
    let runtime = format!(
        "{}/jansky-{}",
        settings.runtime_dir.trim_end_matches('/'),
        marker.directory(&settings.instance)
    );
    let socket = format!("{runtime}/agent.sock");
    let tokens = format!("{runtime}-tokens");
    let token_file = format!("{tokens}/bearer_token");
    let mut environment: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &spec.environment {
        environment.insert(name, value.expose());
    }
    for (name, value) in &settings.environment {
        environment.insert(name, value);
    }
    let has_token_file = spec.agent.as_ref().is_some_and(|agent| agent.token_file);
    if spec.agent.is_some() {
        environment.insert("JANSKY_AGENT_SOCKET", &socket);
    }
    if has_token_file {
        environment.insert("BEARER_TOKEN_FILE", &token_file);
    }
    for (name, value) in &environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(SpawnError::refused(format!(
                "`{name}` cannot be a variable of the environment"
            )));
        }
    }
    let document = Document {
        ticket: spec.agent.as_ref().map(|agent| agent.ticket.expose()),
        broker_url: spec.agent.as_ref().map(|agent| agent.broker_url.as_str()),
        socket: socket.clone(),
        token_dir: has_token_file.then(|| tokens.clone()),
        command: &settings.command,
        environment,
        inherit_environment: true,
        listen: Listen {
            url: format!("http://0.0.0.0:{{port}}{}", spec.prefix),
            announce: directory.address(),
        },
    };
    let text = serde_json::to_string(&document)
        .map_err(|error| SpawnError::unavailable_because("could not write the document", error))?;
    Ok(Secret::new(text))
}
