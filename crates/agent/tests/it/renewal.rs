use std::time::Duration;

use futures_util::future::join_all;

use crate::beside::{Beside, eventually};
use crate::hub::Hub;

#[tokio::test]
async fn a_token_is_asked_for_once_however_many_want_it() {
    let hub = Hub::start().await;
    hub.script().delay = Duration::from_millis(100);
    let agent = Beside::start(&hub).await;

    let told = join_all((0..50).map(|_| agent.token("audience=archive"))).await;

    assert!(told.iter().all(|one| one.token() == "canary-token-1"));
    agent.token("audience=archive&min_ttl=300").await.token();
    assert_eq!(hub.script().requests.len(), 1);
}

#[tokio::test]
async fn different_audiences_and_scopes_are_different_tokens() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;

    agent.token("audience=a").await.token();
    agent.token("audience=b").await.token();
    agent.token("audience=a&scope=x+y").await.token();
    // The same scopes in another order are not.
    agent.token("audience=a&scope=y+x").await.token();

    let requests = hub.script().requests.clone();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert_eq!(requests[2].1.as_deref(), Some("x y"));
}

#[tokio::test]
async fn a_token_that_does_not_live_long_enough_is_renewed() {
    let hub = Hub::start().await;
    hub.script().lifetime = 60;
    let agent = Beside::start(&hub).await;
    agent.token("audience=archive&min_ttl=10").await.token();

    eventually("a newer token", async || {
        let told = agent.token("audience=archive&min_ttl=54").await;
        let left = told.body["expires_in"].as_u64().expect("a number");
        assert!(left >= 54, "{told:?}");
        // The second or so that it was held has made the first one too old.
        hub.script().requests.len() == 2 || {
            agent.token("audience=archive&min_ttl=10").await;
            false
        }
    })
    .await;
    assert_eq!(hub.script().requests[1].2, "54");
}

#[tokio::test]
async fn short_lives_are_renewed_before_they_end_and_nobody_gets_a_dead_token() {
    let hub = Hub::start().await;
    hub.script().lifetime = 3;
    let agent = Beside::start(&hub).await;

    eventually("the third token", async || {
        let told = agent.token("audience=archive").await;
        assert!(told.body["expires_in"].as_u64() >= Some(1), "{told:?}");
        hub.script().requests.len() >= 3
    })
    .await;
}

#[tokio::test]
async fn a_change_at_the_hub_drops_what_is_held() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    agent.listens(&hub).await;
    agent.token("audience=archive").await.token();

    hub.tell("changed", serde_json::json!({}));

    eventually("another token", async || {
        agent.token("audience=archive").await.token() != "canary-token-1"
    })
    .await;
}

#[tokio::test]
async fn what_the_hub_refuses_is_passed_on_in_its_words() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;
    for (status, error) in [
        (400, "invalid_scope"),
        (403, "invalid_target"),
        (403, "server_shared"),
        (429, "slow_down"),
    ] {
        let body = serde_json::json!({ "error": error, "error_description": "why" });
        hub.script().refusal = Some((status, body));

        let told = agent.token(&format!("audience={error}")).await;

        assert_eq!(told.refusal(), (status, error));
        assert!(told.head.contains("retry-after: 7"), "{}", told.head);
    }
    let body = serde_json::json!({ "error": "reauth_required", "reauth_url": "https://hub/x" });
    hub.script().refusal = Some((401, body));
    let told = agent.token("audience=reauth").await;
    assert_eq!(told.body["reauth_url"], "https://hub/x");
}

#[tokio::test]
async fn the_status_says_how_much_is_left_of_which_token() {
    let hub = Hub::start().await;
    let audience = |id| serde_json::json!({ "id": id, "title": id, "state": "ready" });
    hub.script().audiences = serde_json::json!([audience("used"), audience("not-used")]);
    let agent = Beside::start(&hub).await;
    agent.token("audience=used").await.token();

    let status = agent.status().await;

    assert!(
        status["audiences"][0]["expires_in"].as_u64() > Some(590),
        "{status}"
    );
    assert!(status["audiences"][1]["expires_in"].is_null(), "{status}");
    assert_eq!(
        (&status["state"], &status["hub"]),
        (&"active".into(), &"connected".into())
    );
    assert!(!status.to_string().contains("canary"), "{status}");
}
