//! The end of sessions: by oneself, and on the provider's word (D45, D46).

use std::time::Duration;

use jansky_testing::Person;
use url::Url;

use crate::browser::{Answer, Body, Browser, form};
use crate::site::{Site, within};
use crate::tokens::{ARCHIVE, somebody_at_work, start};

/// Where the answer to a sign-out sends the browser next: at once, or by a link on the page.
pub(crate) fn provider_sign_out(answer: &Answer, provider: &str) -> Url {
    let location = answer.location().to_owned();
    let link = answer.text.split("href=\"").skip(1).find_map(|rest| {
        let link = rest
            .split('"')
            .next()?
            .replace("&amp;", "&")
            .replace("&#x2f;", "/");
        link.starts_with(provider).then_some(link)
    });
    let text = if location.starts_with(provider) {
        location
    } else {
        link.unwrap_or_else(|| panic!("no way to the end of the session: {answer:#?}"))
    };
    Url::parse(&text).expect("an address")
}

/// D45
#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_provider() {
    let site = Site::new().await;
    let hub = site.start().await;
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;
    let (refresh, id_token) = {
        let script = site.op.script();
        (
            script.records.latest("refresh"),
            script.records.latest("id"),
        )
    };
    let before = browser.at(&hub.url);

    let only_asks = browser.get("hub/logout").await.must_be(200);
    assert_eq!(browser.whoami().await["name"], "river", "{only_asks:#?}");
    let answer = browser.post("hub/logout", &[]).await;

    assert!(matches!(answer.status, 200 | 302), "{answer:#?}");
    assert_eq!(browser.cookie("jupyterhub-hub-login"), "", "it is cleared");
    assert!(
        before.get("hub/home").await.asks_to_sign_in(),
        "the old cookie is dead"
    );
    within(
        Duration::from_secs(5),
        "the refresh token is taken back",
        async || site.op.script().records.is_revoked(&refresh),
    )
    .await;
    let revocation = &site.op.calls_of("/revoke")[0];
    assert!(revocation.authorization.is_some(), "with our credentials");
    let url = provider_sign_out(&answer, &site.op.issuer);
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["id_token_hint"], id_token);
    assert!(
        query["post_logout_redirect_uri"].starts_with(&hub.url),
        "{query:?}"
    );
    assert!(query["state"].len() >= 16, "{query:?}");
    assert!(
        answer.header("cache-control").contains("no-store"),
        "{answer:#?}"
    );
    assert!(
        Browser::new(&hub.url).server_pid("river").await.is_some(),
        "the server is kept"
    );
}

/// D45
#[tokio::test]
async fn signing_out_stops_servers_where_that_is_configured() {
    let site = Site::new().await;
    let hub = site.house.start(&["hub.shutdown_on_sign_out=true"]).await;
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;

    browser.post("hub/logout", &[]).await;

    within(
        Duration::from_secs(20),
        "the server is stopped",
        async || site.house.processes().is_empty(),
    )
    .await;
}

/// Posts a logout token, as a provider does.
pub(crate) async fn tell(hub: &str, token: &str) -> Answer {
    let body = Body::Form(form(&[("logout_token", token)]));
    Browser::new(hub)
        .send(
            http::Method::POST,
            "hub/oidc/backchannel-logout",
            &[],
            Some(body),
        )
        .await
}

/// D46, with two processes on one database
#[tokio::test]
async fn a_logout_token_ends_the_session_within_a_second_in_every_process() {
    let site = Site::new().await.on_postgres().await;
    site.op
        .script()
        .people
        .push(Person::new("subject-2", "wash"));
    let first = site.start().await;
    let second = site.start().await;
    let (laptop, phone, other) = (
        Browser::new(&first.url),
        Browser::new(&second.url),
        Browser::new(&first.url),
    );
    laptop.sign_in(&site.op, "subject-1").await;
    phone.sign_in(&site.op, "subject-1").await;
    other.sign_in(&site.op, "subject-2").await;
    let sids = site.op.script().records.sessions_of("subject-1");
    // Both processes know both sessions and remember them.
    for browser in [&laptop, &phone] {
        for hub in [&first, &second] {
            browser.at(&hub.url).get("hub/home").await.must_be(200);
        }
    }

    let answer = tell(&first.url, &site.op.logout_token(None, Some(&sids[0]))).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert!(
        answer.header("cache-control").contains("no-store"),
        "{answer:#?}"
    );
    for hub in [&first, &second] {
        let browser = laptop.at(&hub.url);
        within(
            Duration::from_secs(1),
            "the session has ended",
            async || browser.get("hub/home").await.asks_to_sign_in(),
        )
        .await;
        phone.at(&hub.url).get("hub/home").await.must_be(200);
    }

    laptop.sign_in(&site.op, "subject-1").await;
    let everywhere = site.op.logout_token(Some("subject-1"), None);
    tell(&second.url, &everywhere).await.must_be(200);
    for browser in [&laptop, &phone] {
        for hub in [&first, &second] {
            let browser = browser.at(&hub.url);
            within(
                Duration::from_secs(1),
                "all sessions have ended",
                async || browser.get("hub/home").await.asks_to_sign_in(),
            )
            .await;
        }
    }
    other.get("hub/home").await.must_be(200);
    let replayed = tell(&first.url, &everywhere).await;
    assert_eq!(replayed.status, 400, "{replayed:#?}");
}

/// D45, D46: what tokens for code hang on.
#[tokio::test]
async fn no_token_is_given_after_the_end_of_the_session_unless_one_keeps_working() {
    let site = Site::new().await.on_postgres().await;
    site.configure(ARCHIVE);
    let first = start(&site).await;
    let second = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &first).await;
    let at_second = agent.at(&second.url);
    for agent in [&agent, &at_second] {
        agent.token("archive").await.must_be(200);
    }
    let second_limit = Duration::from_secs(1);

    // The provider says that the person is gone.
    let everywhere = site.op.logout_token(Some("subject-1"), None);
    tell(&first.url, &everywhere).await.must_be(200);
    for agent in [&at_second, &agent] {
        agent.until_token_is("archive", 401, second_limit).await;
    }
    browser.sign_in(&site.op, "subject-1").await;
    for agent in [&agent, &at_second] {
        agent.until_token_is("archive", 200, second_limit).await;
    }

    // The person signs out.
    browser.post("hub/logout", &[]).await;
    for agent in [&agent, &at_second] {
        let frozen = agent.until_token_is("archive", 401, second_limit).await;
        assert_eq!(frozen.json()["error"], "session_frozen", "{frozen:#?}");
    }
    browser.sign_in(&site.op, "subject-1").await;
    agent.until_token_is("archive", 200, second_limit).await;

    // The person signs out here and lets the server go on with what it has.
    browser.post("hub/logout", &[("keep_working", "1")]).await;
    assert!(browser.get("hub/home").await.asks_to_sign_in());
    agent.token("archive").await.must_be(200);
}

/// Single-user servers believe a session id for minutes after they asked about it, so one that has
/// ended is taken out of requests: also by the process in which nobody signed out.
#[tokio::test]
async fn the_id_of_an_ended_session_reaches_no_server_through_any_process() {
    let site = Site::new().await.on_postgres().await;
    let first = site.start().await;
    let laptop = Browser::new(&first.url);
    laptop.sign_in(&site.op, "subject-1").await;
    laptop.start_server("river").await;
    // The second process finds the server; the third one comes when all is over.
    let second = site.start().await;
    let copies = [laptop.at(&first.url), laptop.at(&second.url)];
    let seen_by_server = async |browser: &Browser| {
        let answer = browser.get("user/river/self").await.must_be(200);
        answer.json()["session"].clone()
    };
    for copy in &copies {
        assert!(seen_by_server(copy).await.is_string(), "it is handed on");
    }

    laptop.post("hub/logout", &[("keep_working", "1")]).await;

    for copy in &copies {
        within(Duration::from_secs(1), "the id is taken out", async || {
            seen_by_server(copy).await.is_null()
        })
        .await;
    }
    let third = site.start().await;
    let late = copies[0].at(&third.url);
    assert!(
        seen_by_server(&late).await.is_null(),
        "a process that comes later knows it, too"
    );
}
