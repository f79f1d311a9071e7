//! Whose token is used for what.

use jansky_spawn::{PollStatus, ProgressSink, SpawnError, Spawner as _, StopMode};

use crate::rig::{PERSON, Rig, SERVICE, in_time, spec};

/// The tokens that came with calls of a kind.
fn tokens(rig: &Rig, kind: &str) -> Vec<String> {
    let calls = rig.firecrest.calls(kind).into_iter();
    let mut tokens: Vec<String> = calls.map(|call| call.token).collect();
    tokens.dedup();
    tokens
}

#[tokio::test]
async fn the_person_starts_and_stops_and_the_service_account_looks() {
    let rig = Rig::new();
    let (spawner, started) = rig.running().await;
    spawner.poll(&started.handle).await;
    spawner.list().await.expect("it answers");
    let stopped = in_time(spawner.stop(&started.handle, StopMode::Polite)).await;
    stopped.expect("it stops");

    for kind in ["submit", "mkdir", "chmod", "upload", "tail", "cancel", "rm"] {
        assert_eq!(tokens(&rig, kind), [PERSON], "{kind}");
    }
    assert_eq!(tokens(&rig, "job"), [SERVICE]);
    let listed = rig.firecrest.calls("jobs").pop().expect("it was listed");
    assert_eq!(listed.token, SERVICE);
    assert!(listed.asked.contains("allusers=true"), "{}", listed.asked);
    assert!(
        listed.asked.contains("name=jansky-a1b2"),
        "{}",
        listed.asked
    );
}

#[tokio::test]
async fn without_a_service_account_the_person_looks() {
    let rig = Rig::new();
    let spawner = rig.spawner_with(|settings| settings.service_account = None);
    let started = in_time(spawner.start(&spec(), &ProgressSink::discard())).await;
    let started = started.expect("it starts");

    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    assert_eq!(spawner.list().await.expect("it answers").len(), 1);
    assert_eq!(tokens(&rig, "job"), [PERSON]);
    assert_eq!(tokens(&rig, "jobs"), [PERSON]);
    rig.tokens.end_session();

    let status = spawner.poll(&started.handle).await;
    assert!(matches!(status, PollStatus::Unknown { .. }), "{status:?}");
    assert!(spawner.list().await.is_err());
}

#[tokio::test]
async fn a_session_that_is_over_keeps_the_server_and_refuses_a_start_and_a_stop() {
    let rig = Rig::new();
    let (spawner, started) = rig.running().await;
    rig.tokens.end_session();

    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
    let stopped = in_time(spawner.stop(&started.handle, StopMode::Polite)).await;
    let Err(SpawnError::Unavailable { reason, .. }) = stopped else {
        panic!("{stopped:?}");
    };
    assert!(
        reason.contains("job 8 on `lab` goes on, because `river` has to sign in again"),
        "{reason}"
    );
    assert_eq!(rig.firecrest.calls("cancel").len(), 0);
    let mut next = spec();
    next.start = jansky_model::StartId(3);
    let refused = in_time(spawner.start(&next, &ProgressSink::discard())).await;
    let Err(SpawnError::Refused { reason }) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("reauth_required"), "{reason}");
    assert_eq!(spawner.poll(&started.handle).await, PollStatus::Running);
}

#[tokio::test]
async fn a_service_account_that_is_no_operator_is_told_so() {
    let rig = Rig::new();
    let (_, started) = rig.running().await;
    rig.tokens.end_session();
    let spawner = rig.spawner_with(|settings| settings.service_account_may_cancel = true);

    let denied = in_time(spawner.stop(&started.handle, StopMode::Polite)).await;

    let error = denied.expect_err("the scheduler says no").to_string();
    assert!(error.contains("Access/permission denied"), "{error}");
}

#[tokio::test]
async fn an_operator_at_the_scheduler_ends_jobs_of_others() {
    let rig = Rig::new();
    let (_, started) = rig.running().await;
    rig.tokens.end_session();
    rig.firecrest.script().operators.insert("svc".to_owned());
    let spawner = rig.spawner_with(|settings| settings.service_account_may_cancel = true);

    let stopped = in_time(spawner.stop(&started.handle, StopMode::Polite)).await;

    stopped.expect("it stops");
    assert_eq!(tokens(&rig, "cancel"), [SERVICE]);
    assert!(!rig.firecrest.jobs()[0].is_live());
}
