//! What programs read when the REST API refuses something.

use serde_json::json;

use crate::support::{Answer, TestWeb};

fn written(request: &str, answer: &Answer) -> String {
    format!(
        "{request}\n{} {}\n\n",
        answer.status.as_u16(),
        answer.text()
    )
}

#[tokio::test]
async fn what_the_api_refuses_reads_as_its_golden_file() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let zoe = hub.token("zoe", &["inherit"]).await;
    let river = hub.token("river", &["self"]).await;
    let nobody = hub.anonymous();
    let mut found = String::new();

    for (who, client, method, path, body) in [
        ("nobody", &nobody, "GET", "users", None),
        ("nobody", &nobody, "GET", "user", None),
        ("river", &river, "GET", "users", None),
        ("river", &river, "GET", "users/zoe", None),
        ("river", &river, "GET", "users/ghost", None),
        ("river", &river, "GET", "nothing", None),
        ("river", &river, "PUT", "user", None),
        ("river", &river, "GET", "groups/ghosts", None),
        ("river", &river, "POST", "shutdown", None),
        ("river", &river, "DELETE", "users/river/servers/gpu", None),
        (
            "river",
            &river,
            "POST",
            "users/river/tokens",
            Some(json!({ "scopes": ["nonsense"] })),
        ),
        (
            "river",
            &river,
            "POST",
            "users/river/tokens",
            Some(json!({ "scopes": [], "roles": [] })),
        ),
        ("zoe", &zoe, "GET", "users/ghost", None),
        ("zoe", &zoe, "GET", "users?state=tired", None),
        ("zoe", &zoe, "POST", "users/river", None),
        ("zoe", &zoe, "POST", "users/a%20%2Fb", None),
        (
            "zoe",
            &zoe,
            "POST",
            "users",
            Some(json!({ "usernames": "kaylee" })),
        ),
        (
            "zoe",
            &zoe,
            "PATCH",
            "users/river",
            Some(json!({ "name": "zoe" })),
        ),
        (
            "zoe",
            &zoe,
            "POST",
            "groups/",
            Some(json!({ "groups": [7] })),
        ),
        (
            "zoe",
            &zoe,
            "POST",
            "groups",
            Some(json!({ "groups": [7] })),
        ),
        (
            "zoe",
            &zoe,
            "PUT",
            "groups/ghosts/properties",
            Some(json!({})),
        ),
    ] {
        let sent = body
            .as_ref()
            .map(|body| format!(" {body}"))
            .unwrap_or_default();
        let answer = client.api(method, &format!("/hub/api/{path}"), body).await;
        found.push_str(&written(&format!("{who}: {method} {path}{sent}"), &answer));
    }
    let broken = zoe.call("POST", "/hub/api/users").bytes("{").send().await;
    found.push_str(&written("zoe: POST users with a broken body", &broken));

    let mut golden = insta::Settings::clone_current();
    golden.set_snapshot_path("golden");
    golden.set_prepend_module_to_snapshot(false);
    golden.set_omit_expression(true);
    golden.bind(|| insta::assert_snapshot!("error-bodies", found));
}
