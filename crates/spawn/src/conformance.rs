//! What every spawner must do, as claims that the tests of each of them hold it to (feature `testing`).
//!
//! A spawner brings a [`Bench`], and [`spawner_conformance!`](crate::spawner_conformance) makes a test
//! of each claim. What only one platform has (ports, limits, images) is tested beside that spawner.

use std::time::Duration;

use jansky_model::{ServerId, ServerName, StartId};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{PollStatus, ProgressSink, ServerSpec, SpawnHandle, Spawner, Started, StopMode};

/// How long anything may take before a claim has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the servers of a bench do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// They answer HTTP, whatever the path, until they are ended.
    AddressOwner,
    /// They end by themselves, soon and with status 0.
    Ends,
}

/// A place of its own in which a spawner starts servers. At its end nothing of it runs any more.
pub trait Bench {
    /// A new spawner for this place, as a hub that was started anew has it.
    fn spawner(&self) -> Box<dyn Spawner>;

    /// How many servers the platform itself says that there are here, once those answer that should.
    fn count(&self) -> usize;

    /// Moments in which a start is in its middle.
    fn moments(&self) -> Vec<Duration>;

    /// Whether the platform itself says where servers answer.
    fn tells_addresses(&self) -> bool {
        true
    }
}

/// What to start for one of the servers of `river`.
pub fn spec(server: i64, start: i64) -> ServerSpec {
    ServerSpec {
        server: ServerId(server),
        start: StartId(start),
        user: "river".parse().expect("it is a valid name"),
        name: ServerName::default_server(),
        prefix: "/user/river/".to_owned(),
        environment: [].into(),
        options: Value::Null,
        agent: None,
    }
}

/// A server answers where it says, and everything of it is gone once it was ended.
pub async fn a_server_runs_answers_at_its_url_and_ends_when_asked<B: Bench>(
    make: impl Fn(Life) -> B,
) {
    let bench = make(Life::AddressOwner);
    let spawner = bench.spawner();
    let (progress, mut events) = ProgressSink::channel();

    let started = spawner.start(&spec(1, 1), &progress).await;

    let started = started.expect("the server starts");
    until_it_answers(&started).await;
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    let first = events.recv().await;
    assert!(first.is_some_and(|event| !event.is_last()));

    stop(&*spawner, &started.handle, StopMode::Polite).await;

    let status = spawner.poll(&started.handle).await;
    assert!(matches!(status, PollStatus::Exited { .. }), "{status:?}");
    assert_eq!(bench.count(), 0);
    assert_eq!(spawner.list().await.expect("listed"), []);
    // What is gone already is ended without a complaint.
    stop(&*spawner, &started.handle, StopMode::Now).await;
}

/// The same start never makes two servers, whichever hub asks for it.
pub async fn a_second_start_finds_the_first_also_from_a_new_hub<B: Bench>(
    make: impl Fn(Life) -> B,
) {
    let bench = make(Life::AddressOwner);
    let first = bench.spawner();
    let started = start(&*first).await;
    until_it_answers(&started).await;

    let again = start(&*first).await;
    drop(first);
    let second = bench.spawner();
    let found = start(&*second).await;
    let listed = second.list().await.expect("listed");

    assert_eq!(again, started);
    assert_eq!(found, started);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].server, listed[0].start),
        (spec(1, 1).server, spec(1, 1).start)
    );
    assert_eq!(listed[0].handle, started.handle);
    let told = bench.tells_addresses().then_some(&started.url);
    assert_eq!(listed[0].url.as_ref(), told);
    assert_eq!(bench.count(), 1);
    stop(&*second, &started.handle, StopMode::Now).await;
}

/// Nothing in the memory of a hub is needed to make one server of many starts at once.
pub async fn parallel_starts_make_one_server<B: Bench>(make: impl Fn(Life) -> B) {
    let bench = make(Life::AddressOwner);
    let (one, two) = (bench.spawner(), bench.spawner());

    let (first, second, third, fourth) =
        tokio::join!(start(&*one), start(&*two), start(&*one), start(&*two));

    for other in [second, third, fourth] {
        assert_eq!(other, first);
    }
    until_it_answers(&first).await;
    assert_eq!(bench.count(), 1);
    stop(&*one, &first.handle, StopMode::Now).await;
}

/// A start that was broken off can be asked for again: then there is one complete server.
pub async fn a_start_that_was_broken_off_is_found_or_never_happened<B: Bench>(
    make: impl Fn(Life) -> B,
) {
    let bench = make(Life::AddressOwner);
    let spawner = bench.spawner();
    for moment in bench.moments() {
        let _ = tokio::time::timeout(moment, start(&*spawner)).await;
    }

    let hub = bench.spawner();
    let started = start(&*hub).await;

    until_it_answers(&started).await;
    until("one server is left", async || bench.count() == 1).await;
    let listed = hub.list().await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle, started.handle);
    stop(&*hub, &started.handle, StopMode::Now).await;
}

/// A server that has ended is no reason not to start; the old handle stays that of the old one.
pub async fn a_server_that_ended_is_started_anew<B: Bench>(make: impl Fn(Life) -> B) {
    let bench = make(Life::Ends);
    let spawner = bench.spawner();
    let first = start(&*spawner).await;
    until_it_ended(&*spawner, &first.handle).await;

    let second = start(&*spawner).await;

    assert_ne!(second.handle, first.handle);
    let status = spawner.poll(&first.handle).await;
    assert!(matches!(status, PollStatus::Exited { .. }), "{status:?}");
    until_it_ended(&*spawner, &second.handle).await;
    stop(&*spawner, &second.handle, StopMode::Now).await;
}

/// Somebody who lost the handle finds the server, and can end it.
pub async fn a_server_whose_handle_is_lost_is_listed_and_ended<B: Bench>(make: impl Fn(Life) -> B) {
    let bench = make(Life::AddressOwner);
    drop(start(&*bench.spawner()).await);
    let hub = bench.spawner();

    let listed = hub.list().await.expect("listed");

    assert_eq!(listed.len(), 1);
    assert_eq!(hub.poll(&listed[0].handle).await, PollStatus::Running);
    stop(&*hub, &listed[0].handle, StopMode::Now).await;
    assert_eq!(bench.count(), 0);
    assert_eq!(hub.list().await.expect("listed"), []);
}

/// Several servers stand beside each other, each at its own address.
pub async fn each_server_has_an_address_of_its_own<B: Bench>(make: impl Fn(Life) -> B) {
    let bench = make(Life::AddressOwner);
    let spawner = bench.spawner();
    let mut urls = std::collections::BTreeSet::new();
    for server in 1..=3 {
        let spec = spec(server, 1);
        let started = spawner.start(&spec, &ProgressSink::discard()).await;
        let started = started.expect("it starts");
        until_it_answers(&started).await;
        urls.insert(started.url);
    }

    let listed = spawner.list().await.expect("listed");

    assert_eq!((urls.len(), listed.len(), bench.count()), (3, 3, 3));
    for found in listed {
        stop(&*spawner, &found.handle, StopMode::Now).await;
    }
}

/// Two hubs on one machine do not see each other's servers.
pub async fn servers_of_another_hub_are_left_alone<B: Bench>(make: impl Fn(Life) -> B) {
    let (one, two) = (make(Life::AddressOwner), make(Life::AddressOwner));
    let (first, second) = (one.spawner(), two.spawner());
    let of_first = start(&*first).await;
    let of_second = start(&*second).await;

    let listed = first.list().await.expect("listed");

    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle, of_first.handle);
    stop(&*first, &of_first.handle, StopMode::Now).await;
    assert_eq!(second.poll(&of_second.handle).await, PollStatus::Running);
    stop(&*second, &of_second.handle, StopMode::Now).await;
}

async fn start(spawner: &dyn Spawner) -> Started {
    let started = spawner.start(&spec(1, 1), &ProgressSink::discard()).await;
    started.expect("the server starts")
}

async fn stop(spawner: &dyn Spawner, handle: &SpawnHandle, mode: StopMode) {
    let stopped = spawner.stop(handle, mode).await;
    stopped.expect("the server is ended");
}

async fn until_it_answers(started: &Started) {
    until("the server answers", async || {
        answer(started)
            .await
            .is_some_and(|answer| answer.starts_with("HTTP/1."))
    })
    .await;
}

async fn until_it_ended(spawner: &dyn Spawner, handle: &SpawnHandle) {
    until("the server ends", async || {
        matches!(spawner.poll(handle).await, PollStatus::Exited { .. })
    })
    .await;
}

async fn answer(started: &Started) -> Option<String> {
    let address = started.url.strip_prefix("http://")?;
    let mut connection = TcpStream::connect(address).await.ok()?;
    let request = "GET /user/river/ HTTP/1.0\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut beginning = [0; 7];
    connection.read_exact(&mut beginning).await.ok()?;
    String::from_utf8(beginning.to_vec()).ok()
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Makes a test of each claim of [`conformance`](crate::conformance) about the spawner whose
/// [`Bench`](crate::conformance::Bench) the function makes.
#[macro_export]
macro_rules! spawner_conformance {
    ($make:path) => {
        $crate::spawner_conformance! {
            @ $make;
            a_server_runs_answers_at_its_url_and_ends_when_asked
            a_second_start_finds_the_first_also_from_a_new_hub
            parallel_starts_make_one_server
            a_start_that_was_broken_off_is_found_or_never_happened
            a_server_that_ended_is_started_anew
            a_server_whose_handle_is_lost_is_listed_and_ended
            each_server_has_an_address_of_its_own
            servers_of_another_hub_are_left_alone
        }
    };
    (@ $make:path; $($claim:ident)*) => {
        $(
            #[tokio::test]
            async fn $claim() {
                $crate::conformance::$claim($make).await;
            }
        )*
    };
}
