//! Tokens for services from a real Keycloak: what its realm has to have, and what it says if not.

use std::time::Duration;

use jansky_identity::{
    ExchangeRequest, ExternalIdentity, ExternalTokenMethod, IdentityProvider as _, IssuedToken,
    NotIssued, OidcProvider, RedirectLogin as _, ServiceRequest,
};

use crate::keycloak::{client, login};
use crate::real::{CALLBACK, attempt, relying_party};
use crate::rig::query;
use jansky_testing::browser::Browser;
use jansky_testing::keycloak::variable;

async fn signed_in(provider: &OidcProvider, name: &str, hint: Option<&str>) -> ExternalIdentity {
    let identity = login(provider, &Browser::new(), name, hint).await;
    identity.expect("they have an account")
}

async fn exchange(
    provider: &OidcProvider,
    identity: &ExternalIdentity,
    audience: &str,
    scope: &str,
) -> Result<IssuedToken, NotIssued> {
    let request = ExchangeRequest {
        subject_token: &identity.tokens.access,
        subject: &identity.subject,
        subject_scope: identity.tokens.scope.as_deref().unwrap_or_default(),
        audience: Some(audience),
        resource: None,
        scopes: &[scope.to_owned()],
    };
    let exchanger = provider.exchanger().expect("it trades tokens");
    exchanger.exchange(&request).await
}

/// D27, D28.
#[tokio::test]
async fn an_exchange_gives_a_token_for_one_service_and_says_what_is_missing() {
    let provider = relying_party(client("jansky"));
    let river = signed_in(&provider, "river", None).await;

    let token = exchange(&provider, &river, "rs-a", "archive:read").await;
    let token = token.expect("the realm lets us");
    let granted: Vec<_> = token.scope.iter().flat_map(|s| s.split(' ')).collect();
    assert!(granted.contains(&"archive:read"), "{granted:?}");
    assert!(token.expires_at.is_some());

    for (audience, scope, code, hint) in [
        (
            "rs-c",
            "archive:read",
            "invalid_target",
            "mapper of the type Audience for `rs-c`",
        ),
        (
            "rs-b",
            "archive:read",
            "invalid_target",
            "mapper of the type Audience for `rs-b`",
        ),
        (
            "nobody",
            "archive:read",
            "invalid_target",
            "knows no client `nobody`",
        ),
        ("rs-a", "nonsense", "invalid_scope", "nonsense"),
    ] {
        let refused = exchange(&provider, &river, audience, scope).await;
        let refused = refused.expect_err("the realm does not have it");
        assert_eq!(refused.code(), code, "{audience} {scope}: {refused:?}");
        assert!(refused.to_string().contains(hint), "{refused}");
    }

    let mut stranger = client("rs-a");
    stranger.client_secrets = vec![jansky_model::Secret::new("rs-a-secret")];
    let refused = exchange(&relying_party(stranger), &river, "rs-b", "archive:read").await;
    let refused = refused.expect_err("the token is not for them");
    assert_eq!(refused.code(), "invalid_target", "{refused:?}");
    assert!(
        refused.to_string().contains("audience mapper for `rs-a`"),
        "{refused}"
    );

    let session = provider.upstream_session().expect("it has sessions");
    let refresh = river.tokens.refresh.as_ref().expect("Keycloak gave one");
    session.revoke(refresh).await.expect("it is revoked");
    let ended = exchange(&provider, &river, "rs-a", "archive:read").await;
    assert_eq!(
        ended.expect_err("the session ended").code(),
        "sign_in_again"
    );
}

/// D29: which of the first two ways there is depends on how Keycloak was built.
#[tokio::test]
async fn the_token_of_the_realm_behind_comes_in_every_way_that_there_is() {
    let provider = relying_party(client("jansky"));
    let kaylee = signed_in(&provider, "kaylee", Some("ext")).await;
    let external = provider.external_tokens().expect("Keycloak keeps them");
    let built: ExternalTokenMethod = variable("JANSKY_TEST_KEYCLOAK_BROKERING")
        .parse()
        .expect("a way");
    let ask = |way| external.external_token("ext", way, &kaylee.tokens.access);

    for way in [None, Some(built), Some(ExternalTokenMethod::Legacy)] {
        let token = ask(way)
            .await
            .unwrap_or_else(|error| panic!("{way:?}: {error}"));
        assert!(token.expires_at.is_some(), "{way:?}");
        if way.is_none() {
            assert_eq!(external.known_ways(), [("ext".to_owned(), built)]);
        }
    }
    for way in [ExternalTokenMethod::V2, ExternalTokenMethod::V1] {
        if way != built {
            let refused = ask(Some(way)).await.expect_err("it was built without");
            assert_eq!(refused.code(), "client_not_allowed", "{refused:?}");
        }
    }

    let river = signed_in(&provider, "river", None).await;
    let none = external
        .external_token("ext", None, &river.tokens.access)
        .await;
    let none = none.expect_err("river has no account there");
    assert_eq!(none.code(), "invalid_target", "{none:?}");
}

#[tokio::test]
async fn our_own_account_at_keycloak_has_a_token() {
    let provider = relying_party(client("jansky"));
    let account = provider.service_account().expect("there is one");
    let request = ServiceRequest::default();

    let first = account.service_token(&request, Duration::ZERO).await;
    let second = account
        .service_token(&request, Duration::from_mins(2))
        .await;

    let (first, second) = (first.expect("a token"), second.expect("a token"));
    assert_eq!(first.token.expose(), second.token.expose(), "from memory");
}

/// The way back of somebody whose account behind Keycloak has ended, in a browser that is signed in.
#[tokio::test]
async fn an_account_behind_keycloak_is_linked_again_by_the_action_that_is_asked_for() {
    let mut settings = client("jansky");
    settings.hint_parameters.push("kc_action".to_owned());
    let provider = relying_party(settings);
    let browser = Browser::new();
    let kaylee = login(&provider, &browser, "kaylee", Some("ext")).await;
    let kaylee = kaylee.expect("kaylee has an account behind");
    let mut again = attempt();
    for (name, value) in [("kc_idp_hint", "ext"), ("kc_action", "idp_link:ext")] {
        again.extra.insert(name.to_owned(), value.to_owned());
    }
    let url = provider.begin(&again).await.expect("Keycloak is up");

    let back = browser.sign_in(&url, CALLBACK, &[]).await;

    let answer = back.query().expect("a callback has a query").to_owned();
    assert!(answer.contains("kc_action_status=success"), "{answer}");
    let same = provider.finish(again, query(&answer)).await;
    assert_eq!(same.expect("it is a sign-in").subject, kaylee.subject);
}
