//! Signing in at an identity provider.

use std::time::Duration;

use jansky_hub::{AdmissionRules, AuditQuery};
use jansky_identity::ProviderStatus;
use jansky_identity::claim_rules::GroupRules;
use jansky_model::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Answer, Client, Observatory, PASSWORD, PROVIDER, TestWeb, everybody};

async fn hub_with(rules: AdmissionRules, claims: &Value) -> TestWeb {
    let provider = Observatory::new(claims).with_rules(rules);
    TestWeb::with(|recipe| recipe.providers.push(provider)).await
}

/// Leaves for the provider; the state that it would send back.
async fn leave(browser: &Client, more: &str) -> String {
    let path = format!("/hub/oauth_login?idp={PROVIDER}{more}");
    let answer = browser.get(&path).await.must_be(302);
    let url = Url::parse(answer.location()).expect("an address");
    assert_eq!(url.host_str(), Some("idp.test"));
    let mut pairs = url.query_pairs();
    let state = pairs.find(|(key, _)| key == "state");
    state.expect("a state").1.into_owned()
}

/// Comes back from the provider as somebody.
async fn come_back(browser: &Client, state: &str, code: &str) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("state", state)
        .append_pair("code", code)
        .finish();
    let call = browser.call("GET", &format!("/hub/oauth_callback?{query}"));
    call.navigating()
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
}

/// The whole way.
async fn sign_in(browser: &Client, code: &str) -> Answer {
    let state = leave(browser, "").await;
    come_back(browser, &state, code).await
}

#[tokio::test]
async fn somebody_who_is_allowed_comes_in_and_lands_where_they_wanted_to() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let page = browser
        .get("/hub/login?next=%2Fhub%2Ftoken")
        .await
        .must_be(200)
        .html();
    let link = page.all("a").filter_map(|(_, a)| a.get("href"));
    let mut link = link.filter(|href| href.starts_with("/hub/oauth_login"));
    assert_eq!(
        link.next(),
        Some("/hub/oauth_login?idp=observatory&next=%2Fhub%2Ftoken")
    );

    let state = leave(&browser, "&next=%2Fhub%2Ftoken").await;
    let answer = come_back(&browser, &state, "s1:River").await.must_be(302);

    assert_eq!(answer.location(), "/hub/token");
    assert!(
        browser
            .get("/hub/home")
            .await
            .must_be(200)
            .text()
            .contains("river")
    );
    let attempts = answer.headers.get_all("set-cookie").iter();
    let mut attempts = attempts.filter_map(|line| line.to_str().ok());
    let gone = attempts.find(|line| line.starts_with("jansky-sign-in-"));
    assert!(
        gone.is_some_and(|line| line.contains("Max-Age=0")),
        "{gone:?}"
    );
    // The next time it is the same user, whatever they call themselves.
    let again = hub.anonymous();
    sign_in(&again, "s1:captain").await.must_be(302);
    assert!(again.get("/hub/home").await.text().contains("river"));
}

#[tokio::test]
async fn a_sign_in_that_failed_keeps_where_the_person_wanted_to_go() {
    let hub = hub_with(AdmissionRules::default(), &json!({})).await;
    let browser = hub.anonymous();
    let again = "/hub/oauth_login?idp=observatory&next=%2Fhub%2Ftoken";

    let state = leave(&browser, "&next=%2Fhub%2Ftoken").await;
    let refused = come_back(&browser, &state, "s1:River").await.must_be(403);
    let unknown = browser
        .get("/hub/oauth_login?idp=nobody&next=%2Fhub%2Ftoken")
        .await
        .must_be(404);

    for answer in [refused, unknown] {
        let page = answer.html();
        let mut links = page.all("a").filter_map(|(_, a)| a.get("href"));
        assert!(links.any(|href| href == again), "{}", answer.text());
        let next = page.all("input").find_map(|(_, input)| {
            (input.get("name") == Some("next")).then(|| input.get("value"))?
        });
        assert_eq!(next, Some("/hub/token"), "the form of local accounts");
    }
}

#[tokio::test]
async fn whoever_goes_back_to_a_used_sign_in_reads_that_they_are_signed_in() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let state = leave(&browser, "").await;
    come_back(&browser, &state, "s1:river").await.must_be(302);

    let page = come_back(&browser, &state, "s1:river").await.must_be(400);
    let stranger = come_back(&hub.anonymous(), &state, "s1:river").await;

    let words = "You are still signed in as river.";
    assert!(page.text().contains(words), "{}", page.text());
    assert!(!stranger.must_be(400).text().contains(words));
}

#[tokio::test]
async fn the_cookie_of_an_attempt_is_hidden_from_scripts_and_short_lived() {
    let hub = hub_with(everybody(), &json!({})).await;
    let answer = hub.anonymous().get("/hub/oauth_login").await.must_be(302);

    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("jansky-sign-in-"));
    assert!(
        cookie.ends_with("; Path=/hub/; SameSite=Lax; Max-Age=900; HttpOnly"),
        "{cookie}"
    );
}

#[tokio::test]
async fn every_attempt_has_a_state_of_its_own_that_works_once() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let first = leave(&browser, "").await;
    let second = leave(&browser, "").await;
    assert_ne!(first, second);

    // Two tabs do not disturb each other.
    come_back(&browser, &first, "s1:river").await.must_be(302);
    come_back(&browser, &second, "s1:river").await.must_be(302);
    for (state, code) in [
        (first.as_str(), "s1:river"),
        ("wrong", "s1:river"),
        ("", "s1:river"),
    ] {
        let answer = come_back(&hub.anonymous(), state, code).await.must_be(400);
        assert!(answer.text().contains("Please sign in again"));
        assert_eq!(answer.cookie("jupyterhub-hub-login"), "");
    }
    hub.anonymous()
        .get("/hub/oauth_callback?code=s1")
        .await
        .must_be(400);
    hub.anonymous()
        .get("/hub/oauth_callback")
        .await
        .must_be(400);
}

#[tokio::test]
async fn the_answer_counts_only_in_the_browser_that_left() {
    let hub = hub_with(everybody(), &json!({})).await;
    let attacker = hub.anonymous();
    let state = leave(&attacker, "").await;

    let victim = hub.anonymous();
    leave(&victim, "").await;
    let answer = come_back(&victim, &state, "s1:mallory").await.must_be(400);

    assert!(answer.text().contains("began in another browser"));
    victim.get("/hub/home").await.must_be(302);
    // What was tried is used up.
    come_back(&attacker, &state, "s1:mallory")
        .await
        .must_be(400);
}

#[tokio::test]
async fn an_attempt_ends_in_its_time() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let state = leave(&browser, "").await;

    hub.clock.advance(Duration::from_mins(15));

    come_back(&browser, &state, "s1:river").await.must_be(400);
}

#[tokio::test]
async fn without_a_rule_nobody_comes_in() {
    let hub = hub_with(AdmissionRules::default(), &json!({})).await;
    let browser = hub.anonymous();

    let answer = sign_in(&browser, "s1:river").await.must_be(403);

    assert!(
        answer.text().contains("this account may not use this hub"),
        "{}",
        answer.text()
    );
    assert!(
        hub.hub
            .people
            .user("river")
            .await
            .expect("the database answers")
            .is_none()
    );
}

#[tokio::test]
async fn rules_name_users_groups_and_admins() {
    let rules = AdmissionRules {
        allowed_groups: ["crew".to_owned()].into(),
        blocked_users: ["jayne".to_owned()].into(),
        admin_groups: ["officers".to_owned()].into(),
        groups: GroupRules {
            claims: vec!["roles.list".to_owned()],
            ..GroupRules::default()
        },
        ..AdmissionRules::default()
    };
    let claims = json!({ "roles": { "list": ["crew", "officers"] } });
    let hub = hub_with(rules.clone(), &claims).await;
    let browser = hub.anonymous();

    sign_in(&browser, "s1:zoe").await.must_be(302);
    let model = browser.api("GET", "/hub/api/user", None).await.json();
    assert_eq!(model["admin"], true);
    assert_eq!(model["groups"], json!(["crew", "officers"]));
    sign_in(&hub.anonymous(), "s2:jayne").await.must_be(403);

    let hub = hub_with(rules, &json!({ "roles": { "list": "passengers" } })).await;
    sign_in(&hub.anonymous(), "s3:inara").await.must_be(403);
}

#[tokio::test]
async fn a_name_that_belongs_to_somebody_else_is_not_given_away() {
    let hub = hub_with(everybody(), &json!({})).await;
    hub.account("river").await;
    let browser = hub.anonymous();

    let answer = sign_in(&browser, "s1:river").await.must_be(403);

    assert!(answer.text().contains("belongs to another account"));
    assert!(answer.text().contains("is not connected with yours"));
    browser.get("/hub/home").await.must_be(302);
    // Another subject with the same name as one who came before is another person, too.
    sign_in(&hub.anonymous(), "s2:wash").await.must_be(302);
    let answer = sign_in(&hub.anonymous(), "s3:wash").await.must_be(403);
    assert!(answer.text().contains("If yours was made anew there"));
    let query = AuditQuery {
        limit: 9,
        ..AuditQuery::default()
    };
    let events = hub
        .hub
        .audit()
        .events(&query)
        .await
        .expect("it can be read");
    let mut changed = events
        .iter()
        .filter(|event| event.event == "subject_changed");
    let only = changed.next().expect("it is on record");
    let detail: Value = serde_json::from_str(&only.detail).expect("it is JSON");
    assert_eq!(only.user_name, "wash");
    assert_eq!(
        (&detail["known"], &detail["came"]),
        (&json!("s2"), &json!("s3"))
    );
    assert!(changed.next().is_none(), "nobody else came anew");
    // A user whom an admin made and who never came is taken over.
    hub.user("kaylee").await;
    sign_in(&hub.anonymous(), "s4:kaylee").await.must_be(302);
    sign_in(&hub.anonymous(), "s5:kaylee").await.must_be(403);
}

#[tokio::test]
async fn somebody_who_comes_for_the_first_time_in_two_windows_is_one_user() {
    let hub = hub_with(everybody(), &json!({})).await;

    for name in ["mal", "inara", "jayne", "simon", "book"] {
        let code = format!("{name}:{name}");
        let (one, other) = (hub.anonymous(), hub.anonymous());
        let (one, other) = tokio::join!(sign_in(&one, &code), sign_in(&other, &code));
        one.must_be(302);
        other.must_be(302);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_refused() {
    let hub = hub_with(everybody(), &json!({})).await;

    for code in ["s1:", "s1:..", "s1:a/b", "s1"] {
        let answer = sign_in(&hub.anonymous(), code).await.must_be(403);
        assert!(
            answer.text().contains("usable user name"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_provider_that_refuses_is_told_without_its_words() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();

    let answer = sign_in(&browser, "refused").await.must_be(403);

    assert!(
        !answer.text().contains("client_secret"),
        "that is for the operator"
    );
    assert!(
        answer.html().by_id("password").is_some(),
        "other ways are offered"
    );
}

#[tokio::test]
async fn an_unknown_provider_is_told_on_the_sign_in_page() {
    let hub = hub_with(everybody(), &json!({})).await;
    let answer = hub
        .anonymous()
        .get("/hub/oauth_login?idp=nobody")
        .await
        .must_be(404);
    assert!(answer.text().contains("There is no such way to sign in"));
    assert!(answer.html().by_id("password").is_some());
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_shown_as_that() {
    let provider = Observatory::new(&json!({}));
    let configured = provider.with_rules(everybody());
    let hub = TestWeb::with(|recipe| recipe.providers.push(configured)).await;
    let now = Timestamp::from_seconds(0);

    for status in [
        ProviderStatus::Unavailable {
            reason: "connection to 10.0.0.7 refused".to_owned(),
            since: now,
            retry_at: now,
        },
        ProviderStatus::IssuerMismatch {
            expected: "https://10.0.0.7".to_owned(),
            found: "https://evil.test".to_owned(),
        },
    ] {
        provider.set_status(status);
        let page = hub.anonymous().get("/hub/login").await.must_be(200);
        let html = page.html();
        let links = html.all("a").filter_map(|(_, a)| a.get("href"));
        assert_eq!(links.filter(|href| href.contains("oauth_login")).count(), 0);
        assert!(html.by_id("reason-1").is_some());
        assert!(
            !page.text().contains("10.0.0.7"),
            "that is for the operator"
        );
    }
}

#[tokio::test]
async fn hints_are_handed_on_when_they_are_known() {
    let hub = hub_with(everybody(), &json!({})).await;

    let path = format!("/hub/oauth_login?idp={PROVIDER}&login_hint=river&prompt=none");
    let answer = hub.anonymous().get(&path).await.must_be(302);

    assert!(answer.location().contains("login_hint=river"));
    assert!(!answer.location().contains("prompt"));
    let callback = "redirect_uri=http%3A%2F%2Fhub.test%2Fhub%2Foauth_callback";
    assert!(
        answer.location().contains(callback),
        "{}",
        answer.location()
    );
}

/// RFC 6749 3.1: of two values nobody knows which one a proxy or a provider meant.
#[tokio::test]
async fn a_callback_with_a_repeated_parameter_is_refused() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let state = leave(&browser, "").await;

    for more in ["code=s1&code=s2", "code=s1&iss=a&iss=b", "state=x&code=s1"] {
        let path = format!("/hub/oauth_callback?state={state}&{more}");
        let answer = browser.call("GET", &path).navigating().send().await;
        assert_eq!(answer.status, 400, "{more}");
        assert!(answer.text().contains("Please start again"), "{more}");
    }
    come_back(&browser, &state, "s1:river").await.must_be(302);
}

/// What is kept of anybody who only asks for the way to a provider is bounded.
#[tokio::test]
async fn a_place_to_go_to_that_is_too_long_is_not_kept() {
    let hub = hub_with(everybody(), &json!({})).await;
    for (length, expected) in [(4000, "/hub/home?"), (5000, "/hub/")] {
        let browser = hub.anonymous();
        let next = format!("%2Fhub%2Fhome%3F{}", "x".repeat(length));
        let state = leave(&browser, &format!("&next={next}")).await;

        let answer = come_back(&browser, &state, "s1:river").await.must_be(302);

        let gone_to = answer.location();
        assert!(gone_to.starts_with(expected), "{gone_to}");
        assert_eq!(gone_to.len() > 4000, length < 4096, "{gone_to}");
    }
}

/// RFC 9700 4.4: a provider that sends people on to another one, with that one's address to come back
/// to, does not get what that one gives them.
#[tokio::test]
async fn where_a_provider_has_an_address_of_its_own_nothing_else_counts() {
    let own = "http://hub.test/hub/oauth_callback/observatory";
    let mut configured = Observatory::new(&json!({})).with_rules(everybody());
    configured.callback_url = Some(own.to_owned());
    let hub = TestWeb::with(|recipe| recipe.providers.push(configured)).await;
    let shared = hub_with(everybody(), &json!({})).await;
    let back = async |hub: &TestWeb, path: &str| {
        let browser = hub.anonymous();
        let state = leave(&browser, "").await;
        let path = format!("/hub/{path}?state={state}&code=s1:river");
        let answer = browser.call("GET", &path).navigating().send().await;
        answer.status.as_u16()
    };

    assert_eq!(back(&hub, "oauth_callback/observatory").await, 302);
    assert_eq!(back(&hub, "oauth_callback").await, 400);
    assert_eq!(back(&hub, "oauth_callback/elsewhere").await, 400);
    assert_eq!(back(&shared, "oauth_callback").await, 302);
    assert_eq!(back(&shared, "oauth_callback/observatory").await, 400);
}

#[tokio::test]
async fn auto_login_leaves_at_once_unless_the_provider_is_away() {
    let provider = Observatory::new(&json!({}));
    let mut configured = provider.with_rules(everybody());
    configured.auto_login = true;
    let hub = TestWeb::with(|recipe| recipe.providers.push(configured)).await;

    let answer = hub
        .anonymous()
        .get("/hub/login?next=%2Fhub%2Ftoken")
        .await
        .must_be(302);
    assert_eq!(
        answer.location(),
        "/hub/oauth_login?idp=observatory&next=%2Fhub%2Ftoken"
    );
    let now = Timestamp::from_seconds(0);
    provider.set_status(ProviderStatus::Unavailable {
        reason: String::new(),
        since: now,
        retry_at: now,
    });
    hub.anonymous().get("/hub/login").await.must_be(200);
}

#[tokio::test]
async fn the_place_to_go_after_the_provider_stays_on_this_host() {
    let hub = hub_with(everybody(), &json!({})).await;
    let browser = hub.anonymous();
    let state = leave(&browser, "&next=https%3A%2F%2Fevil.test%2F").await;

    let answer = come_back(&browser, &state, "s1:river").await.must_be(302);

    assert_eq!(answer.location(), "/hub/");
}

#[tokio::test]
async fn both_ways_stand_on_one_page_and_work_next_to_each_other() {
    let hub = hub_with(everybody(), &json!({})).await;
    hub.account("river").await;
    let page = hub.anonymous().get("/hub/login").await.must_be(200);
    assert!(page.text().contains("Sign in with the Observatory"));
    assert!(page.html().by_id("password").is_some());

    hub.anonymous()
        .type_password("river", PASSWORD)
        .await
        .must_be(302);
    sign_in(&hub.anonymous(), "s1:wash").await.must_be(302);
}
