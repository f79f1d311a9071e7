//! The hub's side of the launcher.

use std::process::Stdio;
use std::time::Duration;

use jansky_model::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::record::Record;
use super::table::Marker;
use crate::SpawnError;
use crate::launcher::{LaunchReport, LaunchRequest};

/// How long the launcher may take. A home directory on a slow file server is the longest part.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);

/// What a launcher did.
pub(crate) enum Launched {
    /// It became the server.
    Began(Child, Record),
    /// The server was there already.
    Found(Record),
}

/// Starts the launcher and waits until it has become the server, or has not.
///
/// If this is dropped before the launcher has its whole request, nothing is started; later, the
/// record tells of the server.
pub(crate) async fn launch(
    launcher: &[String],
    request: &LaunchRequest<'_>,
    marker: &Marker,
) -> Result<Launched, SpawnError> {
    let document = serde_json::to_string(request)
        .map(Secret::new)
        .map_err(|error| SpawnError::unavailable_because("could not write the request", error))?;
    let (program, arguments) = launcher
        .split_first()
        .ok_or_else(|| SpawnError::refused("the command line of the launcher is empty"))?;
    let unavailable = |what: &str, error: std::io::Error| {
        SpawnError::unavailable_because(format!("could not {what} the launcher `{program}`"), error)
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(marker.variables())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| unavailable("run", error))?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(SpawnError::unavailable("the launcher has no pipes"));
    };
    let talk = async {
        input.write_all(document.expose().as_bytes()).await?;
        drop(input);
        let mut answer = Vec::new();
        output.read_to_end(&mut answer).await.map(|_| answer)
    };
    let answer = match tokio::time::timeout(LAUNCH_TIMEOUT, talk).await {
        Ok(Ok(answer)) => answer,
        // It ended without reading all; what it said is lost with the pipe.
        Ok(Err(error)) => {
            let _ = child.start_kill();
            return Err(unavailable("talk to", error));
        }
        Err(_) => {
            let _ = child.start_kill();
            return Err(SpawnError::unavailable(format!(
                "the launcher `{program}` did not start the server within {} s; is the working \
                 directory on a file server that does not answer?",
                LAUNCH_TIMEOUT.as_secs()
            )));
        }
    };
    let last = answer
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<LaunchReport>(line).ok())
        .next_back();
    match last {
        Some(LaunchReport::Began(record)) => return Ok(Launched::Began(child, record)),
        Some(LaunchReport::Found(record)) => {
            let _ = child.wait().await;
            return Ok(Launched::Found(record));
        }
        Some(LaunchReport::Failed(reason)) => {
            let _ = child.wait().await;
            return Err(SpawnError::failed(reason, ""));
        }
        None => {}
    }
    let status = child
        .wait()
        .await
        .map_err(|error| unavailable("wait for", error))?;
    Err(SpawnError::unavailable(format!(
        "the launcher `{program}` ended before it began ({status})"
    )))
}
