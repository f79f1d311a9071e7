//! The load generator: each connection sends, waits for the whole answer, and sends again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::backend::{ECHO, MESSAGE, head_end};
use crate::cpu;
use crate::sign_in::Browser;

#[derive(Args)]
pub(crate) struct Options {
    /// What to send.
    kind: Kind,
    /// Where to send it.
    address: SocketAddr,
    /// How many connections are kept busy.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long it runs after every connection has had its first answer, before anything is counted.
    #[arg(long, default_value = "0.3", value_parser = crate::seconds)]
    warm_up: Duration,
    /// How long it counts.
    #[arg(long, default_value = "1", value_parser = crate::seconds)]
    measure: Duration,
    /// Processes whose CPU time is divided by the number of operations.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    /// The path of the requests.
    #[arg(long, default_value = "/user/river/api/status")]
    path: String,
    /// Header lines to add, for example `Cookie: a=b`.
    #[arg(long)]
    header: Vec<String>,
    /// The provider at which people sign in.
    #[arg(long)]
    provider: Option<SocketAddr>,
    /// How many people sign in, one after the other and again from the first.
    #[arg(long, default_value_t = 100)]
    people: u64,
    /// Ends after so many operations, all of which count, however long it takes.
    #[arg(long)]
    operations: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// GET requests with small answers.
    Get,
    /// WebSocket messages of 64 bytes and their echoes.
    Echo,
    /// Sign-ins at an OpenID provider.
    SignIn,
}

#[derive(Serialize)]
struct Report {
    operations: u64,
    per_second: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

/// How many connections begin at once, and how long all of them may take.
const BEGINNERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// After so many operations all at once a connection has its memory, and the target what it keeps for it.
const WARM: u32 = 5;

/// What all connections share: whether to count, whether to go on, how far they are, and the latencies.
struct Shared {
    counting: Cell<bool>,
    stopped: Cell<bool>,
    /// How many operations have begun.
    begun: Cell<u64>,
    /// A connection that begins has one of these until its first answer is there.
    beginners: Semaphore,
    /// How many connections have had their first answer.
    ready: watch::Sender<usize>,
    /// How many have had so many more that they and what is behind them are warm.
    warm: watch::Sender<usize>,
    latencies: RefCell<Vec<u32>>,
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let shared = Rc::new(Shared {
        counting: Cell::new(false),
        stopped: Cell::new(false),
        begun: Cell::new(0),
        beginners: Semaphore::new(BEGINNERS),
        ready: watch::Sender::new(0),
        warm: watch::Sender::new(0),
        latencies: RefCell::new(Vec::with_capacity(1 << 20)),
    });
    let options = Rc::new(options);
    let report = LocalSet::new()
        .run_until(async {
            let mut tasks = JoinSet::new();
            for _ in 0..options.connections {
                let (shared, options) = (Rc::clone(&shared), Rc::clone(&options));
                tasks.spawn_local(async move { keep_busy(&options, &shared).await });
            }
            let is_bounded = options.operations.is_some();
            let begun = async {
                all(&options, &shared.ready).await;
                if !is_bounded {
                    all(&options, &shared.warm).await;
                }
            };
            tokio::select! {
                begun = tokio::time::timeout(PATIENCE, begun) => begun.with_context(|| {
                    let (warm, all) = (*shared.warm.borrow(), options.connections);
                    format!("only {warm} of {all} connections were warm within {PATIENCE:?}")
                })?,
                Some(ended) = tasks.join_next() => ended??,
            }
            if !is_bounded {
                tokio::time::sleep(options.warm_up).await;
            }
            let (begin, cpu_begin) = (Instant::now(), cpu::time_of(&options.pids)?);
            shared.counting.set(true);
            if options.operations.is_none() {
                tokio::time::sleep(options.measure).await;
                shared.counting.set(false);
            } else {
                while let Some(ended) = tasks.join_next().await {
                    ended??;
                }
            }
            let elapsed = begin.elapsed();
            let cpu = cpu::time_of(&options.pids)?.saturating_sub(cpu_begin);
            shared.stopped.set(true);
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok::<_, anyhow::Error>(report(&mut shared.latencies.borrow_mut(), elapsed, cpu))
        })
        .await?;
    ensure!(report.operations > 0, "no operation ended in time");
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "numbers for people")]
fn report(latencies: &mut [u32], elapsed: Duration, cpu: Duration) -> Report {
    latencies.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of the length is an index"
        )]
        let index = (latencies.len() as f64 * part) as usize;
        f64::from(latencies.get(index).copied().unwrap_or_default()) / 1e3
    };
    Report {
        operations: latencies.len() as u64,
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
        p50_us: at(0.5),
        p99_us: at(0.99),
    }
}

fn head(options: &Options) -> String {
    let upgrade = match options.kind {
        Kind::Get | Kind::SignIn => "",
        Kind::Echo => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
    };
    let mut more = options.header.join("\r\n");
    if !more.is_empty() {
        more.push_str("\r\n");
    }
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: load\r\nAccept: */*\r\n{more}{upgrade}\r\n",
        options.path, options.address
    )
}

/// Waits until a number is that of all connections.
async fn all(options: &Options, number: &watch::Sender<usize>) {
    let mut number = number.subscribe();
    // It cannot be closed, because this borrows the sender.
    let _ = number
        .wait_for(|number| *number == options.connections)
        .await;
}

impl Shared {
    /// Notes that a connection has had its first answer, and waits for the others.
    async fn begin(&self, options: &Options) {
        self.ready.send_modify(|ready| *ready += 1);
        all(options, &self.ready).await;
    }

    /// The number of the next operation, if there is to be one.
    fn next(&self, options: &Options) -> Option<u64> {
        let number = self.begun.get();
        let is_enough = options.operations.is_some_and(|all| number >= all);
        if self.stopped.get() || is_enough {
            return None;
        }
        self.begun.set(number + 1);
        Some(number)
    }

    /// Counts an operation of a connection, of which it was the `nth`.
    fn count(&self, begin: Instant, nth: u32) {
        if nth == WARM {
            self.warm.send_modify(|warm| *warm += 1);
        }
        if self.counting.get() {
            let nanos = u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX);
            self.latencies.borrow_mut().push(nanos);
        }
    }
}

async fn keep_busy(options: &Options, shared: &Shared) -> anyhow::Result<()> {
    let (address, kind) = (options.address, options.kind);
    let beginner = shared.beginners.acquire().await?;
    if let Kind::SignIn = kind {
        let provider = options.provider.context("`--provider` is missing")?;
        let mut browser = Browser::new(address, provider).await?;
        drop(beginner);
        shared.begin(options).await;
        let mut nth = 0;
        while let Some(number) = shared.next(options) {
            let begin = Instant::now();
            let person = format!("person-{}", number % options.people);
            browser.sign_in(&options.path, &person).await?;
            nth += 1;
            shared.count(begin, nth);
        }
        return Ok(());
    }
    let head = head(options);
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    if let Kind::Echo = kind {
        stream.write_all(head.as_bytes()).await?;
        let mut answer = [0; 4096];
        let mut filled = 0;
        while head_end(&answer[..filled]).is_none() {
            let read = stream.read(&mut answer[filled..]).await?;
            ensure!(read > 0, "the connection was closed instead of upgraded");
            filled += read;
        }
        ensure!(
            answer.starts_with(b"HTTP/1.1 101"),
            "the upgrade was refused"
        );
    } else {
        get(&mut stream, head.as_bytes()).await?;
    }
    drop(beginner);
    shared.begin(options).await;
    let mut message = [b'm'; MESSAGE];
    message[..2].copy_from_slice(&[0x81, 0x80 | 64]);
    let mut nth = 0;
    while shared.next(options).is_some() {
        let begin = Instant::now();
        match kind {
            Kind::Get | Kind::SignIn => get(&mut stream, head.as_bytes()).await?,
            Kind::Echo => {
                stream.write_all(&message).await?;
                let mut echo = [0; ECHO];
                stream.read_exact(&mut echo).await?;
            }
        }
        nth += 1;
        shared.count(begin, nth);
    }
    Ok(())
}

async fn get(stream: &mut TcpStream, head: &[u8]) -> anyhow::Result<()> {
    stream.write_all(head).await?;
    let mut answer = [0; 4096];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut answer[filled..]).await?;
        if read == 0 {
            bail!("the connection was closed in an answer");
        }
        filled += read;
        if let Some(end) = head_end(&answer[..filled])
            && filled - end >= length(&answer[..end])?
        {
            ensure!(
                answer.starts_with(b"HTTP/1.1 200"),
                "the answer is not a success"
            );
            return Ok(());
        }
    }
}

/// How many bytes follow a head.
fn length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"\r\ncontent-length:";
    let at = head
        .windows(NAME.len())
        .position(|window| window.eq_ignore_ascii_case(NAME))
        .context("the answer does not say how long it is")?;
    let digits = head[at + NAME.len()..].trim_ascii_start();
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}
