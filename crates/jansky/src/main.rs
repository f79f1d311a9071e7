//! Jansky: a science gateway in one program.
//!
//! This crate is wiring: it reads the command line and the configuration, makes the parts, and
//! brings them together. The rules are in the crates below it, of which it may use all but `testing`.
//!
//! What holds everywhere: a setting becomes one argument of one part, in `assemble` and nowhere else; what
//! the operator reads on a terminal says what to do; and an orderly end stops no server.

mod assemble;
mod audit_command;
mod authorities;
mod cli;
mod config_command;
mod demo;
mod descriptors;
mod directory;
mod doctor;
mod explain_login;
mod files;
mod front;
mod serve;
mod server_requests;
mod sockets;
mod spawners;
mod telemetry;
mod tls;
mod token_command;

use std::process::ExitCode;

use clap::Parser as _;

/// Fewer page faults and less contention than the system's allocator under many small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whatever is done, there are secrets in it.
    if let Err(error) = jansky_guard::hide_memory() {
        telemetry::say_error(&anyhow::anyhow!(error).context("could not hide the memory"));
        return ExitCode::FAILURE;
    }
    jansky_guard::keep_descriptors();
    // Roles that are for a process without threads. The launcher gives up rights, which a process can
    // only do as a whole; the agent hides its memory before there is anything in it; modules of PAM
    // fork.
    match std::env::args_os().nth(1) {
        Some(role) if role == cli::LAUNCH => return jansky_spawn::launcher::run(),
        Some(role) if role == cli::AGENT => return jansky_agent::run(),
        Some(role) if role == cli::PAM => return jansky_pam::helper::run(),
        _ => {}
    }
    let arguments = cli::Arguments::parse();
    let done = jansky_guard::forbid_core_files()
        .map_err(anyhow::Error::from)
        .and_then(|()| cli::run(arguments));
    match done {
        Ok(code) => code,
        Err(error) => {
            telemetry::say_error(&error);
            ExitCode::FAILURE
        }
    }
}
