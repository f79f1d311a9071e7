//! An agent as the broker meets it: a key, a session, and the nonce of the last answer.

use std::sync::{Arc, Mutex};

use jansky_crypto::SystemRandom;
use jansky_crypto::dpop::{ProofKey, Request};
use jansky_model::{Clock, ManualClock};
use serde_json::json;

use super::{Answer, Client, TestWeb};

/// Where agents reach the broker, according to the usual settings.
pub(crate) const BROKER: &str = "http://127.0.0.1:8000/hub/broker/v1/";

/// The grant type of a question for a token.
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// An agent.
pub(crate) struct TestAgent {
    pub(crate) client: Client,
    pub(crate) key: ProofKey,
    pub(crate) session: Option<String>,
    nonce: Mutex<Option<String>>,
    clock: Arc<ManualClock>,
}

impl TestAgent {
    /// One that has not come in yet.
    pub(crate) fn new(hub: &TestWeb) -> Self {
        Self {
            client: hub.anonymous(),
            key: ProofKey::generate(),
            session: None,
            nonce: Mutex::default(),
            clock: Arc::clone(&hub.clock),
        }
    }

    /// The agent of the server that was started last, come in with its ticket.
    pub(crate) async fn of_last_server(hub: &TestWeb) -> Self {
        let ticket = hub.ticket();
        let mut agent = Self::new(hub);
        let answer = agent.enroll(&ticket).await.must_be(200).json();
        agent.session = answer["session"].as_str().map(str::to_owned);
        agent
    }

    /// The same agent, which now asks another process.
    pub(crate) fn at(mut self, hub: &TestWeb) -> Self {
        self.client = hub.anonymous();
        self
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        self.nonce.lock().expect("no test panicked here").clone()
    }

    pub(crate) fn set_nonce(&self, nonce: Option<&str>) {
        *self.nonce.lock().expect("no test panicked here") = nonce.map(str::to_owned);
    }

    /// A proof for a request to an endpoint, as it should be.
    pub(crate) fn prove(&self, method: &str, endpoint: &str) -> String {
        self.key.prove(
            &SystemRandom,
            Request {
                method,
                url: &format!("{BROKER}{endpoint}"),
                token: self.session.as_deref(),
                nonce: self.nonce().as_deref(),
                at: self.clock.now(),
            },
        )
    }

    /// Sends a request with a proof, and again when the answer asks for its nonce.
    async fn ask(
        &self,
        method: &str,
        endpoint: &str,
        send: impl AsyncFn(String) -> Answer,
    ) -> Answer {
        for _ in 0..2 {
            let answer = send(self.prove(method, endpoint)).await;
            let nonce = answer.header("dpop-nonce").to_owned();
            assert!(!nonce.is_empty(), "every answer brings a nonce");
            self.set_nonce(Some(&nonce));
            if !answer.header("www-authenticate").contains("use_dpop_nonce") {
                return answer;
            }
        }
        panic!("the hub does not take its own nonce");
    }

    pub(crate) async fn enroll(&self, ticket: &str) -> Answer {
        self.ask("POST", "enroll", async |proof| {
            let call = self.client.call("POST", "/hub/broker/v1/enroll");
            call.header("dpop", &proof)
                .json(&json!({ "ticket": ticket }))
                .send()
                .await
        })
        .await
    }

    /// Asks for a token.
    pub(crate) async fn token(&self, audience: &str) -> Answer {
        self.token_with(audience, &[]).await
    }

    /// Asks for a token with more parameters.
    pub(crate) async fn token_with(&self, audience: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", EXCHANGE), ("audience", audience)];
        form.extend_from_slice(more);
        self.ask("POST", "token", async |proof| {
            self.raw("POST", "token", &proof).form(&form).send().await
        })
        .await
    }

    pub(crate) async fn audiences(&self) -> Answer {
        self.ask("GET", "audiences", async |proof| {
            self.raw("GET", "audiences", &proof).send().await
        })
        .await
    }

    /// Opens the stream of events.
    pub(crate) async fn events(&self) -> super::client::Opened {
        // Any other question brings a nonce that is taken.
        self.audiences().await;
        let proof = self.prove("GET", "events");
        self.raw("GET", "events", &proof).open().await
    }

    /// A request with the session and this proof.
    pub(crate) fn raw(&self, method: &str, endpoint: &str, proof: &str) -> super::client::Call<'_> {
        let session = self.session.as_deref().unwrap_or("none");
        let call = self
            .client
            .call(method, &format!("/hub/broker/v1/{endpoint}"));
        call.header("authorization", &format!("DPoP {session}"))
            .header("dpop", proof)
    }
}

impl TestWeb {
    /// The ticket that the spawner was given last.
    pub(crate) fn ticket(&self) -> String {
        let spec = self.last_start();
        let agent = spec.agent.as_ref().expect("there is something to ask for");
        assert_eq!(agent.broker_url, BROKER);
        agent.ticket.expose().to_owned()
    }
}
