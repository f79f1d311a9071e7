//! What the outcome of a refresh means for whoever keeps the tokens.

use std::time::Duration;

use jansky_identity::{IdentityProvider as _, RefreshOutcome};
use jansky_model::Secret;
use serde_json::json;
use tokio::net::TcpListener;

use crate::rig::Rig;
use jansky_testing::provider::{Instead, STANDING_REFRESH};

async fn renew(rig: &Rig, subject: &str, token: &str) -> RefreshOutcome {
    let session = rig.provider.upstream_session().expect("it has sessions");
    session.renew(subject, &Secret::new(token)).await
}

fn word(outcome: &RefreshOutcome) -> &'static str {
    match outcome {
        RefreshOutcome::Renewed(_) => "renewed",
        RefreshOutcome::SignInAgain(_) => "sign in again",
        RefreshOutcome::Later { .. } => "later",
        RefreshOutcome::Uncertain(_) => "uncertain",
        RefreshOutcome::Refused(_) => "refused",
    }
}

#[tokio::test]
async fn only_the_provider_can_end_a_session_and_only_about_the_grant() {
    for (status, body, expected) in [
        (400, r#"{"error": "invalid_grant"}"#, "sign in again"),
        (401, r#"{"error": "invalid_client"}"#, "refused"),
        (400, r#"{"error": "unsupported_grant_type"}"#, "refused"),
        (400, r#"{"error": "temporarily_unavailable"}"#, "later"),
        (503, "", "later"),
        (502, "<html>", "later"),
        (429, "", "later"),
        (403, "<html>a page of a firewall</html>", "later"),
        (404, "", "later"),
        (200, "<html>", "uncertain"),
        (200, r#"{"access_token": ""}"#, "uncertain"),
    ] {
        let rig = Rig::new().await;
        let instead = Instead::Status(status, body.to_owned());
        rig.op.script().instead.insert("/token", instead);

        let outcome = renew(&rig, "subject-1", STANDING_REFRESH).await;

        assert_eq!(word(&outcome), expected, "{status} {body}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_uncertain_and_a_closed_door_is_not() {
    let silent = Rig::with(|settings| settings.http_timeout.0 = Duration::from_millis(300)).await;
    silent
        .op
        .script()
        .instead
        .insert("/token", Instead::Silence);
    let closed = Rig::new().await;
    let nobody = json!(format!("http://{}/token", closed_port().await));
    closed.op.script().metadata.insert("token_endpoint", nobody);
    let down = Rig::new().await;
    let unreachable = Instead::Status(503, String::new());
    down.op
        .script()
        .instead
        .insert("/.well-known/openid-configuration", unreachable);

    let silent = renew(&silent, "subject-1", STANDING_REFRESH).await;
    let closed = renew(&closed, "subject-1", STANDING_REFRESH).await;
    let down = renew(&down, "subject-1", STANDING_REFRESH).await;

    assert_eq!(word(&silent), "uncertain", "{silent:?}");
    assert_eq!(word(&closed), "later", "{closed:?}");
    assert_eq!(word(&down), "later", "{down:?}");
}

/// An address at which nobody answers.
async fn closed_port() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    listener.local_addr().expect("it listens")
}

#[tokio::test]
async fn new_tokens_must_be_about_the_same_person() {
    let rig = Rig::new().await;

    let same = renew(&rig, "subject-1", STANDING_REFRESH).await;
    let other = renew(&rig, "subject-2", STANDING_REFRESH).await;
    rig.op.script().token_answer.insert("id_token", json!(null));
    let silent = renew(&rig, "subject-2", STANDING_REFRESH).await;

    assert_eq!(word(&same), "renewed", "{same:?}");
    assert_eq!(word(&other), "sign in again", "{other:?}");
    assert_eq!(
        word(&silent),
        "renewed",
        "no ID token says nothing: {silent:?}"
    );
}
