//! Tokens for other services that come along with a sign-in.

use jansky_identity::oidc::OidcKind;
use serde_json::json;

use crate::rig::Rig;

/// D32.
#[tokio::test]
async fn tokens_of_an_excluded_service_are_thrown_away_at_once() {
    let rig = Rig::with(|settings| {
        settings.kind = OidcKind::Globus;
        settings.exclude_services = vec!["groups.api.globus.org".to_owned()];
    })
    .await;
    let tokens = |service: &str| {
        json!({
            "access_token": format!("canary-{service}"),
            "refresh_token": format!("canary-refresh-{service}"),
            "token_type": "Bearer",
            "resource_server": service,
            "expires_in": 300,
        })
    };
    let sent = json!([
        tokens("transfer.api.globus.org"),
        tokens("groups.api.globus.org")
    ]);
    rig.op.script().token_answer.insert("other_tokens", sent);

    let identity = rig.login().await.expect("the provider is right");

    let services: Vec<_> = identity
        .tokens
        .other
        .iter()
        .map(|tokens| tokens.service.as_str())
        .collect();
    assert_eq!(services, ["transfer.api.globus.org"]);
    assert!(!format!("{identity:?}").contains("groups.api"));
}
