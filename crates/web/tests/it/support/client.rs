//! A browser or a program that talks to the hub.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use jansky_web::Peer;
use serde_json::Value;
use tower::ServiceExt as _;

use super::Answer;

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    path: String,
}

/// Sends requests; keeps cookies as a browser does, or sends a token as a program does.
pub(crate) struct Client {
    router: Router,
    peer: Peer,
    token: Option<String>,
    agent: Option<String>,
    cookies: Mutex<Vec<Cookie>>,
}

impl Client {
    pub(super) const fn new(router: Router, peer: Peer) -> Self {
        Self {
            router,
            peer,
            token: None,
            agent: None,
            cookies: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The same, as a browser that calls itself so.
    pub(crate) fn with_agent(mut self, agent: &str) -> Self {
        self.agent = Some(agent.to_owned());
        self
    }

    /// The same browser, with its cookies, after its way into the network has changed.
    pub(crate) fn moved_to(mut self, address: [u8; 4]) -> Self {
        self.peer.address = address.into();
        self.peer.connection = address.into();
        self
    }

    /// A request that does nothing by itself: no cookie is added that is not kept, no proof.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call {
            client: self,
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// Opens a page, as by its address.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).navigating().send().await
    }

    /// Posts a form with the token that the pages put into every form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let xsrf = self.xsrf().await;
        let fields = fields.iter().copied().chain([("_xsrf", xsrf.as_str())]);
        let fields: Vec<_> = fields.collect();
        self.call("POST", path)
            .navigating()
            .form(&fields)
            .send()
            .await
    }

    /// Calls the API, as a script with the token in a header or as a program.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut call = self.call(method, path);
        if self.token.is_none() {
            let xsrf = self.xsrf().await;
            call = call
                .header("sec-fetch-mode", "cors")
                .header("x-xsrftoken", &xsrf);
        }
        if let Some(body) = body {
            call = call.json(&body);
        }
        call.send().await
    }

    /// The token against forgery, from a page if there is no cookie with it yet.
    pub(crate) async fn xsrf(&self) -> String {
        if let Some(value) = self.cookie("_xsrf") {
            return value;
        }
        // Any page sets it; this one does for everybody and changes nothing.
        self.get("/hub/no-such-page").await;
        self.cookie("_xsrf").expect("a page sets the cookie")
    }

    /// The value of a cookie that is kept.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().expect("no test panicked here");
        let found = cookies.iter().find(|cookie| cookie.name == name);
        found.map(|cookie| cookie.value.clone())
    }

    /// Keeps a cookie.
    pub(crate) fn keep(&self, name: &str, value: &str, path: &str) {
        let mut cookies = self.cookies.lock().expect("no test panicked here");
        cookies.retain(|cookie| cookie.name != name || cookie.path != path);
        cookies.push(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            path: path.to_owned(),
        });
    }

    /// Forgets a cookie.
    pub(crate) fn drop_cookie(&self, name: &str) {
        let mut cookies = self.cookies.lock().expect("no test panicked here");
        cookies.retain(|cookie| cookie.name != name);
    }

    fn cookies_for(&self, path: &str) -> String {
        let cookies = self.cookies.lock().expect("no test panicked here");
        let fitting = cookies.iter().filter(|c| path.starts_with(&c.path));
        let pairs: Vec<_> = fitting.map(|c| format!("{}={}", c.name, c.value)).collect();
        pairs.join("; ")
    }

    fn take_cookies(&self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().expect("a cookie in ASCII");
            let mut parts = line.split("; ");
            let pair = parts.next().expect("a cookie has a value");
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            let attribute = |name: &str| {
                let mut parts = line.split("; ");
                parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            };
            let path = attribute("Path").expect("every cookie of ours has a path");
            self.keep(name, value, path);
            if attribute("Max-Age") == Some("0") {
                self.drop_cookie(name);
            }
        }
    }
}

/// A request that is being made.
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the name of a header");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("the value of a header");
        self.headers.append(name, value);
        self
    }

    /// As when somebody follows a link or sends a form.
    pub(crate) fn navigating(self) -> Self {
        self.header("sec-fetch-mode", "navigate")
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.body = text.into_bytes();
        self.header(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
    }

    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the request and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        self.open().await.finish().await
    }

    /// Sends the request and reads the head of the answer, for one that takes its time.
    pub(crate) async fn open(self) -> Opened {
        let asked = format!("{} {}", self.method, self.path);
        let client = self.client;
        let mut request = Request::new(Body::from(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().expect("a path that HTTP can carry");
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        headers
            .entry(HOST)
            .or_insert(HeaderValue::from_static("hub.test"));
        let cookies = client.cookies_for(&self.path);
        if !cookies.is_empty() {
            let value = HeaderValue::from_str(&cookies).expect("cookies in ASCII");
            headers.append(COOKIE, value);
        }
        if let Some(agent) = &client.agent {
            let value = HeaderValue::from_str(agent).expect("an ASCII agent");
            headers.insert(USER_AGENT, value);
        }
        if let Some(token) = &client.token {
            let value = HeaderValue::from_str(&format!("token {token}")).expect("an ASCII token");
            headers.append(AUTHORIZATION, value);
        }
        request.extensions_mut().insert(client.peer);
        let response = client.router.clone().oneshot(request).await;
        let (head, body) = response.expect("a router does not fail").into_parts();
        client.take_cookies(&head.headers);
        Opened { asked, head, body }
    }
}

/// An answer that has begun.
pub(crate) struct Opened {
    asked: String,
    head: Parts,
    body: Body,
}

impl Opened {
    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Option<String> {
        loop {
            let frame = self.body.frame().await?.expect("the body goes on");
            if let Ok(data) = frame.into_data() {
                return Some(String::from_utf8_lossy(&data).into_owned());
            }
        }
    }

    /// Reads the rest of it.
    pub(crate) async fn finish(self) -> Answer {
        let body = self.body.collect().await.expect("the body ends well");
        Answer {
            asked: self.asked,
            status: self.head.status,
            headers: self.head.headers,
            body: body.to_bytes(),
        }
    }
}
