//! The same with a real Keycloak (D3, D4, D8 to D10, D13, D15, D45, D46).

use std::time::Duration;

use jansky_model::{Clock, Random as _, SystemClock};
use jansky_testing::MachineRandom;
use jansky_testing::browser::Browser as LoginForm;
use jansky_testing::keycloak::{Administrator, variable};
use serde_json::json;
use url::Url;

use crate::browser::{Answer, Browser};
use crate::house::{House, Hub};
use crate::sign_out::provider_sign_out;
use crate::site::{add_oidc, within};

/// The id under which Keycloak is configured.
pub(crate) const KEYCLOAK: &str = "kc";

/// A house whose people come from Keycloak, through a client of this name.
pub(crate) fn house(client: &str, keys: &str) -> House {
    house_of("JANSKY_TEST_KEYCLOAK", client, keys)
}

/// The same with the Keycloak whose variables begin so.
pub(crate) fn house_of(keycloak: &str, client: &str, keys: &str) -> House {
    let house = House::new();
    let issuer = variable(&format!("{keycloak}_ISSUER"));
    let secret = variable(&format!("{keycloak}_CLIENT_SECRET"));
    add_oidc(
        &house,
        KEYCLOAK,
        "keycloak",
        [&issuer, client, &secret],
        keys,
    );
    house
}

/// A name that no other test and no other run has.
pub(crate) fn own_name(name: &str) -> String {
    let mut bytes = [0; 4];
    MachineRandom.fill(&mut bytes);
    format!("{name}-{:08x}", u32::from_be_bytes(bytes))
}

/// Signs in on Keycloak's own page.
pub(crate) async fn sign_in(
    hub: &Hub<'_>,
    browser: &Browser,
    name: &str,
    at: &LoginForm,
) -> Answer {
    let authorize = browser.leave(KEYCLOAK).await;
    let password = format!("{name}-password");
    let values = [("username", name), ("password", password.as_str())];
    let callback = format!("{}hub/oauth_callback", hub.url);
    let back = at.sign_in(&authorize, &callback, &values).await;
    browser.come_back(back.query().unwrap_or_default()).await
}

/// Signs in and must be let in.
async fn let_in(hub: &Hub<'_>, name: &str) -> Browser {
    let browser = Browser::new(&hub.url);
    let answer = sign_in(hub, &browser, name, &LoginForm::new()).await;
    assert_eq!(answer.status, 302, "{name} was not let in: {answer:#?}");
    browser
}

/// D3, D13
#[tokio::test]
async fn somebody_of_keycloak_comes_in_with_the_groups_that_it_says() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let group = own_name("group");
    let id = keycloak.make_group(&group).await;
    keycloak.join(&person, &id).await;
    let house = house("jansky", "allow_all = true\n");
    let hub = house.start(&[]).await;

    let browser = let_in(&hub, &name).await;

    let who = browser.whoami().await;
    assert_eq!(who["name"], json!(name));
    assert_eq!(who["groups"], json!([format!("/{group}")]));
}

/// D4
#[tokio::test]
async fn keycloak_takes_a_pushed_sign_in_from_a_client_that_may_do_nothing_else() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    keycloak.make_person(&name).await;
    let client = own_name("pushed");
    let required = [("require.pushed.authorization.requests", "true")];
    keycloak.copy_client("jansky", &client, &required).await;
    let house = house(&client, "allow_all = true\n");
    let hub = house.start(&[]).await;

    let url = Browser::new(&hub.url).leave(KEYCLOAK).await;
    let_in(&hub, &name).await;

    let names: Vec<_> = url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(names, ["client_id", "request_uri"]);
}

/// D9
#[tokio::test]
async fn a_hint_leads_straight_to_the_realm_behind_keycloak() {
    let house = house("jansky", "allow_all = true\nidp_hint = \"ext\"\n");
    let hub = house.start(&[]).await;
    let browser = Browser::new(&hub.url);

    let authorize = browser.leave(KEYCLOAK).await;
    let page = LoginForm::new().land(&authorize).await;
    let answer = sign_in(&hub, &browser, "kaylee", &LoginForm::new()).await;

    assert!(page.path().starts_with("/realms/ext/"), "{page}");
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert_eq!(browser.whoami().await["name"], "kaylee");
}

/// D10
#[tokio::test]
async fn a_name_that_changed_hands_at_keycloak_leads_into_no_account() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("alice");
    let first = keycloak.make_person(&name).await;
    let house = house("jansky", "allow_all = true\n");
    let hub = house.start(&[]).await;
    let alice = let_in(&hub, &name).await;
    assert_eq!(alice.whoami().await["name"], json!(name));

    let new_name = own_name("alicia");
    keycloak.rename(&first, &new_name).await;
    keycloak.make_person(&name).await;
    let thief = Browser::new(&hub.url);
    let refused = sign_in(&hub, &thief, &name, &LoginForm::new()).await;
    let renamed = Browser::new(&hub.url);
    let authorize = renamed.leave(KEYCLOAK).await;
    let password = format!("{name}-password");
    let values = [
        ("username", new_name.as_str()),
        ("password", password.as_str()),
    ];
    let callback = format!("{}hub/oauth_callback", hub.url);
    let back = LoginForm::new()
        .sign_in(&authorize, &callback, &values)
        .await;
    renamed
        .come_back(back.query().unwrap_or_default())
        .await
        .must_be(302);

    assert_eq!(refused.status, 403, "{refused:#?}");
    assert!(thief.get("hub/home").await.asks_to_sign_in());
    assert_eq!(
        renamed.whoami().await["name"],
        json!(name),
        "she keeps her account"
    );
}

/// D15
#[tokio::test]
async fn a_group_that_keycloak_takes_away_is_gone_here_within_the_lifetime_of_a_token() {
    let keycloak = Administrator::sign_in().await;
    let (name, group) = (own_name("zoe"), own_name("officers"));
    let person = keycloak.make_person(&name).await;
    let id = keycloak.make_group(&group).await;
    keycloak.join(&person, &id).await;
    let client = own_name("short");
    let short = [("access.token.lifespan", "30")];
    keycloak.copy_client("jansky", &client, &short).await;
    let keys = format!("allow_all = true\nadmin_groups = [\"/{group}\"]\n");
    let house = house(&client, &keys);
    let hub = house.start(&[]).await;
    let browser = let_in(&hub, &name).await;
    assert_eq!(browser.whoami().await["admin"], true);
    browser.start_server(&name).await;

    keycloak.leave(&person, &id).await;
    within(Duration::from_secs(30), "no admin any more", async || {
        let who = browser.whoami().await;
        who["admin"] == false && who["groups"] == json!([])
    })
    .await;
    assert!(
        browser.server_pid(&name).await.is_some(),
        "the server runs on"
    );
}

/// D50
#[tokio::test]
async fn who_was_made_to_sign_in_again_is_asked_by_keycloak_whatever_session_it_has() {
    let keycloak = Administrator::sign_in().await;
    let (name, boss) = (own_name("zoe"), own_name("boss"));
    keycloak.make_person(&name).await;
    keycloak.make_person(&boss).await;
    let house = house("jansky", "allow_all = true\n");
    let hub = house
        .start(&[&format!("hub.admin_users=[\"{boss}\"]")])
        .await;
    let browser = Browser::new(&hub.url);
    let at_keycloak = LoginForm::new();
    sign_in(&hub, &browser, &name, &at_keycloak)
        .await
        .must_be(302);
    let signed_in = SystemClock.now().seconds();
    // Keycloak's session goes with the last client that uses it, so there is another one.
    let client = own_name("other");
    keycloak.copy_client("jansky", &client, &[]).await;
    let elsewhere = self::house(&client, "allow_all = true\n");
    let other_hub = elsewhere.start(&[]).await;
    let other = Browser::new(&other_hub.url);
    sign_in(&other_hub, &other, &name, &at_keycloak)
        .await
        .must_be(302);
    let boss = let_in(&hub, &boss).await;
    let path = format!("hub/api/users/{name}/reauthenticate");
    boss.api("POST", &path, None).await.must_be(204);
    assert!(browser.get("hub/home").await.asks_to_sign_in());

    // Keycloak knows the browser and sends it back at once, which is not enough. It tells the second in
    // which somebody signed in, and nothing is older than what happens in the same one.
    within(Duration::from_secs(3), "the second is over", async || {
        SystemClock.now().seconds() > signed_in
    })
    .await;
    let callback = format!("{}hub/oauth_callback", hub.url);
    let authorize = browser.leave(KEYCLOAK).await;
    let back = at_keycloak.sign_in(&authorize, &callback, &[]).await;
    let again = browser.come_back(back.query().unwrap_or_default()).await;
    let again = Url::parse(again.must_be(302).location()).expect("Keycloak's address");
    let asked = at_keycloak.land(&again).await;
    assert!(asked.path().starts_with("/realms/"), "{asked}");
    assert!(browser.get("hub/home").await.asks_to_sign_in());

    let password = format!("{name}-password");
    let values = [("username", name.as_str()), ("password", &password)];
    let back = at_keycloak.sign_in(&again, &callback, &values).await;
    let query = back.query().unwrap_or_default();
    browser.come_back(query).await.must_be(302);
    assert_eq!(browser.whoami().await["name"], json!(name));
}

/// D45
#[tokio::test]
async fn signing_out_ends_the_session_at_keycloak_without_a_question() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let house = house("jansky", "allow_all = true\n");
    let hub = house.start(&[]).await;
    let browser = Browser::new(&hub.url);
    let at_keycloak = LoginForm::new();
    let answer = sign_in(&hub, &browser, &name, &at_keycloak).await;
    assert_eq!(answer.status, 302, "{answer:#?}");
    assert_eq!(keycloak.sessions(&person).await.len(), 1);

    let answer = browser.post("hub/logout", &[]).await;
    let end = provider_sign_out(&answer, &variable("JANSKY_TEST_KEYCLOAK_ISSUER"));
    let landed = at_keycloak.land(&end).await;

    assert!(
        landed.as_str().starts_with(&hub.url),
        "Keycloak asks: {landed}"
    );
    assert!(keycloak.sessions(&person).await.is_empty());
}

/// D45, and from a browser that did not sign in last.
#[tokio::test]
async fn signing_out_of_one_browser_asks_nothing_and_leaves_the_other_one_signed_in() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let house = house("jansky", "allow_all = true\n");
    let hub = house.start(&[]).await;
    let (first, second) = (Browser::new(&hub.url), Browser::new(&hub.url));
    let (first_there, second_there) = (LoginForm::new(), LoginForm::new());
    for (browser, there) in [(&first, &first_there), (&second, &second_there)] {
        let answer = sign_in(&hub, browser, &name, there).await;
        assert_eq!(answer.status, 302, "{answer:#?}");
    }
    assert_eq!(keycloak.sessions(&person).await.len(), 2);
    let sign_out = async |browser: &Browser, there: &LoginForm| {
        let answer = browser.post("hub/logout", &[]).await;
        let end = provider_sign_out(&answer, &variable("JANSKY_TEST_KEYCLOAK_ISSUER"));
        let landed = there.land(&end).await;
        assert!(
            landed.as_str().starts_with(&hub.url),
            "Keycloak asks: {landed}"
        );
    };

    sign_out(&first, &first_there).await;

    assert!(first.get("hub/home").await.asks_to_sign_in());
    second.get("hub/home").await.must_be(200);
    assert_eq!(keycloak.sessions(&person).await.len(), 1);
    sign_out(&second, &second_there).await;
    assert!(keycloak.sessions(&person).await.is_empty());
}

/// D46
#[tokio::test]
async fn a_session_that_keycloak_ends_is_over_here_at_once() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let client = own_name("told");
    keycloak.copy_client("jansky", &client, &[]).await;
    let house = house(&client, "allow_all = true\n");
    let hub = house.start(&[]).await;
    let told_at = format!("{}hub/oidc/backchannel-logout", hub.url);
    let attributes = [
        ("backchannel.logout.url", told_at.as_str()),
        ("backchannel.logout.session.required", "true"),
    ];
    keycloak.set_attributes(&client, &attributes).await;
    let browser = let_in(&hub, &name).await;
    let of_first = keycloak.sessions(&person).await[0]["id"].clone();
    let other = let_in(&hub, &name).await;
    browser.get("hub/home").await.must_be(200);
    let has_ended = async |browser: &Browser| {
        let limit = Duration::from_secs(2);
        let ended = async || browser.get("hub/home").await.asks_to_sign_in();
        within(limit, "the session has ended", ended).await;
    };

    let of_first = of_first.as_str().expect("an id");
    keycloak.end_session(of_first).await;
    has_ended(&browser).await;
    other.get("hub/home").await.must_be(200);

    keycloak.sign_out(&person).await;
    has_ended(&other).await;
}
