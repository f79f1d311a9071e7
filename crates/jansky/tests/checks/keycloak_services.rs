//! Tokens for services with a real Keycloak (D27 to D29).

use std::time::Duration;

use jansky_testing::keycloak::Administrator;
use jansky_testing::signing::decode;

use crate::agent::{stand_in, token_of};
use crate::keycloak::{house, house_of, own_name};
use crate::keycloak_tokens::somebody_at_work;
use crate::site::{configure, within};

const AUDIENCES: &str = "\
[audience.rs-a]
source = \"exchange\"
scopes = [\"archive:read\"]
allow_all = true
[audience.rs-c]
source = \"exchange\"
allow_all = true
[audience.nobody]
source = \"exchange\"
allow_all = true
";

/// D27, D28
#[tokio::test]
async fn keycloak_exchanges_a_token_for_one_service_and_what_it_refuses_is_told() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    keycloak.make_person(&name).await;
    let house = house("jansky", "allow_all = true\n");
    configure(&house, AUDIENCES);
    let hub = house.start(&[&stand_in()]).await;
    let (_, agent) = somebody_at_work(&house, &hub, &name).await;

    let token = token_of(&agent.token("rs-a").await);
    let (_, claims) = decode(&token);
    assert_eq!(claims["aud"], "rs-a", "{claims}");
    assert_eq!(claims["preferred_username"], name.as_str(), "{claims}");
    for audience in ["rs-c", "nobody"] {
        let refused = agent.token(audience).await;
        assert_eq!(refused.status, 400, "{refused:#?}");
        assert_eq!(refused.json()["error"], "invalid_target", "{refused:#?}");
    }
    agent.token("nowhere").await.must_be(403);
    within(
        Duration::from_secs(5),
        "the operator reads what is missing",
        async || house.said("stderr").contains("rs-c"),
    )
    .await;
}

/// D29, with a Keycloak for each of the two ways that one has, and the way before both.
#[tokio::test]
async fn keycloak_hands_on_the_token_of_the_realm_behind_it() {
    for (keycloak, its_way, other) in [
        ("JANSKY_TEST_KEYCLOAK", "v2", "v1"),
        ("JANSKY_TEST_KEYCLOAK_V1", "v1", "v2"),
    ] {
        let house = house_of(keycloak, "jansky", "allow_all = true\nidp_hint = \"ext\"\n");
        for mode in ["auto", its_way, other, "legacy"] {
            let audience = format!(
                "[audience.in-{mode}]\n\
                 source = \"identity-broker\"\n\
                 alias = \"ext\"\n\
                 mode = \"{mode}\"\n\
                 allow_all = true\n"
            );
            configure(&house, &audience);
        }
        let hub = house.start(&[&stand_in()]).await;
        let (_, agent) = somebody_at_work(&house, &hub, "kaylee").await;

        for mode in ["auto", its_way, "legacy"] {
            let token = token_of(&agent.token(&format!("in-{mode}")).await);
            let (_, claims) = decode(&token);
            let issuer = claims["iss"].as_str().unwrap_or_default();
            assert!(issuer.ends_with("/realms/ext"), "{mode}: {claims}");
        }
        let refused = agent.token(&format!("in-{other}")).await;
        assert_ne!(refused.status, 200, "{keycloak} has no {other}");
    }
}
