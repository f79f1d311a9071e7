//! Everything that can be asked of the hub, asked with everything that is on a server (D37).

use http::Method;
use jansky_testing::Person;
use serde_json::json;

use crate::agent::Agent;
use crate::browser::{Answer, Body, Browser};
use crate::house::{House, Hub};
use crate::site::Site;
use crate::tokens::{ARCHIVE, somebody_at_work, start};

/// Somebody else, whose name, group and server stand nowhere by chance.
const OTHER: &str = "inara-x9";
const OTHER_GROUP: &str = "/companions-x9";
const OTHER_SERVER: &str = "shuttle-x9";

/// Every route of the hub with these names in its path.
fn routes(user: &str, server: &str) -> Vec<(String, String)> {
    let fill = |path: &str| {
        path.replace("{user}", user)
            .replace("{server}", server)
            .replace("{id}", "a1")
            .replace("{code}", "404")
            .replace("{*path}", "lab")
    };
    let mut all = Vec::new();
    for (method, path) in jansky_web::route_names() {
        // Who may end the hub is the claim of another test, and it would end this one.
        if path == "api/shutdown" {
            continue;
        }
        let methods = match method {
            "*" => vec!["GET", "POST"],
            one => vec![one],
        };
        for method in methods {
            all.push((method.to_owned(), format!("hub/{}", fill(path))));
        }
    }
    all
}

/// A token with which the person's browser is known to their own server.
async fn visitors_token(house: &House, hub: &Hub<'_>, browser: &Browser) -> String {
    let processes = house.processes();
    let server = processes
        .iter()
        .find(|process| process.variable("JUPYTERHUB_USER") == "river")
        .expect("it runs");
    let client = server.variable("JUPYTERHUB_CLIENT_ID");
    let back = server.variable("JUPYTERHUB_OAUTH_CALLBACK_URL");
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let authorize = format!(
        "hub/api/oauth2/authorize?client_id={}&redirect_uri={}&response_type=code&state=s",
        encode(client),
        encode(back),
    );
    let answer = browser.get(&authorize).await.must_be(302);
    let (_, code) = answer.location().split_once("code=").expect("a code");
    let code = code.split('&').next().unwrap_or_default();
    let secret = server.variable("JUPYTERHUB_API_TOKEN");
    Browser::new(&hub.url)
        .exchange(client, secret, code, back)
        .await
}

/// What an answer must not hold, whoever asked.
fn look(site: &Site, what: &str, answer: &Answer) {
    let headers = format!("{:?}", answer.headers);
    for (kind, text) in site.op.canaries() {
        let found = answer.text.contains(&text) || headers.contains(&text);
        assert!(!found, "{what} tells the {kind}: {answer:#?}");
    }
}

/// D37
#[tokio::test]
async fn nothing_on_a_server_opens_more_than_its_own_access_tokens() {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    let other = Person::new("subject-2", OTHER).with("groups", json!([OTHER_GROUP]));
    site.op.script().people.push(other);
    let hub = start(&site).await;
    let inara = Browser::new(&hub.url);
    inara.sign_in(&site.op, "subject-2").await;
    let path = format!("hub/api/users/{OTHER}/servers/{OTHER_SERVER}");
    inara.api("POST", &path, Some(json!({}))).await.must_be(201);
    let secrets_of_inara = inara.jar().clone();
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);

    let processes = site.house.processes();
    let server = processes
        .iter()
        .find(|process| process.variable("JUPYTERHUB_USER") == "river")
        .expect("it runs");
    let credentials = [
        (
            "server",
            format!("token {}", server.variable("JUPYTERHUB_API_TOKEN")),
        ),
        (
            "visitor",
            format!(
                "token {}",
                visitors_token(&site.house, &hub, &browser).await
            ),
        ),
        ("agent's session", format!("DPoP {}", agent.session)),
        (
            "agent's session as bearer",
            format!("Bearer {}", agent.session),
        ),
        ("nobody", "token nonsense".to_owned()),
    ];
    let stranger = Browser::new(&hub.url);
    let mut asked = 0;
    for (holder, authorization) in &credentials {
        let headers = [("authorization", authorization.as_str())];
        for (user, server) in [("river", "second"), (OTHER, OTHER_SERVER)] {
            for (method, path) in routes(user, server) {
                let what = format!("{method} {path} of the {holder}");
                let body = (method != "GET").then(|| Body::Json(json!({})));
                let method: Method = method.parse().expect("a method");
                let is_stream = path.ends_with("/events") || path.ends_with("/progress");
                if is_stream && *holder == "visitor" {
                    continue;
                }
                let answer = stranger.send(method, &path, &headers, body).await;
                asked += 1;

                look(&site, &what, &answer);
                for secret in secrets_of_inara.values().filter(|text| text.len() > 16) {
                    assert!(
                        !answer.text.contains(secret.as_str()),
                        "{what}: {answer:#?}"
                    );
                }
                assert!(!answer.text.contains(OTHER_GROUP), "{what}: {answer:#?}");
                if user == OTHER && path.contains(OTHER) {
                    let is_page_for_anybody = path.starts_with("hub/error/");
                    assert!(
                        !(200..300).contains(&answer.status) || is_page_for_anybody,
                        "{what}: {answer:#?}"
                    );
                } else {
                    for word in [OTHER, OTHER_SERVER] {
                        assert!(!answer.text.contains(word), "{what}: {answer:#?}");
                    }
                }
            }
        }
    }
    assert!(asked > 500, "{asked} questions");

    // With its proof the session gives what it is for, and that is one access token.
    let given = agent.token("archive").await.must_be(200);
    let json = given.json();
    let mut keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "access_token",
            "audience",
            "expires_in",
            "issued_token_type",
            "scope",
            "token_type"
        ]
    );
    let state = agent.audiences().await.must_be(200);
    look(&site, "the overview", &state);
    for kind in ["refresh_token", "id_token"] {
        let wanted = format!("urn:ietf:params:oauth:token-type:{kind}");
        let refused = agent
            .token_with("archive", &[("requested_token_type", &wanted)])
            .await;
        assert_eq!(refused.status, 400, "{refused:#?}");
    }
    still_alone(&agent, &inara).await;
}

/// Whoever was asked about goes on as before.
async fn still_alone(agent: &Agent, inara: &Browser) {
    agent.token("archive").await.must_be(200);
    let who = inara.whoami().await;
    assert_eq!(who["servers"][OTHER_SERVER]["ready"], true, "{who}");
}
