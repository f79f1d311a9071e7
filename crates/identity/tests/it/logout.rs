//! Logout tokens: a good one is taken, anything else refused (D46).

use std::time::Duration;

use jansky_identity::claim_rules::Unreadable;
use jansky_identity::oidc::claimed_issuer;
use jansky_identity::{IdentityError, IdentityProvider as _, LogoutNotice, TokenProblem};
use jansky_model::Secret;
use serde_json::{Value, json};

use crate::rig::Rig;
use jansky_testing::provider::CLIENT_ID;
use jansky_testing::signing::{Key, encode};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token that the provider could have sent, with changes to header and claims.
fn token(rig: &Rig, change: impl FnOnce(&mut Value, &mut Value)) -> Secret {
    token_by(rig, &rig.op.script().keys[0], change)
}

fn token_by(rig: &Rig, key: &Key, change: impl FnOnce(&mut Value, &mut Value)) -> Secret {
    let now = rig.now();
    let mut header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "logout+jwt" });
    let mut claims = json!({
        "iss": rig.op.issuer,
        "aud": CLIENT_ID,
        "sub": "subject-1",
        "sid": "session-1",
        "jti": "notice-1",
        "iat": now,
        "exp": now + 120,
        "events": { EVENT: {} },
    });
    change(&mut header, &mut claims);
    Secret::new(key.sign(&header, &claims))
}

async fn receive(rig: &Rig, token: &Secret) -> Result<LogoutNotice, IdentityError> {
    let receiver = rig.provider.logout_receiver().expect("it takes them");
    receiver.receive(token).await
}

async fn problem(rig: &Rig, token: &Secret) -> TokenProblem {
    match receive(rig, token).await {
        Err(IdentityError::InvalidToken { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn without(claim: &str) -> impl FnOnce(&mut Value, &mut Value) {
    move |_, claims| drop(claims.as_object_mut().expect("claims").remove(claim))
}

fn unreadable(name: &str, value: &Value) -> TokenProblem {
    TokenProblem::Unreadable(Unreadable::new(name, value, "a text of 1 to 255 bytes"))
}

#[tokio::test]
async fn a_good_logout_token_says_whose_session_has_ended() {
    let rig = Rig::new().await;

    let notice = receive(&rig, &token(&rig, |_, _| {})).await;
    let notice = notice.expect("it is good");

    assert_eq!(notice.issuer, rig.op.issuer);
    assert_eq!(notice.subject.as_deref(), Some("subject-1"));
    assert_eq!(notice.provider_session.as_deref(), Some("session-1"));
    assert_eq!(notice.id, "notice-1");
    assert_eq!(notice.issued_at.seconds(), rig.now());
    assert_eq!(
        notice.replayable_until.seconds(),
        rig.now() + 130,
        "its end and the leeway"
    );
}

#[tokio::test]
async fn a_subject_or_a_session_is_enough_and_the_type_may_be_that_of_any_jwt() {
    let rig = Rig::new().await;

    let by_session = receive(&rig, &token(&rig, without("sub"))).await;
    let by_subject = receive(&rig, &token(&rig, without("sid"))).await;
    let plain = receive(&rig, &token(&rig, |header, _| header["typ"] = json!("JWT"))).await;
    let untyped = receive(
        &rig,
        &token(&rig, |header, _| {
            drop(header.as_object_mut().expect("a header").remove("typ"));
        }),
    )
    .await;

    assert_eq!(by_session.expect("it is good").subject, None);
    assert_eq!(by_subject.expect("it is good").provider_session, None);
    assert!(plain.is_ok() && untyped.is_ok(), "{plain:?} {untyped:?}");
}

#[tokio::test]
async fn every_bad_logout_token_is_refused_for_its_own_reason() {
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let set = |name: &'static str, value: Value| -> Change {
        Box::new(move |_, claims| claims[name] = value)
    };
    let head = |name: &'static str, value: Value| -> Change {
        Box::new(move |header, _| header[name] = value)
    };
    let rig = Rig::new().await;
    let now = rig.now();

    let cases: Vec<(Change, TokenProblem)> = vec![
        (head("alg", json!("none")), TokenProblem::Algorithm),
        (head("alg", json!("HS256")), TokenProblem::Algorithm),
        (head("typ", json!("at+jwt")), TokenProblem::Header),
        (head("typ", json!("secevent+jwt")), TokenProblem::Header),
        (head("crit", json!(["b64"])), TokenProblem::Header),
        (head("kid", json!("other")), TokenProblem::UnknownKey),
        (
            set("iss", json!("https://evil.example")),
            TokenProblem::Issuer,
        ),
        (set("aud", json!("other-client")), TokenProblem::Audience),
        (set("aud", json!([])), TokenProblem::Audience),
        (set("nonce", json!("n")), TokenProblem::NonceInLogoutToken),
        (set("nonce", json!(null)), TokenProblem::NonceInLogoutToken),
        (Box::new(without("events")), TokenProblem::NoLogoutEvent),
        (set("events", json!([EVENT])), TokenProblem::NoLogoutEvent),
        (
            set("events", json!({ EVENT: true })),
            TokenProblem::NoLogoutEvent,
        ),
        (
            set("events", json!({ "other": {} })),
            TokenProblem::NoLogoutEvent,
        ),
        (set("exp", json!(now - 11)), TokenProblem::Expired),
        (Box::new(without("exp")), TokenProblem::NotSaid("exp")),
        (set("iat", json!(now - 611)), TokenProblem::Expired),
        (set("iat", json!(now + 11)), TokenProblem::NotYetValid),
        (Box::new(without("iat")), TokenProblem::NotSaid("iat")),
        (Box::new(without("jti")), TokenProblem::NoTokenId),
        (set("jti", json!("")), unreadable("jti", &json!(""))),
        (set("sub", json!(7)), unreadable("sub", &json!(7))),
        (
            Box::new(|_, claims| {
                let claims = claims.as_object_mut().expect("claims");
                claims.remove("sub");
                claims.remove("sid");
            }),
            TokenProblem::NobodyToLogOut,
        ),
    ];
    for (change, expected) in cases {
        let token = token(&rig, change);
        assert_eq!(problem(&rig, &token).await, expected);
    }
}

#[tokio::test]
async fn nothing_that_is_not_signed_by_the_provider_is_judged() {
    let rig = Rig::new().await;
    let stranger = Key::rsa("key-1");

    let forged = token_by(&rig, &stranger, without("events"));
    let good = token(&rig, |_, _| {});
    let cut = good.expose().rsplit_once('.').expect("three parts").0;

    assert_eq!(problem(&rig, &forged).await, TokenProblem::Signature);
    for text in [cut, "", ".", "..", "a.b.c", "\u{fffd}.e30."] {
        let text = Secret::new(text);
        assert_eq!(problem(&rig, &text).await, TokenProblem::Malformed);
    }
}

#[tokio::test]
async fn an_id_token_is_no_logout_token_and_the_other_way_round() {
    let rig = Rig::new().await;
    let identity = rig.login().await.expect("everything is right");
    let id_token = identity.tokens.id_token.expect("the provider sent one");
    assert_eq!(
        problem(&rig, &id_token).await,
        TokenProblem::NonceInLogoutToken
    );

    let logout_token = token(&rig, |_, _| {});
    let answer = json!(logout_token.expose());
    rig.op.script().token_answer.insert("id_token", answer);
    let outcome = rig.login().await;

    let refused = matches!(
        outcome,
        Err(IdentityError::InvalidToken {
            reason: TokenProblem::Header
        })
    );
    assert!(refused, "{outcome:?}");
}

#[tokio::test]
async fn a_flood_of_logout_tokens_costs_the_provider_next_to_nothing() {
    let rig = Rig::new().await;
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
async fn the_keys_are_those_that_sign_ins_use() {
    let rig = Rig::new().await;
    rig.login().await.expect("everything is right");

    let notice = receive(&rig, &token(&rig, |_, _| {})).await;
    rig.op.script().keys.insert(0, Key::p256("key-2"));
    rig.clock.advance(Duration::from_secs(31));
    let by_new_key = receive(&rig, &token(&rig, |_, _| {})).await;

    assert!(
        notice.is_ok() && by_new_key.is_ok(),
        "{notice:?} {by_new_key:?}"
    );
    assert_eq!(
        rig.op.calls("/jwks"),
        2,
        "the first time, and for the new key"
    );
}

#[tokio::test]
async fn the_issuer_that_a_token_claims_is_readable_without_trust() {
    let rig = Rig::new().await;

    assert_eq!(
        claimed_issuer(&token(&rig, |_, _| {})).as_deref(),
        Some(rig.op.issuer.as_str())
    );
    for text in ["", "a.b.c", "a.e30.c"] {
        assert_eq!(claimed_issuer(&Secret::new(text)), None, "{text}");
    }
}
