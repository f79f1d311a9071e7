//! What is where: nothing secret in the job, and the document closed before it has content.

use std::os::unix::fs::MetadataExt as _;

use jansky_spawn::{ProgressSink, Spawner as _};
use jansky_testing::firecrest::Fault;

use crate::rig::{PERSON, Rig, SERVER_TOKEN, SERVICE, TICKET, in_time, spec};

#[tokio::test]
async fn nothing_secret_is_in_the_job() {
    let rig = Rig::new();
    let (_, started) = rig.running().await;

    let job = &rig.firecrest.jobs()[0];
    let request = job.request.to_string();
    for secret in [TICKET, SERVER_TOKEN, PERSON, SERVICE] {
        assert!(!request.contains(secret), "{request}");
        assert!(!started.handle.0.to_string().contains(secret));
    }
    assert_eq!(job.request["name"], "jansky-a1b2");
    assert!(job.request["env"].is_null(), "{request}");
}

#[tokio::test]
async fn the_document_is_closed_before_it_has_content_and_gone_when_the_agent_has_it() {
    let rig = Rig::new();
    rig.running().await;

    let uploads = rig.firecrest.calls("upload");
    let notes: Vec<&str> = uploads.iter().map(|call| call.note.as_str()).collect();
    assert_eq!(notes[0], "document: 1 bytes into 700, ");
    assert!(notes[1].ends_with(" bytes into 700, 600"), "{notes:?}");
    assert_eq!(notes.len(), 2);
    assert!(!rig.of_job().join("document").exists());
    let directory = rig.of_job().metadata().expect("it is there");
    assert_eq!(directory.mode() & 0o777, 0o700);
    let told = std::fs::read_to_string(rig.in_home("told")).expect("the agent has it");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["ticket"], TICKET);
    assert_eq!(told["environment"]["JUPYTERHUB_API_TOKEN"], SERVER_TOKEN);
    assert_eq!(told["listen"]["url"], "http://0.0.0.0:{port}/user/river/");
    assert_eq!(told["socket"], "/dev/shm/jansky-a1b2-7-2-1/agent.sock");
    for place in ["log", "address"] {
        let text = std::fs::read_to_string(rig.of_job().join(place)).expect("it is there");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_closed_gets_nothing() {
    let rig = Rig::new();
    let fault = Fault::Status(500, "chmod: timeout");
    rig.firecrest.script().faults.insert("chmod", fault);
    let spawner = rig.spawner();
    let failed = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;

    failed.expect_err("it is not closed");
    assert_eq!(rig.firecrest.calls("upload").len(), 0);
    assert_eq!(rig.firecrest.jobs().len(), 0);
}
