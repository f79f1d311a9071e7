//! `GET /hub/api/user`: what single-user servers ask about every visitor.

use serde_json::json;

use crate::support::TestWeb;

const WHOAMI: &str = "/hub/api/user";

#[tokio::test]
async fn unknown_tokens_are_403_and_never_401() {
    let hub = TestWeb::new().await;
    let long = "x".repeat(1000);

    for token in ["x", "jky_unknown", long.as_str(), ""] {
        let answer = hub.bearer(token).get(WHOAMI).await.must_be(403);
        assert_eq!(answer.json()["status"], 403);
    }
    let answer = hub.anonymous().get(WHOAMI).await.must_be(403);
    let expected = json!({ "status": 403, "message": "Missing or invalid credentials." });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn both_schemes_are_taken_and_a_token_wins_over_a_cookie() {
    let hub = TestWeb::new().await;
    let token = hub.new_token("river", &["inherit"]).await;
    let wash = hub.session("wash").await;
    let ask = async |value: String| {
        let call = wash.call("GET", WHOAMI).header("authorization", &value);
        call.send().await
    };

    for scheme in ["token", "Token", "bearer", "BEARER"] {
        let answer = ask(format!("{scheme} {token}")).await.must_be(200);
        assert_eq!(answer.json()["name"], "river");
    }
    ask("token wrong".to_owned()).await.must_be(403);
    // A scheme that is not ours is none of our business.
    let answer = ask("Basic cml2ZXI6eA==".to_owned()).await.must_be(200);
    assert_eq!(answer.json()["name"], "wash");
}

#[tokio::test]
async fn an_api_token_shows_its_user_and_its_expanded_scopes() {
    let hub = TestWeb::new().await;
    let program = hub
        .token(
            "river",
            &["read:users:activity!user", "access:servers!user"],
        )
        .await;

    let model = program.get(WHOAMI).await.must_be(200).json();

    assert_eq!(model["kind"], "user");
    assert_eq!(model["name"], "river");
    assert_eq!(model["admin"], false);
    assert_eq!(model["groups"], json!([]));
    assert_eq!(model["session_id"], json!(null));
    assert!(
        model["token_id"]
            .as_str()
            .is_some_and(|id| id.starts_with('a'))
    );
    assert_eq!(
        model["scopes"],
        json!([
            "access:servers!user=river",
            "read:users:activity!user=river",
            "read:users:groups!user=river",
            "read:users:name!user=river",
        ])
    );
    assert!(model.get("servers").is_none(), "it may not see them");
    assert!(model.get("created").is_none(), "it may not see that");
}

#[tokio::test]
async fn a_servers_own_token_may_report_and_open_its_server() {
    let hub = TestWeb::new().await;
    hub.start("river").await;
    let server = hub.bearer(&hub.server_token());

    let model = server.get(WHOAMI).await.must_be(200).json();

    assert_eq!(
        model["scopes"],
        json!([
            "access:servers!server=river/",
            "read:users:activity!user=river",
            "read:users:groups!user=river",
            "read:users:name!user=river",
            "users:activity!user=river",
        ])
    );
    server
        .api("GET", "/hub/api/users/river/server", None)
        .await
        .must_be(403);
    server
        .api("DELETE", "/hub/api/users/river/server", None)
        .await
        .must_be(403);
    server
        .api("POST", "/hub/api/users/river/tokens", None)
        .await
        .must_be(403);
}

#[tokio::test]
async fn a_browser_shows_its_session_and_what_runs() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let before = browser.api("GET", WHOAMI, None).await.must_be(200).json();
    assert_eq!(before["servers"], json!({}));
    assert_eq!(before["token_id"], json!(null));
    let session_id = browser.cookie("jupyterhub-session-id").expect("a cookie");
    assert_eq!(before["session_id"], json!(session_id));

    hub.start("river").await;

    let after = browser.api("GET", WHOAMI, None).await.must_be(200).json();
    assert_eq!(after["server"], "/user/river/");
    assert_eq!(after["servers"][""]["ready"], true);
    assert_eq!(after["roles"], json!(["user"]));
}

#[tokio::test]
async fn a_query_is_answered_also_when_the_plain_answer_is_remembered() {
    let hub = TestWeb::new().await;
    let user = hub.user("river").await;
    let name = "gpu".parse().expect("a valid name");
    hub.hub
        .servers
        .make_unasked(&user, &name, "")
        .await
        .expect("the name is free");
    let program = hub.token("river", &["inherit"]).await;
    assert_eq!(program.get(WHOAMI).await.json()["servers"], json!({}));

    let all = program
        .get("/hub/api/user?include_stopped_servers")
        .await
        .json();
    assert_eq!(all["servers"]["gpu"]["stopped"], true);
    let none = program
        .get("/hub/api/user?include_stopped_servers=0")
        .await
        .json();
    assert_eq!(none["servers"], json!({}));
    assert_eq!(program.get(WHOAMI).await.json()["servers"], json!({}));
}
