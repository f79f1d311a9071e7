//! Signing out: here, at the provider, and what goes on all the same.

use std::collections::HashMap;

use jansky_hub::SignOutAtProvider;
use url::Url;

use crate::support::{Client, OpenId, TestWeb, World};

async fn scene(sign_out: SignOutAtProvider) -> (TestWeb, OpenId, Client) {
    let world = World::new().await;
    let mut home = OpenId::start("home", &world).await;
    home.sign_out = sign_out;
    let hub = TestWeb::of(world.hub_with(|recipe| {
        recipe.providers = vec![home.configured()];
        recipe.settings.public_url = Some(Url::parse("https://hub.test/").expect("an address"));
    }));
    let browser = hub.browser_at(&home, "subject-1").await;
    (hub, home, browser)
}

/// D45: signing out here leads to the provider, which asks nothing.
#[tokio::test]
async fn signing_out_leads_to_the_provider_with_everything_that_it_needs() {
    let (_hub, home, browser) = scene(SignOutAtProvider::Provider).await;
    let old = browser.cookie("jupyterhub-hub-login").expect("a session");
    let (refresh, id_token) = {
        let script = home.op.script();
        let records = &script.records;
        (records.latest("refresh"), records.latest("id"))
    };

    let answer = browser.post("/hub/logout", &[]).await.must_be(302);

    let url = Url::parse(answer.location()).expect("an address");
    assert!(
        answer
            .location()
            .starts_with(&format!("{}/end?", home.op.issuer)),
        "{url}"
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["id_token_hint"], id_token);
    assert_eq!(
        query["post_logout_redirect_uri"],
        "https://hub.test/hub/logout"
    );
    assert!(!query["state"].is_empty());
    assert_eq!(answer.header("cache-control"), "no-store");
    for cookie in ["jupyterhub-hub-login", "jupyterhub-session-id"] {
        assert!(answer.cookie(cookie).contains("Max-Age=0"), "{cookie}");
    }
    assert!(home.op.script().records.is_revoked(&refresh));
    browser.keep("jupyterhub-hub-login", &old, "/hub/");
    browser.get("/hub/home").await.must_be(302);
    // Back from the provider.
    let page = browser.get("/hub/logout?state=x").await.must_be(200);
    assert!(page.text().contains("You are signed out"));
}

/// D45: each browser ends its own session at the provider, whichever signed in last.
#[tokio::test]
async fn signing_out_of_one_browser_leaves_the_other_one_signed_in_here_and_there() {
    let (hub, home, first) = scene(SignOutAtProvider::Provider).await;
    let latest = |kind: &str| home.op.script().records.latest(kind);
    let of_first = latest("id");
    let second = hub.anonymous();
    second.sign_in_at(&home, "subject-1").await.must_be(302);
    let (of_second, refresh) = (latest("id"), latest("refresh"));
    let hint = async |browser: &Client| {
        let answer = browser.post("/hub/logout", &[]).await.must_be(302);
        let url = Url::parse(answer.location()).expect("an address");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        query["id_token_hint"].clone()
    };

    assert_eq!(hint(&first).await, of_first);

    first.get("/hub/home").await.must_be(302);
    second.get("/hub/home").await.must_be(200);
    assert!(!home.op.script().records.is_revoked(&refresh));
    assert_eq!(hint(&second).await, of_second);
    assert!(home.op.script().records.is_revoked(&refresh));
}

#[tokio::test]
async fn the_page_that_asks_signs_nobody_out_and_lets_its_form_lead_to_the_provider() {
    let (_hub, home, browser) = scene(SignOutAtProvider::Provider).await;

    let page = browser.get("/hub/logout").await.must_be(200);

    let policy = page.header("content-security-policy");
    let forms = policy
        .split(';')
        .find(|part| part.trim().starts_with("form-action"));
    assert_eq!(
        forms.map(str::trim),
        Some(format!("form-action 'self' https: {}", home.op.issuer).as_str())
    );
    let other = browser.get("/hub/home").await.must_be(200);
    assert!(
        other
            .header("content-security-policy")
            .ends_with("form-action 'self'")
    );
}

#[tokio::test]
async fn the_provider_is_only_offered_or_left_alone_where_the_operator_wants_that() {
    let (_hub, home, browser) = scene(SignOutAtProvider::Offer).await;
    let answer = browser.post("/hub/logout", &[]).await.must_be(200);
    let page = answer.html();
    let mut links = page.all("a").filter_map(|(_, a)| a.get("href"));
    assert!(answer.text().contains("Sign out there, too"));
    assert!(links.any(|href| href.starts_with(&home.op.issuer)));

    let (_hub, _home, browser) = scene(SignOutAtProvider::Hub).await;
    let answer = browser.post("/hub/logout", &[]).await.must_be(200);
    assert!(!answer.text().contains("Sign out there, too"));
}

#[tokio::test]
async fn servers_go_on_in_the_name_of_somebody_who_wants_that() {
    let (hub, home, browser) = scene(SignOutAtProvider::Provider).await;
    let page = browser.get("/hub/logout").await.must_be(200).text();
    assert!(!page.contains("keep_working"), "nothing runs");
    hub.start("river").await;
    let page = browser.get("/hub/logout").await.must_be(200).text();
    assert!(page.contains("keep_working"));
    let refresh = home.op.script().records.latest("refresh");

    let fields = [("keep_working", "1")];
    let answer = browser.post("/hub/logout", &fields).await.must_be(200);

    assert!(answer.text().contains("keep working in your name"));
    browser.get("/hub/home").await.must_be(302);
    assert!(!home.op.script().records.is_revoked(&refresh));
    let river = hub.user("river").await;
    let provider = "home".parse().expect("an id");
    let token = hub.hub.people.login_token(
        hub.hub.operator(),
        &river,
        &provider,
        std::time::Duration::ZERO,
    );
    token.await.expect("what the provider gave is still there");
}
