//! The log holds no secret, however much is logged.

use serde_json::json;

use crate::house::{ADMIN, House, PASSWORD, until};
use crate::visitor::Visitor;

#[tokio::test]
async fn no_secret_is_in_the_log_at_its_most_talkative() {
    let house = House::new();
    let hub = house.start(&["log.filter=trace"]).await;
    let link = house.setup_link().await;
    let admin = hub.make_admin().await;
    let api = admin.token.clone().expect("it has one");
    let browser = Visitor::new(&hub.url);
    browser
        .sign_in(ADMIN, "a-password-that-is-wrong")
        .await
        .expect(403);
    browser.sign_in(ADMIN, PASSWORD).await.expect(302);
    browser.get("hub/home").await.expect(200);
    let path = format!("hub/api/users/{ADMIN}/servers/one");
    admin.post(&path, json!({})).await.expect(201);
    let process = house.processes().remove(0);
    let server = process.variable("JUPYTERHUB_API_TOKEN").to_owned();
    let whoami = Visitor::new(&hub.url).with_token(&server);
    whoami.get("hub/api/user").await.expect(200);
    browser
        .get(&format!("user/{ADMIN}/one/self"))
        .await
        .expect(200);

    // The way of an OAuth token: the code goes through the browser, the token to the server.
    let client = process.variable("JUPYTERHUB_CLIENT_ID");
    let back = process.variable("JUPYTERHUB_OAUTH_CALLBACK_URL");
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (client_in_url, back_in_url): (String, String) = (encode(client), encode(back));
    let authorize = format!(
        "hub/api/oauth2/authorize?client_id={client_in_url}&redirect_uri={back_in_url}\
         &response_type=code&state=a-state-of-the-visitor"
    );
    let answer = browser.get(&authorize).await.expect(302);
    let location = answer.location.expect("a redirect goes somewhere");
    let code = between(&location, "code=", "&").to_owned();
    let token = whoami.exchange(client, &server, &code, back).await;

    assert!(hub.terminate().await.success());
    let log = until("nothing was logged", async || {
        Some(house.said("stderr")).filter(|log| log.contains("TRACE"))
    })
    .await;
    let cookies = browser.cookies().clone();
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
