//! What operators do about people and their tokens (D50).

use std::time::Duration;

use crate::browser::Browser;
use crate::site::{Site, within};
use crate::tokens::{ARCHIVE, somebody_at_work};

/// D50
#[tokio::test]
async fn an_operator_makes_somebody_sign_in_again() {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    site.op
        .script()
        .people
        .push(jansky_testing::Person::new("subject-2", "boss"));
    let hub = site
        .house
        .start(&[&crate::agent::stand_in(), "hub.admin_users=[\"boss\"]"])
        .await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    let boss = Browser::new(&hub.url);
    boss.sign_in(&site.op, "subject-2").await;
    agent.token("archive").await.must_be(200);

    let path = "hub/api/users/river/reauthenticate";
    let not_for_oneself = browser.api("POST", path, None).await;
    assert_eq!(not_for_oneself.status, 403, "{not_for_oneself:#?}");
    boss.api("POST", path, None).await.must_be(204);

    let refused = agent
        .until_token_is("archive", 401, Duration::from_secs(2))
        .await;
    assert!(
        matches!(
            refused.json()["error"].as_str(),
            Some("reauth_required" | "session_frozen")
        ),
        "{refused:#?}"
    );
    within(
        Duration::from_secs(2),
        "the browser is sent to the sign-in",
        async || browser.get("hub/home").await.asks_to_sign_in(),
    )
    .await;
    assert!(Browser::new(&hub.url).server_pid("river").await.is_some());
    let again = Browser::new(&hub.url);
    again.sign_in(&site.op, "subject-1").await;
    agent
        .until_token_is("archive", 200, Duration::from_secs(2))
        .await;
}
