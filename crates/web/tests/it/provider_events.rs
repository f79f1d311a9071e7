//! What providers tell the hub by themselves: logout tokens (D46) and security events (D48).

use std::time::Duration;

use jansky_hub::{ConfiguredProvider, NoLongerAllowed};
use jansky_identity::oidc::SecurityEvents;
use jansky_model::Secret;
use jansky_testing::{Instead, ScriptedProvider};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Answer, Client, Database, OpenId, TestWeb, World, until};

const AUDIENCE: &str = "https://hub.test";
const AGREED: &str = "Bearer agreed with the transmitter";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CLAIMS: &str = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
const CREDENTIAL: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// Two people have accounts there, and the hub believes what it tells by itself.
fn tells(home: &mut OpenId) {
    home.only_groups("crew", "officers");
    home.set_groups("subject-1", Some(&["crew", "officers"]));
    home.set_groups("subject-2", Some(&["crew"]));
    home.settings.security_events = Some(SecurityEvents {
        audience: AUDIENCE.to_owned(),
        issuer: None,
        jwks: None,
        authorization: None,
    });
    home.settings.events_authorization = Some(Secret::new(AGREED));
}

/// A provider that tells the hubs of a world.
async fn provider(world: &World) -> OpenId {
    let mut home = OpenId::start("op", world).await;
    tells(&mut home);
    home
}

/// A provider, and a hub that believes it.
async fn scene() -> (OpenId, TestWeb) {
    let (home, hub) = OpenId::with_hub(tells).await;
    (home, TestWeb::of(hub))
}

/// A browser in which somebody has signed in at the provider.
async fn sign_in(home: &OpenId, hub: &TestWeb, subject: &str) -> Client {
    let browser = hub.browser_at(home, subject).await;
    browser.get("/hub/home").await.must_be(200);
    browser
}

fn person(op: &ScriptedProvider, subject: &str) -> Value {
    json!({ "format": "iss_sub", "iss": op.issuer, "sub": subject })
}

/// The token that `event` happened to `subject-1`.
fn event(op: &ScriptedProvider, event: &str) -> String {
    op.security_event(AUDIENCE, event, &person(op, "subject-1"), |_| {})
}

/// Pushes a security event token as its transmitter does.
async fn push(hub: &TestWeb, token: &str) -> Answer {
    let transmitter = hub.anonymous();
    let call = transmitter.call("POST", "/hub/oidc/security-events");
    call.header("content-type", "application/secevent+jwt")
        .header("authorization", AGREED)
        .bytes(token)
        .send()
        .await
}

async fn log_out(hub: &TestWeb, token: &str) -> Answer {
    let provider = hub.anonymous();
    let call = provider.call("POST", "/hub/oidc/backchannel-logout");
    call.form(&[("logout_token", token)]).send().await
}

/// The last session of somebody at the provider.
fn sid(op: &ScriptedProvider, subject: &str) -> String {
    let sessions = op.script().records.sessions_of(subject);
    sessions.last().expect("they have signed in").clone()
}

async fn grants_of(hub: &TestWeb, name: &str) -> usize {
    let user = hub.user(name).await;
    let grants = hub.hub.store().grants_of(user.id).await;
    grants.expect("the database answers").len()
}

#[tokio::test]
async fn garbage_of_one_network_is_refused_after_a_while_and_nobody_else_is_held_up() {
    let hub = TestWeb::new().await;
    let send = async |address: [u8; 4]| {
        let client = hub.anonymous().moved_to(address);
        let call = client.call("POST", "/hub/oidc/backchannel-logout");
        call.form(&[("logout_token", "a.b.c")]).send().await
    };

    let mut heard = 0;
    let refused = loop {
        let answer = send([192, 0, 2, 1]).await;
        if answer.status.as_u16() == 429 {
            break answer;
        }
        answer.must_be(400);
        heard += 1;
        assert!(heard < 1000, "nothing stops it");
    };

    assert!((60..=64).contains(&heard), "{heard}");
    assert!(!refused.header("retry-after").is_empty());
    assert!(
        refused.text().contains("60 in a minute"),
        "{}",
        refused.text()
    );
    send([198, 51, 100, 1]).await.must_be(400);
}

#[tokio::test]
async fn a_revoked_session_ends_here_and_nothing_else_does() {
    let (home, hub) = scene().await;
    let first = sign_in(&home, &hub, "subject-1").await;
    let of_first = sid(&home.op, "subject-1");
    let second = sign_in(&home, &hub, "subject-1").await;
    let other = sign_in(&home, &hub, "subject-2").await;
    let session = json!({
        "format": "complex",
        "user": person(&home.op, "subject-1"),
        "session": { "format": "opaque", "id": of_first },
    });

    let answer = push(
        &hub,
        &home.op.security_event(AUDIENCE, REVOKED, &session, |_| {}),
    )
    .await;

    let answer = answer.must_be(202);
    assert_eq!(answer.text(), "");
    assert_eq!(answer.header("cache-control"), "no-store");
    first.get("/hub/home").await.must_be(302);
    second.get("/hub/home").await.must_be(200);
    assert_eq!(
        grants_of(&hub, "river").await,
        1,
        "that of the second sign-in"
    );

    push(&hub, &event(&home.op, REVOKED)).await.must_be(202);

    second.get("/hub/home").await.must_be(302);
    assert_eq!(grants_of(&hub, "river").await, 0);
    other.get("/hub/home").await.must_be(200);
    assert_eq!(grants_of(&hub, "wash").await, 1);
}

#[tokio::test]
async fn an_event_that_comes_late_leaves_alone_what_began_since() {
    let (home, hub) = scene().await;
    let late = home.op.security_event(
        AUDIENCE,
        REVOKED,
        &person(&home.op, "subject-1"),
        |claims| {
            claims["iat"] = json!(1_800_000_000 - 3600);
        },
    );
    let disabled = home.op.security_event(
        AUDIENCE,
        DISABLED,
        &person(&home.op, "subject-1"),
        |claims| {
            claims["iat"] = json!(1_800_000_000 - 3600);
        },
    );
    let browser = sign_in(&home, &hub, "subject-1").await;

    push(&hub, &late).await.must_be(202);
    push(&hub, &disabled).await.must_be(202);

    browser.get("/hub/home").await.must_be(200);
    assert_eq!(grants_of(&hub, "river").await, 1);
    let model = browser.api("GET", "/hub/api/user", None).await.json();
    assert_eq!(model["admin"], true);
}

#[tokio::test]
async fn a_token_that_comes_again_is_taken_and_does_nothing() {
    let (home, hub) = scene().await;
    let token = event(&home.op, REVOKED);
    push(&hub, &token).await.must_be(202);
    let browser = sign_in(&home, &hub, "subject-1").await;

    push(&hub, &token).await.must_be(202);

    browser.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn whose_account_is_disabled_is_no_longer_allowed() {
    for policy in [NoLongerAllowed::Keep, NoLongerAllowed::Stop] {
        let world = World::new().await;
        let home = provider(&world).await;
        let hub = TestWeb::of(world.hub_with(|recipe| {
            recipe.providers.push(home.configured());
            recipe.settings.no_longer_allowed = policy;
        }));
        hub.listen().await;
        let browser = sign_in(&home, &hub, "subject-1").await;
        hub.start("river").await;

        push(&hub, &event(&home.op, DISABLED)).await.must_be(202);

        browser.get("/hub/home").await.must_be(302);
        assert_eq!(grants_of(&hub, "river").await, 0);
        let river = hub.user("river").await;
        assert!(!river.admin);
        let groups = hub
            .hub
            .people
            .groups_of(hub.hub.operator(), &river)
            .await
            .expect("an answer");
        assert_eq!(groups, Vec::<String>::new());
        if policy == NoLongerAllowed::Stop {
            until("the server is stopped", async || hub.spawner.running() == 0).await;
        }
        let expected = usize::from(policy == NoLongerAllowed::Keep);
        assert_eq!(hub.spawner.running(), expected);
    }
}

#[tokio::test]
async fn rights_are_read_again_at_once() {
    let (home, hub) = scene().await;
    let browser = sign_in(&home, &hub, "subject-1").await;
    let model = browser.api("GET", "/hub/api/user", None).await.json();
    assert_eq!(
        (&model["admin"], &model["groups"]),
        (&json!(true), &json!(["crew", "officers"]))
    );

    home.op.script().person("subject-1").claims["groups"] = json!(["crew"]);
    push(&hub, &event(&home.op, CLAIMS)).await.must_be(202);

    let model = browser.api("GET", "/hub/api/user", None).await.json();
    assert_eq!(
        (&model["admin"], &model["groups"]),
        (&json!(false), &json!(["crew"]))
    );
    assert_eq!(home.op.refresh_calls(), 1);

    home.op.script().person("subject-1").claims["groups"] = json!([]);
    push(&hub, &event(&home.op, CREDENTIAL)).await.must_be(202);

    browser.get("/hub/home").await.must_be(302);
    assert_eq!(
        grants_of(&hub, "river").await,
        0,
        "no rule lets her in any more"
    );
}

#[tokio::test]
async fn rights_are_read_again_without_a_refresh_token() {
    let (home, hub) = scene().await;
    home.op
        .script()
        .token_answer
        .insert("refresh_token", Value::Null);
    let browser = sign_in(&home, &hub, "subject-1").await;

    home.op.script().person("subject-1").claims["groups"] = json!(["crew"]);
    push(&hub, &event(&home.op, CLAIMS)).await.must_be(202);

    let model = browser.api("GET", "/hub/api/user", None).await.json();
    assert_eq!(
        (&model["admin"], &model["groups"]),
        (&json!(false), &json!(["crew"]))
    );
    assert_eq!(home.op.refresh_calls(), 0);
}

#[tokio::test]
async fn a_provider_that_is_down_does_not_hold_up_its_own_event() {
    let (home, hub) = scene().await;
    let browser = sign_in(&home, &hub, "subject-1").await;
    home.op.script().instead.insert("/token", Instead::Silence);
    let began = Instant::now();

    push(&hub, &event(&home.op, CLAIMS)).await.must_be(202);

    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    browser.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn an_event_about_somebody_unknown_or_of_no_meaning_is_taken() {
    let (home, hub) = scene().await;
    let browser = sign_in(&home, &hub, "subject-1").await;
    let stream = json!({ "format": "opaque", "id": "stream-1" });
    let tokens = [
        home.op
            .security_event(AUDIENCE, REVOKED, &person(&home.op, "nobody"), |_| {}),
        home.op
            .security_event(AUDIENCE, DISABLED, &person(&home.op, "nobody"), |_| {}),
        home.op
            .security_event(AUDIENCE, CLAIMS, &person(&home.op, "nobody"), |_| {}),
        home.op
            .security_event(AUDIENCE, VERIFICATION, &stream, |_| {}),
        event(
            &home.op,
            "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change",
        ),
    ];

    for token in tokens {
        push(&hub, &token).await.must_be(202);
    }

    browser.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn bad_tokens_are_refused_in_the_words_of_the_standard() {
    let (home, hub) = scene().await;
    let browser = sign_in(&home, &hub, "subject-1").await;
    let with = |claim: &'static str, value: Value| {
        home.op.security_event(
            AUDIENCE,
            REVOKED,
            &person(&home.op, "subject-1"),
            |claims| {
                claims[claim] = value;
            },
        )
    };
    let forged = {
        let token = event(&home.op, REVOKED);
        let (message, _) = token.rsplit_once('.').expect("three parts");
        format!("{message}.AAAA")
    };
    let email = json!({ "format": "email", "email": "river@example.org" });
    let cases = [
        ("", "invalid_request"),
        ("a.b.c", "invalid_request"),
        (&"x".repeat(17 << 10), "invalid_request"),
        (&forged, "invalid_key"),
        (
            &with("iss", json!("https://evil.example")),
            "invalid_issuer",
        ),
        (
            &with("aud", json!("https://other.example")),
            "invalid_audience",
        ),
        (&with("jti", Value::Null), "invalid_request"),
        (&with("iat", json!(1_700_000_000)), "invalid_request"),
        (&with("events", json!({})), "invalid_request"),
        (&with("sub_id", email), "invalid_request"),
        (
            &home.op.logout_token(Some("subject-1"), None),
            "invalid_request",
        ),
    ];
    for (number, (token, expected)) in cases.into_iter().enumerate() {
        let answer = push(&hub, token).await.must_be(400);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("content-language"), "en");
        let body = answer.json();
        assert_eq!(body["err"], expected, "case {number}: {body}");
        assert!(
            body["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    browser.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn a_push_has_the_type_and_the_header_that_were_agreed() {
    let (home, hub) = scene().await;
    let token = event(&home.op, REVOKED);
    let send = async |kind: &str, authorization: &str| {
        let transmitter = hub.anonymous();
        let call = transmitter.call("POST", "/hub/oidc/security-events");
        let call = call.header("content-type", kind);
        let call = call.header("authorization", authorization);
        call.bytes(token.as_str()).send().await
    };
    let kind = "application/secevent+jwt";

    let untyped = send("application/jwt", AGREED).await.must_be(400).json();
    let stranger = send(kind, "Bearer guessed").await.must_be(400).json();
    let right = send("Application/SecEvent+JWT; charset=utf-8", AGREED).await;

    assert_eq!(untyped["err"], "invalid_request");
    assert_eq!(stranger["err"], "authentication_failed");
    right.must_be(202);
}

#[tokio::test]
async fn keys_that_cannot_be_read_make_the_transmitter_try_again() {
    let (home, hub) = scene().await;
    let away = Instead::Status(503, String::new());
    home.op.script().instead.insert("/jwks", away);

    let answer = push(&hub, &event(&home.op, REVOKED)).await.must_be(503);

    assert_ne!(answer.header("retry-after"), "");
    assert!(answer.json()["err"].is_string());
}

#[tokio::test]
async fn without_a_stream_there_is_nothing_to_push_to() {
    let (home, hub) = OpenId::with_hub(|_| {}).await;
    let hub = TestWeb::of(hub);

    push(&hub, &event(&home.op, REVOKED)).await.must_be(404);
}

#[tokio::test]
async fn a_logout_token_ends_what_it_names_once() {
    let (home, hub) = scene().await;
    let first = sign_in(&home, &hub, "subject-1").await;
    let of_first = sid(&home.op, "subject-1");
    let second = sign_in(&home, &hub, "subject-1").await;
    let by_session = home.op.logout_token(None, Some(&of_first));

    let answer = log_out(&hub, &by_session).await.must_be(200);

    assert_eq!(answer.header("cache-control"), "no-store");
    first.get("/hub/home").await.must_be(302);
    second.get("/hub/home").await.must_be(200);
    log_out(&hub, &by_session).await.must_be(400);

    let by_person = home.op.logout_token(Some("subject-1"), None);
    log_out(&hub, &by_person).await.must_be(200);

    second.get("/hub/home").await.must_be(302);
    assert_eq!(grants_of(&hub, "river").await, 0);
}

#[tokio::test]
async fn a_lone_session_in_a_logout_token_is_the_whole_person_where_that_is_configured() {
    let world = World::new().await;
    let home = provider(&world).await;
    let hub = TestWeb::of(world.hub_with(|recipe| {
        let widens_logout = true;
        recipe.providers.push(ConfiguredProvider {
            widens_logout,
            ..home.configured()
        });
    }));
    for named in [None, Some("subject-1")] {
        let first = sign_in(&home, &hub, "subject-1").await;
        let of_first = sid(&home.op, "subject-1");
        let second = sign_in(&home, &hub, "subject-1").await;
        let other = sign_in(&home, &hub, "subject-2").await;

        let token = home.op.logout_token(named, Some(&of_first));
        log_out(&hub, &token).await.must_be(200);

        first.get("/hub/home").await.must_be(302);
        second.get("/hub/home").await.must_be(302);
        other.get("/hub/home").await.must_be(200);
        assert_eq!(grants_of(&hub, "river").await, 0);
    }
}

#[tokio::test]
async fn a_provider_that_is_silent_holds_up_no_logout_token_of_another() {
    let world = World::new().await;
    let home = provider(&world).await;
    let mut silent = OpenId::start("silent", &world).await;
    tells(&mut silent);
    silent
        .op
        .script()
        .instead
        .insert("/.well-known/openid-configuration", Instead::Silence);
    let hub = TestWeb::of(world.hub_with(|recipe| {
        recipe.providers = vec![silent.configured(), home.configured()];
    }));
    let browser = sign_in(&home, &hub, "subject-1").await;

    let token = home.op.logout_token(Some("subject-1"), None);
    let taken = tokio::time::timeout(Duration::from_secs(5), log_out(&hub, &token)).await;

    taken.expect("nobody waits for the other one").must_be(200);
    browser.get("/hub/home").await.must_be(302);
}

#[tokio::test]
async fn a_session_whose_name_the_provider_did_not_say_ends_with_any_of_the_person() {
    let (home, hub) = scene().await;
    home.op.script().tweak = Some(Box::new(|_, claims| {
        claims.as_object_mut().expect("claims").remove("sid");
    }));
    let unnamed = sign_in(&home, &hub, "subject-1").await;
    let sid_of_unnamed = sid(&home.op, "subject-1");
    home.op.script().tweak = None;
    let named = sign_in(&home, &hub, "subject-1").await;
    let other = sign_in(&home, &hub, "subject-2").await;

    let token = home
        .op
        .logout_token(Some("subject-1"), Some(&sid_of_unnamed));
    log_out(&hub, &token).await.must_be(200);

    unnamed.get("/hub/home").await.must_be(302);
    named.get("/hub/home").await.must_be(200);
    other.get("/hub/home").await.must_be(200);
    assert_eq!(grants_of(&hub, "river").await, 1, "that of the named one");
}

#[tokio::test]
async fn an_event_that_reaches_one_process_holds_in_all() {
    let database = Database::postgres().await;
    let world = World::on(database.clone()).await;
    let home = provider(&world).await;
    let one = TestWeb::of(world.hub_with(|recipe| recipe.providers.push(home.configured())));
    let other = TestWeb::on(database, |recipe| recipe.providers.push(home.configured())).await;
    other.hub.spawn_listening().await.expect("it listens");
    let browser = sign_in(&home, &one, "subject-1").await;
    let session_id = browser.cookie("jupyterhub-session-id").expect("a session");
    let cookie = browser.cookie("jupyterhub-hub-login").expect("a session");
    let there = other.anonymous();
    there.keep("jupyterhub-hub-login", &cookie, "/hub/");
    there.get("/hub/home").await.must_be(200);

    push(&one, &event(&home.op, REVOKED)).await.must_be(202);

    let deadline = Instant::now() + Duration::from_secs(5);
    while there.get("/hub/home").await.status != 302 {
        assert!(
            Instant::now() < deadline,
            "the other process still believes it"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What that process carries to servers no longer has the session in it.
    assert!(other.hub.ended_sessions().contains(&session_id));
}
