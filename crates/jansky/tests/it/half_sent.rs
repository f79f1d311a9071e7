//! Requests that are never sent to their end: what they may take of the machine.

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::browser::Browser;
use crate::house::{House, Hub, PATIENCE};

/// Clients of each kind, all from one address.
const CLIENTS: usize = 2_000;

/// Nearly as large as a head may be.
const HEAD: usize = 60 << 10;

/// A part of a body that says that it is longer.
const BODY: usize = 128 << 10;

/// What unfinished requests may take together, and each of their connections besides; docs/reference/limits.md
/// promises both.
const UNFINISHED: usize = 32 << 20;
const CONNECTION: usize = 32 << 10;

/// Allocators keep some of what was given back.
const SLACK: usize = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_half_sent_requests_take_bounded_memory_and_keep_nobody_out() {
    raise_limit_of_files();
    let house = House::new();
    let hub = house.start(&[]).await;
    let person = Browser::new(&hub.url);
    person.get("hub/login").await.must_be(200);
    let at_rest = memory(&hub, "VmRSS");

    let heads = beside(&person, many(&hub, &head())).await;
    let bodies = beside(&person, many(&hub, &body())).await;

    let most = memory(&hub, "VmHWM");
    let all = heads.len() + bodies.len();
    let bound = at_rest + UNFINISHED + all * CONNECTION + SLACK;
    assert!(
        most <= bound,
        "{} MiB of at most {} for {all} requests that never ended",
        most >> 20,
        bound >> 20
    );
    // Those that are held are there still, and the others heard why.
    person.get("hub/login").await.must_be(200);
    let (held, told) = fates(heads.into_iter().chain(bodies).collect()).await;
    assert!(held > 0, "nothing was held");
    assert!(told > 0, "nothing had to go, so the bound was not tried");
    assert_eq!(held + told, all);
}

/// Does `work` while a person goes on asking, who gets every answer.
async fn beside<T>(person: &Browser, work: impl Future<Output = T>) -> T {
    let ask = async {
        loop {
            person.get("hub/login").await.must_be(200);
        }
    };
    tokio::select! {
        done = timeout(PATIENCE, work) => done.expect("the hub reads or answers"),
        () = ask => unreachable!("it has no end"),
    }
}

fn head() -> String {
    let fill = "x".repeat(HEAD);
    format!("GET /hub/login HTTP/1.1\r\nHost: hub.test\r\nX-Fill: {fill}")
}

fn body() -> String {
    let fill = "x".repeat(BODY);
    format!(
        "POST /hub/login HTTP/1.1\r\nHost: hub.test\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\nusername={fill}",
        BODY * 2
    )
}

/// Sends from many clients what has no end. One that has to make room for others is not heard to its end, which
/// is its answer.
async fn many(hub: &Hub<'_>, request: &str) -> Vec<TcpStream> {
    let address = hub.url.trim_start_matches("http://").trim_end_matches('/');
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (address, request) = (address.to_owned(), request.to_owned());
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the hub listens");
            let _ = stream.write_all(request.as_bytes()).await;
            stream
        });
    }
    clients.join_all().await
}

/// How many wait still, and how many were answered.
async fn fates(streams: Vec<TcpStream>) -> (usize, usize) {
    let (mut held, mut told) = (0, 0);
    for mut stream in streams {
        let mut answer = [0; 12];
        let read = timeout(Duration::from_millis(1), stream.read(&mut answer)).await;
        match read {
            Err(_) => held += 1,
            Ok(Ok(count)) if answer[..count] == *b"HTTP/1.1 408" => told += 1,
            Ok(other) => panic!("{other:?} {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    (held, told)
}

/// What the program takes of the machine, in bytes.
fn memory(hub: &Hub<'_>, field: &str) -> usize {
    let path = format!("/proc/{}/status", hub.pid());
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse::<usize>().ok())
        .expect("kilobytes")
        << 10
}

/// Each client is a file of this process, and of the hub, which inherits the limit.
fn raise_limit_of_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a limit may be raised to its maximum");
    let enough = limit.maximum.is_none_or(|most| most >= 10_000);
    assert!(
        enough,
        "this test needs `ulimit -Hn` of 10,000, not {limit:?}"
    );
}
