use std::time::Duration;

use jansky_model::ServerId;
use jansky_spawn::fake::{FakeBehaviour, FakeSpawner, FakeStart};
use jansky_spawn::{PollStatus, ProgressSink, SpawnError, Spawner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::spec;

async fn start(spawner: &FakeSpawner) -> jansky_spawn::Started {
    let started = spawner.start(&spec(1, 1), &ProgressSink::discard()).await;
    started.expect("it starts")
}

#[tokio::test]
async fn its_servers_answer_every_request() {
    let started = start(&FakeSpawner::default()).await;
    // Dropping the spawner ends its servers, so it must be kept.
    let spawner = FakeSpawner::default();
    let kept = start(&spawner).await;
    assert!(
        TcpStream::connect(started.url.trim_start_matches("http://"))
            .await
            .is_err()
    );

    let mut connection = TcpStream::connect(kept.url.trim_start_matches("http://"))
        .await
        .expect("it listens");
    connection
        .write_all(b"GET /user/river/api HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = [0; 15];
    connection.read_exact(&mut answer).await.expect("answered");

    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn it_misbehaves_as_told() {
    let spawner = FakeSpawner::new(FakeBehaviour {
        start: FakeStart::Fails("no".to_owned()),
        log: "the log".to_owned(),
        ..FakeBehaviour::default()
    });
    let failed = spawner.start(&spec(1, 1), &ProgressSink::discard()).await;
    assert!(matches!(failed, Err(SpawnError::Failed { log_tail, .. }) if log_tail == "the log"));

    spawner.behave(FakeBehaviour {
        start: FakeStart::ExitsAfter(Duration::from_secs(5)),
        ..FakeBehaviour::default()
    });
    let started = start(&spawner).await;
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(matches!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { .. }
    ));

    spawner.behave(FakeBehaviour {
        unknown_polls: Some("no answer".to_owned()),
        ..FakeBehaviour::default()
    });
    let started = start(&spawner).await;
    assert!(matches!(
        spawner.poll(&started.handle).await,
        PollStatus::Unknown { .. }
    ));

    spawner.behave(FakeBehaviour::default());
    spawner.end(ServerId(1), "was killed by signal 9");
    let reason = "was killed by signal 9".to_owned();
    assert_eq!(
        spawner.poll(&started.handle).await,
        PollStatus::Exited { reason }
    );
}
