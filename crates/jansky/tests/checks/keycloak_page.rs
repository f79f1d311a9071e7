//! `docs/how-to/keycloak.md`, done as it stands: its configuration, at a realm that is set up as its
//! steps say.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use jansky_testing::browser::Browser as LoginForm;
use jansky_testing::keycloak::variable;
use serde_json::Value;

use crate::browser::{Answer, Browser};
use crate::house::{House, Hub};
use crate::site::configure;

/// The id of the provider on the page.
const KEYCLOAK: &str = "keycloak";

/// The provider as the page has it, with the realm and the secret of the tests.
fn provider_of_page(house: &House) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = std::fs::read_to_string(format!("{root}/docs/how-to/keycloak.md"));
    let page = page.expect("the page is there");
    let (_, block) = page.split_once("## In jansky.toml").expect("the section");
    let lines = block.lines().map(|line| line.strip_prefix("    "));
    let lines = lines.skip_while(|line| *line != Some("[provider.keycloak]"));
    let mut text: String = lines
        .map_while(|line| Some(line?.to_owned() + "\n"))
        .collect();
    let secret = house.path().join("keycloak-secret");
    std::fs::write(&secret, variable("JANSKY_TEST_KEYCLOAK_CLIENT_SECRET")).expect("ours");
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).expect("ours");
    for (example, ours) in [
        (
            "https://sso.example.org/realms/observatory",
            variable("JANSKY_TEST_KEYCLOAK_ISSUER"),
        ),
        ("/etc/jansky/keycloak-secret", secret.display().to_string()),
    ] {
        assert!(text.contains(example), "`{example}` is not in:\n{text}");
        text = text.replace(example, &ours);
    }
    text
}

/// Signs in on Keycloak's own page.
async fn sign_in(hub: &Hub<'_>, browser: &Browser, name: &str) -> Answer {
    let authorize = browser.leave(KEYCLOAK).await;
    let password = format!("{name}-password");
    let values = [("username", name), ("password", password.as_str())];
    let callback = format!("{}hub/oauth_callback", hub.url);
    let back = LoginForm::new()
        .sign_in(&authorize, &callback, &values)
        .await;
    browser.come_back(back.query().unwrap_or_default()).await
}

#[tokio::test]
async fn whoever_follows_the_keycloak_page_can_sign_in() {
    let house = House::new();
    configure(&house, &provider_of_page(&house));
    let hub = house.start(&[]).await;

    let river = Browser::new(&hub.url);
    let answer = sign_in(&hub, &river, "river").await;
    assert_eq!(answer.status, 302, "river was not let in: {answer:#?}");
    let wash = Browser::new(&hub.url);
    let answer = sign_in(&hub, &wash, "wash").await;
    assert_eq!(answer.status, 403, "wash is not in the group: {answer:#?}");
}

#[test]
fn the_realm_of_the_tests_is_set_up_as_the_keycloak_page_says() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let realm = std::fs::read(format!("{root}/tests/services/keycloak-realm.json"));
    let realm: Value =
        serde_json::from_slice(&realm.expect("the realm is there")).expect("it is JSON");
    let clients = realm["clients"].as_array().expect("it has clients");
    let client = clients.iter().find(|client| client["clientId"] == "jansky");
    let client = client.expect("step 1");

    assert_eq!(client["protocol"], "openid-connect", "step 1");
    assert_eq!(client["publicClient"], false, "step 2");
    assert_eq!(client["standardFlowEnabled"], true, "step 2");
    assert_eq!(client["directAccessGrantsEnabled"], false, "step 2");
    let mapper = &client["protocolMappers"][0];
    assert_eq!(
        mapper["protocolMapper"], "oidc-group-membership-mapper",
        "step 5"
    );
    assert_eq!(mapper["config"]["claim.name"], "groups", "step 5");
    assert_eq!(mapper["config"]["full.path"], "true", "step 5");
}
