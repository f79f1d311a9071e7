//! Restarts that nobody notices: the socket stays open, and whoever comes meanwhile waits in its queue.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::house::{House, PATIENCE, until};
use crate::processes;

/// How many visitors come before a restart and after it at least.
const ENOUGH: usize = 10;

/// How long a visitor may wait in a restart.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// People who come one after the other, each on a new connection.
struct Visitors {
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    coming: JoinHandle<Duration>,
}

impl Visitors {
    fn of(address: SocketAddr) -> Self {
        let (answered, is_over) = (Arc::default(), Arc::default());
        let coming = tokio::spawn(come(address, Arc::clone(&answered), Arc::clone(&is_over)));
        Self {
            answered,
            is_over,
            coming,
        }
    }

    /// Waits until some more of them were answered, each of them as it should be.
    async fn go_on(&self) {
        let before = self.answered.load(Ordering::SeqCst);
        until("visitors are answered", async || {
            let is_over = self.coming.is_finished();
            let answered = self.answered.load(Ordering::SeqCst) - before;
            (is_over || answered > ENOUGH).then_some(())
        })
        .await;
    }

    /// Nobody comes any more; each of them must have been answered soon.
    async fn must_have_been_answered(self) {
        self.go_on().await;
        self.is_over.store(true, Ordering::SeqCst);
        let longest = self.coming.await.expect("everybody was answered");
        assert!(longest < LONGEST_WAIT, "one waited for {longest:?}");
    }
}

/// The longest time that one of them waited.
async fn come(
    address: SocketAddr,
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::SeqCst) {
        let began = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, ask(address)).await;
        let took = began.elapsed();
        let is_good = matches!(&answer, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200"));
        assert!(is_good, "after {took:?}: {answer:?}");
        longest = longest.max(took);
        answered.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    longest
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = "GET /hub/health HTTP/1.1\r\nHost: hub.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_while_a_hub_is_restarted_whose_socket_systemd_holds() {
    let house = House::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("it is bound");
    let hub = house.start_on(&socket).await;
    assert_eq!(hub.url, format!("http://{address}/"));
    let visitors = Visitors::of(address);
    visitors.go_on().await;

    let status = hub.terminate().await;
    assert!(status.success(), "{status}: {}", house.said("stderr"));
    let hub = house.start_on(&socket).await;

    visitors.must_have_been_answered().await;
    assert!(hub.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_while_a_hub_begins_again_in_its_own_place() {
    let house = House::new();
    let hub = house.start(&[]).await;
    let address = hub.url.trim_start_matches("http://").trim_end_matches('/');
    let address: SocketAddr = address.parse().expect("an address");
    let visitors = Visitors::of(address);
    let again = format!("Jansky is running at {}", hub.url);

    for runs in 2..=3 {
        visitors.go_on().await;
        processes::signal(hub.pid(), Signal::USR2);
        until("it runs again at the same address", async || {
            (house.said("stdout").matches(&again).count() == runs).then_some(())
        })
        .await;
    }

    visitors.must_have_been_answered().await;
    assert!(hub.terminate().await.success(), "it is the same process");
}
