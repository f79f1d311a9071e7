//! Providers that are down, slow, somebody else, or up to no good (D1, D2).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jansky_identity::{IdentityError, IdentityProvider as _, ProviderStatus, RedirectLogin as _};
use jansky_model::SystemClock;
use serde_json::json;
use tokio::net::TcpListener;

use crate::rig::{Rig, attempt, manual_clock, query, relying_party, settings};
use jansky_testing::provider::{Instead, ScriptedProvider};

/// An address at which nothing listens.
async fn closed_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    listener.local_addr().expect("it listens")
}

#[tokio::test]
async fn a_provider_that_comes_up_later_heals_by_itself() {
    let address = closed_address().await;
    let clock = manual_clock();
    let provider = relying_party(settings(&format!("http://{address}")), &clock);
    assert_eq!(provider.status(), ProviderStatus::Unknown);

    let down = provider
        .begin(&attempt())
        .await
        .expect_err("nothing listens");

    let IdentityError::Unavailable { retry, .. } = &down else {
        panic!("not a matter of availability: {down:?}");
    };
    assert!(*retry <= Duration::from_secs(30), "{retry:?}");
    let status = provider.status();
    let ProviderStatus::Unavailable { reason, .. } = &status else {
        panic!("it is down: {status:?}");
    };
    assert!(
        reason.contains("discovery endpoint cannot be reached"),
        "{reason}"
    );

    let op = ScriptedProvider::start_at(address, clock.clone()).await;
    let rests = provider
        .begin(&attempt())
        .await
        .expect_err("it rests after a failure");
    assert_eq!(rests.code(), "unavailable");
    assert_eq!(
        op.calls("/.well-known/openid-configuration"),
        0,
        "no request while it rests"
    );

    clock.advance(Duration::from_secs(20));
    let attempt = attempt();
    let url = provider.begin(&attempt).await.expect("it is up");
    let callback = op.sign_in(&url);
    let outcome = provider.finish(attempt, query(&callback)).await;

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(provider.status(), ProviderStatus::Ready);
}

#[tokio::test]
async fn the_watch_finds_out_that_a_provider_is_up_without_anybody_signing_in() {
    let address = closed_address().await;
    let clock = manual_clock();
    let http = jansky_identity::http_client().expect("the client is made");
    let settings = settings(&format!("http://{address}"));
    let provider = jansky_identity::OidcProvider::new(settings, http, Arc::new(SystemClock))
        .expect("the settings are right");

    let becomes = async |code: &str| {
        while provider.status().code() != code {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let story = async {
        becomes("unavailable").await;
        let op = ScriptedProvider::start_at(address, clock).await;
        becomes("ready").await;
        drop(op);
    };
    let deadline = Duration::from_secs(20);
    let told = tokio::time::timeout(deadline, async {
        tokio::select! {
            () = provider.watch() => {}
            () = story => {}
        }
    })
    .await;

    assert!(
        told.is_ok(),
        "status after {deadline:?}: {:?}",
        provider.status()
    );
}

#[tokio::test]
async fn pauses_between_failures_grow_to_half_a_minute() {
    let rig = Rig::new().await;
    rig.op.script().instead.insert(
        "/.well-known/openid-configuration",
        Instead::Status(502, String::new()),
    );

    for _ in 0..600 {
        let outcome = rig.provider.begin(&attempt()).await;
        assert!(outcome.is_err());
        rig.clock.advance(Duration::from_secs(1));
    }

    // 1, 2, 4, 8 and 16 seconds, then every 30: 5 + 570/30, and the first.
    let calls = rig.op.calls("/.well-known/openid-configuration");
    assert!(
        (20..=26).contains(&calls),
        "{calls} requests in ten minutes"
    );
}

#[tokio::test]
async fn sign_ins_at_the_same_time_share_one_discovery() {
    let rig = Rig::new().await;
    let attempt = attempt();

    let _ = tokio::join!(
        rig.provider.begin(&attempt),
        rig.provider.begin(&attempt),
        rig.provider.begin(&attempt)
    );

    assert_eq!(rig.op.calls("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn what_is_known_stays_in_use_while_discovery_fails() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op.script().instead.insert(
        "/.well-known/openid-configuration",
        Instead::Status(503, String::new()),
    );

    rig.clock.advance(Duration::from_mins(10));
    let outcome = rig.login().await;

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(rig.status(), "unavailable", "the page says so all the same");
}

#[tokio::test]
async fn an_issuer_that_differs_by_a_slash_is_a_mismatch() {
    let rig = Rig::new().await;
    let other = format!("{}/", rig.op.issuer);
    rig.op.script().metadata.insert("issuer", json!(other));

    let error = rig
        .provider
        .begin(&attempt())
        .await
        .expect_err("the issuer differs");

    assert_eq!(error.code(), "issuer_mismatch");
    assert_eq!(
        rig.provider.status(),
        ProviderStatus::IssuerMismatch {
            expected: rig.op.issuer.clone(),
            found: other
        }
    );
}

#[tokio::test]
async fn an_issuer_that_changes_later_stops_sign_in() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");
    rig.op
        .script()
        .metadata
        .insert("issuer", json!("https://evil.example"));

    rig.clock.advance(Duration::from_mins(10));
    let error = rig.login().await.expect_err("the issuer differs");

    assert_eq!(error.code(), "issuer_mismatch");
}

#[tokio::test]
async fn metadata_cannot_send_us_out_without_tls() {
    for (field, value) in [
        ("token_endpoint", "http://id.example.org/token"),
        ("jwks_uri", "http://id.example.org/jwks"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("userinfo_endpoint", "file:///etc/passwd"),
    ] {
        let rig = Rig::new().await;
        rig.op.script().metadata.insert(field, json!(value));

        let error = rig
            .provider
            .begin(&attempt())
            .await
            .expect_err("the endpoint is refused");

        assert_eq!(error.code(), "unavailable", "{field}");
        assert!(error.to_string().contains("refused"), "{field}: {error}");
    }
}

#[tokio::test]
async fn endpoints_on_another_port_of_this_machine_are_called() {
    let rig = Rig::new().await;
    let other = ScriptedProvider::start(rig.clock.clone()).await;
    other.script().published = Some(json!({ "keys": [rig.op.script().keys[0].jwk()] }));
    rig.op
        .script()
        .metadata
        .insert("jwks_uri", json!(format!("{}/jwks", other.issuer)));

    let outcome = rig.login().await;

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!((rig.op.calls("/jwks"), other.calls("/jwks")), (0, 1));
}

#[tokio::test]
async fn redirects_are_refused_at_every_endpoint() {
    for path in [
        "/.well-known/openid-configuration",
        "/token",
        "/jwks",
        "/userinfo",
    ] {
        let rig = Rig::new().await;
        let trap = ScriptedProvider::start(rig.clock.clone()).await;
        let location = format!("{}{path}", trap.issuer);
        rig.op
            .script()
            .instead
            .insert(path, Instead::Redirect(location));

        let error = rig.login().await.expect_err("a redirect is refused");

        assert!(
            error.to_string().contains("redirects are not followed"),
            "{path}: {error}"
        );
        assert!(
            trap.script().calls.is_empty(),
            "{path}: the redirect was followed"
        );
    }
}

#[tokio::test]
async fn answers_of_more_than_a_mebibyte_are_refused_at_every_endpoint() {
    let huge = format!("{{\"x\": \"{}\"}}", "x".repeat(1 << 20));
    for path in [
        "/.well-known/openid-configuration",
        "/token",
        "/jwks",
        "/userinfo",
    ] {
        let rig = Rig::new().await;
        rig.op
            .script()
            .instead
            .insert(path, Instead::Status(200, huge.clone()));

        let error = rig.login().await.expect_err("the answer is too large");

        assert!(
            error.to_string().contains("larger than 1 MiB"),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_a_timeout() {
    for (path, expected) in [
        ("/.well-known/openid-configuration", "unavailable"),
        ("/token", "timeout"),
        ("/jwks", "timeout"),
        ("/userinfo", "timeout"),
    ] {
        let rig = Rig::with(|settings| settings.http_timeout.0 = Duration::from_millis(300)).await;
        rig.op.script().instead.insert(path, Instead::Silence);

        let error = rig.login().await.expect_err("nothing is answered");

        assert_eq!(error.code(), expected, "{path}: {error}");
        assert!(error.is_transient(), "{path}");
    }
}

#[tokio::test]
async fn statuses_and_nonsense_of_the_token_endpoint_are_told_apart() {
    for (status, body, expected) in [
        (500, "", "unavailable"),
        (429, "", "unavailable"),
        (
            400,
            r#"{"error": "temporarily_unavailable"}"#,
            "unavailable",
        ),
        (401, "", "invalid_client"),
        (400, r#"{"error": "invalid_client"}"#, "invalid_client"),
        (400, r#"{"error": "invalid_grant"}"#, "invalid_grant"),
        (401, r#"{"error": "unauthorized_client"}"#, "invalid_client"),
        (400, r#"{"error": "unauthorized_client"}"#, "refused"),
        (400, "<html>", "bad_answer"),
        (200, "<html>", "answer_lost"),
        (200, "{}", "answer_lost"),
        (
            200,
            r#"{"access_token": "canary", "token_type": "mac"}"#,
            "answer_lost",
        ),
    ] {
        let rig = Rig::new().await;
        rig.op
            .script()
            .instead
            .insert("/token", Instead::Status(status, body.to_owned()));

        let error = rig.login().await.expect_err("there are no tokens");

        assert_eq!(error.code(), expected, "{status} {body}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
