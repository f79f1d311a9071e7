//! Signing in without a round trip: several forms on one page, and a proxy that says who is there.

use std::sync::Arc;

use jansky_hub::{AdmissionRules, ConfiguredProvider};
use jansky_identity::{HeaderProvider, HeaderSettings};
use serde_json::json;

use crate::support::{Client, Directory, PASSWORD, Recipe, TestWeb, everybody};

fn with_directory(recipe: &mut Recipe) -> Arc<Directory> {
    let directory = Directory::new(&[]);
    recipe.providers.push(directory.with_rules(everybody()));
    directory
}

async fn sign_in(browser: &Client, provider: &str, name: &str, password: &str) -> u16 {
    let answer = browser.type_password_at(provider, name, password).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn each_provider_has_its_own_form_and_a_form_without_one_means_the_first() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;
    hub.account("river").await;

    let page = hub.anonymous().get("/hub/login").await.must_be(200).html();
    let chosen: Vec<_> = page
        .all("input")
        .filter(|(_, tag)| tag.get("name") == Some("provider"))
        .filter_map(|(_, tag)| tag.get("value"))
        .collect();
    assert_eq!(chosen, ["local", "institute"]);
    assert!(page.by_id("username").is_some() && page.by_id("username-institute").is_some());

    assert_eq!(
        sign_in(&hub.anonymous(), "institute", "wash", "right").await,
        302
    );
    assert_eq!(
        sign_in(&hub.anonymous(), "local", "river", PASSWORD).await,
        302
    );
    let answer = hub.anonymous().type_password("river", PASSWORD).await;
    answer.must_be(302);
    assert_eq!(
        sign_in(&hub.anonymous(), "institute", "river", PASSWORD).await,
        403,
        "a password counts where it was made"
    );
    assert_eq!(
        sign_in(&hub.anonymous(), "elsewhere", "river", PASSWORD).await,
        404
    );
}

#[tokio::test]
async fn without_local_accounts_the_only_form_is_the_one_of_jupyterhub() {
    let hub = TestWeb::with(|recipe| {
        recipe.has_local_accounts = false;
        with_directory(recipe);
    })
    .await;
    let browser = hub.anonymous();

    browser.type_password("wash", "right").await.must_be(302);

    assert!(browser.get("/hub/home").await.text().contains("wash"));
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_form_that_it_was_typed_into() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;

    let answer = hub
        .anonymous()
        .type_password_at("institute", "wash", "wrong")
        .await;

    let page = answer.must_be(403).html();
    let error = page.by_id("institute-error").expect("it says why");
    assert_eq!(error.text, "The user name or the password is wrong.");
    let typed = page.by_id("username-institute").expect("the form is there");
    assert_eq!(typed.get("value"), Some("wash"));
    assert!(page.by_id("local-error").is_none());
}

#[tokio::test]
async fn an_account_that_has_expired_is_told_so_only_with_its_password() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;
    let post = async |password| {
        let answer = hub
            .anonymous()
            .type_password_at("institute", "old", password)
            .await;
        answer.must_be(403).text()
    };

    assert!(post("right").await.contains("may have expired"));
    assert!(!post("wrong").await.contains("expired"));
}

/// Directories compare names without regard to case and to how many spaces are in them.
#[tokio::test]
async fn guessing_has_to_wait_however_the_name_is_written() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;
    for name in ["river tam", "River  Tam", " RIVER\tTAM "] {
        let status = sign_in(&hub.anonymous(), "institute", name, "wrong").await;
        assert_eq!(status, 403, "{name}");
    }

    for name in ["river tam", "river   tam"] {
        let status = sign_in(&hub.anonymous(), "institute", name, "right").await;
        assert_eq!(status, 429, "{name}");
    }
    assert_eq!(
        sign_in(&hub.anonymous(), "institute", "rivertam", "right").await,
        302
    );
}

/// An LDAP server takes a bind without a password for an anonymous one and says yes.
#[tokio::test]
async fn nobody_is_asked_about_an_empty_password_or_a_name_that_is_none() {
    let mut directory = None;
    let hub = TestWeb::with(|recipe| directory = Some(with_directory(recipe))).await;
    let directory = directory.expect("it was made");

    for (name, password) in [
        ("wash", ""),
        ("", "right"),
        (" ", "right"),
        ("a\0b", "right"),
        (&"a".repeat(256), "right"),
    ] {
        let status = sign_in(&hub.anonymous(), "institute", name, password).await;
        assert_eq!(status, 403, "`{name}` came in with `{password}`");
    }

    assert_eq!(directory.sign_ins(), 0);
}

#[tokio::test]
async fn guessing_has_to_wait_at_each_provider_for_itself() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;
    hub.account("river").await;
    for _ in 0..3 {
        let status = sign_in(&hub.anonymous(), "institute", "river", "wrong").await;
        assert_eq!(status, 403);
    }

    let late = sign_in(&hub.anonymous(), "institute", "RIVER", "right").await;
    let elsewhere = sign_in(&hub.anonymous(), "local", "river", PASSWORD).await;

    assert_eq!((late, elsewhere), (429, 302));
}

#[tokio::test]
async fn the_same_name_of_two_providers_is_not_the_same_person() {
    let hub = TestWeb::with(|recipe| drop(with_directory(recipe))).await;
    hub.account("river").await;

    let answer = hub
        .anonymous()
        .type_password_at("institute", "river", "right")
        .await;

    assert!(
        answer
            .must_be(403)
            .text()
            .contains("belongs to another account")
    );
}

fn with_proxy(recipe: &mut Recipe, trusted: &str) {
    let section = serde_json::from_value(json!({
        "title": "Institute",
        "trusted_addresses": [trusted],
        "user_header": "x-remote-user",
        "groups_header": "x-remote-groups",
    }));
    let settings = HeaderSettings {
        id: "sso".parse().expect("a valid id"),
        section: section.expect("a section"),
        secret: None,
    };
    let mut rules = AdmissionRules {
        allowed_groups: ["radio".to_owned()].into(),
        admin_groups: ["operators".to_owned()].into(),
        blocked_users: ["mallory".to_owned()].into(),
        ..AdmissionRules::default()
    };
    rules.groups.claims = vec!["groups".to_owned()];
    rules.groups.separator = Some(";".to_owned());
    let provider = HeaderProvider::new(settings).expect("these are names of headers");
    let provider = ConfiguredProvider::new(Arc::new(provider), rules);
    recipe.providers.push(provider);
}

async fn through_proxy(
    browser: &Client,
    path: &str,
    user: &str,
    groups: &str,
) -> crate::support::Answer {
    let call = browser.call("GET", path).navigating();
    let call = call.header("x-remote-user", user);
    call.header("x-remote-groups", groups).send().await
}

#[tokio::test]
async fn whom_the_proxy_names_comes_in_by_the_rules() {
    let hub = TestWeb::with(|recipe| with_proxy(recipe, "127.0.0.1/32")).await;
    let ask = async |user, groups| {
        let browser = hub.anonymous();
        let path = "/hub/oauth_login?idp=sso&next=%2Fhub%2Ftoken";
        let answer = through_proxy(&browser, path, user, groups).await;
        (answer, browser)
    };

    let (answer, browser) = ask("river", "evn;radio").await;
    assert_eq!(answer.must_be(302).location(), "/hub/token");
    let home = browser.get("/hub/home").await.must_be(200).text();
    assert!(home.contains("river") && !home.contains("administrator"));
    let (answer, browser) = ask("zoe", "operators").await;
    answer.must_be(302);
    let home = browser.get("/hub/home").await.text();
    assert!(home.contains("administrator"));
    for (user, groups) in [("wash", ""), ("wash", "radio,evn"), ("mallory", "radio")] {
        let (answer, browser) = ask(user, groups).await;
        answer.must_be(403);
        assert_eq!(browser.cookie("jupyterhub-hub-login"), None, "{user}");
    }
    let (answer, _) = ask("river", "operators;radio").await;
    answer.must_be(302);
    let river = hub.user("river").await;
    assert!(river.admin, "the same person again, with what is true now");
}

/// There is nobody to ask in between, so what the proxy says with each request counts.
#[tokio::test]
async fn what_the_proxy_says_of_groups_counts_from_the_next_request_on() {
    let hub = TestWeb::with(|recipe| {
        with_proxy(recipe, "127.0.0.1/32");
        recipe.settings.no_longer_allowed = jansky_hub::NoLongerAllowed::Stop;
    })
    .await;
    let browser = hub.anonymous();
    let sign_in = "/hub/oauth_login?idp=sso";
    through_proxy(&browser, sign_in, "river", "radio;operators")
        .await
        .must_be(302);
    let home = async |user: &str, groups: &str| {
        let answer = through_proxy(&browser, "/hub/home", user, groups).await;
        (
            answer.status.as_u16(),
            answer.text().contains("administrator"),
        )
    };
    assert_eq!(home("river", "radio;operators").await, (200, true));

    assert_eq!(home("river", "radio").await, (200, false));
    let river = hub.user("river").await;
    let groups = hub
        .hub
        .people
        .groups_of(hub.hub.operator(), &river)
        .await
        .expect("an answer");
    assert_eq!(groups, ["radio"]);
    // Past the proxy nothing is said, and of somebody else nothing that matters here.
    browser.get("/hub/home").await.must_be(200);
    assert_eq!(home("zoe", "operators").await, (200, false));
    assert_eq!(home("river", "operators;radio").await, (200, true));

    assert_eq!(home("river", "evn").await.0, 302, "the rules let nobody in");
    assert!(!hub.user("river").await.admin);
}

#[tokio::test]
async fn a_header_from_anywhere_else_is_refused() {
    let mut hub = TestWeb::with(|recipe| with_proxy(recipe, "10.0.0.0/8")).await;
    // What a proxy that is believed about addresses says does not count either.
    hub.peer.address = [10, 0, 0, 1].into();
    let browser = hub.anonymous();

    let answer = through_proxy(&browser, "/hub/oauth_login?idp=sso", "zoe", "operators").await;

    let page = answer.must_be(403).text();
    assert!(page.contains("usual address"), "{page}");
    assert_eq!(browser.cookie("jupyterhub-hub-login"), None);
    assert!(
        hub.hub
            .people
            .user("zoe")
            .await
            .expect("it answers")
            .is_none()
    );
}

#[tokio::test]
async fn with_auto_login_the_sign_in_page_is_passed_over() {
    let hub = TestWeb::with(|recipe| {
        with_directory(recipe);
        with_proxy(recipe, "127.0.0.1/32");
        recipe.providers[1].auto_login = true;
    })
    .await;
    let browser = hub.anonymous();

    let answer = browser.get("/hub/login?next=%2Fhub%2Ftoken").await;
    let there = answer.must_be(302).location().to_owned();
    assert_eq!(there, "/hub/oauth_login?idp=sso&next=%2Fhub%2Ftoken");

    let answer = through_proxy(&browser, &there, "river", "radio").await;
    assert_eq!(answer.must_be(302).location(), "/hub/token");
}
