//! What a provider tells by itself about accounts (D48).

use std::time::Duration;

use jansky_testing::Person;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::browser::{Answer, Body, Browser};
use crate::site::{Site, within};
use crate::tokens::{ARCHIVE, start};

const AUDIENCE: &str = "https://hub.example.org";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CLAIMS: &str = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";

/// Within this time an event must have its effect.
const SOON: Duration = Duration::from_secs(1);

/// A site whose provider may push events, on a database that two processes share.
async fn site() -> Site {
    let keys = format!(
        "allowed_groups = [\"crew\"]\n\
         admin_groups = [\"officers\"]\n\
         [provider.op.security_events]\n\
         audience = \"{AUDIENCE}\"\n"
    );
    let site = Site::with(&keys).await.on_postgres().await;
    site.configure(ARCHIVE);
    site.op.script().people = vec![
        Person::new("subject-1", "river").with("groups", json!(["crew", "officers"])),
        Person::new("subject-2", "wash").with("groups", json!(["crew"])),
    ];
    site
}

/// The token that `event` happened to the first person.
fn event(site: &Site, event: &str, change: impl FnOnce(&mut Value)) -> String {
    let issuer = &site.op.issuer;
    let subject = json!({ "format": "iss_sub", "iss": issuer, "sub": "subject-1" });
    site.op.security_event(AUDIENCE, event, &subject, change)
}

/// Pushes a token, as its transmitter does.
async fn push(hub: &str, token: &str) -> Answer {
    let headers = [("content-type", "application/secevent+jwt")];
    let body = Body::Text(token.to_owned());
    let path = "hub/oidc/security-events";
    let transmitter = Browser::new(hub);
    transmitter
        .send(http::Method::POST, path, &headers, Some(body))
        .await
}

/// D48
#[tokio::test]
async fn what_a_provider_tells_of_an_account_holds_within_a_second_in_every_process() {
    let site = site().await;
    let first = start(&site).await;
    let second = start(&site).await;
    let river = Browser::new(&first.url);
    river.sign_in(&site.op, "subject-1").await;
    river.start_server("river").await;
    let agent = Agent::of(&site.house, &first.url, "river").await;
    let agents = [agent.at(&second.url), agent];
    let wash = Browser::new(&second.url);
    wash.sign_in(&site.op, "subject-2").await;
    for agent in &agents {
        agent.token("archive").await.must_be(200);
    }
    let is_out = async || {
        for hub in [&first, &second] {
            let browser = river.at(&hub.url);
            within(SOON, "the session has ended", async || {
                browser.get("hub/home").await.asks_to_sign_in()
            })
            .await;
        }
    };

    // Claims have changed.
    assert_eq!(river.at(&second.url).whoami().await["admin"], true);
    site.op.script().person("subject-1").claims["groups"] = json!(["crew"]);
    push(&first.url, &event(&site, CLAIMS, |_| {}))
        .await
        .must_be(202);
    for hub in [&first, &second] {
        let browser = river.at(&hub.url);
        within(SOON, "no admin any more", async || {
            browser.whoami().await["admin"] == false
        })
        .await;
    }

    // Sessions were revoked.
    let revoked = push(&second.url, &event(&site, REVOKED, |_| {})).await;
    assert_eq!(revoked.must_be(202).text, "");
    is_out().await;
    for agent in &agents {
        agent.until_token_is("archive", 401, SOON).await;
    }
    river.sign_in(&site.op, "subject-1").await;
    for agent in &agents {
        agent.until_token_is("archive", 200, SOON).await;
    }

    // The account was disabled.
    let disabled = event(&site, DISABLED, |_| {});
    push(&first.url, &disabled).await.must_be(202);
    for agent in &agents {
        agent.until_token_is("archive", 401, SOON).await;
    }
    is_out().await;
    assert_eq!(wash.whoami().await["name"], "wash", "nobody else is meant");
}

/// D48
#[tokio::test]
async fn a_security_event_that_is_not_right_is_refused_as_rfc_8935_says_and_does_nothing() {
    let site = site().await;
    let hub = start(&site).await;
    let river = Browser::new(&hub.url);
    river.sign_in(&site.op, "subject-1").await;
    let good = event(&site, REVOKED, |_| {});
    let (signed, _) = good.rsplit_once('.').expect("it is signed");
    let with = |claim: &str, value: Value| event(&site, REVOKED, |claims| claims[claim] = value);

    for (token, code) in [
        ("nonsense".to_owned(), "invalid_request"),
        (format!("{signed}.AAAA"), "invalid_key"),
        (with("iss", json!("https://evil.example")), "invalid_issuer"),
        (with("aud", json!("somebody else")), "invalid_audience"),
        (with("events", json!({})), "invalid_request"),
        (with("jti", Value::Null), "invalid_request"),
    ] {
        let answer = push(&hub.url, &token).await.must_be(400);
        assert_eq!(answer.header("content-type"), "application/json");
        let body = answer.json();
        assert_eq!(body["err"], code, "{body}");
        let words = body["description"].as_str().unwrap_or_default();
        assert!(!words.is_empty() && !words.contains("canary"), "{body}");
    }

    river.get("hub/home").await.must_be(200);
    push(&hub.url, &good).await.must_be(202);
    assert!(river.get("hub/home").await.asks_to_sign_in());
}
