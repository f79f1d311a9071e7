//! Restarts, the audit trail, metrics and limits (D43, D50).

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::agent::token_of;
use crate::house::{run, told};
use crate::site::Site;
use crate::storage::sqlite;
use crate::tokens::{ARCHIVE, somebody_at_work, start};

/// D43
#[tokio::test]
async fn a_restarted_hub_gives_tokens_at_once_to_who_had_them_before() {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    site.op.script().rotates = true;
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    let token = token_of(&agent.token("archive").await);
    let pid = browser.server_pid("river").await;

    assert!(hub.terminate().await.success());
    let hub = start(&site).await;
    let began = Instant::now();
    let agent = agent.at(&hub.url);
    let again = token_of(
        &agent
            .until_token_is("archive", 200, Duration::from_secs(5))
            .await,
    );

    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(again, token, "it was good for long");
    assert_eq!(site.op.refresh_calls(), 0, "no second refresh");
    let browser = browser.at(&hub.url);
    browser.get("hub/home").await.must_be(200);
    assert_eq!(browser.server_pid("river").await, pid);
}

/// D43, with two processes that are restarted one after the other
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_process_is_restarted_the_other_gives_tokens() {
    let site = Site::new().await.on_postgres().await;
    site.configure(ARCHIVE);
    site.op.script().rotates = true;
    let first = start(&site).await;
    let second = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &first).await;
    let token = token_of(&agent.token("archive").await);

    assert!(first.terminate().await.success());
    let at_second = agent.at(&second.url);
    assert_eq!(token_of(&at_second.token("archive").await), token);
    let third = start(&site).await;
    assert!(second.terminate().await.success());
    let at_third = agent.at(&third.url);
    let last = at_third
        .until_token_is("archive", 200, Duration::from_secs(5))
        .await;

    assert_eq!(token_of(&last), token);
    assert_eq!(site.op.refresh_calls(), 0);
    browser.at(&third.url).get("hub/home").await.must_be(200);
    assert!(browser.at(&third.url).server_pid("river").await.is_some());
}

/// D50
#[tokio::test]
async fn each_token_stands_in_an_audit_trail_that_shows_every_change() {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    let token = token_of(&agent.token("archive").await);
    agent.token("nothing-of-the-kind").await.must_be(403);

    let database = site.house.path().join("data/jansky.sqlite");
    let lines = sqlite(
        &database,
        "select json_object('event', event, 'user', user_name, 'server', server, \
         'outcome', outcome, 'at', at, 'detail', json(detail)) from audit_events order by seq",
    );
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let given = events
        .iter()
        .find(|event| event["event"] == "token" && event["outcome"] == "ok")
        .unwrap_or_else(|| panic!("the token is not written down: {events:#?}"));
    assert_eq!(given["user"], "river", "{given}");
    assert!(given["at"].as_i64().is_some(), "{given}");
    let detail = &given["detail"];
    assert_eq!(detail["key"], agent.key.thumbprint(), "{given}");
    assert_eq!(detail["audience"], "archive", "{given}");
    assert_eq!(
        detail["token"],
        jansky_crypto::dpop::token_hash(&token),
        "{given}"
    );
    assert_eq!(detail["source"], "login", "{given}");
    for key in ["scope", "expires_at"] {
        assert!(!detail[key].is_null(), "{key}: {given}");
    }
    let refused = events
        .iter()
        .any(|event| event["event"] == "token" && event["outcome"] != "ok");
    assert!(refused, "{events:#?}");
    assert!(!lines.contains("canary"), "no token itself is written down");
}

/// D50
#[tokio::test]
async fn an_audit_trail_that_somebody_changed_does_not_verify() {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);
    agent.token("nothing-of-the-kind").await.must_be(403);
    let config = site.house.config().display().to_string();
    let verify = ["audit", "verify", "--config", &config];
    let database = site.house.path().join("data/jansky.sqlite");
    let one = sqlite(
        &database,
        "select seq from audit_events where event = 'token' and outcome != 'ok'",
    );
    let change = |outcome: &str| {
        let statement = format!("update audit_events set outcome = '{outcome}' where seq = {one}");
        sqlite(&database, &statement)
    };

    let whole = run(&verify).await;
    let before = sqlite(
        &database,
        &format!("select outcome from audit_events where seq = {one}"),
    );
    change("ok");
    let changed = run(&verify).await;
    change(before.trim());
    let again = run(&verify).await;

    assert_eq!(whole.status.code(), Some(0), "{}", told(&whole));
    assert!(told(&whole).contains("whole; the hash"), "{}", told(&whole));
    assert_eq!(changed.status.code(), Some(1), "{}", told(&changed));
    let broken = format!("broken at entry {}:", one.trim());
    assert!(told(&changed).contains(&broken), "{}", told(&changed));
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
}

/// D50
#[tokio::test]
async fn one_person_cannot_ask_without_end_and_the_operator_sees_what_happens() {
    let site = Site::new().await;
    site.configure(&ARCHIVE.replace("100000", "5"));
    let hub = site
        .house
        .start(&[&crate::agent::stand_in(), "hub.admin_users=[\"river\"]"])
        .await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    let operator = browser.new_token().await;

    let mut last = agent.token("archive").await.must_be(200);
    for _ in 0..8 {
        last = agent.token("archive").await;
    }

    let refused = last.must_be(429);
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{refused:#?}");
    let metrics = operator
        .api("GET", "hub/metrics", None)
        .await
        .must_be(200)
        .text;
    for name in ["jansky_tokens_total", "too_many_requests"] {
        assert!(metrics.contains(name), "no `{name}` in\n{metrics}");
    }
}
