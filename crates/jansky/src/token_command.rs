//! `jansky token`: an access token for scripts inside of a server, from the agent beside it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jansky_handover::variables::AGENT_SOCKET;
use jansky_model::Secret;
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use crate::telemetry::say_error;

/// The agent itself waits for the hub for 30 s.
const TIMEOUT: Duration = Duration::from_secs(40);

/// What a script may want to know beside success and failure: sign in again, and try later
/// (`EX_TEMPFAIL` of sysexits.h).
const SIGN_IN_AGAIN: u8 = 3;
const TRY_LATER: u8 = 75;

/// Which token.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The service that the token is for
    audience: String,
    /// The rights to ask for, with blanks between them
    #[arg(long)]
    scope: Option<String>,
    /// How long it has to live, in seconds
    #[arg(long, value_name = "SECONDS")]
    min_ttl: Option<u64>,
    /// With its end and scope, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    expires_in: u64,
    scope: Option<String>,
    audience: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    error: String,
    error_description: String,
    reauth_url: Option<String>,
}

/// Prints a token, or says why there is none.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let socket = std::env::var_os(AGENT_SOCKET).with_context(|| {
        format!(
            "{AGENT_SOCKET} is not set: this is not a server of a Jansky gateway, or no services are \
             configured there"
        )
    })?;
    let (status, body) = ask(Path::new(&socket), &path(options))
        .context("the agent of this server cannot be asked; start the server again")?;
    if status == 200 {
        let token: Given = serde_json::from_slice(&body).context("the agent gave no token")?;
        print(&token, options.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    let mut reason = anyhow::Error::msg(if problem.error_description.is_empty() {
        format!("the agent answered {status} {}", problem.error)
    } else {
        problem.error_description
    });
    if let Some(url) = problem.reauth_url {
        reason = reason.context(format!("sign in again at {url}"));
    }
    say_error(&reason);
    Ok(match (problem.error.as_str(), status) {
        ("reauth_required", _) => ExitCode::from(SIGN_IN_AGAIN),
        (_, 429 | 503) => ExitCode::from(TRY_LATER),
        _ => ExitCode::FAILURE,
    })
}

fn path(options: &Options) -> String {
    let start = "/v1/token?";
    let mut query = form_urlencoded::Serializer::for_suffix(start.to_owned(), start.len());
    query.append_pair("audience", &options.audience);
    if let Some(scope) = &options.scope {
        query.append_pair("scope", scope);
    }
    if let Some(seconds) = options.min_ttl {
        query.append_pair("min_ttl", &seconds.to_string());
    }
    query.finish()
}

/// Sends a request of HTTP/1.1 and returns status and body of the answer.
fn ask(socket: &Path, path: &str) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.context("the answer is not complete")? + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok((status.context("the answer has no status")?, body))
}

fn print(token: &Given, as_json: bool) -> anyhow::Result<()> {
    // Exposed to whoever runs the command, which is what it is for.
    let secret = token.access_token.expose();
    let text = if as_json {
        json!({
            "access_token": secret,
            "expires_in": token.expires_in,
            "scope": token.scope,
            "audience": token.audience,
        })
        .to_string()
    } else {
        secret.to_owned()
    };
    writeln!(std::io::stdout(), "{text}").context("could not print the token")
}
