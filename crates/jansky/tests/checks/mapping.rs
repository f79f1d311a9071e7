//! From claims to groups and rights, and what happens when they change (D13, D15).

use std::time::Duration;

use jansky_testing::{Instead, Person, ScriptedProvider};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::person::PROVIDER;
use crate::site::{Site, configure, scripted_provider, within};

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

/// Lets a scripted provider answer as GitHub does to everybody who asks about somebody.
fn play_github(op: &ScriptedProvider, teams: &[&str]) {
    let team = |slug: &&str| json!({ "slug": slug, "organization": { "login": "jive" } });
    let teams: Vec<Value> = teams.iter().map(team).collect();
    let tokens = json!({
        "access_token": "gho-river",
        "token_type": "bearer",
        "scope": "read:org,read:user",
    });
    for (path, body) in [
        ("/login/oauth/access_token", tokens),
        ("/user", json!({ "id": 583_231, "login": "River-T" })),
        ("/user/orgs", json!([{ "login": "jive" }])),
        ("/user/teams", json!(teams)),
    ] {
        let answer = Instead::Status(200, body.to_string());
        op.script().instead.insert(path, answer);
    }
}

/// A site at which people sign in with GitHub, too.
async fn with_github() -> Site {
    let site = Site::new().await;
    let keys = format!(
        "[provider.github]\n\
         kind = \"github\"\n\
         url = \"{url}\"\n\
         api_url = \"{url}\"\n\
         client_id = \"app\"\n\
         client_secret = {{ file = \"{secret}\" }}\n\
         scopes = [\"read:user\", \"read:org\"]\n\
         allowed_groups = [\"jive:crew\"]\n\
         admin_groups = [\"jive:officers\"]\n",
        url = site.op.issuer,
        secret = site
            .house
            .path()
            .join(format!("secret-of-{PROVIDER}"))
            .display(),
    );
    configure(&site.house, &keys);
    play_github(&site.op, &["crew", "officers"]);
    site
}

/// Comes by GitHub, as an administrator.
async fn sign_in_by_github(browser: &Browser) {
    let authorize = browser.leave("github").await;
    let state = authorize.query_pairs().find(|(name, _)| name == "state");
    let state = state.expect("a state").1.into_owned();
    let back = format!("code=once&state={state}");
    browser.come_back(&back).await.must_be(302);
    assert_eq!(browser.whoami().await["admin"], true);
}

/// D15, with a token that never ends: people with servers are asked about all the same.
#[tokio::test]
async fn rights_follow_what_github_says() {
    let site = with_github().await;
    let settings = ["session.rights_refresh=5s", "hub.no_longer_allowed=stop"];
    let hub = site.house.start(&settings).await;
    let browser = Browser::new(&hub.url);
    sign_in_by_github(&browser).await;
    browser.start_server("river-t").await;
    let bound = Duration::from_secs(30);

    play_github(&site.op, &["crew"]);
    within(bound, "no admin any more", async || {
        let who = browser.whoami().await;
        who["admin"] == false && who["groups"] == json!(["jive", "jive:crew"])
    })
    .await;

    play_github(&site.op, &[]);
    within(bound, "no longer let in", async || {
        browser.get("hub/home").await.asks_to_sign_in()
    })
    .await;
}

/// D20, where there is no refresh that could be refused: the account or the access of the app ended.
#[tokio::test]
async fn who_is_unknown_to_github_signs_in_again_and_keeps_the_server() {
    let site = with_github().await;
    let hub = site.house.start(&["session.rights_refresh=5s"]).await;
    let browser = Browser::new(&hub.url);
    sign_in_by_github(&browser).await;
    browser.start_server("river-t").await;

    let refused = Instead::Status(401, json!({ "message": "Bad credentials" }).to_string());
    site.op.script().instead.insert("/user", refused);
    within(Duration::from_secs(30), "asked to sign in", async || {
        browser.get("hub/home").await.asks_to_sign_in()
    })
    .await;
    assert!(!site.house.processes().is_empty(), "the server runs on");

    play_github(&site.op, &["crew", "officers"]);
    let again = Browser::new(&hub.url);
    sign_in_by_github(&again).await;
}
