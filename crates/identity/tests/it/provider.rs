//! A scripted OpenID Connect provider: right by default, wrong on request, and it remembers calls.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jansky_identity::code_challenge;
use jansky_model::{Clock, ManualClock, Secret};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};

use crate::signing::{Key, at_hash};

pub(crate) const CLIENT_ID: &str = "jansky";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";

/// Changes the header and the claims of an ID token before it is signed.
pub(crate) type Tweak = Box<dyn Fn(&mut Value, &mut Value) + Send>;

/// How an endpoint answers instead of doing its work.
#[derive(Clone)]
pub(crate) enum Instead {
    Status(u16, String),
    Redirect(String),
    /// Answers with the page whose number the query has, from 1.
    Pages(Vec<String>),
    /// Answers a form in the first way and a request without one in the second.
    ByForm(Box<Self>, Box<Self>),
    /// Answers only after the test has ended.
    Silence,
}

/// A call that the provider received.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) authorization: Option<String>,
    pub(crate) form: HashMap<String, String>,
}

/// The knobs.
pub(crate) struct Script {
    /// The key that signs; the others are published only.
    pub(crate) keys: Vec<Key>,
    /// The keys that are published; all of `keys` if not given.
    pub(crate) published: Option<Value>,
    pub(crate) tweak: Option<Tweak>,
    pub(crate) instead: BTreeMap<&'static str, Instead>,
    /// Entries that replace those of the discovery document.
    pub(crate) metadata: BTreeMap<&'static str, Value>,
    /// Entries that replace those of the token endpoint's answer; null removes one.
    pub(crate) token_answer: BTreeMap<&'static str, Value>,
    pub(crate) userinfo: Value,
    pub(crate) secrets: Vec<String>,
    pub(crate) sends_issuer: bool,
    pub(crate) calls: Vec<Call>,
    codes: HashMap<String, Grant>,
    /// Sign-ins that were sent beforehand.
    pushed: HashMap<String, HashMap<String, String>>,
    next: u32,
}

#[derive(Clone)]
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

/// A running provider. Ends when it is dropped.
pub(crate) struct ScriptedProvider {
    pub(crate) issuer: String,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ScriptedProvider {
    pub(crate) async fn start(clock: Arc<ManualClock>) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), clock).await
    }

    /// Starts it at a given address, for a test that had it down before.
    pub(crate) async fn start_at(address: SocketAddr, clock: Arc<ManualClock>) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("the address is free");
        let address = listener.local_addr().expect("it listens");
        let issuer = format!("http://{address}");
        let script = Arc::new(Mutex::new(Script {
            keys: vec![Key::rsa("key-1")],
            published: None,
            tweak: None,
            instead: BTreeMap::new(),
            metadata: BTreeMap::new(),
            token_answer: BTreeMap::new(),
            userinfo: json!({ "sub": "subject-1", "preferred_username": "river" }),
            secrets: vec![CLIENT_SECRET.to_owned()],
            sends_issuer: true,
            calls: Vec::new(),
            codes: HashMap::new(),
            pushed: HashMap::new(),
            next: 0,
        }));
        let endpoint = Endpoint {
            issuer: issuer.clone(),
            script: Arc::clone(&script),
            clock,
        };
        let task = tokio::spawn(serve(listener, endpoint));
        Self {
            issuer,
            script,
            task,
        }
    }

    /// The knobs; not to be held across an await.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panicked with it")
    }

    /// How often an endpoint was called.
    pub(crate) fn calls(&self, path: &str) -> usize {
        self.script()
            .calls
            .iter()
            .filter(|call| call.path == path)
            .count()
    }

    /// Plays the browser and the person: takes the authorize URL and returns the callback's query.
    pub(crate) fn sign_in(&self, authorize: &Url) -> String {
        let mut query: HashMap<String, String> = authorize.query_pairs().into_owned().collect();
        let mut script = self.script();
        if let Some(name) = query.get("request_uri") {
            query = script.pushed.remove(name).expect("it was pushed");
        }
        script.next += 1;
        let code = format!("canary-code-{}", script.next);
        let grant = Grant {
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        script.codes.insert(code.clone(), grant);
        let mut callback = form_urlencoded::Serializer::new(String::new());
        callback
            .append_pair("code", &code)
            .append_pair("state", &query["state"]);
        if script.sends_issuer {
            callback.append_pair("iss", &self.issuer);
        }
        callback.finish()
    }
}

#[derive(Clone)]
struct Endpoint {
    issuer: String,
    script: Arc<Mutex<Script>>,
    clock: Arc<ManualClock>,
}

async fn serve(listener: TcpListener, endpoint: Endpoint) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let endpoint = endpoint.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let endpoint = endpoint.clone();
                async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
            });
            // A client that goes away is none of the provider's business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

impl Endpoint {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let query = form_urlencoded::parse(query).into_owned().collect();
        let authorization = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let body = request
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let form: HashMap<_, _> = form_urlencoded::parse(&body.unwrap_or_default())
            .into_owned()
            .collect();
        let call = Call {
            path: path.clone(),
            query,
            authorization,
            form,
        };
        let instead = {
            let mut script = self.script.lock().expect("no test panicked with it");
            script.calls.push(call.clone());
            let instead = script.instead.get(path.as_str()).cloned();
            match instead {
                Some(Instead::ByForm(with, without)) => Some(if call.form.is_empty() {
                    *without
                } else {
                    *with
                }),
                other => other,
            }
        };
        match instead {
            Some(Instead::Status(status, body)) => plain(status, body),
            Some(Instead::Pages(pages)) => {
                let number = call.query.get("page").and_then(|page| page.parse().ok());
                let page = pages.get(number.unwrap_or(1_usize) - 1);
                plain(200, page.cloned().unwrap_or_else(|| "[]".to_owned()))
            }
            Some(Instead::Redirect(location)) => Response::builder()
                .status(307)
                .header("location", location)
                .body(Full::default())
                .expect("it is a response"),
            // There is no form in a form.
            Some(Instead::ByForm(..)) => plain(500, String::new()),
            Some(Instead::Silence) => {
                tokio::time::sleep(Duration::from_mins(10)).await;
                plain(200, String::new())
            }
            None => self.work(&call),
        }
    }

    fn work(&self, call: &Call) -> Answer {
        let mut script = self.script.lock().expect("no test panicked with it");
        match call.path.as_str() {
            "/.well-known/openid-configuration" => json_answer(200, &self.metadata(&script)),
            "/jwks" => {
                let keys: Vec<Value> = script.keys.iter().map(Key::jwk).collect();
                let published = script.published.clone();
                json_answer(200, &published.unwrap_or_else(|| json!({ "keys": keys })))
            }
            "/par" if authenticated(&script, call) => {
                script.next += 1;
                let name = format!("urn:ietf:params:oauth:request_uri:{}", script.next);
                script.pushed.insert(name.clone(), call.form.clone());
                json_answer(201, &json!({ "request_uri": name, "expires_in": 60 }))
            }
            "/token" | "/par" if !authenticated(&script, call) => {
                json_answer(401, &json!({ "error": "invalid_client" }))
            }
            "/token" => match self.token(&mut script, &call.form) {
                Ok(answer) => json_answer(200, &answer),
                Err(error) => json_answer(
                    400,
                    &json!({
                        "error": error,
                        "error_description": format!("refused {:?} of {:?}", call.form.get("code"), script.secrets),
                    }),
                ),
            },
            "/revoke" => plain(200, String::new()),
            "/userinfo" => json_answer(200, &script.userinfo),
            _ => plain(404, String::new()),
        }
    }

    fn metadata(&self, script: &Script) -> Value {
        let issuer = &self.issuer;
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "end_session_endpoint": format!("{issuer}/end?realm=a"),
            "authorization_response_iss_parameter_supported": script.sends_issuer,
        });
        for (name, value) in &script.metadata {
            metadata[*name] = value.clone();
        }
        metadata
    }

    fn token(
        &self,
        script: &mut Script,
        form: &HashMap<String, String>,
    ) -> Result<Value, &'static str> {
        let nonce = match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => {
                let grant = form.get("code").and_then(|code| script.codes.remove(code));
                let grant = grant.ok_or("invalid_grant")?;
                let verifier = Secret::new(form.get("code_verifier").ok_or("invalid_request")?);
                let fits = code_challenge(&verifier) == grant.challenge
                    && form.get("redirect_uri") == Some(&grant.redirect_uri);
                fits.then_some(Some(grant.nonce)).ok_or("invalid_grant")?
            }
            Some("refresh_token") => {
                let known = form
                    .get("refresh_token")
                    .is_some_and(|token| token == "canary-refresh");
                known.then_some(None).ok_or("invalid_grant")?
            }
            _ => return Err("unsupported_grant_type"),
        };
        let key = &script.keys[0];
        let now = self.clock.now().seconds();
        let mut header = json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "JWT" });
        let mut claims = json!({
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "river",
            "at_hash": at_hash(key.algorithm(), "canary-access"),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(tweak) = &script.tweak {
            tweak(&mut header, &mut claims);
        }
        let mut answer = json!({
            "access_token": "canary-access",
            "refresh_token": "canary-refresh",
            "id_token": key.sign(&header, &claims),
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "openid profile",
        });
        for (name, value) in &script.token_answer {
            answer[*name] = value.clone();
        }
        Ok(answer)
    }
}

fn authenticated(script: &Script, call: &Call) -> bool {
    let by_header = |secret: &String| {
        let pair = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{secret}"));
        call.authorization.as_deref() == Some(&format!("Basic {pair}"))
    };
    let by_form = |secret: &String| call.form.get("client_secret") == Some(secret);
    script.secrets.is_empty()
        || script
            .secrets
            .iter()
            .any(|secret| by_header(secret) || by_form(secret))
}

fn plain(status: u16, body: String) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::from(body))
        .expect("it is a response")
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .expect("it is a response")
}
