//! Tokens for ourselves, asked for once and used until they end.

use std::time::Duration;

use jansky_identity::{IdentityProvider as _, ServiceClient, ServiceRequest};
use jansky_model::Secret;
use serde_json::json;

use crate::rig::Rig;
use jansky_testing::provider::Instead;

async fn rig() -> Rig {
    let rig = Rig::new().await;
    let body = json!({ "access_token": "service", "token_type": "Bearer", "expires_in": 120 });
    let instead = Instead::Status(200, body.to_string());
    rig.op.script().instead.insert("/token", instead);
    rig
}

#[tokio::test]
async fn a_service_token_is_asked_for_once_and_again_before_it_is_too_short() {
    let rig = rig().await;
    let account = rig.provider.service_account().expect("there is one");
    let request = ServiceRequest::default();

    let many = (0..20).map(|_| account.service_token(&request, Duration::ZERO));
    for token in many {
        assert_eq!(token.await.expect("a token").token.expose(), "service");
    }
    let asked_once = rig.op.calls("/token");
    rig.clock.advance(Duration::from_mins(1));
    account
        .service_token(&request, Duration::from_mins(1))
        .await
        .expect("a token");
    let still_once = rig.op.calls("/token");
    account
        .service_token(&request, Duration::from_secs(61))
        .await
        .expect("a token");

    assert_eq!((asked_once, still_once, rig.op.calls("/token")), (1, 1, 2));
}

#[tokio::test]
async fn another_client_has_its_own_name_secret_and_tokens() {
    let rig = rig().await;
    rig.op.script().secrets.clear();
    let account = rig.provider.service_account().expect("there is one");
    let client = ServiceClient {
        id: "poller".to_owned(),
        secrets: vec![Secret::new("canary-poller")],
    };
    let scopes = ["firecrest".to_owned()];
    let request = ServiceRequest {
        client: Some(&client),
        audience: Some("firecrest"),
        scopes: &scopes,
    };

    account
        .service_token(&ServiceRequest::default(), Duration::ZERO)
        .await
        .expect("a token");
    account
        .service_token(&request, Duration::ZERO)
        .await
        .expect("a token");

    let call = rig.op.script().calls.last().cloned().expect("a request");
    assert_eq!(rig.op.calls("/token"), 2);
    assert_eq!(call.form["grant_type"], "client_credentials");
    assert_eq!(call.form["audience"], "firecrest");
    assert_eq!(call.form["scope"], "firecrest");
    let sent = call.authorization.expect("it proves who it is");
    assert!(
        sent.starts_with("Basic cG9sbGVyOmNhbmFyeS1wb2xsZXI"),
        "{sent}"
    );
}
