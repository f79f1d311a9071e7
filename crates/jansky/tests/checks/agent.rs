//! The agent's side of the broker, spoken by the test: right, and wrong where that is the claim.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use jansky_crypto::SystemRandom;
use jansky_crypto::dpop::{ProofKey, Request};
use jansky_model::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::browser::{Answer, Body, Browser, form};
use crate::house::{House, until};

/// The grant type of a question for a token (RFC 8693).
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The setting that puts the stand-in in the place of the agent.
pub(crate) fn stand_in() -> String {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/checks/stand_in_agent.py"
    );
    format!("spawner.agent_command=[\"python3\", \"{script}\"]")
}

/// What the agent beside the running server of a person was told.
pub(crate) async fn document(house: &House, user: &str) -> Value {
    until("the agent was told nothing", async || {
        let processes = house.processes();
        let server = processes.iter().find(|process| {
            process.variable("JUPYTERHUB_USER") == user
                && !process.variable("JANSKY_AGENT_SOCKET").is_empty()
        })?;
        let socket = server.variable("JANSKY_AGENT_SOCKET");
        let text = std::fs::read_to_string(format!("{socket}.document")).ok()?;
        serde_json::from_str(&text).ok()
    })
    .await
}

/// An agent. It is a plain HTTP client: what it sends is up to the test.
pub(crate) struct Agent {
    pub(crate) key: Arc<ProofKey>,
    /// What it got for its ticket; empty before that.
    pub(crate) session: String,
    http: Browser,
    /// The address of the broker, with `/` at its end.
    broker: String,
    nonce: Mutex<String>,
}

impl Agent {
    /// One that has not come in yet, at a hub.
    pub(crate) fn new(hub: &str) -> Self {
        Self {
            key: Arc::new(ProofKey::generate()),
            session: String::new(),
            http: Browser::new(hub),
            broker: format!("{hub}hub/broker/v1/"),
            nonce: Mutex::default(),
        }
    }

    /// The agent beside the running server of a person, come in with its ticket.
    pub(crate) async fn of(house: &House, hub: &str, user: &str) -> Self {
        let told = document(house, user).await;
        let mut agent = Self::new(hub);
        agent
            .come_in(told["ticket"].as_str().expect("a ticket"))
            .await;
        agent
    }

    /// Presents a ticket, which must be good.
    pub(crate) async fn come_in(&mut self, ticket: &str) {
        let answer = self.enroll(ticket).await;
        assert_eq!(answer.status, 200, "the ticket is refused: {answer:#?}");
        let session = answer.json()["session"].as_str().map(str::to_owned);
        self.session = session.expect("a session");
    }

    /// The same agent at another address of the hub.
    pub(crate) fn at(&self, hub: &str) -> Self {
        Self {
            key: Arc::clone(&self.key),
            session: self.session.clone(),
            ..Self::new(hub)
        }
    }

    /// Whoever has the key of one agent and the session of another; none when it is empty.
    pub(crate) fn mixed(hub: &str, key: &Self, session: &str) -> Self {
        Self {
            key: Arc::clone(&key.key),
            session: session.to_owned(),
            ..Self::new(hub)
        }
    }

    pub(crate) fn nonce(&self) -> String {
        self.nonce.lock().expect("nobody panicked with it").clone()
    }

    /// The address of an endpoint.
    pub(crate) fn address(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.broker)
    }

    /// A proof with everything as given; no nonce when it is empty.
    pub(crate) fn proof(&self, method: &str, url: &str, nonce: &str, at: Timestamp) -> String {
        let request = Request {
            method,
            url,
            token: (!self.session.is_empty()).then_some(&self.session),
            nonce: (!nonce.is_empty()).then_some(nonce),
            at,
        };
        self.key.prove(&SystemRandom, request)
    }

    /// A proof as it should be.
    pub(crate) fn good_proof(&self, method: &str, endpoint: &str) -> String {
        let now = SystemClock.now();
        self.proof(method, &self.address(endpoint), &self.nonce(), now)
    }

    /// Sends a request with a proof and, if it has one, its session.
    pub(crate) async fn send(
        &self,
        method: &str,
        endpoint: &str,
        proof: &str,
        body: Option<Body>,
    ) -> reqwest::Result<Answer> {
        let authorization = format!("DPoP {}", self.session);
        let mut headers = vec![("dpop", proof)];
        if !self.session.is_empty() {
            headers.push(("authorization", &authorization));
        }
        let method: Method = method.parse().expect("a method");
        let url = self.address(endpoint);
        let answer = self.http.try_send(method, &url, &headers, body).await?;
        let nonce = answer.header("dpop-nonce").to_owned();
        if !nonce.is_empty() {
            *self.nonce.lock().expect("nobody panicked with it") = nonce;
        }
        Ok(answer)
    }

    /// Sends a request as it should be, and again when the answer asks for its nonce.
    async fn ask(
        &self,
        method: &str,
        endpoint: &str,
        body: impl Fn() -> Option<Body>,
    ) -> reqwest::Result<Answer> {
        let mut tries = 0;
        loop {
            let proof = self.good_proof(method, endpoint);
            let answer = self.send(method, endpoint, &proof, body()).await?;
            tries += 1;
            let wants_nonce = answer.header("www-authenticate").contains("use_dpop_nonce");
            if !wants_nonce || tries > 2 {
                return Ok(answer);
            }
        }
    }

    /// Presents a ticket.
    pub(crate) async fn enroll(&self, ticket: &str) -> Answer {
        let body = || Some(Body::Json(json!({ "ticket": ticket })));
        let answer = self.ask("POST", "enroll", body).await;
        answer.expect("the hub answers")
    }

    /// Asks for a token, where the hub may be away.
    pub(crate) async fn try_token(
        &self,
        audience: &str,
        more: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let mut fields = vec![("grant_type", EXCHANGE), ("audience", audience)];
        fields.extend_from_slice(more);
        let body = || Some(Body::Form(form(&fields)));
        self.ask("POST", "token", body).await
    }

    /// Asks for a token.
    pub(crate) async fn token(&self, audience: &str) -> Answer {
        self.token_with(audience, &[]).await
    }

    /// Asks for a token with more parameters.
    pub(crate) async fn token_with(&self, audience: &str, more: &[(&str, &str)]) -> Answer {
        let answer = self.try_token(audience, more).await;
        answer.expect("the hub answers")
    }

    /// Asks what it could ask for.
    pub(crate) async fn audiences(&self) -> Answer {
        let answer = self.ask("GET", "audiences", || None).await;
        answer.expect("the hub answers")
    }

    /// Asks for a token until the answer is this one.
    pub(crate) async fn until_token_is(
        &self,
        audience: &str,
        status: u16,
        limit: Duration,
    ) -> Answer {
        let began = tokio::time::Instant::now();
        loop {
            let answer = self.token(audience).await;
            if answer.status == status {
                return answer;
            }
            assert!(
                began.elapsed() < limit,
                "not {status} within {limit:?}: {answer:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The token of an answer.
pub(crate) fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:#?}");
    let json = answer.json();
    json["access_token"].as_str().expect("a token").to_owned()
}

/// How often each status came.
pub(crate) fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}
