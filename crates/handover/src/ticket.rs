//! What the hub gives a spawner for the agent of one start.

use jansky_model::Secret;

/// What the agent beside a server begins with. It goes to the agent over its standard input and
/// nowhere else: not into an environment, a command line, or the definition of a container or job. It
/// is in a file only where there is no other way, which nobody else can open and nothing keeps.
#[derive(Clone, Debug)]
pub struct AgentTicket {
    /// Works once, until shortly after the server's process has begun.
    pub ticket: Secret,
    /// Where the hub hands out tokens, with a slash at the end:
    /// `http://127.0.0.1:8000/hub/broker/v1/`.
    pub broker_url: String,
    /// Whether the agent keeps the file that `BEARER_TOKEN_FILE` names.
    pub token_file: bool,
}
