//! Where claims come from, and whose they are.

use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{IdentityError, RedirectLogin as _};
use jansky_testing::provider::CLIENT_ID;
use jansky_testing::signing::Key;
use serde_json::{Value, json};

use crate::rig::Rig;

#[tokio::test]
async fn userinfo_about_somebody_else_is_refused() {
    for source in [ClaimsSource::Userinfo, ClaimsSource::Both] {
        let rig = Rig::with(|settings| settings.claims_source = source).await;
        for other in [
            json!({ "sub": "subject-2" }),
            json!({ "preferred_username": "river" }),
        ] {
            rig.op.script().userinfo = Some(other);

            let outcome = rig.login().await;

            assert!(
                matches!(
                    outcome,
                    Err(IdentityError::BadAnswer {
                        endpoint: "userinfo",
                        ..
                    })
                ),
                "{outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn userinfo_comes_after_a_sign_in_when_somebody_asks_for_more() {
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::Auto).await;
    let more =
        json!({ "sub": "subject-1", "preferred_username": "kaylee", "email": "k@example.org" });
    rig.op.script().userinfo = Some(more);
    let identity = rig.login().await.expect("everything is right");
    assert_eq!(rig.op.calls("/userinfo"), 0);
    assert_eq!(identity.claims["preferred_username"], "river");
    assert!(!identity.claims.contains_key("email"));

    let identity = rig.provider.add_claims(identity).await.expect("it says");

    assert_eq!(rig.op.calls("/userinfo"), 1);
    assert_eq!(identity.claims["preferred_username"], "kaylee");
    assert_eq!(identity.claims["email"], "k@example.org");
    assert_eq!(identity.claims["iss"], json!(rig.op.issuer));

    rig.op.script().userinfo = Some(json!({ "sub": "subject-2" }));
    let outcome = rig.provider.add_claims(identity).await;
    assert!(matches!(
        outcome,
        Err(IdentityError::BadAnswer {
            endpoint: "userinfo",
            ..
        })
    ));
}

/// What the operator reads of a userinfo answer that cannot be used.
#[tokio::test]
async fn userinfo_that_cannot_be_used_says_what_came_and_what_was_expected() {
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::Userinfo).await;
    for (answer, expected) in [
        (
            json!({ "preferred_username": "canary" }),
            "`sub` is missing",
        ),
        (
            json!({ "sub": 4711 }),
            "`sub` is a number where a text is expected",
        ),
        (
            json!({ "sub": "canary" }),
            "its `sub` is another one than that of the ID token",
        ),
        (
            json!(["canary"]),
            "it is a list where an object is expected",
        ),
    ] {
        rig.op.script().userinfo = Some(answer);

        let told = rig.login().await.expect_err("it is refused").to_string();

        assert_eq!(
            told,
            format!("userinfo endpoint gave an unusable answer: {expected}")
        );
    }
}

#[tokio::test]
async fn userinfo_may_be_signed_and_is_then_checked_like_any_token() {
    let rig = Rig::with(|settings| settings.claims_source = ClaimsSource::Userinfo).await;
    let header = json!({ "alg": "RS256", "kid": rig.op.script().keys[0].kid });
    let sign = |claims: Value| {
        let token = rig.op.script().keys[0].sign(&header, &claims);
        rig.op.script().signed_userinfo = Some(token);
    };
    let named = |more: Value| {
        let mut claims = json!({ "sub": "subject-1", "preferred_username": "kaylee" });
        let more = more.as_object().expect("an object").clone();
        claims.as_object_mut().expect("an object").extend(more);
        claims
    };

    for good in [
        json!({ "iss": rig.op.issuer, "aud": CLIENT_ID }),
        json!({ "iss": rig.op.issuer, "aud": [CLIENT_ID] }),
        json!({}),
    ] {
        sign(named(good));
        let identity = rig.login().await.expect("it is signed by the provider");
        assert_eq!(identity.claims["preferred_username"], "kaylee");
    }
    for (bad, expected) in [
        (json!({ "iss": "https://evil.example" }), "`iss` is not"),
        (json!({ "aud": "another" }), "`aud` does not hold"),
        (json!({ "sub": "subject-2" }), "its `sub` is another one"),
        (json!({ "sub": null }), "`sub` is missing"),
    ] {
        sign(named(bad));
        let told = rig.login().await.expect_err("it is refused").to_string();
        assert!(told.contains(expected), "{told}");
    }
    let forged = Key::rsa(&rig.op.script().keys[0].kid);
    let claims = named(json!({ "iss": rig.op.issuer, "aud": CLIENT_ID }));
    for (token, expected) in [
        (forged.sign(&header, &claims), "its signature is wrong"),
        (
            forged.sign(&json!({ "alg": "none" }), &claims),
            "its algorithm is not accepted",
        ),
        ("a.b.c.d.e".to_owned(), "it is encrypted"),
        (String::new(), "it is not a signed JWT"),
    ] {
        rig.op.script().signed_userinfo = Some(token);
        let told = rig.login().await.expect_err("it is refused").to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn the_settings_decide_where_claims_come_from() {
    for (source, requests, name, from_token, from_userinfo) in [
        (ClaimsSource::IdToken, 0, "river", true, false),
        (ClaimsSource::Userinfo, 1, "kaylee", false, true),
        (ClaimsSource::Both, 1, "kaylee", true, true),
    ] {
        let rig = Rig::with(|settings| settings.claims_source = source).await;
        {
            let mut script = rig.op.script();
            script.tweak = Some(Box::new(|_, claims| {
                claims["groups"] = json!(["radio"]);
                claims["sid"] = json!("session-1");
            }));
            script.userinfo = Some(json!({
                "sub": "subject-1",
                "preferred_username": "kaylee",
                "email": "kaylee@example.org",
                "sid": "forged",
                "iss": "https://evil.example",
            }));
        }

        let identity = rig.login().await.expect("everything is right");

        let identity = rig.provider.add_claims(identity).await.expect("as it is");
        assert_eq!(rig.op.calls("/userinfo"), requests, "{source:?}");
        assert_eq!(identity.claims["preferred_username"], name, "{source:?}");
        assert_eq!(
            identity.claims.contains_key("groups"),
            from_token,
            "{source:?}"
        );
        assert_eq!(
            identity.claims.contains_key("email"),
            from_userinfo,
            "{source:?}"
        );
        assert_eq!(identity.claims["sid"], "session-1", "{source:?}");
        assert_eq!(identity.claims["iss"], json!(rig.op.issuer), "{source:?}");
        assert_eq!(identity.claims["sub"], "subject-1", "{source:?}");
    }
}
