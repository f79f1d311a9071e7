//! The provider's endpoints over HTTP.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jansky_model::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::records::Code;
use super::script::{BrokerMode, Call, Instead, Script};
use super::token::Refusal;
use super::{CLIENT_ID, query_of, replace};
use crate::signing::Key;

#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) issuer: String,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) async fn serve(listener: TcpListener, endpoint: Endpoint) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
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
    /// The knobs. A test that failed with them in hand has told its story already.
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
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
        let (instead, delay) = {
            let mut script = self.script();
            script.calls.push(call.clone());
            let instead = script.instead.get(path.as_str()).cloned();
            (instead, script.delay.get(path.as_str()).copied())
        };
        let answer = match instead {
            Some(instead) => play(instead, &call).await,
            None => self.work(&method, &call),
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        answer
    }

    fn work(&self, method: &hyper::Method, call: &Call) -> Answer {
        let mut script = self.script();
        match call.path.as_str() {
            "/.well-known/openid-configuration" => json_answer(200, &self.metadata(&script)),
            "/jwks" => {
                let keys: Vec<Value> = script.keys.iter().map(Key::jwk).collect();
                let published = script.published.clone();
                json_answer(200, &published.unwrap_or_else(|| json!({ "keys": keys })))
            }
            "/authorize" => {
                drop(script);
                self.authorize_page(call)
            }
            "/token" | "/par" | "/revoke" | "/introspect" if !authenticated(&script, call) => {
                json_answer(401, &json!({ "error": "invalid_client" }))
            }
            "/par" => {
                let name = script.records.name("request");
                let name = name.replacen("canary-", "urn:ietf:params:oauth:request_uri:", 1);
                script
                    .records
                    .pushed
                    .insert(name.clone(), call.form.clone());
                json_answer(201, &json!({ "request_uri": name, "expires_in": 60 }))
            }
            "/token" => match self.token(&mut script, &call.form) {
                Ok(answer) => json_answer(200, &answer),
                Err(Refusal(error)) => json_answer(
                    400,
                    &json!({
                        "error": error,
                        "error_description": format!("refused {:?} of {:?}", call.form.get("code"), script.secrets),
                    }),
                ),
            },
            "/revoke" => {
                if let Some(token) = call.form.get("token") {
                    script.records.revoke(token);
                }
                plain(200, String::new())
            }
            "/introspect" => json_answer(200, &self.introspect(&script, &call.form)),
            "/userinfo" => self.userinfo(&script, call),
            "/end" => end_session(&mut script, call),
            path => match path
                .strip_prefix("/broker/")
                .and_then(|rest| rest.strip_suffix("/token"))
            {
                Some(alias) => self.brokered(&mut script, method, alias, call),
                None => plain(404, String::new()),
            },
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
            "introspection_endpoint": format!("{issuer}/introspect"),
            "end_session_endpoint": format!("{issuer}/end?realm=a"),
            "authorization_response_iss_parameter_supported": script.sends_issuer,
        });
        replace(&mut metadata, &script.metadata);
        metadata
    }

    /// What happens at the provider's page: returns where the browser goes, and with what.
    pub(super) fn authorize(
        &self,
        mut query: HashMap<String, String>,
        subject: &str,
    ) -> Result<(String, String), &'static str> {
        let mut script = self.script();
        if let Some(name) = query.get("request_uri") {
            query = script
                .records
                .pushed
                .remove(name)
                .ok_or("it was not pushed")?;
        }
        if query.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
            return Err("the client is not known");
        }
        let mut take = |name: &str| query.remove(name).ok_or("a parameter is missing");
        let (redirect_uri, state) = (take("redirect_uri")?, take("state")?);
        let (nonce, challenge) = (take("nonce")?, take("code_challenge")?);
        let asks = query.get("prompt").is_some_and(|prompt| prompt == "login");
        let since = script.signed_in_since.filter(|_| !asks);
        let proved_at = since.unwrap_or_else(|| self.now());
        let session = script.records.begin_session(subject, proved_at);
        let code = script.records.name("code");
        script.records.issue("code", &code);
        let grant = Code {
            session,
            nonce,
            challenge,
            redirect_uri: redirect_uri.clone(),
        };
        script.records.codes.insert(code.clone(), grant);
        let mut pairs = vec![("code", code.as_str()), ("state", state.as_str())];
        if script.sends_issuer {
            pairs.push(("iss", self.issuer.as_str()));
        }
        Ok((redirect_uri, query_of(&pairs)))
    }

    /// For a browser that really comes: whom `login_hint` names, or the first person.
    fn authorize_page(&self, call: &Call) -> Answer {
        let subject = {
            let script = self.script();
            let hint = call.query.get("login_hint");
            let hinted = script.people.iter().find(|one| {
                let name = one.claims.get("preferred_username").and_then(Value::as_str);
                hint.is_some_and(|hint| *hint == one.subject || Some(hint.as_str()) == name)
            });
            hinted.unwrap_or(&script.people[0]).subject.clone()
        };
        match self.authorize(call.query.clone(), &subject) {
            Ok((to, query)) => redirect(302, &format!("{to}?{query}")),
            Err(error) => plain(400, error.to_owned()),
        }
    }

    fn userinfo(&self, script: &Script, call: &Call) -> Answer {
        if let Some(token) = &script.signed_userinfo {
            return jwt_answer(token);
        }
        if let Some(userinfo) = &script.userinfo {
            return json_answer(200, userinfo);
        }
        let access = bearer(call).and_then(|token| script.records.live(token, self.now()));
        let person =
            access.and_then(|access| script.people.iter().find(|p| p.subject == access.subject));
        let Some(person) = person else {
            return json_answer(401, &json!({ "error": "invalid_token" }));
        };
        let mut claims = json!(person.claims);
        claims["sub"] = json!(person.subject);
        json_answer(200, &claims)
    }

    fn introspect(&self, script: &Script, form: &HashMap<String, String>) -> Value {
        let access = form
            .get("token")
            .and_then(|token| script.records.live(token, self.now()));
        match access {
            Some(access) => json!({
                "active": true,
                "sub": access.subject,
                "aud": access.audience,
                "scope": access.scope,
                "exp": access.expires_at,
            }),
            None => json!({ "active": false }),
        }
    }

    /// The token of an identity provider behind this one, in Keycloak's ways.
    fn brokered(
        &self,
        script: &mut Script,
        method: &hyper::Method,
        alias: &str,
        call: &Call,
    ) -> Answer {
        let Some(brokered) = script.brokered.get(alias).cloned() else {
            return json_answer(404, &json!({ "error": "not_found" }));
        };
        let (mode, token) = if method == hyper::Method::POST {
            if !authenticated(script, call) {
                return json_answer(401, &json!({ "error": "invalid_client" }));
            }
            (BrokerMode::V2, call.form.get("token").map(String::as_str))
        } else {
            (BrokerMode::V1, bearer(call))
        };
        if !brokered.modes.contains(&mode) {
            let status = if mode == BrokerMode::V2 { 405 } else { 404 };
            return json_answer(status, &json!({ "error": "not_supported" }));
        }
        if let Some(status) = brokered.status {
            return json_answer(status, &json!({ "error": "server_error" }));
        }
        let access = token.and_then(|token| script.records.live(token, self.now()).cloned());
        let Some(access) = access else {
            return json_answer(401, &json!({ "error": "invalid_token" }));
        };
        json_answer(200, &self.external(script, &access, &brokered))
    }
}

/// OpenID Connect RP-Initiated Logout, without a page of its own.
fn end_session(script: &mut Script, call: &Call) -> Answer {
    if let Some(hint) = call.query.get("id_token_hint") {
        script.records.end_session_of_hint(hint);
    }
    match call.query.get("post_logout_redirect_uri") {
        Some(to) => {
            let state = call.query.get("state");
            let query = state.map(|state| query_of(&[("state", state)]));
            redirect(302, &format!("{to}?{}", query.unwrap_or_default()))
        }
        None => plain(200, "signed out".to_owned()),
    }
}

/// The client's or the person's token in the header.
fn bearer(call: &Call) -> Option<&str> {
    call.authorization.as_deref()?.strip_prefix("Bearer ")
}

async fn play(instead: Instead, call: &Call) -> Answer {
    let instead = match instead {
        Instead::ByForm(with, _) if !call.form.is_empty() => *with,
        Instead::ByForm(_, without) => *without,
        other => other,
    };
    match instead {
        // There is none inside of another.
        Instead::ByForm(..) => plain(500, String::new()),
        Instead::Status(status, body) => plain(status, body),
        Instead::Pages(pages) => {
            let number = call.query.get("page").and_then(|page| page.parse().ok());
            let page = pages.get(number.unwrap_or(1_usize) - 1);
            plain(200, page.cloned().unwrap_or_else(|| "[]".to_owned()))
        }
        Instead::Redirect(location) => redirect(307, &location),
        Instead::Silence => {
            tokio::time::sleep(Duration::from_mins(10)).await;
            plain(200, String::new())
        }
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

fn redirect(status: u16, location: &str) -> Answer {
    Response::builder()
        .status(status)
        .header("location", location)
        .body(Full::default())
        .expect("it is a response")
}

fn plain(status: u16, body: String) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::from(body))
        .expect("it is a response")
}

fn jwt_answer(token: &str) -> Answer {
    Response::builder()
        .header("content-type", "application/jwt")
        .body(Full::from(token.to_owned()))
        .expect("it is a response")
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .expect("it is a response")
}
