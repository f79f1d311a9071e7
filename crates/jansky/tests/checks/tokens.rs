//! Tokens for code on servers: one refresh for all, outages, and sign-ins that are over
//! (D15 to D17, D19, D20, D22, D24).

use std::sync::Arc;
use std::time::Duration;

use jansky_model::{Clock as _, SystemClock};
use jansky_testing::{Instead, Person};
use serde_json::json;
use tokio::time::Instant;

use crate::agent::{Agent, stand_in, statuses, token_of};
use crate::browser::Browser;
use crate::house::{Hub, PATIENCE};
use crate::person::PROVIDER;
use crate::site::{EVERYBODY, Site, within};

/// An audience that gets the token of the sign-in.
pub(crate) const ARCHIVE: &str = "[broker]\nrequests_per_minute = 100000\n[audience.archive]\nsource = \"login\"\nallow_all = true\n";

/// A site with the audience `archive`, whose access tokens live for so many seconds.
async fn site(lifetime: i64) -> Site {
    let site = Site::new().await;
    short_lived(&site, lifetime);
    site
}

/// Adds the audience `archive`, and has access tokens live for so many seconds.
fn short_lived(site: &Site, lifetime: i64) {
    site.configure(ARCHIVE);
    let mut script = site.op.script();
    script.lifetimes.access = lifetime;
    script.rotates = true;
}

/// Starts the hub with the stand-in for the agent.
pub(crate) async fn start(site: &Site) -> Hub<'_> {
    site.house.start(&[&stand_in()]).await
}

/// Somebody with a running server and the agent beside it.
pub(crate) async fn somebody_at_work(site: &Site, hub: &Hub<'_>) -> (Browser, Agent) {
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;
    let agent = Agent::of(&site.house, &hub.url, "river").await;
    (browser, agent)
}

/// Waits until the newest access token of the provider has ended. The hub renews tokens of people
/// with running servers on schedule, too; then the wait is for the next one.
async fn newest_token_has_ended(site: &Site) {
    within(PATIENCE, "the newest token has ended", async || {
        let script = site.op.script();
        let newest = script.records.latest("access");
        let known = script.records.access(&newest).expect("it is known");
        known.expires_at < SystemClock.now().seconds()
    })
    .await;
}

/// D16: two processes on one PostgreSQL, rotation with reuse detection, a slow token endpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_two_processes_cause_one_refresh_in_each_cycle() {
    let site = site(8).await.on_postgres().await;
    let slow = Duration::from_millis(50);
    site.op.script().delay.insert("/token", slow);
    let first = start(&site).await;
    let second = start(&site).await;
    let (browser, one) = somebody_at_work(&site, &first).await;
    let other = Arc::new(one.at(&second.url));
    let one = Arc::new(one);

    for cycle in 1..=3 {
        newest_token_has_ended(&site).await;
        let before = site.op.refresh_calls();

        let mut asking = Vec::new();
        for agent in [&one, &other] {
            for _ in 0..50 {
                let agent = Arc::clone(agent);
                asking.push(tokio::spawn(async move { agent.token("archive").await }));
            }
        }
        let mut answers = Vec::new();
        for one in asking {
            answers.push(one.await.expect("it ends"));
        }

        let counts = statuses(&answers);
        assert_eq!(counts.get(&200), Some(&100), "cycle {cycle}: {counts:?}");
        let tokens: std::collections::BTreeSet<String> = answers.iter().map(token_of).collect();
        assert_eq!(tokens.len(), 1, "cycle {cycle}");
        assert_eq!(site.op.refresh_calls() - before, 1, "cycle {cycle}");
    }
    assert_eq!(site.op.script().records.reuses, 0);
    for hub in [&first, &second] {
        browser.at(&hub.url).get("hub/home").await.must_be(200);
    }
}

/// D17: lifetimes of 12 s stand for those of a minute, and 30 s of asking for ten minutes.
#[tokio::test]
async fn a_token_is_good_for_as_long_as_it_was_asked_for() {
    let site = site(12).await;
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    let first = agent.token("archive").await.must_be(200).json();
    let age = Instant::now();
    within(Duration::from_secs(10), "it is 4 s old", async || {
        age.elapsed() > Duration::from_secs(4)
    })
    .await;

    let more = agent.token_with("archive", &[("min_ttl", "9")]).await;
    let more = more.must_be(200).json();
    assert!(more["expires_in"].as_i64() >= Some(9), "{more}");
    assert_ne!(
        more["access_token"], first["access_token"],
        "it was refreshed"
    );

    // A service that refuses what ends within 6 s never does.
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_secs(30) {
        let answer = agent.token_with("archive", &[("min_ttl", "6")]).await;
        let token = token_of(&answer);
        let ends = {
            let script = site.op.script();
            let known = script.records.access(&token).expect("the provider gave it");
            known.expires_at
        };
        let left = ends - SystemClock.now().seconds();
        assert!(left >= 5, "{left} s are left after {asked} questions");
        asked += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(asked > 50, "{asked}");
}

/// D19: 35 s of outage stand for ten minutes, and tokens of 8 s for those of three. The provider first says
/// nothing, then that it cannot, and then nobody listens any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_provider_signs_nobody_out_and_heals_by_itself() {
    const TIMEOUT: Duration = Duration::from_secs(5);
    let site = Site::with(&format!(
        "{EVERYBODY}http_timeout = \"{}s\"\n",
        TIMEOUT.as_secs()
    ))
    .await;
    short_lived(&site, 8);
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    let program = browser.new_token().await;
    agent.token("archive").await.must_be(200);
    let before = site.op.script().calls.len();
    let fail = |how: fn() -> Instead| {
        for path in ["/token", "/userinfo"] {
            site.op.script().instead.insert(path, how());
        }
    };
    fail(|| Instead::Silence);

    let began = Instant::now();
    let mut seen = Vec::new();
    let (mut speaks, mut is_closed) = (false, false);
    while began.elapsed() < Duration::from_secs(35) {
        if began.elapsed() > Duration::from_secs(15) && !speaks {
            fail(|| Instead::Status(503, String::new()));
            speaks = true;
        }
        if began.elapsed() > Duration::from_secs(25) && !is_closed {
            site.op.close().await;
            is_closed = true;
        }
        let asked = Instant::now();
        let look = async {
            let page = browser.get("hub/home").await;
            assert_eq!(page.status, 200, "{page:#?}");
            let api = program.api("GET", "hub/api/user", None).await;
            assert_eq!(api.status, 200, "{api:#?}");
            assert!(
                asked.elapsed() < Duration::from_secs(2),
                "{:?} for a page and a call",
                asked.elapsed()
            );
        };
        let (answer, ()) = tokio::join!(agent.token("archive"), look);
        match answer.status {
            200 => {
                let token = token_of(&answer);
                let script = site.op.script();
                let known = script.records.access(&token).expect("the provider gave it");
                let now = SystemClock.now().seconds();
                assert!(known.expires_at >= now, "a token that has ended was given");
            }
            503 => {
                assert!(
                    asked.elapsed() < TIMEOUT + Duration::from_secs(3),
                    "{:?}",
                    asked.elapsed()
                );
                assert_eq!(answer.json()["error"], "temporarily_unavailable");
                let wait: u64 = answer.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&wait), "{answer:#?}");
            }
            _ => panic!("neither a token nor to wait: {answer:#?}"),
        }
        if seen.last() != Some(&answer.status) {
            seen.push(answer.status);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let calls = site.op.script().calls.len() - before;
    site.op.script().instead.clear();
    site.op.open().await;

    assert_eq!(seen, [200, 503], "tokens while they were valid, then none");
    assert!(calls < 30, "{calls} calls during the outage");
    let limit = Duration::from_mins(1);
    agent.until_token_is("archive", 200, limit).await;
    browser.get("hub/home").await.must_be(200);
}

/// D20
#[tokio::test]
async fn a_session_that_the_provider_ended_asks_for_a_sign_in_and_stops_no_server() {
    let site = site(4).await;
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);
    let pid = browser.server_pid("river").await;
    assert!(pid.is_some());

    site.op.script().records.end_sessions_of("subject-1");
    newest_token_has_ended(&site).await;
    let refused = agent.token("archive").await.must_be(401);

    let challenge = refused.header("www-authenticate");
    assert!(challenge.starts_with("Bearer"), "{refused:#?}");
    assert!(
        challenge.contains("error=\"invalid_token\""),
        "{refused:#?}"
    );
    let body = refused.json();
    assert_eq!(body["error"], "reauth_required");
    let again = body["reauth_url"].as_str().expect("where to go").to_owned();
    let page = browser.get("hub/home").await;
    assert!(page.asks_to_sign_in(), "{page:#?}");
    assert_eq!(Browser::new(&hub.url).server_pid("river").await, pid);

    let away = browser
        .get(again.trim_start_matches('/'))
        .await
        .must_be(302);
    let authorize = url::Url::parse(away.location()).expect("an address");
    let callback = site.op.sign_in(&authorize);
    browser.come_back(&callback).await.must_be(302);
    agent.token("archive").await.must_be(200);
    assert_eq!(browser.server_pid("river").await, pid, "the same server");
}

/// D22: the process dies after the provider has rotated and before that is stored. How it goes on
/// depends on nothing but the row, so one restart stands for another process as well.
#[tokio::test]
async fn a_process_that_dies_in_a_refresh_leaves_no_loop_behind() {
    let site = site(4).await;
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);
    newest_token_has_ended(&site).await;
    let before = site.op.script().records.refreshes;
    let for_ever = Duration::from_mins(10);
    site.op.script().delay.insert("/token", for_ever);

    let asking = tokio::spawn({
        let agent = agent.at(&hub.url);
        async move {
            agent
                .try_token("archive", &[])
                .await
                .map(|answer| answer.status)
        }
    });
    within(
        Duration::from_secs(10),
        "the provider has rotated",
        async || site.op.script().records.refreshes > before,
    )
    .await;
    hub.kill().await;
    let unanswered = asking.await.expect("it ends");
    assert!(unanswered.is_err(), "{unanswered:?}");
    site.op.script().delay.clear();
    let calls = site.op.refresh_calls();
    let hub = start(&site).await;
    let agent = agent.at(&hub.url);

    let mut last = 0;
    within(Duration::from_mins(1), "it comes to an end", async || {
        let answer = agent.token("archive").await;
        last = answer.status;
        let ended = last == 200 || answer.text.contains("reauth_required");
        assert!(ended || last == 503, "{answer:#?}");
        ended
    })
    .await;
    for _ in 0..20 {
        assert_eq!(agent.token("archive").await.status, last, "and stays there");
    }
    let further = site.op.refresh_calls() - calls;
    assert!(further <= 2, "{further} further refreshes");
}

/// A provider with rotation takes a refresh token once. If the database is away at that moment, what
/// it gave in return is all that there is.
#[tokio::test]
async fn a_database_that_is_away_after_a_rotation_ends_no_session() {
    let site = site(4).await;
    let line = site.on_a_line_to_postgres().await;
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);
    newest_token_has_ended(&site).await;
    let before = site.op.script().records.refreshes;
    let slow = Duration::from_secs(1);
    site.op.script().delay.insert("/token", slow);

    let asking = tokio::spawn({
        let agent = agent.at(&hub.url);
        async move { agent.try_token("archive", &[]).await.map(drop) }
    });
    within(PATIENCE, "the provider has rotated", async || {
        site.op.script().records.refreshes > before
    })
    .await;
    line.cut();
    within(PATIENCE, "the hub has what it cannot keep", async || {
        site.house.said("stderr").contains("could not keep")
    })
    .await;
    site.op.script().delay.clear();
    line.mend();

    asking.await.expect("it ends").expect("the hub answers");
    let limit = Duration::from_secs(30);
    agent.until_token_is("archive", 200, limit).await;
    assert_eq!(site.op.script().records.reuses, 0);
}

/// D24
#[tokio::test]
async fn an_id_token_that_has_ended_keeps_nobody_from_working() {
    let site = site(6).await;
    site.op.script().lifetimes.id_token = 5;
    let hub = site.house.start(&[&stand_in(), "log.filter=trace"]).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    browser
        .api("DELETE", "hub/api/users/river/server", None)
        .await
        .must_be(204);
    newest_token_has_ended(&site).await;
    let before = site.op.script().records.refreshes;
    drop(agent);

    browser.start_server("river").await;
    let agent = Agent::of(&site.house, &hub.url, "river").await;
    agent.token("archive").await.must_be(200);

    assert!(site.op.script().records.refreshes > before);
    let log = site.house.said("stderr");
    for token in site.op.script().records.issued("id") {
        assert!(!log.contains(&token), "an ID token is in the log");
    }
}

/// D15: the rights that tokens hang on.
#[tokio::test]
async fn who_is_no_longer_let_in_gets_no_tokens_within_the_lifetime_of_one() {
    let site = Site::with("allowed_groups = [\"crew\"]\n").await;
    site.configure(ARCHIVE);
    let river = Person::new("subject-1", "river");
    {
        let mut script = site.op.script();
        script.lifetimes.access = 30;
        script.people = vec![river.clone().with("groups", json!(["crew"]))];
    }
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    agent.token("archive").await.must_be(200);

    *site.op.script().person("subject-1") = river.with("groups", json!([]));
    let refused = agent
        .until_token_is("archive", 403, Duration::from_secs(30))
        .await;

    assert_eq!(refused.json()["error"], "not_allowed", "{refused:#?}");
    let home = browser.get("hub/home").await.must_be(200);
    assert!(home.text.contains("You may no longer use this hub"));
    let back = browser.sign_in_at(PROVIDER, &site.op, "subject-1").await;
    assert_eq!(back.status, 403, "{back:#?}");
}

/// D34: of tokens that live for 12 s the last third stands for the last minute and a half.
#[tokio::test]
async fn a_start_begins_with_a_token_that_does_not_end_at_once() {
    let site = site(12).await;
    let hub = start(&site).await;
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    let seconds_left = || {
        let script = site.op.script();
        let newest = script.records.latest("access");
        let known = script.records.access(&newest).expect("it is known");
        known.expires_at - SystemClock.now().seconds()
    };
    within(PATIENCE, "little is left of it", async || {
        seconds_left() <= 3
    })
    .await;
    assert_eq!(site.op.refresh_calls(), 0, "nobody with a server");

    browser.start_server("river").await;

    assert_eq!(site.op.refresh_calls(), 1, "before the server began");
    let agent = Agent::of(&site.house, &hub.url, "river").await;
    let given = agent.token("archive").await.must_be(200).json();
    assert!(given["expires_in"].as_i64() >= Some(5), "{given}");
}
