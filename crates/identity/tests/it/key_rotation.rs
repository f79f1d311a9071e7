//! The provider changes its keys, or somebody pretends that it did (D8).

use std::time::Duration;

use jansky_identity::{IdentityError, TokenProblem};
use serde_json::json;

use crate::rig::Rig;
use jansky_testing::provider::Instead;
use jansky_testing::signing::Key;

fn unknown_key(outcome: &Result<jansky_identity::ExternalIdentity, IdentityError>) -> bool {
    matches!(
        outcome,
        Err(IdentityError::InvalidToken {
            reason: TokenProblem::UnknownKey
        })
    )
}

#[tokio::test]
async fn a_rotated_key_costs_one_request_and_no_failed_sign_in() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.login().await.expect("everything is right");
    assert_eq!(rig.op.calls("/jwks"), 1, "keys are kept");

    rig.op.script().keys.insert(0, Key::rsa("key-2"));
    let outcome = rig.login().await;

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(rig.op.calls("/jwks"), 2);
}

#[tokio::test]
async fn a_rotated_key_without_id_is_found_too() {
    let rig = Rig::new().await;
    rig.op.script().tweak = Some(Box::new(|header, _| {
        header
            .as_object_mut()
            .expect("a header is an object")
            .remove("kid");
    }));
    rig.login().await.expect("everything is right");

    rig.op.script().keys = vec![Key::rsa("key-2")];
    let outcome = rig.login().await;

    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn a_hundred_unknown_keys_in_a_minute_cost_two_requests() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op.script().tweak = Some(Box::new(|header, _| header["kid"] = json!("unknown")));
    let before = rig.op.calls("/jwks");

    for _ in 0..100 {
        let outcome = rig.login().await;
        assert!(unknown_key(&outcome), "{outcome:?}");
        rig.clock.advance(Duration::from_millis(590));
    }

    assert_eq!(rig.op.calls("/jwks") - before, 2);
}

#[tokio::test]
async fn sign_ins_at_the_same_time_share_one_request_for_new_keys() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op.script().keys = vec![Key::rsa("key-2")];

    let outcomes = tokio::join!(rig.login(), rig.login(), rig.login(), rig.login());

    let (a, b, c, d) = outcomes;
    for outcome in [a, b, c, d] {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    assert_eq!(rig.op.calls("/jwks"), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_within_an_hour() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op.script().published = Some(json!({ "keys": [Key::rsa("key-2").jwk()] }));

    rig.clock.advance(Duration::from_secs(3601));
    let outcome = rig.login().await;

    assert!(unknown_key(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn kept_keys_carry_on_while_only_the_key_endpoint_is_down() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op
        .script()
        .instead
        .insert("/jwks", Instead::Status(503, String::new()));

    rig.clock.advance(Duration::from_secs(3601));
    let first = rig.login().await;
    let second = rig.login().await;

    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(
        rig.op.calls("/jwks"),
        2,
        "a failing endpoint is left alone for a while"
    );
}

#[tokio::test]
async fn without_any_key_the_provider_is_unavailable() {
    let rig = Rig::new().await;
    rig.op
        .script()
        .instead
        .insert("/jwks", Instead::Status(500, String::new()));

    let down = rig.login().await.expect_err("there are no keys");
    rig.op.script().instead.clear();
    let up = rig.login().await;

    assert_eq!(down.code(), "unavailable");
    assert!(up.is_ok(), "{up:?}");
}
