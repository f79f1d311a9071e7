//! A scripted OpenID Connect provider: right by default, wrong on request, and it remembers calls.
//!
//! It listens on the loopback interface. All that it gives out is a canary: a text that is nowhere
//! else, or a JWT that is remembered.

mod endpoint;
mod records;
mod script;
mod token;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jansky_model::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};

use endpoint::{Endpoint, serve};
pub use records::{Access, Records, STANDING_REFRESH};
pub use script::{
    Audience, BrokerMode, Brokered, Call, Instead, Lifetimes, Person, Script, Service, Tweak,
};

/// The name of the client that the provider knows.
pub const CLIENT_ID: &str = "jansky";

/// Its secret.
pub const CLIENT_SECRET: &str = "canary-client-secret";

/// The event that a logout token tells of.
pub const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A running provider. Ends when it is dropped.
pub struct ScriptedProvider {
    /// Its issuer, which is also the address of its endpoints.
    pub issuer: String,
    address: SocketAddr,
    endpoint: Endpoint,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
    }
}

impl ScriptedProvider {
    /// Starts one on a free port.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), clock).await
    }

    /// Starts it at a given address, for a test that had it down before.
    pub async fn start_at(address: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("the address is free");
        let address = listener.local_addr().expect("it listens");
        let issuer = format!("http://{address}");
        let endpoint = Endpoint {
            issuer: issuer.clone(),
            script: Arc::new(Mutex::new(Script::new(CLIENT_SECRET))),
            clock,
        };
        let task = tokio::spawn(serve(listener, endpoint.clone()));
        Self {
            issuer,
            address,
            endpoint,
            task: Mutex::new(Some(task)),
        }
    }

    /// Stops listening and cuts every connection, as when the machine is gone.
    pub async fn close(&self) {
        let task = self.task().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens again at the same address, with everything as it was.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the address is still free");
        let task = tokio::spawn(serve(listener, self.endpoint.clone()));
        *self.task() = Some(task);
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The knobs; not to be held across an await.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.endpoint.script()
    }

    /// What says whose an access token is, as a service does that looks at its signature and its end
    /// only: the end of a session changes nothing for a token that is out.
    pub fn judge(&self) -> impl Fn(&str) -> Option<Access> + Send + Sync + 'static {
        let endpoint = self.endpoint.clone();
        move |token| {
            let known = endpoint.script().records.access(token).cloned();
            known.filter(|access| access.expires_at > endpoint.now())
        }
    }

    /// How often an endpoint was called.
    pub fn calls(&self, path: &str) -> usize {
        self.calls_of(path).len()
    }

    /// The calls of an endpoint.
    pub fn calls_of(&self, path: &str) -> Vec<Call> {
        let script = self.script();
        let calls = script.calls.iter().filter(|call| call.path == path);
        calls.cloned().collect()
    }

    /// How often the token endpoint was asked for a refresh.
    pub fn refresh_calls(&self) -> usize {
        let calls = self.calls_of("/token").into_iter();
        calls
            .filter(|call| call.form.get("grant_type").map(String::as_str) == Some("refresh_token"))
            .count()
    }

    /// Plays the browser and the first person: takes the authorize URL and returns the callback's
    /// query.
    pub fn sign_in(&self, authorize: &Url) -> String {
        let subject = self.script().people[0].subject.clone();
        self.sign_in_as(authorize, &subject)
    }

    /// As [`sign_in`](Self::sign_in), with somebody else at the browser.
    pub fn sign_in_as(&self, authorize: &Url, subject: &str) -> String {
        let query: HashMap<String, String> = authorize.query_pairs().into_owned().collect();
        self.endpoint
            .authorize(query, subject)
            .unwrap_or_else(|error| panic!("the authorize request is wrong ({error}): {authorize}"))
            .1
    }

    /// A logout token that speaks of a person, of a session, or of both.
    pub fn logout_token(&self, subject: Option<&str>, sid: Option<&str>) -> String {
        let now = self.endpoint.now();
        let mut script = self.script();
        let id = script.records.name("notice");
        let key = &script.keys[0];
        let header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "logout+jwt" });
        let mut claims = json!({
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "jti": id,
            "iat": now,
            "exp": now + 120,
            "events": { LOGOUT_EVENT: {} },
        });
        for (claim, value) in [("sub", subject), ("sid", sid)] {
            if let Some(value) = value {
                claims[claim] = json!(value);
            }
        }
        key.sign(&header, &claims)
    }

    /// A security event token for `audience`: that `event` (a URI) happened to whom `subject` names
    /// (RFC 9493). `change` makes of its claims what the test is about.
    pub fn security_event(
        &self,
        audience: &str,
        event: &str,
        subject: &Value,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let now = self.endpoint.now();
        let mut script = self.script();
        let id = script.records.name("event");
        let key = &script.keys[0];
        let header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "secevent+jwt" });
        let mut claims = json!({
            "iss": self.issuer,
            "aud": audience,
            "jti": id,
            "iat": now,
            "sub_id": subject,
            "events": { event: { "event_timestamp": now } },
        });
        change(&mut claims);
        key.sign(&header, &claims)
    }

    /// Every secret that is in the world because of this provider: what it gave out, and the
    /// client's own secret.
    pub fn canaries(&self) -> Vec<(String, String)> {
        let script = self.script();
        let issued = script.records.all_issued().iter();
        let issued = issued.map(|(kind, text)| ((*kind).to_owned(), text.clone()));
        let secrets = script.secrets.iter();
        let secrets = secrets.map(|secret| ("client secret".to_owned(), secret.clone()));
        issued.chain(secrets).collect()
    }
}

/// A query, as it stands behind the question mark.
fn query_of(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

/// Replaces entries of an object; null removes one.
fn replace(object: &mut Value, entries: &std::collections::BTreeMap<&'static str, Value>) {
    for (name, value) in entries {
        object[*name] = value.clone();
    }
}
