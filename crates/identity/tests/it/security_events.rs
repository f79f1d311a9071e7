//! Security event tokens: a good one is taken, anything else refused (D48).

use std::time::Duration;

use jansky_identity::claim_rules::Unreadable;
use jansky_identity::oidc::SecurityEvents;
use jansky_identity::{
    EventSubject, IdentityError, IdentityProvider as _, SecurityEvent, SecurityNotice, TokenProblem,
};
use jansky_model::Secret;
use serde_json::{Value, json};

use crate::rig::Rig;
use jansky_testing::provider::CLIENT_ID;
use jansky_testing::signing::{Key, encode};

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const AUDIENCE: &str = "https://jupyter.example.org";

type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;

async fn rig() -> Rig {
    rig_with(|_| {}).await
}

fn agreed() -> SecurityEvents {
    SecurityEvents {
        audience: AUDIENCE.to_owned(),
        issuer: None,
        jwks: None,
        authorization: None,
    }
}

async fn rig_with(change: impl FnOnce(&mut SecurityEvents)) -> Rig {
    let mut events = agreed();
    change(&mut events);
    Rig::with(|settings| settings.security_events = Some(events)).await
}

/// A token that the transmitter could have sent, with changes to header and claims.
fn token(rig: &Rig, change: impl FnOnce(&mut Value, &mut Value)) -> Secret {
    token_by(rig, &rig.op.script().keys[0], change)
}

fn token_by(rig: &Rig, key: &Key, change: impl FnOnce(&mut Value, &mut Value)) -> Secret {
    let mut header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "secevent+jwt" });
    let mut claims = json!({
        "iss": rig.op.issuer,
        "aud": AUDIENCE,
        "jti": "notice-1",
        "iat": rig.now(),
        "sub_id": person(rig),
        "events": { REVOKED: { "event_timestamp": rig.now() } },
    });
    change(&mut header, &mut claims);
    Secret::new(key.sign(&header, &claims))
}

fn person(rig: &Rig) -> Value {
    json!({ "format": "iss_sub", "iss": rig.op.issuer, "sub": "subject-1" })
}

fn set(name: &'static str, value: Value) -> Change {
    Box::new(move |_, claims| claims[name] = value)
}

fn head(name: &'static str, value: Value) -> Change {
    Box::new(move |header, _| header[name] = value)
}

fn without(claim: &'static str) -> Change {
    Box::new(move |_, claims| drop(claims.as_object_mut().expect("claims").remove(claim)))
}

async fn receive(rig: &Rig, token: &Secret) -> Result<SecurityNotice, IdentityError> {
    let receiver = rig.provider.security_event_receiver();
    receiver.expect("it takes them").receive(token).await
}

async fn problem(rig: &Rig, token: &Secret) -> TokenProblem {
    match receive(rig, token).await {
        Err(IdentityError::InvalidToken { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// The one event of a token with this subject.
async fn event_about(rig: &Rig, subject: Value) -> SecurityEvent {
    let token = token(rig, set("sub_id", subject));
    let notice = receive(rig, &token).await.expect("it is good");
    let [event] = <[_; 1]>::try_from(notice.events).expect("one event");
    event
}

fn about(rig: &Rig, subject: Option<&str>, provider_session: Option<&str>) -> EventSubject {
    EventSubject {
        issuer: rig.op.issuer.clone(),
        subject: subject.map(str::to_owned),
        provider_session: provider_session.map(str::to_owned),
    }
}

fn unreadable(name: &str, value: &Value) -> TokenProblem {
    TokenProblem::Unreadable(Unreadable::new(name, value, "a text of 1 to 255 bytes"))
}

#[tokio::test]
async fn security_events_are_not_believed_unless_it_was_agreed() {
    let rig = Rig::new().await;

    assert!(rig.provider.security_event_receiver().is_none());
}

#[tokio::test]
async fn a_good_token_says_what_happened_to_whom() {
    let rig = rig().await;

    let notice = receive(&rig, &token(&rig, |_, _| {})).await;
    let notice = notice.expect("it is good");

    assert_eq!(notice.transmitter, rig.op.issuer);
    assert_eq!(notice.id, "notice-1");
    assert_eq!(notice.issued_at.seconds(), rig.now());
    let week = 7 * 24 * 3600;
    assert_eq!(notice.replayable_until.seconds(), rig.now() + week + 10);
    let whom = about(&rig, Some("subject-1"), None);
    assert_eq!(notice.events, [SecurityEvent::SessionRevoked(whom)]);
}

#[tokio::test]
async fn a_subject_is_a_person_or_a_session_in_one_of_a_few_forms() {
    let rig = rig().await;
    let opaque = |id: &str| json!({ "format": "opaque", "id": id });
    let email = json!({ "format": "email", "email": "river@example.org" });
    let complex = |user: Value, session: Value| json!({ "format": "complex", "user": user, "session": session });
    let device = opaque("d");
    let cases = [
        (person(&rig), Some("subject-1"), None),
        (opaque("subject-2"), Some("subject-2"), None),
        (
            complex(person(&rig), opaque("s1")),
            Some("subject-1"),
            Some("s1"),
        ),
        (
            json!({ "format": "complex", "user": person(&rig) }),
            Some("subject-1"),
            None,
        ),
        (
            json!({ "format": "complex", "session": opaque("s1") }),
            None,
            Some("s1"),
        ),
        // What is not known here does not keep the rest from being heard.
        (
            complex(person(&rig), email.clone()),
            Some("subject-1"),
            None,
        ),
        (complex(email, opaque("s1")), None, Some("s1")),
        (
            json!({ "format": "complex", "user": person(&rig), "device": device }),
            Some("subject-1"),
            None,
        ),
    ];
    for (subject, person, session) in cases {
        let expected = SecurityEvent::SessionRevoked(about(&rig, person, session));
        assert_eq!(
            event_about(&rig, subject.clone()).await,
            expected,
            "{subject}"
        );
    }
}

#[tokio::test]
async fn a_subject_in_the_event_itself_counts_as_before_version_1_of_the_framework() {
    let rig = rig().await;
    let event = json!({ REVOKED: { "subject": person(&rig) } });
    let token = token(&rig, |_, claims| {
        claims.as_object_mut().expect("claims").remove("sub_id");
        claims["events"] = event;
    });

    let notice = receive(&rig, &token).await.expect("it is good");

    let whom = about(&rig, Some("subject-1"), None);
    assert_eq!(notice.events, [SecurityEvent::SessionRevoked(whom)]);
}

#[tokio::test]
async fn events_have_the_names_of_their_standards() {
    let rig = rig().await;
    let prefix = "https://schemas.openid.net/secevent";
    let whom = about(&rig, Some("subject-1"), None);
    let cases = [
        (
            "risc/event-type/account-disabled",
            Some(SecurityEvent::AccountDisabled(whom.clone())),
        ),
        (
            "risc/event-type/account-purged",
            Some(SecurityEvent::AccountDisabled(whom.clone())),
        ),
        (
            "caep/event-type/token-claims-change",
            Some(SecurityEvent::AskAgain(whom.clone())),
        ),
        (
            "caep/event-type/credential-change",
            Some(SecurityEvent::AskAgain(whom)),
        ),
        (
            "ssf/event-type/verification",
            Some(SecurityEvent::Verification),
        ),
        (
            "ssf/event-type/stream-updated",
            Some(SecurityEvent::StreamUpdated {
                status: "paused".to_owned(),
            }),
        ),
        ("caep/event-type/device-compliance-change", None),
        ("risc/event-type/account-enabled", None),
        ("caep/event-type/account-disabled", None),
    ];
    for (name, expected) in cases {
        let events = json!({ (format!("{prefix}/{name}")): { "status": "paused" } });
        let notice = receive(&rig, &token(&rig, set("events", events))).await;
        let notice = notice.expect("it is good");
        assert_eq!(notice.events, Vec::from_iter(expected), "{name}");
    }
}

#[tokio::test]
async fn every_bad_token_is_refused_for_its_own_reason() {
    let rig = rig().await;
    let now = rig.now();
    let other = json!({ "format": "iss_sub", "iss": "https://evil.example", "sub": "subject-1" });
    let many: serde_json::Map<_, _> = (0..17).map(|n| (n.to_string(), json!({}))).collect();

    let cases: Vec<(Change, TokenProblem)> = vec![
        (head("alg", json!("none")), TokenProblem::Algorithm),
        (head("alg", json!("HS256")), TokenProblem::Algorithm),
        (head("typ", json!("JWT")), TokenProblem::Header),
        (head("typ", json!("logout+jwt")), TokenProblem::Header),
        (
            Box::new(|header, _| drop(header.as_object_mut().expect("a header").remove("typ"))),
            TokenProblem::Header,
        ),
        (head("crit", json!(["b64"])), TokenProblem::Header),
        (head("kid", json!("other")), TokenProblem::UnknownKey),
        (
            set("iss", json!("https://evil.example")),
            TokenProblem::Issuer,
        ),
        (without("iss"), TokenProblem::Issuer),
        (set("aud", json!(CLIENT_ID)), TokenProblem::Audience),
        (set("aud", json!([])), TokenProblem::Audience),
        (without("aud"), TokenProblem::Audience),
        (without("iat"), TokenProblem::NotSaid("iat")),
        (set("iat", json!(now + 11)), TokenProblem::NotYetValid),
        (set("nbf", json!(now + 11)), TokenProblem::NotYetValid),
        (
            set("iat", json!("yesterday")),
            TokenProblem::Unreadable(Unreadable::new(
                "iat",
                &json!("yesterday"),
                "a number of seconds",
            )),
        ),
        (
            set("iat", json!(now - 7 * 24 * 3600 - 11)),
            TokenProblem::Expired,
        ),
        (set("exp", json!(now - 11)), TokenProblem::Expired),
        (without("jti"), TokenProblem::NoTokenId),
        (set("jti", json!("")), unreadable("jti", &json!(""))),
        (set("jti", json!(7)), unreadable("jti", &json!(7))),
        (without("events"), TokenProblem::NoEvents),
        (set("events", json!({})), TokenProblem::NoEvents),
        (set("events", json!([REVOKED])), TokenProblem::NoEvents),
        (
            set("events", json!({ REVOKED: true })),
            TokenProblem::NoEvents,
        ),
        (set("events", Value::Object(many)), TokenProblem::NoEvents),
        (without("sub_id"), TokenProblem::EventSubject),
        (set("sub_id", other), TokenProblem::EventSubject),
        (
            set("sub_id", json!({ "format": "email", "email": "a@b.c" })),
            TokenProblem::EventSubject,
        ),
        (
            set("sub_id", json!({ "format": "complex" })),
            TokenProblem::EventSubject,
        ),
        (
            set("sub_id", json!({ "format": "opaque", "id": "" })),
            TokenProblem::EventSubject,
        ),
        (
            set("sub_id", json!("subject-1")),
            TokenProblem::EventSubject,
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let token = token(&rig, change);
        assert_eq!(problem(&rig, &token).await, expected, "case {number}");
    }
}

#[tokio::test]
async fn nothing_that_is_not_signed_by_the_transmitter_is_judged() {
    let rig = rig().await;
    let stranger = Key::rsa("key-1");

    let forged = token_by(&rig, &stranger, without("events"));

    assert_eq!(problem(&rig, &forged).await, TokenProblem::Signature);
    for text in ["", ".", "..", "a.b.c", "\u{fffd}.e30."] {
        assert_eq!(
            problem(&rig, &Secret::new(text)).await,
            TokenProblem::Malformed
        );
    }
}

#[tokio::test]
async fn other_tokens_of_the_provider_are_no_security_events_and_the_other_way_round() {
    let rig = rig().await;
    let identity = rig.login().await.expect("everything is right");
    let id_token = identity.tokens.id_token.expect("the provider sent one");
    assert_eq!(problem(&rig, &id_token).await, TokenProblem::Header);

    // Also one that has what a logout token has.
    let event = token(&rig, |_, claims| {
        claims["aud"] = json!(CLIENT_ID);
        claims["exp"] = json!(rig.now() + 60);
        claims["sub"] = json!("subject-1");
        claims["events"]["http://schemas.openid.net/event/backchannel-logout"] = json!({});
    });
    let logout = rig.provider.logout_receiver().expect("it takes them");

    let outcome = logout.receive(&event).await;

    let refused = matches!(
        outcome,
        Err(IdentityError::InvalidToken {
            reason: TokenProblem::Header
        })
    );
    assert!(refused, "{outcome:?}");
}

#[tokio::test]
async fn a_flood_of_tokens_costs_the_transmitter_next_to_nothing() {
    let rig = rig().await;
    let padding = encode("x".repeat(17 << 10));
    let long = token(&rig, |_, claims| claims["padding"] = json!(padding));
    let unknown = token(&rig, |header, _| header["kid"] = json!("other"));

    for _ in 0..50 {
        let bytes = long.expose().len();
        let too_long = TokenProblem::TooLong {
            bytes,
            most: 16 << 10,
        };
        assert_eq!(problem(&rig, &long).await, too_long);
        assert_eq!(problem(&rig, &unknown).await, TokenProblem::UnknownKey);
    }

    assert_eq!(
        rig.op.calls("/jwks"),
        2,
        "at first, and once for the unknown key"
    );
}

#[tokio::test]
async fn a_transmitter_of_its_own_has_its_own_name_and_keys() {
    let transmitter = Rig::new().await;
    let (issuer, keys) = (
        &transmitter.op.issuer,
        format!("{}/jwks", transmitter.op.issuer),
    );
    let rig = rig_with(|events| {
        events.issuer = Some(issuer.parse().expect("a URL"));
        events.jwks = Some(keys.parse().expect("a URL"));
    })
    .await;
    let change = |_: &mut Value, claims: &mut Value| claims["iss"] = json!(issuer);

    let by_provider = token(&rig, change);
    let by_transmitter = token_by(&rig, &transmitter.op.script().keys[0], change);
    let notice = receive(&rig, &by_transmitter).await.expect("it is good");

    assert_eq!(&notice.transmitter, issuer);
    let whom = about(&rig, Some("subject-1"), None);
    assert_eq!(notice.events, [SecurityEvent::SessionRevoked(whom)]);
    assert_eq!(problem(&rig, &by_provider).await, TokenProblem::Signature);
}

#[tokio::test]
async fn a_token_that_was_under_way_for_days_is_taken() {
    let rig = rig().await;
    let token = token(&rig, set("events", json!({ DISABLED: {} })));

    rig.clock.advance(Duration::from_hours(7 * 24));

    assert!(receive(&rig, &token).await.is_ok());
}

#[tokio::test]
async fn the_header_that_was_agreed_is_asked_for() {
    let rig = Rig::with(|settings| {
        settings.security_events = Some(agreed());
        settings.events_authorization = Some(Secret::new("Bearer agreed"));
    })
    .await;
    let receiver = rig.provider.security_event_receiver();
    let receiver = receiver.expect("it takes them");

    assert!(receiver.admits(Some(&Secret::new("Bearer agreed"))));
    for wrong in ["Bearer Agreed", "agreed", "Bearer agreed ", ""] {
        assert!(!receiver.admits(Some(&Secret::new(wrong))), "{wrong}");
    }
    assert!(!receiver.admits(None));
}
