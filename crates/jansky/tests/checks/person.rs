//! What people do with a browser at a hub with an identity provider.

use http::Method;
use jansky_testing::ScriptedProvider;
use serde_json::{Value, json};
use url::Url;

use crate::browser::{Answer, Browser};

/// The id under which the scripted provider is configured, where there is one.
pub(crate) const PROVIDER: &str = "op";

impl Browser {
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
        Self::program(&self.link(""), &token)
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
}
