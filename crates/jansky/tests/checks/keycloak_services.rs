//! Tokens for services with a real Keycloak (D27 to D29).

use std::time::Duration;

use jansky_testing::keycloak::Administrator;
use jansky_testing::signing::decode;

use crate::agent::{stand_in, token_of};
use crate::keycloak::{house, own_name};
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
[audience.ext]
source = \"identity-broker\"
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

/// D29
#[tokio::test]
async fn keycloak_hands_on_the_token_of_the_realm_behind_it() {
    let house = house("jansky", "allow_all = true\nidp_hint = \"ext\"\n");
    configure(&house, AUDIENCES);
    let hub = house.start(&[&stand_in()]).await;
    let (_, agent) = somebody_at_work(&house, &hub, "kaylee").await;

    let token = token_of(&agent.token("ext").await);
    let (_, claims) = decode(&token);
    let issuer = claims["iss"].as_str().unwrap_or_default();
    assert!(issuer.ends_with("/realms/ext"), "{claims}");
}
