//! A person's token is traded for one of a service, and only what was asked for is taken.

use jansky_identity::{ExchangeRequest, IdentityProvider as _, IssuedToken, NotIssued};
use jansky_model::{Clock as _, Secret, Timestamp};
use serde_json::{Value, json};

use crate::rig::{Rig, made_token};
use jansky_testing::provider::{CLIENT_ID, Instead};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchange(rig: &Rig) -> Result<IssuedToken, NotIssued> {
    let subject_token = Secret::new("canary-access");
    let request = ExchangeRequest {
        subject_token: &subject_token,
        subject: "subject-1",
        subject_scope: "openid profile",
        audience: Some("rs-a"),
        resource: None,
        scopes: &["archive:read".to_owned()],
    };
    let exchanger = rig.provider.exchanger().expect("it trades tokens");
    exchanger.exchange(&request).await
}

fn answer(rig: &Rig, status: u16, body: &Value) {
    let instead = Instead::Status(status, body.to_string());
    rig.op.script().instead.insert("/token", instead);
}

fn good_claims(rig: &Rig) -> Value {
    json!({
        "aud": "rs-a", "azp": CLIENT_ID, "sub": "subject-1", "exp": rig.now() + 120,
        "scope": "archive:read profile",
    })
}

fn good_answer(claims: &Value) -> Value {
    json!({
        "access_token": made_token(claims),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
    })
}

#[tokio::test]
async fn the_request_is_that_of_rfc_8693_and_the_answer_is_checked() {
    let rig = Rig::new().await;
    answer(&rig, 200, &good_answer(&good_claims(&rig)));

    let token = exchange(&rig).await.expect("the provider gives one");

    let call = rig.op.script().calls.last().cloned().expect("a request");
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", "canary-access"),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", "rs-a"),
        ("scope", "archive:read"),
    ] {
        assert_eq!(
            call.form.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(!call.form.contains_key("resource"));
    assert!(call.authorization.is_some(), "we prove who we are");
    assert_eq!(
        token.expires_at,
        Some(Timestamp::from_seconds(rig.clock.now().seconds() + 120)),
        "the token ends before the answer says"
    );
    assert_eq!(token.scope.as_deref(), Some("archive:read profile"));
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_taken() {
    let rig = Rig::new().await;
    let with = |name: &str, value: Value| {
        let mut claims = good_claims(&rig);
        claims[name] = value;
        good_answer(&claims)
    };
    let without_type = {
        let mut body = good_answer(&good_claims(&rig));
        body["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:refresh_token");
        body
    };
    for body in [
        with("aud", json!(["rs-a", "rs-b"])),
        with("aud", json!("rs-b")),
        with("azp", json!("somebody")),
        with("sub", json!("subject-2")),
        with("exp", json!(rig.now() - 1)),
        with("scope", json!("archive:read archive:write")),
        without_type,
    ] {
        answer(&rig, 200, &body);

        let refused = exchange(&rig)
            .await
            .expect_err("it is not what was asked for");

        assert_eq!(refused.code(), "unfit", "{body}: {refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_refusal_says_what_has_to_be_done() {
    for (status, error, description, code, hint) in [
        (400, "invalid_grant", "", "sign_in_again", ""),
        (400, "invalid_request", "Invalid token", "sign_in_again", ""),
        (400, "invalid_target", "", "invalid_target", "rs-a"),
        (
            400,
            "invalid_client",
            "Audience not found",
            "invalid_target",
            "no client `rs-a`",
        ),
        (
            400,
            "invalid_request",
            "Requested audience not available: rs-a",
            "invalid_target",
            "no audience mapper puts it into tokens of the client `jansky`",
        ),
        (
            403,
            "access_denied",
            "Client is not within the token audience",
            "invalid_target",
            "add an audience mapper for `jansky`",
        ),
        (
            400,
            "invalid_scope",
            "Invalid scopes: archive:read",
            "invalid_scope",
            "archive:read",
        ),
        (
            400,
            "unauthorized_client",
            "",
            "client_not_allowed",
            "switch token exchange on",
        ),
        (
            400,
            "unsupported_grant_type",
            "",
            "client_not_allowed",
            "jansky",
        ),
        (
            401,
            "invalid_client",
            "",
            "client_not_allowed",
            "client_secret",
        ),
        (400, "temporarily_unavailable", "", "later", ""),
        (503, "", "", "later", ""),
    ] {
        let rig = Rig::new().await;
        let body = json!({ "error": error, "error_description": description });
        answer(&rig, status, &body);

        let refused = exchange(&rig).await.expect_err("it was refused");

        assert_eq!(refused.code(), code, "{status} {body}: {refused:?}");
        assert!(refused.to_string().contains(hint), "{refused}");
    }
}
