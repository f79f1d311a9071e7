//! Tokens with a real Keycloak (D8, D16, D20, D26, D46).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jansky_model::{Clock as _, SystemClock};
use jansky_testing::browser::Browser as LoginForm;
use jansky_testing::keycloak::{Administrator, variable};
use jansky_testing::signing::decode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::agent::{Agent, stand_in, statuses, token_of};
use crate::browser::Browser;
use crate::house::{House, Hub};
use crate::keycloak::{KEYCLOAK, house, own_name, sign_in};
use crate::site::configure;
use crate::tokens::ARCHIVE;

/// Somebody of Keycloak with a running server and the agent beside it.
pub(crate) async fn somebody_at_work(house: &House, hub: &Hub<'_>, name: &str) -> (Browser, Agent) {
    let browser = Browser::new(&hub.url);
    let answer = sign_in(hub, &browser, name, &LoginForm::new()).await;
    assert_eq!(answer.status, 302, "{name} was not let in: {answer:#?}");
    browser.start_server(name).await;
    let agent = Agent::of(house, &hub.url, name).await;
    (browser, agent)
}

/// A client whose access tokens live for so many seconds.
async fn client(keycloak: &Administrator, lifetime: u64) -> String {
    let client = own_name("client");
    let lifetime = lifetime.to_string();
    let attributes = [("access.token.lifespan", lifetime.as_str())];
    keycloak.copy_client("jansky", &client, &attributes).await;
    client
}

/// Waits until a token of Keycloak has ended.
async fn has_ended(token: &str) {
    let (_, claims) = decode(token);
    let ends = claims["exp"].as_i64().expect("a token of Keycloak ends");
    let left = u64::try_from(ends - SystemClock.now().seconds()).unwrap_or_default();
    tokio::time::sleep(Duration::from_secs(left + 1)).await;
}

/// D16: Keycloak ends the session when a refresh token is used twice, so that all cycles end well
/// says that there was one refresh in each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keycloak_sees_one_refresh_however_many_ask() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    keycloak.make_person(&name).await;
    let client = client(&keycloak, 12).await;
    let house = house(&client, "allow_all = true\n");
    let url = jansky_store::testing::new_postgres_database("checks").await;
    configure(
        &house,
        &format!("{ARCHIVE}[database]\nurl = \"{url}\"\nunsafe_several_processes = true\n"),
    );
    let first = house.start(&[&stand_in()]).await;
    let second = house.start(&[&stand_in()]).await;
    let (browser, agent) = somebody_at_work(&house, &first, &name).await;
    let other = Arc::new(agent.at(&second.url));
    let agent = Arc::new(agent);
    let mut newest = token_of(&agent.token("archive").await);

    for cycle in 1..=3 {
        has_ended(&newest).await;
        let mut asking = Vec::new();
        for agent in [&agent, &other] {
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
        let tokens: BTreeSet<String> = answers.iter().map(token_of).collect();
        assert_eq!(tokens.len(), 1, "cycle {cycle}");
        newest = tokens.into_iter().next().expect("there is one");
    }
    browser.get("hub/home").await.must_be(200);
}

/// A place that hands on Keycloak's public keys, and counts how often it is asked.
async fn counted_keys(issuer: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let place = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = place.local_addr().expect("it listens");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let source = format!("{issuer}/protocol/openid-connect/certs");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = place.accept().await {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => question.push(byte),
                    Err(_) => break,
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let keys = reqwest::get(&source).await.expect("Keycloak answers");
            let keys = keys.text().await.expect("it is text");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{keys}",
                keys.len()
            );
            // Whoever has gone away needs no answer.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

/// D8
#[tokio::test]
async fn a_key_that_keycloak_changes_costs_one_request_and_keeps_nobody_out() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    keycloak.make_person(&name).await;
    let client = client(&keycloak, 5).await;
    let issuer = variable("JANSKY_TEST_KEYCLOAK_ISSUER");
    let (keys, asked) = counted_keys(&issuer).await;
    let endpoints = format!(
        "allow_all = true\n\
         [provider.{KEYCLOAK}.endpoints]\n\
         authorization = \"{issuer}/protocol/openid-connect/auth\"\n\
         token = \"{issuer}/protocol/openid-connect/token\"\n\
         userinfo = \"{issuer}/protocol/openid-connect/userinfo\"\n\
         jwks = \"http://{keys}/\"\n"
    );
    let house = house(&client, &endpoints);
    configure(&house, ARCHIVE);
    let hub = house.start(&[&stand_in()]).await;
    let (_, agent) = somebody_at_work(&house, &hub, &name).await;
    let before = token_of(&agent.token("archive").await);
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    keycloak.change_signing_key().await;
    has_ended(&before).await;
    let after = token_of(&agent.token("archive").await);
    let browser = Browser::new(&hub.url);
    let answer = sign_in(&hub, &browser, &name, &LoginForm::new()).await;

    answer.must_be(302);
    assert_ne!(decode(&before).0["kid"], decode(&after).0["kid"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let log = house.said("stderr");
    assert!(!log.contains("could not read the claims"), "{log}");
}

/// D20, D46
#[tokio::test]
async fn who_was_signed_out_at_keycloak_signs_in_again_and_goes_on_with_the_same_server() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let client = client(&keycloak, 5).await;
    let house = house(&client, "allow_all = true\n");
    configure(&house, ARCHIVE);
    let hub = house.start(&[&stand_in()]).await;
    let (browser, agent) = somebody_at_work(&house, &hub, &name).await;
    let token = token_of(&agent.token("archive").await);
    let pid = browser.server_pid(&name).await;

    keycloak.sign_out(&person).await;
    has_ended(&token).await;
    let refused = agent.token("archive").await.must_be(401);
    assert_eq!(refused.json()["error"], "reauth_required", "{refused:#?}");
    assert!(browser.get("hub/home").await.asks_to_sign_in());
    let again = Browser::new(&hub.url);
    sign_in(&hub, &again, &name, &LoginForm::new())
        .await
        .must_be(302);

    agent.token("archive").await.must_be(200);
    assert_eq!(again.server_pid(&name).await, pid);
}

/// D26: the end of the session stands for the time after which it is idle; Keycloak takes two
/// minutes more for that than one configures.
#[tokio::test]
async fn an_offline_token_outlives_the_session_and_is_asked_for_only_where_configured() {
    let keycloak = Administrator::sign_in().await;
    let name = own_name("zoe");
    let person = keycloak.make_person(&name).await;
    let client = client(&keycloak, 5).await;
    let scopes = "allow_all = true\nscopes = [\"openid\", \"profile\", \"offline_access\"]\n";
    let offline = house(&client, scopes);
    configure(&offline, ARCHIVE);
    let online = house(&client, "allow_all = true\n");
    let hub = offline.start(&[&stand_in()]).await;
    let without = online.start(&[]).await;

    let asked = Browser::new(&without.url).leave(KEYCLOAK).await;
    assert!(!asked.as_str().contains("offline_access"), "{asked}");
    let (browser, agent) = somebody_at_work(&offline, &hub, &name).await;
    let token = token_of(&agent.token("archive").await);
    for session in keycloak.sessions(&person).await {
        let id = session["id"].as_str().expect("a session has an id");
        let path = format!("sessions/{id}");
        keycloak.call("DELETE", &path, None).await;
    }
    has_ended(&token).await;

    let later = token_of(&agent.token("archive").await);
    assert_ne!(later, token);
    browser.get("hub/home").await.must_be(200);
}
