//! Backend, OpenID provider and load generator of the benchmarks, as thin as they can be, because they share one CPU
//! and what is measured is the proxy on the other one.

mod backend;
mod cpu;
mod load;
mod message;
mod provider;
mod sign_in;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answers every request with 128 bytes and echoes WebSocket messages of 64 bytes.
    Backend {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Signs everybody in who is sent here.
    Provider {
        /// Where to listen.
        address: SocketAddr,
    },
    /// Keeps connections busy and prints one line of JSON with what it measured.
    Load(load::Options),
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match Arguments::parse().command {
        Command::Backend { address } => runtime.block_on(backend::run(address)),
        Command::Provider { address } => runtime.block_on(provider::run(address)),
        Command::Load(options) => runtime.block_on(load::run(options)),
    }
}

/// Reads a number of seconds such as `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}
