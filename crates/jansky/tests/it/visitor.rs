//! Somebody who talks to the hub over HTTP: a browser with cookies, or a script with a token.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::until;

/// A client of the hub.
pub(crate) struct Visitor {
    url: String,
    http: reqwest::Client,
    pub(crate) token: Option<String>,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The answer itself, when it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl Visitor {
    /// Somebody unknown.
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            url: url.to_owned(),
            http,
            token: None,
            cookies: Mutex::default(),
        }
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Gets a token for the account with this password.
    pub(crate) async fn with_new_token(self, name: &str, password: &str) -> Self {
        let body = json!({ "auth": { "username": name, "password": password } });
        let path = format!("hub/api/users/{name}/tokens");
        let made = self.post(&path, body).await.expect(201).json();
        let token = made["token"].as_str().expect("the token is told once");
        self.with_token(token)
    }

    /// Follows the one-time link and makes an account.
    pub(crate) async fn set_up(&self, link: &str, name: &str, password: &str) -> Answer {
        self.send(Method::GET, link, None).await.expect(200);
        let form = self.form(&[("username", name), ("password", password)]);
        self.send(Method::POST, link, Some(Body::Form(form)))
            .await
            .expect(302)
    }

    /// Signs in on the page with a password.
    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.sign_in_at("", name, password).await
    }

    /// Signs in with the form of a provider; that of the first when none is named.
    pub(crate) async fn sign_in_at(&self, provider: &str, name: &str, password: &str) -> Answer {
        self.get("hub/login").await.expect(200);
        let form = self.form(&[
            ("provider", provider),
            ("username", name),
            ("password", password),
        ]);
        let link = format!("{}hub/login", self.url);
        self.send(Method::POST, &link, Some(Body::Form(form))).await
    }

    fn form(&self, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut form: Vec<(String, String)> = fields.iter().map(own).collect();
        form.push(("_xsrf".to_owned(), self.cookie("_xsrf")));
        form
    }

    /// The value of a cookie; empty when there is none.
    pub(crate) fn cookie(&self, name: &str) -> String {
        self.cookies().get(name).cloned().unwrap_or_default()
    }

    /// All cookies that it has.
    pub(crate) fn cookies(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().expect("nobody panicked with it")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let link = format!("{}{path}", self.url);
        self.send(Method::GET, &link, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let link = format!("{}{path}", self.url);
        self.send(Method::POST, &link, Some(Body::Json(body))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        let link = format!("{}{path}", self.url);
        self.send(Method::DELETE, &link, None).await
    }

    /// Exchanges an authorization code as a single-user server does, and returns the token.
    pub(crate) async fn exchange(
        &self,
        client: &str,
        secret: &str,
        code: &str,
        back: &str,
    ) -> String {
        let fields = [
            ("client_id", client),
            ("client_secret", secret),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let link = format!("{}hub/api/oauth2/token", self.url);
        let body = Body::Form(fields.into_iter().map(own).collect());
        let answer = self.send(Method::POST, &link, Some(body)).await.expect(200);
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.expect("a token")
    }

    async fn send(&self, method: Method, link: &str, body: Option<Body>) -> Answer {
        let answer = self.try_send(method.clone(), link, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {link}: {error:?}"))
    }

    /// As the others, where the hub may be killed in the middle.
    pub(crate) async fn try_post(&self, path: &str) -> Option<Answer> {
        let link = format!("{}{path}", self.url);
        self.try_send(Method::POST, &link, None).await.ok()
    }

    /// As the others, where the hub may be killed in the middle.
    pub(crate) async fn try_delete(&self, path: &str) -> Option<Answer> {
        let link = format!("{}{path}", self.url);
        self.try_send(Method::DELETE, &link, None).await.ok()
    }

    async fn try_send(
        &self,
        method: Method,
        link: &str,
        body: Option<Body>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, link);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("token {token}"));
        }
        let cookies: Vec<String> = self
            .cookies()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        request = match body {
            Some(Body::Json(body)) => request.json(&body),
            Some(Body::Form(fields)) => request.form(&fields),
            None => request,
        };
        let response = request.send().await?;
        for header in response.headers().get_all(SET_COOKIE) {
            let pair = header.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.unwrap_or_default().split_once('=') {
                self.cookies().insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get(LOCATION);
        Ok(Answer {
            status: response.status(),
            location: location.and_then(|value| value.to_str().ok().map(str::to_owned)),
            text: response.text().await?,
        })
    }

    /// All servers of a user, also those that do not run, by their names.
    pub(crate) async fn servers(&self, user: &str) -> BTreeMap<String, Value> {
        let path = format!("hub/api/users/{user}?include_stopped_servers=1");
        let model = self.get(&path).await.expect(200).json();
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
}

enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
}
