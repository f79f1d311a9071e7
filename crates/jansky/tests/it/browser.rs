//! A browser: cookies, forms, and scripts on pages that call the API. Or a program with a token.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::house::until;

/// A browser that follows no redirect by itself.
pub(crate) struct Browser {
    url: String,
    http: reqwest::Client,
    jar: Mutex<BTreeMap<String, String>>,
    /// The token of a program, in place of cookies.
    pub(crate) token: Option<String>,
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

    /// The same browser, cookies and all, at another address of the hub, or with new connections at
    /// the same one.
    pub(crate) fn at(&self, hub: &str) -> Self {
        Self {
            jar: Mutex::new(self.jar().clone()),
            token: self.token.clone(),
            ..Self::new(hub)
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

    /// Follows the one-time link and makes an account.
    pub(crate) async fn set_up(&self, link: &str, name: &str, password: &str) -> Answer {
        self.get(link).await.must_be(200);
        let fields = [("username", name), ("password", password)];
        self.post(link, &fields).await.must_be(302)
    }

    /// Signs in on the page with a password, with the form of a provider; that of the first when its
    /// id is empty.
    pub(crate) async fn give_password(&self, provider: &str, name: &str, password: &str) -> Answer {
        self.get("hub/login").await.must_be(200);
        let fields = [
            ("provider", provider),
            ("username", name),
            ("password", password),
        ];
        self.post("hub/login", &fields).await
    }

    /// Exchanges an authorization code as a single-user server does, and returns the token.
    pub(crate) async fn exchange(
        &self,
        client: &str,
        secret: &str,
        code: &str,
        back: &str,
    ) -> String {
        let body = Body::Form(form(&[
            ("client_id", client),
            ("client_secret", secret),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
        ]));
        let answer = self.send(Method::POST, "hub/api/oauth2/token", &[], Some(body));
        let told = answer.await.must_be(200).json();
        told["access_token"].as_str().expect("a token").to_owned()
    }

    /// All servers of a user, also those that do not run, by their names.
    pub(crate) async fn servers(&self, user: &str) -> BTreeMap<String, Value> {
        let path = format!("hub/api/users/{user}?include_stopped_servers=1");
        let model = self.get(&path).await.must_be(200).json();
        let servers = model["servers"].as_object().cloned().unwrap_or_default();
        servers.into_iter().collect()
    }

    /// Waits until nothing is under way for any server of a user.
    pub(crate) async fn settled(&self, user: &str) -> BTreeMap<String, Value> {
        until("the servers did not come to rest", async || {
            let servers = self.servers(user).await;
            let at_rest = servers.values().all(|server| server["pending"].is_null());
            at_rest.then_some(servers)
        })
        .await
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
