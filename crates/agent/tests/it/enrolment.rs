use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::beside::{Beside, eventually};
use crate::hub::{Hub, SESSION, TICKET};

#[tokio::test]
async fn a_ticket_is_redeemed_once_and_each_request_is_proven() {
    let hub = Hub::start().await;

    let agent = Beside::start(&hub).await;

    let told = agent.token("audience=archive").await;
    assert_eq!(told.token(), "canary-token-1");
    assert_eq!(told.body["audience"], "archive");
    assert_eq!(told.body["token_type"], "Bearer");
    assert_eq!(told.body["scope"], "archive:read");
    assert!(
        told.head.contains("cache-control: no-store"),
        "{}",
        told.head
    );
    assert_eq!(hub.script().enrolments.len(), 1);
}

#[tokio::test]
async fn an_agent_that_is_there_before_its_hub_enrols_when_the_hub_comes() {
    let mut hub = Hub::start().await;
    hub.stop().await;
    let agent = Beside::start(&hub).await;

    hub.restart().await;

    eventually("a token", async || {
        agent.token("audience=a").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_ticket_that_is_refused_is_not_tried_again_and_the_log_says_so() {
    let hub = Hub::start().await;

    let agent = Beside::with(&hub, |document| document["ticket"] = "another".into()).await;

    let told = agent.token("audience=archive").await;
    assert_eq!(told.refusal(), (401, "invalid_token"));
    assert_eq!(agent.status().await["state"], "refused");
    assert!(agent.log().contains("invalid_grant"), "{}", agent.log());
    assert_eq!(hub.script().enrolments.len(), 1);
}

#[tokio::test]
async fn a_new_nonce_costs_one_request_more_and_nobody_notices() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.token("audience=one").await.token();
    agent.listens(&hub).await;
    let before = hub.script().challenges;

    hub.script().nonce = "quite-new".to_owned();
    let told = agent.token("audience=two").await;

    told.token();
    // Another request may have been under way.
    let challenges = hub.script().challenges - before;
    assert!((1..=2).contains(&challenges), "{challenges}");
}

#[tokio::test]
async fn nothing_secret_is_on_the_command_line_in_the_environment_or_in_files() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.token("audience=archive").await.token();
    let pid = agent.pid();

    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    assert_eq!(
        line.trim_end_matches('\0'),
        env!("CARGO_BIN_EXE_jansky-agent")
    );
    // Only root may look at all: the process cannot be dumped.
    if let Ok(environment) = std::fs::read_to_string(format!("/proc/{pid}/environ")) {
        assert!(!environment.contains("canary"), "{environment}");
    }
    let owner = std::os::unix::fs::MetadataExt::uid(
        &std::fs::metadata(format!("/proc/{pid}/mem")).expect("it runs"),
    );
    assert_eq!(owner, 0);
    for entry in std::fs::read_dir(agent.directory.path())
        .expect("ours")
        .flatten()
    {
        if entry.file_type().expect("a type").is_file() {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            for canary in [TICKET, SESSION, "canary"] {
                assert!(!text.contains(canary), "{}: {text}", entry.path().display());
            }
        }
    }
}

#[tokio::test]
async fn it_ends_when_told_and_with_its_parent() {
    let hub = Hub::start().await;
    let mut agent = Beside::start(&hub).await;
    let socket = std::fs::metadata(&agent.socket).expect("it is there");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);

    let pid = rustix::process::Pid::from_raw(agent.pid().try_into().expect("a pid"));
    rustix::process::kill_process(pid.expect("a pid"), Signal::TERM).expect("it runs");

    assert!(agent.process.wait().await.expect("it is ours").success());

    // This one names a parent that is not the one it has.
    let orphan = tokio::process::Command::new(env!("CARGO_BIN_EXE_jansky-agent"))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut orphan = orphan.expect("it was built");
    let document = serde_json::json!({
        "ticket": TICKET, "broker_url": hub.url(), "socket": "/nowhere/at/all", "parent": 1,
    });
    let mut input = orphan.stdin.take().expect("a pipe");
    tokio::io::AsyncWriteExt::write_all(&mut input, document.to_string().as_bytes())
        .await
        .expect("it reads");
    let output = orphan.wait_with_output().await.expect("it ends");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("its server has ended"));
}
