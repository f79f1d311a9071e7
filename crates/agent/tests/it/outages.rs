use serde_json::json;

use crate::beside::{Beside, eventually};
use crate::hub::Hub;

#[tokio::test]
async fn while_the_hub_is_away_valid_tokens_are_served_and_soon_after_new_ones() {
    let mut hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    agent.token("audience=archive").await.token();

    hub.stop().await;
    for _ in 0..20 {
        assert_eq!(
            agent.token("audience=archive").await.token(),
            "canary-token-1"
        );
    }
    let other = agent.token("audience=other").await;
    assert_eq!(other.refusal(), (503, "temporarily_unavailable"));
    assert!(other.head.contains("retry-after:"), "{}", other.head);
    assert_eq!(agent.status().await["hub"], "unreachable");

    hub.restart().await;

    eventually("a new token", async || {
        agent.token("audience=other").await.status == 200
    })
    .await;
    assert_eq!(
        agent.token("audience=archive").await.token(),
        "canary-token-1"
    );
    agent.listens(&hub).await;
    assert_eq!(agent.status().await["hub"], "connected");
    assert_eq!(hub.script().enrolments.len(), 1);
}

#[tokio::test]
async fn a_token_that_needs_renewal_is_used_to_its_end_while_there_is_no_other() {
    let hub = Hub::start().await;
    hub.script().lifetime = 30;
    let agent = Beside::start(&hub).await;
    agent.token("audience=archive&min_ttl=1").await.token();
    let body = json!({ "error": "temporarily_unavailable" });
    hub.script().refusal = Some((503, body));

    // A minute is wanted, and the hub could not give it.
    eventually("the hub was asked in vain", async || {
        assert_eq!(
            agent.token("audience=archive").await.token(),
            "canary-token-1"
        );
        hub.script().requests.len() > 1
    })
    .await;

    let told = agent.token("audience=archive&min_ttl=30").await;
    assert_eq!(told.refusal(), (503, "temporarily_unavailable"));
}

#[tokio::test]
async fn a_hub_in_trouble_is_not_asked_again_at_once() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    let body = json!({ "error": "temporarily_unavailable" });
    hub.script().refusal = Some((503, body));

    for _ in 0..100 {
        assert_eq!(agent.token("audience=archive").await.status, 503);
    }

    let asked = hub.script().requests.len();
    assert!(asked <= 5, "{asked} questions");
}

#[tokio::test]
async fn what_was_missed_while_nobody_listened_is_asked_for() {
    let mut hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    agent.token("audience=archive").await.token();

    hub.stop().await;
    hub.script().frozen = Some("signed_out".to_owned());
    hub.restart().await;

    eventually("the freeze was noticed", async || {
        agent.token("audience=archive").await.status == 401
    })
    .await;
}
