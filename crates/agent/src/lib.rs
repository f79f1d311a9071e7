//! The agent beside a single-user server.
//!
//! It makes a key that never leaves its memory, proves itself to the hub once with a ticket that it
//! reads from standard input, and from then on hands out short access tokens over a Unix socket
//! to the code of the server. It knows no refresh token, because the hub has no call that returns one.
//!
//! [`run`] is all of it; the program `jansky-agent` and `jansky agent` both only call it. What the
//! hub says about a person, and which tokens there are, is decided in the hub.
//!
//! May use `crypto`, `guard`, `handover` and `model`, and nothing of the hub: both meet over HTTP alone.
//!
//! What holds everywhere: the key and the tokens are in memory only, which other processes cannot read;
//! nothing that comes over the socket is answered to a process outside of the server; and what cannot be sent
//! to the hub is never guessed.

mod agent;
mod answer;
mod broker;
mod connection;
mod end;
mod entry_point;
mod events;
mod input;
mod listening;
mod local;
mod log;
mod socket;
mod token_files;
mod tokens;
mod trust;

#[cfg(feature = "fuzzing")]
pub use agent::fuzzing;

use std::process::ExitCode;
use std::sync::Arc;

use jansky_crypto::SystemRandom;
use jansky_handover::StartDocument;
use jansky_model::{Secret, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

use agent::Agent;
use listening::Chosen;
use log::say;

/// Reads the document from standard input and serves until the server beside it ends.
///
/// Where the document names a command, the agent is the entry point of a container: it starts the
/// command, passes signals on, reaps what is orphaned and ends with the command's status.
///
/// The program must call this before it has threads.
pub fn run() -> ExitCode {
    if let Err(error) = jansky_guard::hide_memory() {
        say(&format!("could not hide the memory of the agent: {error}"));
        return ExitCode::FAILURE;
    }
    let document = match input::start_document() {
        Ok(document) => document,
        Err(problem) => {
            say(&problem.to_string());
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(serve(document));
            // Do not wait for a task that hangs in a file system that does not answer.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            say(&format!("could not begin: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(mut document: StartDocument) -> ExitCode {
    let command = document.command.take();
    let mut environment = input::whole_environment(&document);
    if let Some(listen) = document.listen.take() {
        match Chosen::from_free_ports(listen) {
            Ok(chosen) => {
                let (name, url) = chosen.variable();
                environment.insert(name.to_owned(), url);
                tokio::spawn(chosen.announce());
            }
            Err(error) => {
                say(&format!("there is no port for the server: {error}"));
                return ExitCode::FAILURE;
            }
        }
    }
    let Some(ticket) = document.ticket.take() else {
        let Some(command) = command else {
            say("there is no ticket in the document");
            return ExitCode::FAILURE;
        };
        // Without a ticket there are no tokens to be had, and there is only the command to run.
        return entry_point::run(&command, &environment, async {}).await;
    };
    let agent = match Agent::new(&document, Arc::new(SystemClock), Arc::new(SystemRandom)) {
        Ok(agent) => Arc::new(agent),
        Err(problem) => {
            say(&problem);
            // The agent is the entry point of a container: better a server without tokens than none.
            return match command {
                Some(command) => entry_point::run(&command, &environment, async {}).await,
                None => ExitCode::FAILURE,
            };
        }
    };
    let document = Arc::new(document);
    let Some(command) = command else {
        return beside(agent, &document, ticket).await;
    };
    let (served, told) = (agent.clone(), document.clone());
    let serving = tokio::spawn(async move { say(&served.serve(&told, ticket).await) });
    let enrolled = agent.clone();
    let code = entry_point::run(&command, &environment, async move {
        enrolled.first_enrolment().await;
    })
    .await;
    serving.abort();
    agent.tidy_up();
    input::remove_places(&document);
    code
}

/// Serves beside a server that somebody else started.
async fn beside(agent: Arc<Agent>, document: &StartDocument, ticket: Secret) -> ExitCode {
    let begun =
        jansky_guard::forbid_core_files().and_then(|()| end::end_with_parent(document.parent));
    if let Err(error) = begun {
        say(&format!("the agent ends: {error}"));
        return ExitCode::FAILURE;
    }
    let Ok(mut ends) = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ]
    .into_iter()
    .map(signal)
    .collect::<Result<Vec<_>, _>>() else {
        say("the agent cannot listen for signals");
        return ExitCode::FAILURE;
    };
    let [terminate, interrupt, hang_up] = ends.as_mut_slice() else {
        return ExitCode::FAILURE;
    };
    let code = tokio::select! {
        problem = agent.clone().serve(document, ticket) => {
            say(&problem);
            ExitCode::FAILURE
        }
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        _ = hang_up.recv() => ExitCode::SUCCESS,
    };
    agent.tidy_up();
    code
}
