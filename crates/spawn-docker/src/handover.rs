//! The one document that a container gets, over the stream to its standard input.

use std::time::Duration;

use bollard::container::AttachContainerResults;
use futures_util::StreamExt;
use jansky_handover::{StartDocument, variables};
use jansky_model::Secret;
use tokio::io::AsyncWriteExt;

use jansky_spawn::{ServerSpec, SpawnError};

use crate::settings::DockerSettings;

/// The directory in the container, in memory, that is the agent's.
pub(crate) const AGENT_DIRECTORY: &str = "/run/jansky";

/// The socket of the agent inside of the container.
const SOCKET: &str = "/run/jansky/agent/agent.sock";

/// Where the agent keeps token files, for audiences that have one.
const TOKEN_DIRECTORY: &str = "/run/jansky/tokens";

/// How long the engine may take to take the document.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the engine then gets to pass it on. Docker usually says when it has done so, by hanging
/// up, and Podman by what the server says next; neither always does.
const PASSING_ON: Duration = Duration::from_secs(2);

/// Puts the document for a server together.
pub(crate) fn document(settings: &DockerSettings, spec: &ServerSpec) -> Result<Secret, SpawnError> {
    let mut environment = spec.environment_with(&settings.environment);
    let url = format!("http://0.0.0.0:{}{}", settings.port, spec.prefix);
    environment.set(variables::SERVICE_URL, url);
    let token_dir = Some(TOKEN_DIRECTORY.into());
    let mut document = StartDocument::new(spec.agent.as_ref(), SOCKET, token_dir);
    let command = [&settings.command[..], &settings.arguments].concat();
    document.start(&command, environment);
    Ok(document.write()?)
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
