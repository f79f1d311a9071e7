//! The one document that a container gets, over the stream to its standard input.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use futures_util::StreamExt;
use jansky_model::Secret;
use serde::Serialize;
use tokio::io::AsyncWriteExt;

use jansky_spawn::{ServerSpec, SpawnError};

use crate::settings::DockerSettings;

/// The directory in the container, in memory, that is the agent's.
pub(crate) const AGENT_DIRECTORY: &str = "/run/jansky";

/// The socket of the agent inside of the container.
const SOCKET: &str = "/run/jansky/agent/agent.sock";

/// Where the agent keeps token files, for audiences that have one.
const TOKEN_DIRECTORY: &str = "/run/jansky/tokens";

/// What the agent calls the file that programs look for.
const TOKEN_FILE: &str = "/run/jansky/tokens/bearer_token";

/// How long the engine may take to take the document.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the engine then gets to pass it on. Docker usually says when it has done so, by hanging
/// up, and Podman by what the server says next; neither always does.
const PASSING_ON: Duration = Duration::from_secs(2);

/// What the agent reads.
#[derive(Serialize)]
struct Document<'a> {
    ticket: Option<&'a str>,
    broker_url: Option<&'a str>,
    socket: &'static str,
    token_dir: Option<&'static str>,
    uid: Option<u32>,
    command: &'a [String],
    environment: BTreeMap<&'a str, &'a str>,
    /// The image's own variables, such as `PATH`, are for the server as well.
    inherit_environment: bool,
}

/// Puts the document for a server together.
pub(crate) fn document(settings: &DockerSettings, spec: &ServerSpec) -> Result<Secret, SpawnError> {
    let service_url = format!("http://0.0.0.0:{}{}", settings.port, spec.prefix);
    let mut environment: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &spec.environment {
        environment.insert(name, value.expose());
    }
    for (name, value) in &settings.environment {
        environment.insert(name, value);
    }
    environment.insert("JUPYTERHUB_SERVICE_URL", &service_url);
    let has_token_file = spec.agent.as_ref().is_some_and(|agent| agent.token_file);
    if spec.agent.is_some() {
        environment.insert("JANSKY_AGENT_SOCKET", SOCKET);
    }
    if has_token_file {
        environment.insert("BEARER_TOKEN_FILE", TOKEN_FILE);
    }
    for (name, value) in &environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(SpawnError::refused(format!(
                "`{name}` cannot be the name of a variable of the environment"
            )));
        }
        if value.contains('\0') {
            return Err(SpawnError::refused(format!(
                "the value of the variable `{name}` contains a zero byte"
            )));
        }
    }
    let document = Document {
        ticket: spec.agent.as_ref().map(|agent| agent.ticket.expose()),
        broker_url: spec.agent.as_ref().map(|agent| agent.broker_url.as_str()),
        socket: SOCKET,
        token_dir: has_token_file.then_some(TOKEN_DIRECTORY),
        uid: None,
        command: &settings.command,
        environment,
        inherit_environment: true,
    };
    let text = serde_json::to_string(&document)
        .map_err(|error| SpawnError::unavailable_because("could not write the document", error))?;
    Ok(Secret::new(text))
}

/// Writes the document to the standard input of a container and closes it.
///
/// Dropping this at any point closes the input as well, so a container that did not get its whole
/// document ends.
pub(crate) async fn send(
    attached: AttachContainerResults,
    document: &Secret,
) -> std::io::Result<()> {
    let AttachContainerResults {
        mut output,
        mut input,
    } = attached;
    let talk = async {
        input.write_all(document.expose().as_bytes()).await?;
        input.write_all(b"\n").await?;
        input.shutdown().await?;
        let _ = tokio::time::timeout(PASSING_ON, output.next()).await;
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, talk).await {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("not taken within {} s", PATIENCE.as_secs()),
        )),
    }
}
