//! What named providers do in their own way, and what is offered only by some.

use std::sync::Arc;

use jansky_identity::oidc::{ClientAuthentication, ClientKey, OidcKind, SettingsProblem};
use jansky_identity::{RedirectLogin as _, TokenProblem};
use jansky_model::{Secret, Timestamp};
use serde_json::{Value, json};

use crate::rig::{REDIRECT_URI, Rig, attempt};
use jansky_testing::MachineRandom;
use jansky_testing::provider::{CLIENT_ID, Instead};
use jansky_testing::signing::{Key, decode};

#[tokio::test]
async fn tokens_of_globus_for_other_services_are_kept_apart() {
    let other = json!([
        {
            "access_token": "canary-transfer",
            "refresh_token": "canary-transfer-refresh",
            "token_type": "Bearer",
            "expires_in": 600,
            "scope": "urn:globus:auth:scope:transfer.api.globus.org:all",
            "resource_server": "transfer.api.globus.org",
        },
        { "access_token": "canary-nameless", "token_type": "Bearer" },
        "nonsense",
    ]);
    let globus = Rig::with(|settings| settings.kind = OidcKind::Globus).await;
    let plain = Rig::new().await;
    for rig in [&globus, &plain] {
        rig.op
            .script()
            .token_answer
            .insert("other_tokens", other.clone());
    }

    let identity = globus.login().await.expect("everything is right");
    let elsewhere = plain.login().await.expect("everything is right");

    let [transfer] = &identity.tokens.other[..] else {
        panic!("not one service: {:?}", identity.tokens.other);
    };
    assert_eq!(transfer.service, "transfer.api.globus.org");
    assert_eq!(transfer.access.expose(), "canary-transfer");
    let refresh = transfer.refresh.as_ref().map(Secret::expose);
    assert_eq!(refresh, Some("canary-transfer-refresh"));
    assert_eq!(
        transfer.expires_at.map(Timestamp::seconds),
        Some(globus.now() + 600)
    );
    assert_ne!(identity.tokens.access.expose(), "canary-transfer");
    assert!(elsewhere.tokens.other.is_empty());
}

#[tokio::test]
async fn a_sign_in_is_pushed_where_that_is_offered() {
    for (offered, required, wanted, pushed) in [
        (true, false, true, true),
        (true, false, false, false),
        (true, true, false, true),
        (false, false, true, false),
    ] {
        let rig = Rig::with(|settings| settings.pushed_authorization = wanted).await;
        if offered {
            rig.offer_pushed_authorization(required);
        }

        let url = rig.provider.begin(&attempt()).await.expect("it is up");

        let names: Vec<_> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        if pushed {
            assert_eq!(names, ["client_id", "request_uri"]);
            let script = rig.op.script();
            let call = script.calls.iter().find(|call| call.path == "/par");
            let call = call.expect("it was called");
            assert!(call.authorization.is_some(), "with our credentials");
            assert_eq!(call.form["client_id"], CLIENT_ID);
            assert_eq!(call.form["redirect_uri"], REDIRECT_URI);
            assert_eq!(call.form["code_challenge_method"], "S256");
        } else {
            assert!(names.contains(&"code_challenge".to_owned()), "{names:?}");
            assert_eq!(rig.op.calls("/par"), 0);
        }
    }
}

#[tokio::test]
async fn a_pushed_sign_in_comes_to_its_end_and_a_refused_one_is_told() {
    let rig = Rig::new().await;
    rig.offer_pushed_authorization(true);

    let outcome = rig.login().await;
    let refusal = json!({ "error": "invalid_scope", "error_description": "no" }).to_string();
    rig.op
        .script()
        .instead
        .insert("/par", Instead::Status(400, refusal));
    let refused = rig.login().await.expect_err("the provider says no");

    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(refused.code(), "refused", "{refused:?}");
}

#[tokio::test]
async fn a_key_proves_who_we_are_without_a_secret() {
    for (key, algorithm) in [
        (Key::rsa("1"), "RS256"),
        (Key::p256("1"), "ES256"),
        (Key::ed25519("1"), "EdDSA"),
    ] {
        let ours = ClientKey::from_pem(
            &key.pem(),
            Some("key-of-ours".to_owned()),
            Arc::new(MachineRandom),
        );
        let ours = ours.expect("it is a private key");
        let rig = Rig::with(|settings| {
            settings.client_secrets.clear();
            settings.client_key = Some(ours);
        })
        .await;
        rig.op.script().secrets.clear();

        rig.login().await.expect("the provider takes the code");
        rig.login().await.expect("and another");

        let script = rig.op.script();
        let calls: Vec<_> = script
            .calls
            .iter()
            .filter(|call| call.path == "/token")
            .collect();
        let mut ids = Vec::new();
        for call in calls {
            assert_eq!(call.authorization, None);
            assert_eq!(
                call.form["client_assertion_type"],
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            let (header, claims) = decode(&call.form["client_assertion"]);
            assert_eq!(
                header,
                json!({ "alg": algorithm, "typ": "JWT", "kid": "key-of-ours" })
            );
            assert_eq!(claims["iss"], CLIENT_ID);
            assert_eq!(claims["sub"], CLIENT_ID);
            assert_eq!(
                claims["aud"],
                json!(rig.op.issuer),
                "one audience, as Keycloak wants"
            );
            assert_eq!(claims["iat"], json!(rig.now()));
            assert_eq!(claims["exp"], json!(rig.now() + 60));
            assert!(key.verifies(&call.form["client_assertion"]));
            ids.push(claims["jti"].clone());
        }
        assert_eq!(ids.len(), 2);
        assert_ne!(ids[0], ids[1], "each is made anew");
        assert!(ids.iter().all(Value::is_string));
    }
}

#[tokio::test]
async fn to_sign_without_a_key_is_a_mistake_of_the_settings() {
    let mut settings = crate::rig::settings("http://127.0.0.1:1");
    settings.client_authentication = Some(ClientAuthentication::PrivateKeyJwt);

    assert_eq!(
        crate::client::problems(settings),
        [SettingsProblem::NoClientKey]
    );
}

#[tokio::test]
async fn refreshed_tokens_about_somebody_else_are_found_out_before_they_are_stored() {
    let rig = Rig::new().await;
    let tokens = rig.login().await.expect("everything is right").tokens;

    assert_eq!(tokens.check_subject("subject-1"), Ok(()));
    assert_eq!(
        tokens.check_subject("subject-2"),
        Err(TokenProblem::OtherSubject)
    );
}
