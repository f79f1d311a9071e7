//! What the browser brings back is checked before anything is asked of the provider (D6).

use jansky_identity::{CallbackProblem, IdentityError, RedirectLogin as _};

use crate::rig::{Rig, attempt, query};

async fn refused(rig: &Rig, callback: &str) -> IdentityError {
    let error = rig
        .provider
        .finish(attempt(), query(callback))
        .await
        .expect_err("the callback is wrong");
    assert_eq!(rig.op.calls("/token"), 0, "no token request for {callback}");
    error
}

fn reason(error: &IdentityError) -> Option<CallbackProblem> {
    match error {
        IdentityError::InvalidCallback { reason } => Some(*reason),
        _ => None,
    }
}

#[tokio::test]
async fn wrong_or_missing_state_makes_no_token_request() {
    let rig = Rig::new().await;
    let issuer = &rig.op.issuer;

    for callback in [
        format!("code=c&state=other&iss={issuer}"),
        format!("code=c&iss={issuer}"),
        format!("code=c&state=&iss={issuer}"),
        format!("error=access_denied&state=other&iss={issuer}"),
    ] {
        let error = refused(&rig, &callback).await;

        assert_eq!(
            reason(&error),
            Some(CallbackProblem::WrongState),
            "{callback}"
        );
    }
}

#[tokio::test]
async fn wrong_issuer_in_the_callback_makes_no_token_request() {
    let rig = Rig::new().await;
    let state = attempt().state;

    for callback in [
        format!("code=c&state={state}&iss=https://evil.example"),
        format!("error=access_denied&state={state}&iss=https://evil.example"),
        format!("code=c&state={state}&iss={}/", rig.op.issuer),
    ] {
        let error = refused(&rig, &callback).await;

        assert_eq!(
            reason(&error),
            Some(CallbackProblem::WrongIssuer),
            "{callback}"
        );
    }
}

#[tokio::test]
async fn missing_issuer_is_refused_only_when_the_provider_announces_it() {
    let announced = Rig::new().await;
    let silent = Rig::new().await;
    silent.op.script().sends_issuer = false;
    let callback = format!("code=c&state={}", attempt().state);

    let error = refused(&announced, &callback).await;
    let outcome = silent.login().await;

    assert_eq!(reason(&error), Some(CallbackProblem::MissingIssuer));
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn wrong_issuer_is_refused_even_if_none_is_announced() {
    let rig = Rig::new().await;
    rig.op.script().sends_issuer = false;
    let callback = format!("code=c&state={}&iss=https://evil.example", attempt().state);

    let error = refused(&rig, &callback).await;

    assert_eq!(reason(&error), Some(CallbackProblem::WrongIssuer));
}

#[tokio::test]
async fn missing_code_is_refused() {
    let rig = Rig::new().await;
    let state = attempt().state;

    for callback in [
        format!("state={state}&iss={}", rig.op.issuer),
        format!("code=&state={state}&iss={}", rig.op.issuer),
    ] {
        let error = refused(&rig, &callback).await;

        assert_eq!(
            reason(&error),
            Some(CallbackProblem::MissingCode),
            "{callback}"
        );
    }
}

#[tokio::test]
async fn errors_of_the_provider_become_typed_and_reflect_nothing() {
    let rig = Rig::new().await;
    let marked = "%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX";

    for (code, expected) in [
        ("access_denied", "denied"),
        ("login_required", "denied"),
        ("invalid_scope", "refused"),
        ("temporarily_unavailable", "unavailable"),
        (marked, "denied"),
    ] {
        let callback = format!(
            "error={code}&error_description={marked}&state={}&iss={}",
            attempt().state,
            rig.op.issuer
        );

        let error = refused(&rig, &callback).await;

        assert_eq!(error.code(), expected, "{code}");
        assert!(!error.public().contains('<'), "{code}: {}", error.public());
        assert!(!error.to_string().contains(['\r', '\n']), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_used_code_is_an_invalid_grant_and_stays_out_of_the_message() {
    let rig = Rig::new().await;
    let attempt = attempt();
    let url = rig
        .provider
        .begin(&attempt)
        .await
        .expect("the provider is up");
    let callback = rig.op.sign_in(&url);
    let first = rig.provider.finish(attempt.clone(), query(&callback)).await;
    assert!(first.is_ok(), "{first:?}");

    // The scripted provider repeats the code and our secret in its description.
    let error = rig
        .provider
        .finish(attempt, query(&callback))
        .await
        .expect_err("it is used");

    assert_eq!(error.code(), "invalid_grant");
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
}
