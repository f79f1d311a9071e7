//! Questions over a Unix socket, as many as are answered.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

#[derive(Args)]
pub(crate) struct Options {
    /// Where the target listens.
    socket: PathBuf,
    /// What is asked for.
    #[arg(long)]
    path: String,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    #[arg(long, default_value = "1", value_parser = crate::seconds)]
    seconds: Duration,
}

/// Prints one line of JSON: answers per second and the middle of how long they took.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let began = Instant::now();
    let until = began + options.seconds;
    let mut tasks = JoinSet::new();
    for _ in 0..options.connections {
        let stream = UnixStream::connect(&options.socket).await?;
        let request = format!("GET {} HTTP/1.1\r\nHost: agent\r\n\r\n", options.path);
        tasks.spawn(ask(stream, request, until));
    }
    let mut took = Vec::new();
    while let Some(times) = tasks.join_next().await {
        took.extend(times??);
    }
    let seconds = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let middle = took.get(took.len() / 2).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let per_second = took.len() as f64 / seconds;
    let figures = json!({
        "answers": took.len(),
        "per_second": per_second,
        "p50_us": middle.as_secs_f64() * 1e6,
    });
    #[expect(clippy::print_stdout, reason = "this is what the program is for")]
    {
        println!("{figures}");
    }
    Ok(())
}

async fn ask(
    mut stream: UnixStream,
    request: String,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    let mut answer = vec![0; 16 << 10];
    while Instant::now() < until {
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut length = 0;
        // An answer is its head and one line of JSON, whose end is the only brace before the end.
        loop {
            let read = stream.read(&mut answer[length..]).await?;
            anyhow::ensure!(read > 0, "the target hung up");
            length += read;
            if answer[..length].ends_with(b"}") {
                break;
            }
        }
        anyhow::ensure!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
        took.push(began.elapsed());
    }
    Ok(took)
}
