//! The pages and the API in front of a hub in memory. Requests go to the router as the proxy would
//! hand them over.

mod agent;
mod answer;
mod client;
mod directory;
mod provider;
mod sign_in;
mod upstream;

use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::Router;
use jansky_crypto::MacKey;
use jansky_hub::Server;
use jansky_testing::hub::TestHub;
use jansky_web::{Peer, Policies, Web, WebState};

pub(crate) use agent::{EXCHANGE, TestAgent};
pub(crate) use answer::Answer;
pub(crate) use client::{Client, Opened};
pub(crate) use directory::{Directory, Entry};
pub(crate) use jansky_testing::hub::{
    Database, OpenId, PASSWORD, Recipe, SOON, World, audience, everybody, until,
};
pub(crate) use provider::{Observatory, PROVIDER};
pub(crate) use upstream::{Mood, Upstream};

/// A hub with its surfaces.
pub(crate) struct TestWeb {
    pub(crate) web: WebState,
    /// Where requests come from.
    pub(crate) peer: Peer,
    /// What the API asked the process to do: whether to stop servers when it ends.
    pub(crate) shutdowns: Arc<Mutex<Vec<bool>>>,
    router: Router,
    behind: TestHub,
}

impl Deref for TestWeb {
    type Target = TestHub;

    fn deref(&self) -> &TestHub {
        &self.behind
    }
}

impl TestWeb {
    /// A hub as most tests want it, with an SQLite database.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A hub with something changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Recipe)) -> Self {
        Self::of(World::new().await.hub_with(change))
    }

    /// A hub on a database.
    pub(crate) async fn on(database: Database, change: impl FnOnce(&mut Recipe)) -> Self {
        Self::of(World::on(database).await.hub_with(change))
    }

    /// The surfaces of a hub.
    pub(crate) fn of(hub: TestHub) -> Self {
        Self::changed(hub, |_| {})
    }

    /// The surfaces of a hub with something changed.
    pub(crate) fn changed(behind: TestHub, change: impl FnOnce(&mut Web)) -> Self {
        let shutdowns = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&shutdowns);
        let mut web = Web {
            key: MacKey::from_bytes(&[7; 32]),
            policies: Policies::new(behind.hub.settings()),
            hub: Arc::clone(&behind.hub),
            renderer: jansky_web::render::Renderer::new(None).expect("the templates are fine"),
            site_name: "Test".to_owned(),
            announcement: None,
            authenticate_metrics: true,
            more_metrics: None,
            told_of_base: AtomicBool::new(false),
            on_shutdown: Some(Box::new(move |servers| {
                noted.lock().expect("no test panicked here").push(servers);
            })),
        };
        change(&mut web);
        let web = Arc::new(web);
        Self {
            router: jansky_web::router(Arc::clone(&web)),
            web,
            peer: Peer {
                address: [127, 0, 0, 1].into(),
                connection: [127, 0, 0, 1].into(),
                secure: false,
            },
            shutdowns,
            behind,
        }
    }

    /// Looks at rights as the housekeeping does when somebody was active just now.
    pub(crate) async fn look_at_rights_of(&self, person: &Client) {
        person.get("/hub/home").await;
        self.hub.write_activity().await.expect("it answers");
        self.refresh_due().await;
    }

    /// Somebody who brings nothing.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.router.clone(), self.peer)
    }

    /// A program with a token of this person for these scopes.
    pub(crate) async fn token(&self, name: &str, scopes: &[&str]) -> Client {
        let token = self.new_token(name, scopes).await;
        self.bearer(&token)
    }

    /// A program with this token.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        self.anonymous().with_token(token)
    }

    /// Starts the default server of a user through the API and waits until it is ready.
    pub(crate) async fn start(&self, user: &str) -> Server {
        let owner = self.token(user, &["self"]).await;
        let path = format!("/hub/api/users/{user}/server");
        owner.api("POST", &path, None).await.must_be(201);
        self.server(user, "").await.expect("it was started")
    }

    /// The token that the spawner handed to the server that was started last.
    pub(crate) fn server_token(&self) -> String {
        self.last_token().expose().to_owned()
    }
}
