use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::beside::{Beside, eventually};
use crate::hub::Hub;

async fn hub_with_file(lifetime: u64) -> Hub {
    let hub = Hub::start().await;
    let mut script = hub.script();
    script.lifetime = lifetime;
    script.audiences = json!([
        { "id": "grid", "state": "ready", "token_file": true },
        { "id": "archive", "state": "ready", "token_file": false },
    ]);
    drop(script);
    hub
}

fn file(agent: &Beside) -> PathBuf {
    agent.directory.path().join("grid.token")
}

#[tokio::test]
async fn a_token_file_is_there_for_those_who_chose_it_and_complete_at_every_read() {
    let hub = hub_with_file(4).await;
    let agent = Beside::start(&hub).await;
    eventually("the file is there", async || file(&agent).exists()).await;
    let mode = std::fs::metadata(file(&agent))
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut seen = std::collections::BTreeSet::new();
    let mut reads = 0;
    // The name that the environment has for it.
    let path = agent.directory.path().join("bearer_token");
    let reading = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while (seen.len() < 3 || reads < 10_000) && Instant::now() < deadline {
            let token = std::fs::read_to_string(&path).expect("there is always one");
            assert!(
                token
                    .strip_prefix("canary-token-")
                    .is_some_and(|number| number.parse::<u32>().is_ok()),
                "`{token}` is not complete"
            );
            seen.insert(token);
            reads += 1;
        }
        (seen.len(), reads)
    });
    let (tokens, reads) = reading.await.expect("each was complete");

    assert!(
        tokens >= 3 && reads >= 10_000,
        "{tokens} tokens in {reads} reads"
    );
    assert!(!agent.directory.path().join("archive.token").exists());
}

#[tokio::test]
async fn a_token_file_goes_with_a_freeze_and_with_the_agent() {
    let hub = hub_with_file(600).await;
    let mut agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    eventually("the file is there", async || file(&agent).exists()).await;

    let began = Instant::now();
    hub.freeze("operator");
    eventually("the file is gone", async || !file(&agent).exists()).await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );

    hub.script().frozen = None;
    hub.tell("active", json!({}));
    eventually("the file is there again", async || file(&agent).exists()).await;

    let pid = rustix::process::Pid::from_raw(agent.pid().try_into().expect("a pid"));
    rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::TERM)
        .expect("it runs");
    agent.process.wait().await.expect("it is ours");
    assert!(!file(&agent).exists());
}

#[tokio::test]
async fn a_token_file_goes_when_the_hub_gives_no_token_for_it_any_more() {
    let hub = hub_with_file(600).await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    eventually("the file is there", async || file(&agent).exists()).await;

    hub.script().refusal = Some((403, json!({ "error": "server_shared" })));
    hub.script().audiences[0]["state"] = "server_shared".into();
    hub.tell("changed", json!({}));
    eventually("the file is gone", async || !file(&agent).exists()).await;

    hub.script().refusal = None;
    hub.script().audiences[0]["state"] = "ready".into();
    hub.tell("changed", json!({}));
    eventually("the file is there again", async || file(&agent).exists()).await;
}

#[tokio::test]
async fn no_token_is_written_to_a_disk() {
    let hub = hub_with_file(600).await;
    // The build directory is on a disk.
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("ours");

    let agent = Beside::with(&hub, |document| document["token_dir"] = json!(disk.path())).await;

    agent.token("audience=grid").await.token();
    eventually("the log says so", async || {
        agent.log().contains("not a tmpfs")
    })
    .await;
    assert_eq!(std::fs::read_dir(disk.path()).expect("ours").count(), 0);
}
