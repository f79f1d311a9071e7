//! We as a client: secrets, settings, refresh, revocation and the end of a session.

use std::collections::HashMap;

use jansky_identity::oidc::{ClaimsSource, Endpoints, SettingsProblem};
use jansky_identity::{
    IdentityError, IdentityProvider as _, OidcProvider, OidcSettings, TokenProblem, http_client,
};
use jansky_model::{Secret, Timestamp};
use jansky_settings::{HttpUrl, Written};
use serde_json::json;

use crate::rig::{Rig, manual_clock, settings};
use jansky_testing::provider::{CLIENT_SECRET, STANDING_REFRESH};

#[tokio::test]
async fn a_rotated_client_secret_costs_one_refusal_and_no_sign_in() {
    let rig = Rig::with(|settings| {
        settings.client_secrets = vec![Secret::new("old-secret"), Secret::new(CLIENT_SECRET)];
    })
    .await;

    let first = rig.login().await;
    let after_first = rig.op.calls("/token");
    let second = rig.login().await;

    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(after_first, 2, "the old secret, then the new one");
    assert_eq!(
        rig.op.calls("/token"),
        3,
        "the one that worked is remembered"
    );
}

#[tokio::test]
async fn no_accepted_secret_is_an_invalid_client() {
    let rig = Rig::with(|settings| {
        settings.client_secrets = vec![Secret::new("canary-a"), Secret::new("canary-b")];
    })
    .await;

    let error = rig.login().await.expect_err("no secret fits");

    assert!(matches!(error, IdentityError::InvalidClient), "{error:?}");
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
    assert_eq!(rig.op.calls("/token"), 2);
}

#[tokio::test]
async fn the_secret_is_sent_as_the_metadata_want_it() {
    for (offered, in_header) in [
        (json!(null), true),
        (json!(["client_secret_post", "client_secret_basic"]), true),
        (json!(["private_key_jwt", "client_secret_post"]), false),
    ] {
        let rig = Rig::new().await;
        if !offered.is_null() {
            let mut script = rig.op.script();
            script
                .metadata
                .insert("token_endpoint_auth_methods_supported", offered.clone());
        }

        rig.login().await.expect("either way is accepted");

        let script = rig.op.script();
        let call = script
            .calls
            .iter()
            .find(|call| call.path == "/token")
            .expect("it was called");
        assert_eq!(call.authorization.is_some(), in_header, "{offered}");
        assert_eq!(
            call.form.contains_key("client_secret"),
            !in_header,
            "{offered}"
        );
    }
}

#[tokio::test]
async fn a_public_client_sends_its_id_and_no_secret() {
    let rig = Rig::with(|settings| settings.client_secrets.clear()).await;
    rig.op.script().secrets.clear();

    rig.login().await.expect("the provider wants no secret");

    let script = rig.op.script();
    let call = script
        .calls
        .iter()
        .find(|call| call.path == "/token")
        .expect("it was called");
    assert_eq!(call.form["client_id"], "jansky");
    assert_eq!(call.authorization, None);
}

#[tokio::test]
async fn endpoints_by_hand_need_no_discovery() {
    let rig = Rig::new().await;
    let url = |path: &str| {
        let url = format!("{}{path}", rig.op.issuer);
        url.parse().expect("the test writes a URL")
    };
    let mut by_hand = settings(&rig.op.issuer);
    by_hand.endpoints = Some(Endpoints {
        authorization: url("/authorize"),
        token: url("/token"),
        jwks: url("/jwks"),
        userinfo: None,
        end_session: None,
        revocation: None,
        pushed_authorization: None,
    });
    let rig = Rig {
        provider: crate::rig::relying_party(by_hand, &rig.clock),
        ..rig
    };

    let outcome = rig.login().await;

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(rig.op.calls("/.well-known/openid-configuration"), 0);
    assert_eq!(rig.status(), "ready");
}

#[tokio::test]
async fn refresh_yields_tokens_first_and_claims_on_request() {
    let rig = Rig::new().await;
    let identity = rig.login().await.expect("everything is right");
    let session = rig.provider.upstream_session().expect("it has sessions");
    rig.op.script().userinfo = Some(json!({ "sub": "subject-1", "groups": ["staff"] }));
    let before = rig.op.calls("/userinfo");

    let refresh = identity
        .tokens
        .refresh
        .as_ref()
        .expect("the provider gave one");
    let tokens = session.refresh(refresh).await.expect("the token lives");

    assert_eq!(
        tokens.expires_at,
        Some(Timestamp::from_seconds(1_800_000_300))
    );
    assert_eq!(
        rig.op.calls("/userinfo"),
        before,
        "nothing can fail between answer and caller"
    );
    let claims = session
        .claims("subject-1", &tokens)
        .await
        .expect("they are readable");
    assert_eq!(claims.expect("there are some")["groups"], json!(["staff"]));
    let other = session
        .claims("subject-2", &tokens)
        .await
        .expect_err("they are of another");
    assert!(matches!(
        other,
        IdentityError::InvalidToken {
            reason: TokenProblem::OtherSubject
        }
    ));
}

#[tokio::test]
async fn a_refreshed_id_token_about_somebody_else_is_refused() {
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::IdToken).await;
    let session = rig.provider.upstream_session().expect("it has sessions");
    let refresh = Secret::new(STANDING_REFRESH);
    let tokens = session.refresh(&refresh).await.expect("the token lives");

    let same = session.claims("subject-1", &tokens).await;
    let other = session.claims("subject-2", &tokens).await;

    assert!(matches!(same, Ok(Some(_))), "{same:?}");
    assert!(
        matches!(
            other,
            Err(IdentityError::InvalidToken {
                reason: TokenProblem::OtherSubject
            })
        ),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_dead_refresh_token_is_an_invalid_grant() {
    let rig = Rig::new().await;
    let session = rig.provider.upstream_session().expect("it has sessions");

    let error = session
        .refresh(&Secret::new("canary-dead"))
        .await
        .expect_err("it is dead");

    assert_eq!(error.code(), "invalid_grant");
    assert!(!error.is_transient());
    assert!(
        !format!("{error} {error:?}").contains("canary"),
        "{error:?}"
    );
}

#[tokio::test]
async fn revocation_goes_to_the_provider_if_it_can() {
    let rig = Rig::new().await;
    let without = Rig::new().await;
    without
        .op
        .script()
        .metadata
        .insert("revocation_endpoint", json!(null));

    for rig in [&rig, &without] {
        let session = rig.provider.upstream_session().expect("it has sessions");
        session
            .revoke(&Secret::new("canary-access"))
            .await
            .expect("nothing is in the way");
    }

    let script = rig.op.script();
    let call = script
        .calls
        .iter()
        .find(|call| call.path == "/revoke")
        .expect("it was called");
    assert_eq!(call.form["token"], "canary-access");
    assert!(call.authorization.is_some());
    assert_eq!(without.op.calls("/revoke"), 0);
}

#[tokio::test]
async fn the_end_of_a_session_is_a_url_at_the_provider() {
    let rig = Rig::new().await;
    let session = rig.provider.upstream_session().expect("it has sessions");
    assert_eq!(
        session.end_session_url(None, None, None),
        None,
        "nothing is known yet"
    );
    rig.login().await.expect("everything is right");

    let hint = Secret::new("id-token");
    let url = session
        .end_session_url(Some(&hint), Some("http://127.0.0.1:8000/"), Some("s"))
        .expect("the provider has one");

    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["realm"], "a", "the provider's own parameters stay");
    assert_eq!(query["client_id"], "jansky");
    assert_eq!(query["id_token_hint"], "id-token");
    assert_eq!(query["post_logout_redirect_uri"], "http://127.0.0.1:8000/");
    assert_eq!(query["state"], "s");
}

pub(crate) fn problems(settings: OidcSettings) -> Vec<SettingsProblem> {
    let http = http_client().expect("the client is made");
    OidcProvider::new(settings, http, manual_clock())
        .err()
        .map_or(Vec::new(), |e| e.problems)
}

#[test]
fn every_problem_of_the_settings_is_told_at_once() {
    let mut wrong = settings("http://id.example.org");
    wrong.client_id = String::new();
    wrong.client_secrets.push(Secret::new(""));
    wrong.scopes = vec!["profile".to_owned()];
    wrong.accepted_algorithms.clear();
    wrong.extra_authorize_parameters = [("state".to_owned(), "fixed".to_owned())].into();
    wrong.hint_parameters = vec!["redirect_uri".to_owned()];

    let found = problems(wrong);

    assert_eq!(
        found,
        [
            SettingsProblem::IssuerNotSecure("http://id.example.org".to_owned()),
            SettingsProblem::EmptyClientId,
            SettingsProblem::EmptyClientSecret,
            SettingsProblem::NoOpenidScope,
            SettingsProblem::NoAlgorithm,
            SettingsProblem::ProtocolParameter("state".to_owned()),
            SettingsProblem::ProtocolParameter("redirect_uri".to_owned()),
        ]
    );
}

#[test]
fn http_is_for_this_machine_only_unless_allowed() {
    let mut allowed = settings("http://id.example.org");
    allowed.allow_insecure_issuer = true;

    assert_eq!(problems(allowed), []);
    assert_eq!(problems(settings("http://localhost:8080/realms/jive")), []);
    assert_eq!(problems(settings("https://id.example.org/")), []);
    for wrong in [
        "id.example.org",
        "https://a:b@id.example.org",
        "https://id.example.org?x",
        "ftp://x",
    ] {
        // What is no URL of a page cannot be written in the section.
        if wrong.parse::<Written<HttpUrl>>().is_ok() {
            assert_eq!(
                problems(settings(wrong)),
                [SettingsProblem::IssuerNotUrl(wrong.to_owned())],
                "{wrong}"
            );
        }
    }
}
