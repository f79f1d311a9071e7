//! A real hub in memory: database in a temporary directory, a spawner without processes, a clock
//! that stands still. Requests go to the router as the proxy would hand them over.

mod agent;
mod answer;
mod client;
mod database;
mod directory;
mod openid;
mod provider;
mod recorded_routes;
mod upstream;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::Router;
use jansky_crypto::{KeyRing, MacKey, SystemRandom};
use jansky_hub::{ConfiguredProvider, Hub, NewApiToken, Parts, Server, Settings, User};
use jansky_model::{ManualClock, Secret, ServerName, Timestamp, UserName};
use jansky_spawn::fake::FakeSpawner;
use jansky_store::Store;
use jansky_web::{Peer, Policies, Web, WebState};

pub(crate) use agent::{EXCHANGE, TestAgent};
pub(crate) use answer::Answer;
pub(crate) use client::{Client, Opened};
pub(crate) use database::Database;
pub(crate) use directory::{Directory, Entry};
pub(crate) use openid::OpenId;
pub(crate) use provider::{PROVIDER, ScriptedProvider};
pub(crate) use recorded_routes::RecordedRoutes;
pub(crate) use upstream::{Mood, Upstream};

/// The password of every account.
pub(crate) const PASSWORD: &str = "eleven names of stars";

/// What a hub is made of; tests change what they are about.
pub(crate) struct Recipe {
    pub(crate) settings: Settings,
    pub(crate) providers: Vec<ConfiguredProvider>,
    pub(crate) has_local_accounts: bool,
    pub(crate) authenticate_metrics: bool,
    pub(crate) peer: Peer,
    pub(crate) database: Database,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<ManualClock>,
}

impl Recipe {
    fn new(database: Database) -> Self {
        let settings = Settings {
            sign_in_attempts_per_minute: 1000,
            minimum_password_length: 8,
            ..Settings::default()
        };
        Self {
            settings,
            providers: Vec::new(),
            has_local_accounts: true,
            authenticate_metrics: true,
            peer: Peer {
                address: [127, 0, 0, 1].into(),
                connection: [127, 0, 0, 1].into(),
                secure: false,
            },
            database,
            keys: KeyRing::generate(&SystemRandom),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000))),
        }
    }
}

/// A hub with everything around it.
pub(crate) struct TestHub {
    pub(crate) hub: Arc<Hub>,
    pub(crate) web: WebState,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) spawner: FakeSpawner,
    pub(crate) routes: Arc<RecordedRoutes>,
    /// What the API asked the process to do: whether to stop servers when it ends.
    pub(crate) shutdowns: Arc<Mutex<Vec<bool>>>,
    router: Router,
    peer: Peer,
    _database: Database,
}

impl TestHub {
    /// A hub as most tests want it, with an SQLite database.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A hub with something changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Recipe)) -> Self {
        Self::on(Database::sqlite(), change).await
    }

    /// Looks at the rights of those for whom it is time, as the housekeeping does.
    pub(crate) async fn refresh_due(&self) {
        self.hub.people.refresh_due().await.expect("it answers");
    }

    /// The same when somebody was active just now, which is what makes the hub look at them.
    pub(crate) async fn look_at_rights_of(&self, person: &Client) {
        person.get("/hub/home").await;
        self.hub.write_activity().await.expect("it answers");
        self.refresh_due().await;
    }

    /// Hears what changes in the database from now on, as a process does.
    pub(crate) async fn listen(&self) {
        let listening = self.hub.spawn_listening().await;
        listening.expect("the database answers");
    }

    /// A hub on a database.
    pub(crate) async fn on(database: Database, change: impl FnOnce(&mut Recipe)) -> Self {
        let mut recipe = Recipe::new(database);
        change(&mut recipe);
        let clock = Arc::clone(&recipe.clock);
        let spawner = FakeSpawner::default();
        let routes = Arc::new(RecordedRoutes::default());
        let local = "local".parse().expect("a valid id");
        let store = Store::open(recipe.database.url()).await;
        let (hub, _) = Hub::new(Parts {
            store: Arc::new(store.expect("a new database opens")),
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SystemRandom),
            spawner: Arc::new(spawner.clone()),
            routes: Arc::clone(&routes) as _,
            providers: recipe.providers,
            local_accounts: recipe.has_local_accounts.then_some(local),
            keys: recipe.keys,
            settings: recipe.settings,
            http: reqwest::Client::new(),
        });
        let shutdowns = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&shutdowns);
        let web = Arc::new(Web {
            key: MacKey::from_bytes(&[7; 32]),
            policies: Policies::new(hub.settings()),
            hub: Arc::clone(&hub),
            renderer: jansky_web::render::Renderer::new(None).expect("the templates are fine"),
            site_name: "Test".to_owned(),
            announcement: None,
            authenticate_metrics: recipe.authenticate_metrics,
            more_metrics: None,
            told_of_base: AtomicBool::new(false),
            on_shutdown: Some(Box::new(move |servers| {
                noted.lock().expect("no test panicked here").push(servers);
            })),
        });
        Self {
            router: jansky_web::router(Arc::clone(&web)),
            hub,
            web,
            clock,
            spawner,
            routes,
            shutdowns,
            peer: recipe.peer,
            _database: recipe.database,
        }
    }

    /// The time of the hub.
    pub(crate) fn clock_now(&self) -> Timestamp {
        jansky_model::Clock::now(&*self.clock)
    }

    /// The user of this name; made, without a password, if there is none.
    pub(crate) async fn user(&self, name: &str) -> User {
        if let Some(user) = self
            .hub
            .people
            .user(name)
            .await
            .expect("the database answers")
        {
            return user;
        }
        let name: UserName = name.parse().expect("a valid name");
        let made = self
            .hub
            .people
            .create_user(&self.hub.permit_of(jansky_hub::TheHub), &name, false)
            .await;
        made.expect("the name is free")
    }

    /// The admin of this name; made if there is none.
    pub(crate) async fn admin(&self, name: &str) -> User {
        let user = self.user(name).await;
        let changed = self
            .hub
            .people
            .change_user(&self.hub.permit_of(user.clone()), None, Some(true))
            .await;
        changed.expect("the user exists")
    }

    /// Gives the user of this name [`PASSWORD`] as password.
    pub(crate) async fn account(&self, name: &str) -> User {
        let name: UserName = name.parse().expect("a valid name");
        let made = self
            .hub
            .people
            .set_account(self.hub.operator(), &name, Secret::new(PASSWORD), false)
            .await;
        made.expect("an account can be made")
    }

    /// Somebody who brings nothing.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.router.clone(), self.peer)
    }

    /// A browser in which this person has signed in through the form.
    pub(crate) async fn browser(&self, name: &str) -> Client {
        self.account(name).await;
        let browser = self.anonymous();
        let fields = [("username", name), ("password", PASSWORD)];
        let answer = browser.post("/hub/login", &fields).await;
        answer.must_be(302);
        browser
    }

    /// A browser with a session of this person, made without the form.
    pub(crate) async fn session(&self, name: &str) -> Client {
        let user = self.user(name).await;
        let provider = "local".parse().expect("a valid id");
        let session = self
            .hub
            .people
            .open_session(&user, &provider, None, None)
            .await;
        let session = session.expect("a session can be opened");
        let browser = self.anonymous();
        browser.keep("jupyterhub-hub-login", session.cookie.expose(), "/hub/");
        browser.keep("jupyterhub-session-id", &session.session_id, "/");
        browser
    }

    /// A program with a token of this person for these scopes.
    pub(crate) async fn token(&self, name: &str, scopes: &[&str]) -> Client {
        let token = self.new_token(name, scopes).await;
        self.bearer(&token)
    }

    /// A new token of this person for these scopes.
    pub(crate) async fn new_token(&self, name: &str, scopes: &[&str]) -> String {
        let user = self.user(name).await;
        let request = NewApiToken {
            note: format!("note of {name}"),
            scopes: Some(scopes.iter().map(|&scope| scope.to_owned()).collect()),
            ..NewApiToken::default()
        };
        let made = self
            .hub
            .people
            .create_token(&self.hub.permit_of(user.clone()), request)
            .await;
        let (_, secret) = made.expect("the user holds the scopes");
        secret.expose().to_owned()
    }

    /// A program with this token.
    pub(crate) fn bearer(&self, token: &str) -> Client {
        let client = self.anonymous();
        client.with_token(token)
    }

    /// The server of a user, if there is one.
    pub(crate) async fn server(&self, user: &str, name: &str) -> Option<Server> {
        let user = self.user(user).await;
        let name: ServerName = name.parse().expect("a valid name");
        let found = self.hub.servers.server(&user, &name).await;
        found.expect("the database answers")
    }

    /// Starts the default server of a user and waits until it is ready.
    pub(crate) async fn start(&self, user: &str) -> Server {
        let owner = self.token(user, &["self"]).await;
        let path = format!("/hub/api/users/{user}/server");
        owner.api("POST", &path, None).await.must_be(201);
        self.server(user, "").await.expect("it was started")
    }

    /// The token that the spawner handed to the server that was started last.
    pub(crate) fn server_token(&self) -> String {
        let starts = self.spawner.starts();
        let spec = starts.last().expect("a server was started");
        spec.environment["JUPYTERHUB_API_TOKEN"].expose().to_owned()
    }
}
