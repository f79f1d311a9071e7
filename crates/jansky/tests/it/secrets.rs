//! The log holds no secret, however much is logged.

use serde_json::json;

use crate::browser::Browser;
use crate::house::{ADMIN, House, PASSWORD, until};

#[tokio::test]
async fn no_secret_is_in_the_log_at_its_most_talkative() {
    let house = House::new();
    let hub = house.start(&["log.filter=trace"]).await;
    let link = house.setup_link().await;
    let admin = hub.make_admin().await;
    let api = admin.token.clone().expect("it has one");
    let browser = Browser::new(&hub.url);
    browser
        .give_password("", ADMIN, "a-password-that-is-wrong")
        .await
        .must_be(403);
    browser
        .give_password("", ADMIN, PASSWORD)
        .await
        .must_be(302);
    browser.get("hub/home").await.must_be(200);
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.api("POST", &path, Some(json!({}))).await.must_be(201);
    let process = house.processes().remove(0);
    let server = process.variable("JUPYTERHUB_API_TOKEN").to_owned();
    let whoami = hub.program(&server);
    whoami.get("hub/api/user").await.must_be(200);
    browser
        .get(&format!("user/{ADMIN}/one/self"))
        .await
        .must_be(200);

    // The way of an OAuth token: the code goes through the browser, the token to the server.
    let client = process.variable("JUPYTERHUB_CLIENT_ID");
    let back = process.variable("JUPYTERHUB_OAUTH_CALLBACK_URL");
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (client_in_url, back_in_url): (String, String) = (encode(client), encode(back));
    let authorize = format!(
        "hub/api/oauth2/authorize?client_id={client_in_url}&redirect_uri={back_in_url}\
         &response_type=code&state=a-state-of-the-visitor"
    );
    let answer = browser.get(&authorize).await.must_be(302);
    let code = between(answer.location(), "code=", "&").to_owned();
    let token = whoami.exchange(client, &server, &code, back).await;

    assert!(hub.terminate().await.success());
    let log = until("nothing was logged", async || {
        Some(house.said("stderr")).filter(|log| log.contains("TRACE"))
    })
    .await;
    let cookies = browser.jar().clone();
    let secrets = [
        ("password", PASSWORD),
        ("wrong password", "a-password-that-is-wrong"),
        ("link for the first admin", between(&link, "code=", "&")),
        ("API token", &api),
        ("server's token", &server),
        ("authorization code", &code),
        ("visitor's token", &token),
        ("sign-in cookie", &cookies["jupyterhub-hub-login"]),
        ("XSRF cookie", &cookies["_xsrf"]),
    ];
    for (what, secret) in secrets {
        assert!(secret.len() > 8, "no {what} was seen");
        let leak = log.lines().find(|line| line.contains(secret));
        assert!(leak.is_none(), "the {what} is in the log: {leak:?}");
    }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).expect("it begins");
    rest.split(end).next().expect("there is a first part")
}
