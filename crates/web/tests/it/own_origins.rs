//! Servers on hosts of their own (`hub.subdomain_host`).

use serde_json::json;
use url::Url;

use crate::support::{PASSWORD, TestWeb};

const HUB: &str = "https://hub.test:8443";
const OWN: &str = "https://river.hub.test:8443/user/river/";

async fn apart() -> TestWeb {
    TestWeb::with(|recipe| {
        recipe.settings.subdomain_host = Url::parse(HUB).ok();
        recipe.settings.public_url = Url::parse(HUB).ok();
    })
    .await
}

#[tokio::test]
async fn every_way_to_a_server_leads_to_its_own_host() {
    let hub = apart().await;
    hub.admin("zoe").await;
    let browser = hub.browser("river").await;
    hub.start("river").await;

    assert_eq!(hub.routes.paths(), ["river.hub.test/user/river/"]);
    let zoe = hub.token("zoe", &["inherit"]).await;
    let model = zoe.api("GET", "/hub/api/users/river", None).await.json();
    assert_eq!(model["server"], OWN);
    let server = &model["servers"][""];
    assert_eq!(
        (&server["url"], &server["full_url"]),
        (&json!(OWN), &json!(OWN))
    );
    assert_eq!(
        server["full_progress_url"],
        format!("{HUB}/hub/api/users/river/server/progress")
    );
    let path = "/hub/api/users/river/server/progress";
    let events = zoe.api("GET", path, None).await.events();
    assert_eq!(events.last().expect("an event")["url"], OWN);

    for path in [
        "/hub/",
        "/hub/spawn",
        "/hub/spawn-pending/river",
        "/hub/login",
    ] {
        let answer = browser.get(path).await.must_be(302);
        assert_eq!(answer.location(), OWN, "{path}");
    }
    let answer = browser.get("/hub/user/river/lab?x=1").await.must_be(302);
    assert_eq!(answer.location(), format!("{OWN}lab?x=1&redirects=1"));
    let next = "/hub/spawn?next=https%3A%2F%2Friver.hub.test%3A8443%2Fuser%2Friver%2Ftree";
    let answer = browser.get(next).await.must_be(302);
    assert_eq!(answer.location(), "/user/river/tree");
    let home = browser.get("/hub/home").await.must_be(200);
    assert!(home.text().replace("&#x2f;", "/").contains(OWN));
    let policy = home.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://*.hub.test:8443"),
        "{policy}"
    );

    let path = "/hub/api/users/river/server";
    zoe.api("DELETE", path, None).await.must_be(204);
    assert!(hub.routes.paths().is_empty(), "the route is taken away");
}

#[tokio::test]
async fn a_server_is_told_where_it_and_the_hub_are() {
    let hub = apart().await;
    hub.admin("zoe").await;
    hub.start("river").await;

    let starts = hub.spawner.starts();
    let value = |name: &str| starts[0].environment[name].expose().to_owned();
    assert_eq!(value("JUPYTERHUB_HOST"), HUB);
    assert_eq!(value("JUPYTERHUB_SERVICE_PREFIX"), "/user/river/");
    assert_eq!(
        value("JUPYTERHUB_OAUTH_CALLBACK_URL"),
        format!("{OWN}oauth_callback")
    );
    assert_eq!(value("JUPYTERHUB_PUBLIC_URL"), OWN);
    assert_eq!(value("JUPYTERHUB_PUBLIC_HUB_URL"), format!("{HUB}/hub/"));
}

#[tokio::test]
async fn a_sign_in_at_a_server_comes_back_to_its_own_host_alone() {
    let hub = apart().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let ask = async |redirect_uri: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", "jupyterhub-user-river")
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", redirect_uri)
            .finish();
        let path = format!("/hub/api/oauth2/authorize?{query}");
        browser.get(&path).await
    };

    let answer = ask(&format!("{OWN}oauth_callback")).await.must_be(302);
    let begin = format!("{OWN}oauth_callback?code=");
    assert!(
        answer.location().starts_with(&begin),
        "{}",
        answer.location()
    );
    for other in [
        "/user/river/oauth_callback",
        "https://hub.test:8443/user/river/oauth_callback",
        "https://wash.hub.test:8443/user/river/oauth_callback",
        "http://river.hub.test:8443/user/river/oauth_callback",
        "https://river.hub.test/user/river/oauth_callback",
        "https://river.hub.test:8443/user/river/oauth_callback/",
    ] {
        ask(other).await.must_be(400);
    }
}

/// A page of a server is on the same site as the hub, and may be asked for with its cookies.
#[tokio::test]
async fn a_host_of_servers_shows_nothing_of_the_hub() {
    let hub = apart().await;
    let browser = hub.browser("river").await;
    let xsrf = browser.xsrf().await;
    let host = "river.hub.test:8443";

    for (method, route) in jansky_web::route_names() {
        let method = if method == "*" { "GET" } else { method };
        let route = route.replace("{user}", "river").replace(['{', '}'], "");
        let path = format!("/hub/{}", route.replace('*', ""));
        for mode in ["navigate", "cors", "no-cors"] {
            let call = browser.call(method, &path).header("host", host);
            let call = call
                .header("sec-fetch-mode", mode)
                .header("x-xsrftoken", &xsrf);
            let answer = call.send().await;
            if method == "GET" && mode == "navigate" {
                assert_eq!(answer.location(), format!("{HUB}/"), "{path}");
            } else {
                assert_eq!(answer.status, 404, "{method} {path} {mode}");
            }
            assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        }
    }
    let to_server = browser
        .call("GET", "/user/river/lab?x=1")
        .header("host", host);
    let answer = to_server.navigating().send().await.must_be(302);
    assert_eq!(answer.location(), format!("{HUB}/hub/user/river/lab?x=1"));
    let api = browser
        .call("GET", "/user/river/api/kernels")
        .header("host", host);
    let answer = api
        .header("sec-fetch-mode", "cors")
        .send()
        .await
        .must_be(424);
    let message = answer.json()["message"].to_string();
    assert!(
        message.contains(&format!("{HUB}/hub/spawn/river")),
        "{message}"
    );
    // By the address of the machine, as servers and monitors ask, the hub is there.
    let call = browser
        .call("GET", "/hub/health")
        .header("host", "127.0.0.1:8000");
    call.send().await.must_be(200);
}

#[tokio::test]
async fn a_page_on_the_same_site_changes_nothing_even_with_the_token() {
    let hub = apart().await;
    let browser = hub.browser("river").await;
    let xsrf = browser.xsrf().await;

    for site in ["same-site", "cross-site"] {
        let fields = [("_xsrf", xsrf.as_str()), ("note", "mine")];
        let call = browser
            .call("POST", "/hub/token")
            .navigating()
            .form(&fields);
        call.header("sec-fetch-site", site)
            .send()
            .await
            .must_be(403);
        let call = browser.call("POST", "/hub/api/users/river/tokens");
        let call = call
            .header("x-xsrftoken", &xsrf)
            .header("sec-fetch-mode", "cors");
        call.header("sec-fetch-site", site)
            .send()
            .await
            .must_be(403);
        let call = browser.call("GET", "/hub/spawn").navigating();
        call.header("sec-fetch-site", site)
            .send()
            .await
            .must_be(200);
    }
    assert!(hub.spawner.starts().is_empty());
}

#[tokio::test]
async fn no_host_below_the_hubs_can_plant_a_cookie_that_the_hub_reads() {
    let hub = apart().await;
    hub.account("river").await;
    let browser = hub.anonymous();
    let page = browser.get("/hub/login").await.must_be(200);
    let form = [("username", "river"), ("password", PASSWORD)];
    let entered = browser.post("/hub/login", &form).await.must_be(302);

    let mut names = Vec::new();
    for answer in [page, entered] {
        for cookie in answer.cookies() {
            let (name, _) = cookie.split_once('=').expect("a cookie has a name");
            names.push(name.to_owned());
            // The one says only who has gone, and the other has to fit a session or a visitor.
            if matches!(name, "jupyterhub-session-id" | "_xsrf") {
                continue;
            }
            assert!(name.starts_with("__Host-"), "{cookie}");
            assert!(cookie.contains("; Path=/;"), "{cookie}");
            assert!(cookie.contains("; Secure"), "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
    for name in [
        "__Host-jansky-visitor",
        "__Host-jansky-device",
        "__Host-jupyterhub-hub-login",
    ] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
}

#[tokio::test]
async fn the_cookie_of_a_sign_in_stays_on_the_hubs_host() {
    let hub = apart().await;
    hub.account("river").await;
    let browser = hub.anonymous();
    let answer = browser.type_password("river", PASSWORD).await.must_be(302);

    // Browsers take such a name from the host itself alone, so no page below it can plant one.
    let sign_in = answer.cookie("__Host-jupyterhub-hub-login");
    assert!(
        sign_in.contains("; Path=/;") && sign_in.contains("; Secure"),
        "{sign_in}"
    );
    assert!(!sign_in.contains("Domain"), "{sign_in}");
    assert!(!answer.cookie("_xsrf").contains("Domain"));
    let session_id = answer.cookie("jupyterhub-session-id");
    assert!(session_id.ends_with("; Domain=hub.test"), "{session_id}");
    let planted = hub.anonymous();
    let value = browser
        .cookie("__Host-jupyterhub-hub-login")
        .expect("it is kept");
    planted.keep("jupyterhub-hub-login", &value, "/hub/");
    planted.get("/hub/home").await.must_be(302);

    browser.get("/hub/home").await.must_be(200);
    let answer = browser.post("/hub/logout", &[]).await.must_be(200);
    assert!(
        answer
            .cookie("__Host-jupyterhub-hub-login")
            .contains("Max-Age=0")
    );
    assert!(
        answer
            .cookie("jupyterhub-session-id")
            .contains("Domain=hub.test")
    );
    browser.get("/hub/home").await.must_be(302);
}
