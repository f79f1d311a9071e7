use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::beside::{Beside, eventually};
use crate::hub::Hub;

#[tokio::test]
async fn a_freeze_takes_effect_within_a_second_and_can_be_lifted() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    agent.token("audience=archive").await.token();

    let began = Instant::now();
    hub.freeze("signed_out");
    eventually("it refuses", async || {
        agent.token("audience=archive").await.status == 401
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );

    let told = agent.token("audience=archive").await;
    assert_eq!(told.refusal(), (401, "session_frozen"));
    assert_eq!(told.body["frozen_reason"], "signed_out");
    let status = agent.status().await;
    assert_eq!(status["state"], "frozen");
    assert_eq!(status["frozen_reason"], "signed_out");

    hub.script().frozen = None;
    hub.tell("active", json!({}));
    eventually("tokens again", async || {
        agent.token("audience=archive").await.status == 200
    })
    .await;
    assert_eq!(
        agent.token("audience=archive").await.token(),
        "canary-token-2"
    );
    assert_eq!(agent.status().await["state"], "active");
}

#[tokio::test]
async fn a_freeze_is_also_noticed_by_the_next_request() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.token("audience=one").await.token();

    // Nobody is told.
    hub.script().frozen = Some("operator".to_owned());
    let told = agent.token("audience=two").await;

    assert_eq!(told.refusal(), (401, "session_frozen"));
    let told = agent.token("audience=one").await;
    assert_eq!(told.refusal(), (401, "session_frozen"));
    assert_eq!(agent.status().await["frozen_reason"], "operator");
}

#[tokio::test]
async fn what_was_asked_for_before_a_freeze_is_not_handed_out_after_it() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    hub.script().delay = Duration::from_millis(300);

    let (told, ()) = tokio::join!(agent.token("audience=archive"), async {
        eventually("the hub was asked", async || {
            !hub.script().requests.is_empty()
        })
        .await;
        // It gives this one, since it was asked before.
        hub.tell("frozen", json!({ "reason": "owner" }));
    });

    assert_eq!(told.refusal(), (401, "session_frozen"));
}
