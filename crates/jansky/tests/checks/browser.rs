//! A browser: cookies, forms, and scripts on pages that call the API.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method};
use jansky_testing::ScriptedProvider;
use serde_json::{Value, json};
use url::Url;

/// The id under which the scripted provider is configured, where there is one.
pub(crate) const PROVIDER: &str = "op";

/// A browser that follows no redirect by itself.
pub(crate) struct Browser {
    url: String,
    http: reqwest::Client,
    jar: Mutex<BTreeMap<String, String>>,
    /// The token of a program, in place of cookies.
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    #[expect(dead_code, reason = "for messages, which show the whole answer")]
    asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// Fails the test when the status is another one.
    #[track_caller]
    pub(crate) fn must_be(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:#?}"))
    }

    /// One header, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Where the browser is sent, empty when it is not.
    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// Every line that sets a cookie.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines
            .filter_map(|line| line.to_str().ok().map(str::to_owned))
            .collect()
    }

    /// Whether this sends somebody who is not signed in to where they can.
    pub(crate) fn asks_to_sign_in(&self) -> bool {
        self.status == 302 && self.location().contains("/hub/login")
    }
}

impl Browser {
    /// One that has been nowhere, at a hub.
    pub(crate) fn new(hub: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            url: hub.to_owned(),
            http,
            jar: Mutex::default(),
            token: None,
        }
    }

    /// A program that sends a token of the hub.
    pub(crate) fn program(hub: &str, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::new(hub)
        }
    }

    /// The same browser, cookies and all, at another address of the hub.
    pub(crate) fn at(&self, hub: &str) -> Self {
        Self {
            url: hub.to_owned(),
            http: self.http.clone(),
            jar: Mutex::new(self.jar().clone()),
            token: self.token.clone(),
        }
    }

    pub(crate) fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.jar.lock().expect("nobody panicked with it")
    }

    /// The value of a cookie; empty when there is none.
    pub(crate) fn cookie(&self, name: &str) -> String {
        self.jar().get(name).cloned().unwrap_or_default()
    }

    /// An address at the hub.
    pub(crate) fn link(&self, path: &str) -> String {
        if path.starts_with("http://") || path.starts_with("https://") {
            return path.to_owned();
        }
        format!("{}{}", self.url, path.trim_start_matches('/'))
    }

    /// Opens a page by its address.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let headers = [("sec-fetch-mode", "navigate")];
        self.send(Method::GET, path, &headers, None).await
    }

    /// Sends a form with the token that pages put into every form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let xsrf = self.xsrf().await;
        let mut fields = fields.to_vec();
        fields.push(("_xsrf", &xsrf));
        let headers = [("sec-fetch-mode", "navigate")];
        let body = Body::Form(form(&fields));
        self.send(Method::POST, path, &headers, Some(body)).await
    }

    /// Calls the API, as a script on one of our pages or as a program with a token.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let method = method.parse().expect("a method");
        let body = body.map(Body::Json);
        if self.token.is_some() {
            return self.send(method, path, &[], body).await;
        }
        let xsrf = self.xsrf().await;
        let headers = [("sec-fetch-mode", "cors"), ("x-xsrftoken", xsrf.as_str())];
        self.send(method, path, &headers, body).await
    }

    async fn xsrf(&self) -> String {
        if self.cookie("_xsrf").is_empty() {
            self.get("hub/no-such-page").await;
        }
        self.cookie("_xsrf")
    }

    /// Leaves for a provider; returns its address.
    pub(crate) async fn leave(&self, provider: &str) -> Url {
        let path = format!("hub/oauth_login?idp={provider}");
        let answer = self.get(&path).await.must_be(302);
        Url::parse(answer.location()).expect("the address of a provider")
    }

    /// Comes back from a provider with what it said.
    pub(crate) async fn come_back(&self, query: &str) -> Answer {
        let path = format!("hub/oauth_callback?{query}");
        let headers = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ];
        self.send(Method::GET, &path, &headers, None).await
    }

    /// The whole way to a scripted provider and back.
    pub(crate) async fn sign_in_at(
        &self,
        id: &str,
        provider: &ScriptedProvider,
        subject: &str,
    ) -> Answer {
        let authorize = self.leave(id).await;
        self.come_back(&provider.sign_in_as(&authorize, subject))
            .await
    }

    /// The whole way, where there is one scripted provider; must let the person in.
    pub(crate) async fn sign_in(&self, provider: &ScriptedProvider, subject: &str) {
        let answer = self.sign_in_at(PROVIDER, provider, subject).await;
        assert_eq!(answer.status, 302, "{subject} was not let in: {answer:#?}");
    }

    /// Who the hub says this is.
    pub(crate) async fn whoami(&self) -> Value {
        self.api("GET", "hub/api/user", None)
            .await
            .must_be(200)
            .json()
    }

    /// A new token of this person, as a program.
    pub(crate) async fn new_token(&self) -> Self {
        let user = self.whoami().await["name"].clone();
        let path = format!("hub/api/users/{}/tokens", user.as_str().expect("a name"));
        let made = self.api("POST", &path, Some(json!({}))).await.must_be(201);
        let token = made.json()["token"].as_str().expect("told once").to_owned();
        Self::program(&self.url, &token)
    }

    /// Starts the person's default server and waits until it is ready.
    pub(crate) async fn start_server(&self, user: &str) {
        let path = format!("hub/api/users/{user}/server");
        let answer = self.api("POST", &path, Some(json!({}))).await;
        assert_eq!(answer.status, 201, "no server: {answer:#?}");
    }

    /// The pid of a person's running server, asked through the proxy; none when it does not run.
    pub(crate) async fn server_pid(&self, user: &str) -> Option<i64> {
        let answer = self.get(&format!("user/{user}/self")).await;
        if answer.status != 200 {
            return None;
        }
        answer.json()["pid"].as_i64()
    }

    /// Any request.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Body>,
    ) -> Answer {
        let sent = self.try_send(method.clone(), path, headers, body).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Any request, where the hub may go away.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Body>,
    ) -> reqwest::Result<Answer> {
        let link = self.link(path);
        let asked = format!("{method} {link}");
        let mut request = self.http.request(method, link);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("token {token}"));
        }
        let pairs: Vec<String> = self
            .jar()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !pairs.is_empty() {
            request = request.header(COOKIE, pairs.join("; "));
        }
        request = match body {
            Some(Body::Json(body)) => request.json(&body),
            Some(Body::Form(fields)) => request.form(&fields),
            Some(Body::Text(text)) => request.body(text),
            None => request,
        };
        let response = request.send().await?;
        let answer = Answer {
            asked,
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        };
        for line in answer.cookies() {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            if line.contains("Max-Age=0") {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

/// What a request carries.
pub(crate) enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
    /// As it is; its type is one of the headers.
    Text(String),
}

/// The fields of a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    fields.iter().map(own).collect()
}
