//! What the fuzz target of the agent's socket drives.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jansky_crypto::SystemRandom;
use jansky_handover::StartDocument;
use jansky_model::SystemClock;
use serde_json::json;

use super::{Agent, SessionState};
use crate::answer::Answer;
use crate::local;
use crate::tokens::TokenKey;

/// The only service that there is a token for.
pub const AUDIENCE: &str = "archive";

/// The token for it.
pub const TOKEN: &str = "the-token-of-the-archive";

/// An agent that holds one token, and whose hub cannot be reached.
pub struct FuzzedAgent {
    runtime: tokio::runtime::Runtime,
    agent: Arc<Agent>,
}

impl FuzzedAgent {
    /// Makes it.
    ///
    /// # Panics
    /// When the machine has no room for it.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let document = StartDocument {
            broker_url: Some("http://127.0.0.1:1/".to_owned()),
            ..StartDocument::new(None, "/nowhere", None)
        };
        let agent = Agent::new(&document, Arc::new(SystemClock), Arc::new(SystemRandom));
        let agent = Arc::new(agent.expect("an agent"));
        agent.session_state.send_replace(SessionState::Active);
        let wanted = TokenKey {
            audience: AUDIENCE.to_owned(),
            scope: None,
        };
        let body = json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 604_800 });
        let body = Bytes::from(body.to_string());
        let ask = |_| async {
            Answer {
                status: StatusCode::OK,
                retry_after: None,
                body: body.clone(),
            }
        };
        runtime.block_on(agent.tokens.get(&wanted, None, ask));
        Self { runtime, agent }
    }

    /// Everything that is answered to somebody who sends this and nothing more.
    ///
    /// # Panics
    /// When the connection does not come to an end.
    pub fn answers(&self, sent: &[u8]) -> Vec<u8> {
        let (mut ours, theirs) = UnixStream::pair().expect("sockets");
        theirs.set_nonblocking(true).expect("a socket");
        ours.write_all(sent).expect("there is room for it");
        ours.shutdown(Shutdown::Write).expect("it is open");
        self.runtime.block_on(async {
            let theirs = tokio::net::UnixStream::from_std(theirs).expect("a socket");
            local::serve(Arc::clone(&self.agent), theirs).await;
        });
        let mut answers = Vec::new();
        match ours.read_to_end(&mut answers) {
            Ok(_) => answers,
            // The agent closed it before it had read everything.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => answers,
            Err(error) => panic!("the answers cannot be read: {error}"),
        }
    }
}

impl Default for FuzzedAgent {
    fn default() -> Self {
        Self::new()
    }
}
