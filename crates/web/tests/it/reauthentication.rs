//! A new sign-in that was asked for is more than a look at the session that the provider has.

use std::collections::HashMap;

use jansky_model::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Answer, Client, OpenId, TestWeb};

const NOW: i64 = 1_800_000_000;

/// Somebody who signed in long ago at a provider that does not ask again by itself.
async fn scene() -> (TestWeb, OpenId, Client) {
    let (home, hub) =
        OpenId::with_hub(|home| home.op.script().signed_in_since = Some(NOW - 3600)).await;
    let hub = TestWeb::of(hub);
    let browser = hub.browser_at(&home, "subject-1").await;
    (hub, home, browser)
}

/// What the provider is told about asking.
fn told(answer: &Answer) -> (Option<String>, Option<String>) {
    let url = Url::parse(answer.location()).expect("an address at the provider");
    let mut query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    (query.remove("prompt"), query.remove("max_age"))
}

fn to_ask() -> (Option<String>, Option<String>) {
    (Some("login".to_owned()), Some("0".to_owned()))
}

async fn is_in(browser: &Client) -> bool {
    browser.get("/hub/home").await.status == 200
}

#[tokio::test]
async fn who_was_made_to_sign_in_again_has_to_prove_it_at_the_provider() {
    let (hub, home, browser) = scene().await;
    let river = hub.user("river").await;
    hub.hub
        .people
        .demand_sign_in(&hub.hub.permit_of(river.clone()))
        .await
        .expect("demanded");

    // Nobody knows yet who is there, so the provider is not told to ask.
    let again = browser.sign_in_at(&home, "subject-1").await.must_be(302);

    assert_eq!(told(&again), to_ask());
    assert!(!is_in(&browser).await);
    browser
        .come_back_from(&again, &home, "subject-1")
        .await
        .must_be(302);
    assert!(is_in(&browser).await);
    let usual = hub.anonymous();
    let answer = usual.get("/hub/oauth_login?idp=home").await.must_be(302);
    assert_eq!(told(&answer), (None, None), "once is enough");
    usual
        .come_back_from(&answer, &home, "subject-1")
        .await
        .must_be(302);
    assert!(is_in(&usual).await);
}

#[tokio::test]
async fn a_browser_whose_session_waits_for_a_sign_in_is_asked_at_once() {
    let (hub, home, browser) = scene().await;
    let river = hub.user("river").await;
    let store = hub.hub.store();
    let provider = "home".parse().expect("an id");
    let grant = store.login_grant(river.id, &provider).await;
    let grant = grant.expect("the database").expect("a grant");
    let at = Timestamp::from_seconds(NOW);
    let refused = store.demand_sign_in(grant.id, "invalid_grant", at).await;
    refused.expect("the database").expect("the grant");
    hub.hub.access().forget(river.id);
    assert!(!is_in(&browser).await);

    let answer = browser.get("/hub/oauth_login?idp=home").await.must_be(302);

    assert_eq!(told(&answer), to_ask());
    browser
        .come_back_from(&answer, &home, "subject-1")
        .await
        .must_be(302);
    assert!(is_in(&browser).await);
}

#[tokio::test]
async fn a_provider_that_was_told_to_ask_and_did_not_lets_nobody_in() {
    let (hub, home, browser) = scene().await;
    let river = hub.user("river").await;
    hub.hub
        .people
        .demand_sign_in(&hub.hub.permit_of(river.clone()))
        .await
        .expect("demanded");
    let says = |at: Option<Value>| {
        home.op.script().tweak = Some(Box::new(move |_, claims| {
            if let Some(at) = &at {
                claims["auth_time"] = at.clone();
            } else {
                let claims = claims.as_object_mut().expect("an object");
                claims.remove("auth_time");
            }
        }));
    };
    for at in [json!(NOW - 3600), json!(1_799_996_400.5)] {
        says(Some(at));
        let again = browser.sign_in_at(&home, "subject-1").await.must_be(302);

        let refused = browser
            .come_back_from(&again, &home, "subject-1")
            .await
            .must_be(403);

        assert!(refused.text().contains("before it was asked to let you"));
        assert!(!is_in(&browser).await);
    }
    // One that does not say when is believed.
    says(None);
    let again = browser.sign_in_at(&home, "subject-1").await.must_be(302);
    assert_eq!(told(&again), to_ask());
    browser
        .come_back_from(&again, &home, "subject-1")
        .await
        .must_be(302);
    assert!(is_in(&browser).await);
}
