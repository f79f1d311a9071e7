//! How tokens come to a server, and how they come to nobody else (D36, D38, D39).

use std::time::Duration;

use http::Method;
use jansky_model::{Clock as _, SystemClock};
use jansky_testing::Person;
use serde_json::json;

use crate::agent::{Agent, EXCHANGE, document};
use crate::browser::{Answer, Body, Browser, form};
use crate::house::{House, Hub};
use crate::site::{Site, within};
use crate::storage::sqlite;
use crate::tokens::{ARCHIVE, somebody_at_work, start};

async fn site() -> Site {
    let site = Site::new().await;
    site.configure(ARCHIVE);
    site.op
        .script()
        .people
        .push(Person::new("subject-2", "wash"));
    site
}

/// A second person with a running server and the agent beside it.
async fn somebody_else(site: &Site, hub: &Hub<'_>) -> (Browser, Agent) {
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-2").await;
    browser.start_server("wash").await;
    let agent = Agent::of(&site.house, &hub.url, "wash").await;
    (browser, agent)
}

/// The audit trail as the operator has it: event and outcome of each line, in order.
pub(crate) fn trail(house: &House) -> Vec<(String, String)> {
    let database = house.path().join("data/jansky.sqlite");
    let lines = sqlite(
        &database,
        "select event, outcome from audit_events order by seq",
    );
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    pairs
        .map(|(event, outcome)| (event.to_owned(), outcome.to_owned()))
        .collect()
}

/// The API token of a person's running server, from its environment.
fn server_token(house: &House, user: &str) -> String {
    let processes = house.processes();
    let mut tokens = processes.iter().filter_map(|process| {
        let token = process.variable("JUPYTERHUB_API_TOKEN");
        (process.variable("JUPYTERHUB_USER") == user && !token.is_empty()).then_some(token)
    });
    tokens.next().expect("it runs").to_owned()
}

/// The question for a token, as a form.
fn question() -> Body {
    let fields = [("grant_type", EXCHANGE), ("audience", "archive")];
    Body::Form(form(&fields))
}

/// D36; that a ticket ends a minute after its server began is held by a test of `web`.
#[tokio::test]
async fn a_ticket_that_is_used_again_freezes_what_came_of_it() {
    let site = site().await;
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;
    let told = document(&site.house, "river").await;
    let ticket = told["ticket"].as_str().expect("a ticket");
    agent.token("archive").await.must_be(200);

    let thief = Agent::new(&hub.url);
    let refused = thief.enroll(ticket).await;
    let again = Agent::mixed(&hub.url, &agent, "");
    let same_key = again.enroll(ticket).await;
    let unknown = thief.enroll("jkt_0123456789abcdef0123456789abcdef").await;

    for answer in [refused, same_key, unknown] {
        assert_eq!(answer.status, 401, "{answer:#?}");
        assert_eq!(answer.json()["error"], "invalid_grant");
    }
    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(frozen.json()["error"], "session_frozen", "{frozen:#?}");
    within(
        Duration::from_secs(1),
        "it is in the audit trail",
        async || {
            trail(&site.house)
                .iter()
                .any(|(event, _)| event == "ticket_replay")
        },
    )
    .await;
    let state = agent.audiences().await.must_be(200).json();
    assert_eq!(state["state"], "frozen", "{state}");
    assert_eq!(state["frozen_reason"], "ticket_replay", "{state}");
    // Signing in again is not enough: the next start is.
    browser.sign_in(&site.op, "subject-1").await;
    agent.token("archive").await.must_be(401);
}

/// D39
#[tokio::test]
async fn a_request_without_a_right_proof_gets_nothing_and_is_written_down() {
    let site = site().await;
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    let (_, other) = somebody_else(&site, &hub).await;
    agent.token("archive").await.must_be(200);
    let now = SystemClock.now();
    let here = agent.address("token");
    let with_other_key = Agent::mixed(&hub.url, &other, &agent.session);
    let replayed = agent.good_proof("POST", "token");
    let first = agent
        .send("POST", "token", &replayed, Some(question()))
        .await;
    first.expect("it answers").must_be(200);
    let nonce = agent.nonce();
    let old = now.minus(Duration::from_mins(2));
    let server_token = server_token(&site.house, "river");

    let proofs = [
        ("no proof at all", String::new()),
        ("nonsense", "a.b.c".to_owned()),
        (
            "for another address",
            agent.proof("POST", &agent.address("audiences"), &nonce, now),
        ),
        (
            "for another host",
            agent.proof(
                "POST",
                "https://evil.example/hub/broker/v1/token",
                &nonce,
                now,
            ),
        ),
        ("for another method", agent.proof("GET", &here, &nonce, now)),
        ("used before", replayed),
        ("two minutes old", agent.proof("POST", &here, &nonce, old)),
        ("without a nonce", agent.proof("POST", &here, "", now)),
        (
            "with a made-up nonce",
            agent.proof("POST", &here, "made-up", now),
        ),
        (
            "with the key of another server",
            with_other_key.proof("POST", &here, &nonce, now),
        ),
    ];
    let mut refused: Vec<(&str, Answer)> = Vec::new();
    for (what, proof) in &proofs {
        let answer = agent.send("POST", "token", proof, Some(question())).await;
        refused.push((what, answer.expect("it answers")));
    }
    // What stands in the environment of a server, from wherever it is sent.
    let stranger = Browser::new(&hub.url);
    for (what, authorization) in [
        ("the server's own token", format!("token {server_token}")),
        (
            "the server's token as a bearer",
            format!("Bearer {server_token}"),
        ),
        (
            "the session as a bearer",
            format!("Bearer {}", agent.session),
        ),
        ("the session alone", format!("DPoP {}", agent.session)),
    ] {
        let headers = [("authorization", authorization.as_str())];
        let answer = stranger
            .send(
                Method::POST,
                "hub/broker/v1/token",
                &headers,
                Some(question()),
            )
            .await;
        refused.push((what, answer));
    }

    for (what, answer) in &refused {
        assert_eq!(answer.status, 401, "{what}: {answer:#?}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("DPoP"), "{what}: {answer:#?}");
        assert!(
            !answer.header("dpop-nonce").is_empty(),
            "{what}: {answer:#?}"
        );
        assert!(!answer.text.contains("canary"), "{what}: {answer:#?}");
    }
    // A proof without a good nonce is what the usual protocol begins with, and is not written down.
    let expected = refused.len() - 2;
    let noted = trail(&site.house);
    let count = noted.iter().filter(|(_, outcome)| outcome != "ok").count();
    assert!(count >= expected, "{count} of {expected}: {noted:?}");
    agent.token("archive").await.must_be(200);
}

/// D38
#[tokio::test]
async fn neither_a_page_nor_another_persons_credential_gets_a_token() {
    let site = site().await;
    let hub = site
        .house
        .start(&[&crate::agent::stand_in(), "hub.admin_users=[\"boss\"]"])
        .await;
    site.op
        .script()
        .people
        .push(Person::new("subject-3", "boss"));
    let (river, agent) = somebody_at_work(&site, &hub).await;
    let (wash, of_wash) = somebody_else(&site, &hub).await;
    let boss = Browser::new(&hub.url);
    boss.sign_in(&site.op, "subject-3").await;
    let admin = boss.new_token().await;

    for (who, browser) in [("river", &river), ("wash", &wash), ("boss", &boss)] {
        let xsrf = browser.cookie("_xsrf");
        for headers in [
            vec![
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-site", "same-origin"),
            ],
            vec![("sec-fetch-mode", "cors"), ("x-xsrftoken", xsrf.as_str())],
            vec![("sec-fetch-mode", "navigate")],
        ] {
            for (method, endpoint) in [
                (Method::POST, "token"),
                (Method::POST, "enroll"),
                (Method::GET, "audiences"),
                (Method::GET, "events"),
            ] {
                let path = format!("hub/broker/v1/{endpoint}");
                let body = match endpoint {
                    "token" => Some(question()),
                    "enroll" => Some(Body::Json(json!({ "ticket": "jkt_x" }))),
                    _ => None,
                };
                let answer = browser.send(method, &path, &headers, body).await;
                assert_eq!(answer.status, 401, "{who} {headers:?}: {answer:#?}");
            }
        }
    }
    // The session of one with the key of the other, both ways round.
    for (session, key) in [(&agent, &of_wash), (&of_wash, &agent)] {
        let mixed = Agent::mixed(&hub.url, key, &session.session);
        mixed.token("archive").await.must_be(401);
    }
    // The right to everything is no right to tokens of people.
    let path = "hub/broker/v1/token";
    let as_admin = admin.send(Method::POST, path, &[], Some(question())).await;
    assert_eq!(as_admin.status, 401, "{as_admin:#?}");
    let model = admin
        .api("GET", "hub/api/users/river", None)
        .await
        .must_be(200);
    for (kind, text) in site.op.canaries() {
        assert!(!model.text.contains(&text), "the admin reads the {kind}");
    }
    // Each gets what is theirs.
    let own = crate::agent::token_of(&of_wash.token("archive").await);
    let script = site.op.script();
    let known = script.records.access(&own).expect("the provider gave it");
    assert_eq!(known.subject, "subject-2");
}

/// D38, for the two ways that programs written for JupyterHub have, both turned on.
#[tokio::test]
async fn the_ways_of_old_programs_open_to_no_cookie_and_show_nobody_elses_tokens() {
    let site = Site::new().await;
    site.configure("[broker]\nlocal_user_exposed_path = \"/custom/userinfo\"\nauth_state = true\n");
    site.op.script().people.extend([
        Person::new("subject-2", "wash"),
        Person::new("subject-3", "boss"),
    ]);
    let hub = site.start_with(&["hub.admin_users=[\"boss\"]"]).await;
    let people = ["subject-1", "subject-2", "subject-3"].map(|_| Browser::new(&hub.url));
    for (browser, subject) in people.iter().zip(["subject-1", "subject-2", "subject-3"]) {
        browser.sign_in(&site.op, subject).await;
    }
    let [river, wash, boss] = &people;
    river.start_server("river").await;
    wash.start_server("wash").await;
    let exposed = "hub/custom/userinfo";
    let own = |browser: &str| {
        let script = site.op.script();
        let issued = script.records.issued("access").into_iter();
        let own = issued.filter(|token| {
            script
                .records
                .access(token)
                .is_some_and(|a| a.subject == browser)
        });
        own.collect::<Vec<_>>()
    };

    // The servers themselves, so that it is known that the ways are open.
    for (user, subject) in [("river", "subject-1"), ("wash", "subject-2")] {
        let server = hub.program(&server_token(&site.house, user));
        let shown = server.get(exposed).await.must_be(200).json();
        assert_eq!(shown["username"], user);
        let token = shown["access_token"].as_str().expect("a token").to_owned();
        assert!(own(subject).contains(&token), "{shown}");
    }
    let admin = boss.new_token().await;
    let path = "hub/api/users/river";
    let shown = admin.api("GET", path, None).await.must_be(200).json();
    let token = shown["auth_state"]["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(own("subject-1").contains(&token), "{shown}");

    for (who, browser) in [("river", river), ("wash", wash), ("boss", boss)] {
        let xsrf = browser.cookie("_xsrf");
        for headers in [
            vec![],
            vec![
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            vec![
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-site", "same-origin"),
            ],
            vec![
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-site", "same-origin"),
            ],
            vec![("sec-fetch-mode", "cors"), ("x-xsrftoken", xsrf.as_str())],
        ] {
            let answer = browser.send(Method::GET, exposed, &headers, None).await;
            assert_eq!(answer.status, 401, "{who} {headers:?}: {answer:#?}");
            for path in [
                "hub/api/users/river",
                "hub/api/users/wash",
                "hub/api/user",
                "hub/api/users",
            ] {
                let answer = browser.send(Method::GET, path, &headers, None).await;
                for (kind, text) in site.op.canaries() {
                    assert!(
                        !answer.text.contains(&text),
                        "{who} {headers:?} {path}: the {kind}"
                    );
                }
            }
        }
    }
    // Tokens that are no server's, and the token of one server for the other's user.
    for program in [&admin, &river.new_token().await] {
        program.get(exposed).await.must_be(401);
    }
    let server = hub.program(&server_token(&site.house, "wash"));
    for path in ["hub/api/users/river", "hub/api/users/wash"] {
        let answer = server.api("GET", path, None).await;
        for token in own("subject-1").iter().chain(&own("subject-2")) {
            assert!(!answer.text.contains(token), "{path}: {answer:#?}");
        }
    }
}

/// D40
#[tokio::test]
async fn a_server_that_is_shared_gets_no_tokens_until_it_is_its_owners_alone_again() {
    let site = site().await;
    let hub = site
        .house
        .start(&[&crate::agent::stand_in(), "hub.admin_users=[\"wash\"]"])
        .await;
    let (_, agent) = somebody_at_work(&site, &hub).await;
    let admin = Browser::new(&hub.url);
    admin.sign_in(&site.op, "subject-2").await;
    agent.token("archive").await.must_be(200);
    let soon = Duration::from_secs(2);

    let path = "hub/api/shares/river/";
    let with_wash = json!({ "user": "wash" });
    admin.api("POST", path, Some(with_wash)).await.must_be(200);
    let refused = agent.until_token_is("archive", 403, soon).await;
    let state = agent.audiences().await.must_be(200).json();
    admin.api("DELETE", path, None).await.must_be(204);
    agent.until_token_is("archive", 200, soon).await;

    assert_eq!(refused.json()["error"], "server_shared", "{refused:#?}");
    assert_eq!(state["audiences"][0]["state"], "server_shared", "{state}");
}
