//! Tokens of the provider behind a Keycloak, whichever way it hands them out.

use std::time::Duration;

use jansky_identity::oidc::OidcKind;
use jansky_identity::{ExternalTokenMethod, IdentityProvider as _, IssuedToken, NotIssued};
use jansky_model::{Secret, Timestamp};
use serde_json::json;

use crate::rig::Rig;
use jansky_testing::provider::Instead;

const BROKER: &str = "/broker/ext/token";

async fn keycloak() -> Rig {
    let rig = Rig::with(|settings| settings.kind = OidcKind::Keycloak).await;
    offer(&rig, refusal(), refusal(), refusal());
    rig
}

/// Lets Keycloak answer V2, V1 and the old exchange like this.
fn offer(rig: &Rig, v2: Instead, v1: Instead, legacy: Instead) {
    let mut script = rig.op.script();
    let both = Instead::ByForm(Box::new(v2), Box::new(v1));
    script.instead.insert(BROKER, both);
    script.instead.insert("/token", legacy);
}

fn refusal() -> Instead {
    let body = json!({ "error": "invalid_request", "errorMessage": "feature not enabled" });
    Instead::Status(400, body.to_string())
}

fn token(rig: &Rig, name: &str, lifetime: i64) -> Instead {
    let body = json!({
        "access_token": name,
        "refresh_token": "canary-external-refresh",
        "token_type": "Bearer",
        "expires_in": lifetime,
        "accessTokenExpiration": rig.now() + lifetime,
    });
    Instead::Status(200, body.to_string())
}

async fn ask(rig: &Rig, way: Option<ExternalTokenMethod>) -> Result<IssuedToken, NotIssued> {
    let external = rig.provider.external_tokens().expect("Keycloak keeps them");
    external
        .external_token("ext", way, &Secret::new("canary-access"))
        .await
}

fn known(rig: &Rig) -> Vec<(String, ExternalTokenMethod)> {
    let external = rig.provider.external_tokens().expect("Keycloak keeps them");
    external.known_ways()
}

/// D29.
#[tokio::test]
async fn the_way_that_works_is_found_and_remembered() {
    for way in ExternalTokenMethod::ALL {
        let rig = keycloak().await;
        let answer = |its: ExternalTokenMethod| {
            if its == way {
                token(&rig, "external", 60)
            } else {
                refusal()
            }
        };
        offer(
            &rig,
            answer(ExternalTokenMethod::V2),
            answer(ExternalTokenMethod::V1),
            answer(ExternalTokenMethod::Legacy),
        );

        let found = ask(&rig, None).await.expect("one way works");
        let calls = || rig.op.calls(BROKER) + rig.op.calls("/token");
        let before = calls();
        ask(&rig, None).await.expect("it still works");
        let asked_for = ask(&rig, Some(way)).await.expect("by its name as well");

        assert_eq!(found.token.expose(), "external", "{way}");
        assert_eq!(asked_for.token.expose(), "external", "{way}");
        assert_eq!(calls() - before, 2, "{way}: one request for each token");
        assert_eq!(known(&rig), [("ext".to_owned(), way)]);
        assert_eq!(
            found.expires_at,
            Some(Timestamp::from_seconds(rig.now()).plus(Duration::from_mins(1)))
        );
    }
}

#[tokio::test]
async fn the_request_proves_who_we_are_only_where_it_is_asked_for() {
    let rig = keycloak().await;
    offer(&rig, token(&rig, "a", 60), token(&rig, "b", 60), refusal());

    ask(&rig, Some(ExternalTokenMethod::V2))
        .await
        .expect("a token");
    ask(&rig, Some(ExternalTokenMethod::V1))
        .await
        .expect("a token");

    let calls = rig.op.script().calls.clone();
    let [v2, v1] = &calls[calls.len() - 2..] else {
        panic!("two requests: {calls:?}");
    };
    let starts = |call: &jansky_testing::provider::Call| {
        let sent = call.authorization.clone().unwrap_or_default();
        sent.split(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(v2.form["token"], "canary-access");
    assert_eq!((starts(v2), starts(v1)), ("Basic".into(), "Bearer".into()));
}

#[tokio::test]
async fn an_expired_token_is_never_given_out_whatever_the_provider_answers() {
    let rig = keycloak().await;
    offer(
        &rig,
        token(&rig, "dead", -1),
        token(&rig, "fresh", 60),
        refusal(),
    );

    let by_v2 = ask(&rig, Some(ExternalTokenMethod::V2)).await;
    let by_any = ask(&rig, None).await;
    offer(
        &rig,
        token(&rig, "dead", -1),
        token(&rig, "dead", -1),
        refusal(),
    );
    let by_none = ask(&rig, None).await;

    assert_eq!(by_v2.expect_err("it is dead").code(), "link_again");
    assert_eq!(by_any.expect("V1 has a fresh one").token.expose(), "fresh");
    assert_eq!(by_none.expect_err("all are dead").code(), "link_again");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let error = |status, error: &str, text: &str| {
        let body = json!({ "error": error, "error_description": text });
        Instead::Status(status, body.to_string())
    };
    for (v2, code, hint) in [
        (
            error(
                400,
                "invalid_request",
                "User not associated to identity provider",
            ),
            "invalid_target",
            "no account of `ext`",
        ),
        (
            error(400, "invalid_token", "Invalid token"),
            "sign_in_again",
            "",
        ),
        (
            error(401, "unauthorized_client", ""),
            "client_not_allowed",
            "client_secret",
        ),
        (
            error(
                403,
                "invalid_client",
                "Client not allowed to retrieve token for the provider",
            ),
            "client_not_allowed",
            "let the client `jansky` retrieve them",
        ),
        (error(503, "", ""), "later", ""),
        (
            error(404, "", ""),
            "client_not_allowed",
            "Identity Brokering API",
        ),
    ] {
        let rig = keycloak().await;
        offer(&rig, v2, refusal(), refusal());

        let refused = ask(&rig, None).await.expect_err("there is no token");

        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.to_string().contains(hint), "{refused}");
        assert!(known(&rig).is_empty());
    }
}
