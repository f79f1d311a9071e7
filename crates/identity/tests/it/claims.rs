//! Where claims come from, and whose they are.

use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{IdentityError, RedirectLogin as _, TokenProblem};
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn userinfo_about_somebody_else_is_refused() {
    for source in [ClaimsSource::UserInfo, ClaimsSource::Both] {
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
                    Err(IdentityError::InvalidToken {
                        reason: TokenProblem::Subject
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
        Err(IdentityError::InvalidToken {
            reason: TokenProblem::Subject
        })
    ));
}

#[tokio::test]
async fn the_settings_decide_where_claims_come_from() {
    for (source, requests, name, from_token, from_userinfo) in [
        (ClaimsSource::IdToken, 0, "river", true, false),
        (ClaimsSource::UserInfo, 1, "kaylee", false, true),
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
