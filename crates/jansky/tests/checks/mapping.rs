//! From claims to groups and rights, and what happens when they change (D13, D15).

use std::time::Duration;

use jansky_testing::Person;
use serde_json::json;

use crate::browser::Browser;
use crate::person::PROVIDER;
use crate::site::{Site, scripted_provider, within};

/// D13
#[tokio::test]
async fn groups_are_exactly_those_that_the_rules_find() {
    let site = Site::with("allow_all = true\ngroups_claim = \"realm_access.roles\"\n").await;
    let paths = scripted_provider().await;
    site.add_provider("paths", &paths, "allow_all = true\n");
    let wlcg = scripted_provider().await;
    let keys = "allow_all = true\ngroups_claim = \"wlcg.groups\"\n";
    site.add_provider("wlcg", &wlcg, keys);
    let aarc = scripted_provider().await;
    let keys = "allow_all = true\n\
                groups_claim = \"eduperson_entitlement\"\n\
                entitlement_namespace = \"urn:geant:example.org\"\n\
                entitlement_authority = \"login.example.org\"\n";
    site.add_provider("aarc", &aarc, keys);
    let hub = site.start().await;
    let dotted = json!({ "roles": ["astronomer", "operator"] });
    let entitlements = json!([
        "urn:geant:example.org:group:radio:evn#login.example.org",
        "urn:geant:example.org:group:radio:evn:role=chief#login.example.org",
        "urn:geant:example.org:group:stolen#evil.example",
        "urn:geant:other.org:group:elsewhere#login.example.org",
        "urn:mace:terena.org:tcs:personal-user",
    ]);

    for (provider, op, claim, value, expected) in [
        (
            PROVIDER,
            &site.op,
            "realm_access",
            dotted,
            json!(["astronomer", "operator"]),
        ),
        (
            "paths",
            &paths,
            "groups",
            json!(["/radio/evn", "/staff"]),
            json!(["/radio/evn", "/staff"]),
        ),
        (
            "wlcg",
            &wlcg,
            "wlcg.groups",
            json!(["/escape", "/escape/ska"]),
            json!(["/escape", "/escape/ska"]),
        ),
        (
            "aarc",
            &aarc,
            "eduperson_entitlement",
            entitlements,
            json!(["/radio/evn", "/radio/evn:role=chief"]),
        ),
    ] {
        op.script().people = vec![Person::new(provider, provider).with(claim, value)];
        let browser = Browser::new(&hub.url);
        let answer = browser.sign_in_at(provider, op, provider).await;
        assert_eq!(answer.status, 302, "{provider}: {answer:#?}");

        assert_eq!(browser.whoami().await["groups"], expected, "{provider}");
    }
}

/// D15, the rights: the provider is asked again at every refresh, which comes at most one lifetime
/// of an access token later; here that is 30 s.
async fn rights_follow(claims_source: &str) {
    let keys = format!(
        "allowed_groups = [\"crew\"]\n\
         admin_groups = [\"officers\"]\n\
         claims_source = \"{claims_source}\"\n"
    );
    let site = Site::with(&keys).await;
    let river = Person::new("subject-1", "river");
    {
        let mut script = site.op.script();
        script.lifetimes.access = 30;
        script.people = vec![river.clone().with("groups", json!(["crew", "officers"]))];
    }
    let hub = site.house.start(&["hub.no_longer_allowed=stop"]).await;
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    assert_eq!(browser.whoami().await["admin"], true);
    browser.start_server("river").await;
    let program = browser.new_token().await;
    let bound = Duration::from_secs(30);

    *site.op.script().person("subject-1") = river.clone().with("groups", json!(["crew"]));
    within(bound, "no admin any more", async || {
        let who = browser.whoami().await;
        who["admin"] == false && who["groups"] == json!(["crew"])
    })
    .await;
    assert_eq!(program.whoami().await["admin"], false, "nor by a token");
    assert!(browser.server_pid("river").await.is_some(), "it runs on");

    *site.op.script().person("subject-1") = river.with("groups", json!([]));
    within(bound, "no longer let in", async || {
        browser.get("hub/home").await.asks_to_sign_in()
    })
    .await;
    within(bound, "the server is stopped", async || {
        site.house.processes().is_empty()
    })
    .await;
    let back = browser.sign_in_at(PROVIDER, &site.op, "subject-1").await;
    assert_eq!(back.status, 403, "{back:#?}");
}

/// D15
#[tokio::test]
async fn rights_follow_what_userinfo_says() {
    rights_follow("userinfo").await;
}

/// D15
#[tokio::test]
async fn rights_follow_what_id_tokens_say() {
    rights_follow("id-token").await;
}
