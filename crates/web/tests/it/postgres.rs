//! The whole way once on PostgreSQL; everything else runs on SQLite.

use serde_json::json;

use crate::support::{Database, TestWeb};

#[tokio::test]
async fn the_whole_way_works_on_postgres() {
    let hub = TestWeb::on(Database::postgres().await, |_| {}).await;
    let browser = hub.browser("river").await;

    let server = "/hub/api/users/river/server";
    browser.api("POST", server, None).await.must_be(201);
    let query = "client_id=jupyterhub-user-river&response_type=code&state=x";
    let path = format!("/hub/api/oauth2/authorize?{query}");
    let answer = browser.get(&path).await.must_be(302);
    let code = answer.location().split("code=").nth(1).expect("a code");
    let code = code.split('&').next().expect("a code");
    let secret = hub.server_token();
    let fields = [
        ("client_id", "jupyterhub-user-river"),
        ("client_secret", secret.as_str()),
        ("grant_type", "authorization_code"),
        ("code", code),
    ];
    let anonymous = hub.anonymous();
    let call = anonymous
        .call("POST", "/hub/api/oauth2/token")
        .form(&fields);
    let granted = call.send().await.must_be(200).json();
    let visitor = hub.bearer(granted["access_token"].as_str().expect("a token"));
    visitor.get("/hub/api/user").await.must_be(200);
    let body = json!({ "note": "laptop", "expires_in": 60 });
    browser
        .api("POST", "/hub/api/users/river/tokens", Some(body))
        .await
        .must_be(201);
    let page = browser.get("/hub/token").await.must_be(200);
    assert!(page.text().contains("laptop"));

    browser.post("/hub/logout", &[]).await.must_be(200);

    visitor.get("/hub/api/user").await.must_be(403);
    let owner = hub.token("river", &["inherit"]).await;
    owner.api("DELETE", server, None).await.must_be(204);
    assert_eq!(hub.spawner.running(), 0);
}
