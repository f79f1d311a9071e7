//! ID tokens that must not be believed (D7).

use jansky_identity::claim_rules::Unreadable;
use jansky_identity::oidc::{ClaimsSource, SigningAlgorithm};
use jansky_identity::{IdentityError, TokenProblem};
use serde_json::{Value, json};

use crate::rig::Rig;

type Change = fn(&mut Value, &mut Value);

/// Signs in with a changed ID token.
async fn login_with(change: Change) -> Result<(), TokenProblem> {
    // Without userinfo, whose own checks would hide a missing one here.
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::IdToken).await;
    rig.op.script().tweak = Some(Box::new(change));
    match rig.login().await {
        Ok(_) => Ok(()),
        Err(IdentityError::InvalidToken { reason }) => Err(reason),
        Err(other) => panic!("not a verdict on the token: {other:?}"),
    }
}

fn unreadable(name: &str, value: &Value, expected: &'static str) -> TokenProblem {
    TokenProblem::Unreadable(Unreadable::new(name, value, expected))
}

fn now(claims: &Value) -> i64 {
    claims["iat"].as_i64().expect("the provider sets it")
}

#[tokio::test]
async fn forged_and_foreign_id_tokens_are_refused_for_their_reason() {
    let cases: [(&str, Change, TokenProblem); 27] = [
        (
            "alg none",
            |h, _| h["alg"] = json!("none"),
            TokenProblem::Algorithm,
        ),
        (
            "alg None",
            |h, _| h["alg"] = json!("None"),
            TokenProblem::Algorithm,
        ),
        (
            "HS256 with the public key",
            |h, _| h["alg"] = json!("HS256"),
            TokenProblem::Algorithm,
        ),
        (
            "no alg",
            |h, _| h["alg"] = json!(null),
            TokenProblem::NotSaid("alg"),
        ),
        (
            "ES256 with an RSA key",
            |h, _| h["alg"] = json!("ES256"),
            TokenProblem::OtherKey {
                token: SigningAlgorithm::Es256,
                key: "RSA signatures".to_owned(),
            },
        ),
        (
            "crit",
            |h, _| h["crit"] = json!(["exp"]),
            TokenProblem::Header,
        ),
        (
            "an access token",
            |h, _| h["typ"] = json!("at+jwt"),
            TokenProblem::Header,
        ),
        (
            "a logout token",
            |h, _| h["typ"] = json!("logout+jwt"),
            TokenProblem::Header,
        ),
        (
            "wrong iss",
            |_, c| c["iss"] = json!("https://evil.example"),
            TokenProblem::Issuer,
        ),
        (
            "no iss",
            |_, c| c["iss"] = json!(null),
            TokenProblem::Issuer,
        ),
        (
            "wrong aud",
            |_, c| c["aud"] = json!("other"),
            TokenProblem::Audience,
        ),
        (
            "no aud",
            |_, c| c["aud"] = json!([]),
            TokenProblem::Audience,
        ),
        (
            "several aud, no azp",
            |_, c| c["aud"] = json!(["jansky", "b"]),
            TokenProblem::AuthorizedParty,
        ),
        (
            "wrong azp",
            |_, c| c["azp"] = json!("b"),
            TokenProblem::AuthorizedParty,
        ),
        (
            "expired",
            |_, c| c["exp"] = json!(now(c) - 11),
            TokenProblem::Expired,
        ),
        (
            "no exp",
            |_, c| c["exp"] = json!(null),
            TokenProblem::NotSaid("exp"),
        ),
        (
            "exp as text",
            |_, c| c["exp"] = json!("4000000000"),
            unreadable("exp", &json!("4000000000"), "a number of seconds"),
        ),
        (
            "iat +120 s",
            |_, c| c["iat"] = json!(now(c) + 120),
            TokenProblem::NotYetValid,
        ),
        (
            "iat +120 s, nbf now",
            |_, c| {
                c["nbf"] = c["iat"].clone();
                c["iat"] = json!(now(c) + 120);
            },
            TokenProblem::NotYetValid,
        ),
        (
            "nbf +120 s",
            |_, c| c["nbf"] = json!(now(c) + 120),
            TokenProblem::NotYetValid,
        ),
        (
            "wrong nonce",
            |_, c| c["nonce"] = json!("other"),
            TokenProblem::Nonce,
        ),
        (
            "no nonce",
            |_, c| c["nonce"] = json!(null),
            TokenProblem::Nonce,
        ),
        (
            "bad at_hash",
            |_, c| c["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"),
            TokenProblem::AccessTokenHash,
        ),
        (
            "at_hash no text",
            |_, c| c["at_hash"] = json!(1),
            TokenProblem::AccessTokenHash,
        ),
        (
            "empty sub",
            |_, c| c["sub"] = json!(""),
            TokenProblem::Subject,
        ),
        (
            "long sub",
            |_, c| c["sub"] = json!("x".repeat(256)),
            TokenProblem::Subject,
        ),
        (
            "sub as a number",
            |_, c| c["sub"] = json!(7),
            unreadable("sub", &json!(7), "a text"),
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(login_with(change).await, Err(expected), "{name}");
    }
}

#[tokio::test]
async fn unusual_but_right_id_tokens_are_accepted() {
    let cases: [(&str, Change); 9] = [
        ("iat +8 s", |_, c| c["iat"] = json!(now(c) + 8)),
        ("exp 8 s ago", |_, c| c["exp"] = json!(now(c) - 8)),
        ("exp with a fraction", |_, c| c["exp"] = json!(4e9 + 0.5)),
        ("aud as a list", |_, c| c["aud"] = json!(["jansky"])),
        ("several aud with azp", |_, c| {
            c["aud"] = json!(["b", "jansky"]);
            c["azp"] = json!("jansky");
        }),
        ("no at_hash", |_, c| {
            c.as_object_mut()
                .expect("claims are an object")
                .remove("at_hash");
        }),
        ("no typ", |h, _| {
            h.as_object_mut()
                .expect("a header is an object")
                .remove("typ");
        }),
        ("no kid", |h, _| {
            h.as_object_mut()
                .expect("a header is an object")
                .remove("kid");
        }),
        ("unknown claims", |_, c| {
            c["https://example.org/x"] = json!({ "deep": [1, 2] });
        }),
    ];
    for (name, change) in cases {
        assert_eq!(login_with(change).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let rig = Rig::new().await;
    let impostor = jansky_testing::signing::Key::rsa("key-1");
    let published = rig.op.script().keys[0].jwk();
    {
        let mut script = rig.op.script();
        script.published = Some(json!({ "keys": [published] }));
        script.keys = vec![impostor];
    }

    let outcome = rig.login().await;

    assert!(
        matches!(
            outcome,
            Err(IdentityError::InvalidToken {
                reason: TokenProblem::Signature
            })
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_answer_without_id_token_is_refused() {
    let rig = Rig::new().await;
    rig.op.script().token_answer.insert("id_token", json!(null));

    let outcome = rig.login().await;

    assert!(
        matches!(
            outcome,
            Err(IdentityError::InvalidToken {
                reason: TokenProblem::Missing
            })
        ),
        "{outcome:?}"
    );
}

/// What changes head and claims of a token.
type Tweak = Box<dyn Fn(&mut Value, &mut Value) + Send>;

/// What the operator reads, and that the person is not told of a cause that nobody knows.
#[tokio::test]
async fn a_token_that_is_refused_says_what_came_and_what_was_expected() {
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::IdToken).await;
    let padding = "x".repeat(300 << 10);
    let cases: [(Tweak, &str); 5] = [
        (
            Box::new(move |_, c| c["padding"] = json!(padding)),
            "bytes where at most 262144 are read",
        ),
        (
            Box::new(|h, _| h["alg"] = json!("ES256")),
            "it is signed with ES256, and the provider publishes the key that it names for RSA \
             signatures",
        ),
        (
            Box::new(|h, _| h["kid"] = json!("other")),
            "the provider publishes no key for it",
        ),
        (
            Box::new(|_, c| c["exp"] = json!("soon")),
            "`exp` is a text where a number of seconds is expected",
        ),
        (
            Box::new(|_, c| drop(c.as_object_mut().expect("claims").remove("iat"))),
            "`iat` is missing",
        ),
    ];
    for (change, expected) in cases {
        rig.op.script().tweak = Some(change);

        let error = rig.login().await.expect_err("it is refused");

        assert!(error.to_string().contains(expected), "{error}");
        let public = error.public();
        assert!(!public.contains("has just changed its keys."), "{public}");
    }
}

#[tokio::test]
async fn text_that_is_no_jwt_is_refused_without_a_panic() {
    let rig = Rig::new().await;
    for text in ["x", "..", "a.b.c", "e30.e30.", "e30.e30.e30.e30", "é.é.é"] {
        rig.op.script().token_answer.insert("id_token", json!(text));

        let outcome = rig.login().await;

        assert!(
            matches!(
                outcome,
                Err(IdentityError::InvalidToken {
                    reason: TokenProblem::Malformed | TokenProblem::NotSaid("alg")
                })
            ),
            "{text}: {outcome:?}"
        );
    }
}
