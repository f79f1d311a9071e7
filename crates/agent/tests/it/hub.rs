//! A hub that does what a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jansky_crypto::dpop::{self, Expected};
use jansky_model::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

pub(crate) const TICKET: &str = "jty_canary-ticket";
pub(crate) const SESSION: &str = "jas_canary-session";

/// What the hub does and what it has seen.
pub(crate) struct Script {
    pub(crate) lifetime: u64,
    pub(crate) delay: Duration,
    /// Answered instead of a token.
    pub(crate) refusal: Option<(u16, Value)>,
    pub(crate) frozen: Option<String>,
    pub(crate) audiences: Value,
    /// The nonce of this process; it changes with each restart.
    pub(crate) nonce: String,
    pub(crate) enrolments: Vec<String>,
    /// Audience, scope and `min_ttl` of each request for a token that was proven.
    pub(crate) requests: Vec<(String, Option<String>, String)>,
    /// Requests with an old nonce.
    pub(crate) challenges: u32,
    pub(crate) listeners: u32,
}

/// A running hub; it keeps its address when it is restarted.
pub(crate) struct Hub {
    script: Arc<Mutex<Script>>,
    events: broadcast::Sender<(String, Value)>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    events: broadcast::Sender<(String, Value)>,
    base: String,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let script = Script {
            lifetime: 600,
            delay: Duration::ZERO,
            refusal: None,
            frozen: None,
            audiences: json!([]),
            nonce: "nonce-1".to_owned(),
            enrolments: Vec::new(),
            requests: Vec::new(),
            challenges: 0,
            listeners: 0,
        };
        let mut hub = Self {
            script: Arc::new(Mutex::new(script)),
            events: broadcast::channel(16).0,
            address: ([127, 0, 0, 1], 0).into(),
            server: None,
        };
        hub.restart().await;
        hub
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hub/broker/v1/", self.address)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who listens.
    pub(crate) fn tell(&self, event: &str, data: Value) {
        // Nobody may listen.
        let _ = self.events.send((event.to_owned(), data));
    }

    pub(crate) fn freeze(&self, reason: &str) {
        self.script().frozen = Some(reason.to_owned());
        self.tell("frozen", json!({ "reason": reason }));
    }

    /// Ends it with all its connections.
    pub(crate) async fn stop(&mut self) {
        // Its connections end with the streams of their events.
        self.events = broadcast::channel(16).0;
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        self.script().listeners = 0;
    }

    /// Begins, again, at the same address and with another nonce.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let listener = tokio::net::TcpListener::bind(self.address).await;
        let listener = listener.expect("the address is free");
        self.address = listener.local_addr().expect("it has one");
        self.script().nonce.push('x');
        let shared = Shared {
            script: Arc::clone(&self.script),
            events: self.events.clone(),
            base: self.url(),
        };
        let routes = Router::new()
            .route("/hub/broker/v1/enroll", post(enroll))
            .route("/hub/broker/v1/token", post(token))
            .route("/hub/broker/v1/audiences", get(audiences))
            .route("/hub/broker/v1/events", get(events))
            .with_state(shared);
        self.server = Some(tokio::spawn(serve(listener, routes)));
    }
}

/// Serves in one task, so that all connections end with it.
async fn serve(listener: tokio::net::TcpListener, routes: Router) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(routes.clone());
        let stream = hyper_util::rt::TokioIo::new(stream);
        connections
            .spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the proof and returns the fingerprint of the key.
    #[expect(clippy::result_large_err, reason = "the error is the answer")]
    fn proven(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<String, Response> {
        let own = self.base.trim_end_matches("/hub/broker/v1/");
        let urls = [format!("{own}{}", uri.path())];
        let expected = Expected {
            method: method.as_str(),
            urls: &urls,
            token,
            now: SystemClock.now(),
        };
        let proof = headers.get("dpop").and_then(|value| value.to_str().ok());
        let checked = dpop::check(proof.unwrap_or_default(), &expected)
            .map_err(|problem| error(401, "invalid_dpop_proof", &problem.to_string()))?;
        let mut script = self.script();
        if checked.nonce.as_ref() != Some(&script.nonce) {
            script.challenges += 1;
            let nonce = script.nonce.clone();
            let challenge = "DPoP error=\"use_dpop_nonce\"".to_owned();
            let headers = [("www-authenticate", challenge), ("dpop-nonce", nonce)];
            let body = Json(json!({ "error": "use_dpop_nonce" }));
            return Err((StatusCode::UNAUTHORIZED, headers, body).into_response());
        }
        Ok(checked.thumbprint)
    }

    /// The same for requests of an agent that has enrolled.
    #[expect(clippy::result_large_err, reason = "the error is the answer")]
    fn known(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Response> {
        let thumbprint = self.proven(method, uri, headers, Some(SESSION))?;
        let script = self.script();
        let authorization = headers.get("authorization").and_then(|it| it.to_str().ok());
        if authorization != Some(&format!("DPoP {SESSION}"))
            || script.enrolments.last() != Some(&thumbprint)
        {
            return Err(error(401, "invalid_token", "another key"));
        }
        Ok(())
    }
}

async fn enroll(
    State(hub): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let thumbprint = match hub.proven(&method, &uri, &headers, None) {
        Ok(thumbprint) => thumbprint,
        Err(answer) => return answer,
    };
    let mut script = hub.script();
    script.enrolments.push(thumbprint);
    if body["ticket"] != TICKET || script.enrolments.len() > 1 {
        return error(401, "invalid_grant", "no such ticket");
    }
    Json(json!({ "session": SESSION, "user": "river", "server": "", "events": true }))
        .into_response()
}

async fn token(
    State(hub): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(answer) = hub.known(&method, &uri, &headers) {
        return answer;
    }
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        let found = form.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(
        field("grant_type").as_deref(),
        Some("urn:ietf:params:oauth:grant-type:token-exchange")
    );
    let audience = field("audience").expect("an audience");
    let (number, delay) = {
        let mut script = hub.script();
        let min_ttl = field("min_ttl").unwrap_or_default();
        script
            .requests
            .push((audience.clone(), field("scope"), min_ttl));
        (script.requests.len(), script.delay)
    };
    tokio::time::sleep(delay).await;
    let script = hub.script();
    if let Some(reason) = &script.frozen {
        return frozen(reason);
    }
    if let Some((status, body)) = &script.refusal {
        let status = StatusCode::from_u16(*status).expect("a status");
        return (status, [("retry-after", "7")], Json(body.clone())).into_response();
    }
    let answer = json!({
        "access_token": format!("canary-token-{number}"),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": script.lifetime,
        "scope": field("scope").unwrap_or_else(|| "archive:read".to_owned()),
        "audience": audience,
    });
    Json(answer).into_response()
}

async fn audiences(
    State(hub): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(answer) = hub.known(&method, &uri, &headers) {
        return answer;
    }
    let script = hub.script();
    let mut answer = json!({
        "user": "river", "server": "", "state": "active",
        "identities": [], "audiences": script.audiences,
    });
    if let Some(reason) = &script.frozen {
        answer["state"] = "frozen".into();
        answer["frozen_reason"] = reason.clone().into();
    }
    Json(answer).into_response()
}

async fn events(
    State(hub): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(answer) = hub.known(&method, &uri, &headers) {
        return answer;
    }
    let told = BroadcastStream::new(hub.events.subscribe());
    hub.script().listeners += 1;
    let stream = told.filter_map(|told| {
        let (event, data) = told.ok()?;
        let event = Event::default().event(event).data(data.to_string());
        Some(Ok::<_, Infallible>(event))
    });
    Sse::new(stream)
        .keep_alive(KeepAlive::new())
        .into_response()
}

fn frozen(reason: &str) -> Response {
    let body = json!({
        "error": "session_frozen", "error_description": "frozen", "frozen_reason": reason,
    });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn error(status: u16, error: &str, description: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({ "error": error, "error_description": description });
    (status, Json(body)).into_response()
}
