//! Backend, OpenID provider and load generator of the benchmarks, as thin as they can be, because they share one CPU
//! and what is measured is the proxy on the other one.

mod backend;
mod cpu;
mod load;
mod message;
mod provider;
mod sign_in;
mod unix;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted.
const QUEUE: u32 = 4096;

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
    /// Asks over a Unix socket and prints one line of JSON with what it measured.
    Unix(unix::Options),
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match Arguments::parse().command {
        Command::Backend { address } => runtime.block_on(backend::run(address)),
        Command::Provider { address } => runtime.block_on(provider::run(address)),
        Command::Load(options) => runtime.block_on(load::run(options)),
        Command::Unix(options) => runtime.block_on(unix::run(options)),
    }
}

/// Listens with room for as many at once as any measure has; with the usual 128 some would try again after a
/// second.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Reads a number of seconds such as `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}
