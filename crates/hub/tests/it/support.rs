//! A hub on a database of its own with a spawner and a route table that can be looked at.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jansky_crypto::{Random as _, SystemRandom, digest};
use jansky_hub::{ConfiguredProvider, Hub, Parts, RouteTable, Server, ServerRoute, Settings, User};
use jansky_model::{ManualClock, Secret, ServerId, ServerName, StartId, Timestamp};
use jansky_spawn::fake::{FakeBehaviour, FakeSpawner};
use jansky_spawn::{
    AddressOwner, Finding, FoundServer, PollStatus, ProgressSink, ServerSpec, SpawnError,
    SpawnHandle, Spawner, Started, StopMode,
};
use jansky_store::{BeginStart, NewServer, NewToken, Store, TokenKind};
use tempfile::TempDir;

/// How long a test waits for what should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What is there before a hub is: it stays when the hub goes.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) spawner: FickleSpawner,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}/jansky.db", directory.path().display());
        Self::on(&url, directory).await
    }

    /// With everything in a new database on PostgreSQL.
    pub(crate) async fn on_postgres() -> Self {
        let url = jansky_store::testing::new_postgres_database("hub").await;
        Self::on(&url, tempfile::tempdir().expect("a temporary directory")).await
    }

    async fn on(url: &str, directory: TempDir) -> Self {
        Self {
            store: Arc::new(Store::open(url).await.expect("a new database opens")),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000))),
            spawner: FickleSpawner::default(),
            _directory: directory,
        }
    }

    /// A hub in this world, as a process that has just begun: it knows nothing.
    pub(crate) fn hub(&self) -> TestHub {
        self.hub_with(|_| {})
    }

    pub(crate) fn hub_with(&self, change: impl FnOnce(&mut Settings)) -> TestHub {
        self.hub_of(Vec::new(), change)
    }

    /// A hub at which people sign in with these providers.
    pub(crate) fn hub_of(
        &self,
        providers: Vec<ConfiguredProvider>,
        change: impl FnOnce(&mut Settings),
    ) -> TestHub {
        let mut settings = Settings {
            minimum_password_length: 8,
            ..Settings::default()
        };
        change(&mut settings);
        let routes = Arc::new(RecordedRoutes::default());
        let (hub, _) = Hub::new(Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock) as _,
            random: Arc::new(SystemRandom),
            spawner: Arc::new(self.spawner.clone()),
            routes: Arc::clone(&routes) as _,
            providers,
            local_accounts: Some("local".parse().expect("a valid id")),
            keys: jansky_crypto::sealed::KeyRing::generate(&SystemRandom),
            settings,
            http: reqwest::Client::new(),
        });
        TestHub { hub, routes }
    }

    /// A new user with a stopped default server.
    pub(crate) async fn server_of(&self, name: &str) -> (User, Server) {
        let name = name.parse().expect("a valid name");
        let user = self.store.create_user(&name, false, self.now()).await;
        let user = user.expect("the name is free");
        let new = NewServer {
            user_id: user.id,
            name: ServerName::default_server(),
            client_id: format!("jupyterhub-user-{name}"),
            display_name: String::new(),
            user_options: serde_json::json!({}),
            created_at: self.now(),
        };
        let server = self.store.create_server(&new).await;
        (user, server.expect("the name is free"))
    }

    /// What a hub leaves that is killed right after it has written a start down: the row and the
    /// token, which only the process would have got.
    pub(crate) async fn begun(&self, name: &str) -> (Server, Secret) {
        let (user, server) = self.server_of(name).await;
        let token = SystemRandom.secret("");
        let start = StartId(1);
        let begin = BeginStart {
            start,
            user_options: serde_json::json!({}),
            spawner: "fake".to_owned(),
            token: NewToken {
                digest: digest(&token),
                kind: TokenKind::Server,
                user_id: user.id,
                server_id: Some(server.id),
                client_id: None,
                session_id: None,
                scopes: Vec::new(),
                note: String::new(),
                created_at: self.now(),
                expires_at: None,
            },
            at: self.now(),
        };
        let begun = self
            .store
            .begin_start(server.id, server.version, begin)
            .await;
        (begun.expect("it was stopped"), token)
    }

    /// What the spawner has when the hub is killed after it was asked to start.
    pub(crate) async fn spawned(&self, server: ServerId, start: StartId, token: &Secret) {
        let spec = ServerSpec {
            server,
            start,
            user: "river".parse().expect("a valid name"),
            name: ServerName::default_server(),
            prefix: "/user/river/".to_owned(),
            environment: [("JUPYTERHUB_API_TOKEN".to_owned(), token.clone())].into(),
            options: serde_json::json!({}),
            agent: None,
        };
        let (sink, _events) = ProgressSink::channel();
        let started = self.spawner.start(&spec, &sink).await;
        started.expect("the spawner works");
    }

    /// The server as the database has it.
    pub(crate) async fn reread(&self, server: &Server) -> Server {
        let row = self.store.server(server.id).await;
        row.expect("the database answers").expect("it is there")
    }

    /// The token that the spawner was given last.
    pub(crate) fn last_token(&self) -> Secret {
        let starts = self.spawner.fake.starts();
        let last = starts.last().expect("it was asked to start something");
        last.environment["JUPYTERHUB_API_TOKEN"].clone()
    }

    pub(crate) fn now(&self) -> Timestamp {
        use jansky_model::Clock as _;
        self.clock.now()
    }
}

/// A hub and its routes.
pub(crate) struct TestHub {
    pub(crate) hub: Arc<Hub>,
    pub(crate) routes: Arc<RecordedRoutes>,
}

impl TestHub {
    /// Starts the default server of a user and does not wait.
    pub(crate) async fn start(&self, user: &User) -> Server {
        let name = ServerName::default_server();
        let started = self.hub.servers.start_unasked(user, &name, None).await;
        started.expect("it can be started")
    }

    /// Waits until nothing is under way for a server; the server then.
    pub(crate) async fn settled(&self, server: &Server) -> Server {
        let settled = self.hub.servers.settled(server, SOON).await;
        settled.expect("the database answers").expect("it is there")
    }

    /// Whether a token is good for anything.
    pub(crate) async fn knows(&self, token: &Secret) -> bool {
        let actor = self.hub.access().by_token(token.expose()).await;
        actor.expect("the database answers").is_some()
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(SOON, waiting).await;
    assert!(in_time.is_ok(), "it never came to that: {what}");
}

/// Routes in memory, and what was used according to the test.
#[derive(Default)]
pub(crate) struct RecordedRoutes {
    table: Mutex<BTreeMap<String, String>>,
    used: Mutex<Vec<(ServerId, Timestamp)>>,
}

impl RecordedRoutes {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.table.lock().expect("no test panicked here")
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.table().keys().cloned().collect()
    }

    pub(crate) fn url(&self, path: &str) -> Option<String> {
        self.table().get(path).cloned()
    }

    /// Says that a server was used.
    pub(crate) fn note_use(&self, server: &Server, at: Timestamp) {
        let mut used = self.used.lock().expect("no test panicked here");
        used.push((server.id, at));
    }
}

impl RouteTable for RecordedRoutes {
    fn add(&self, route: &ServerRoute<'_>) {
        let (path, url) = (route.path.to_owned(), route.url.to_owned());
        self.table().insert(path, url);
    }

    fn remove(&self, path: &str) {
        self.table().remove(path);
    }

    fn has(&self, path: &str) -> bool {
        self.table().contains_key(path)
    }

    fn activity(&self) -> Vec<(ServerId, Timestamp)> {
        std::mem::take(&mut *self.used.lock().expect("no test panicked here"))
    }
}

/// The fake spawner, which can also be unable to say what it runs.
#[derive(Clone, Default)]
pub(crate) struct FickleSpawner {
    pub(crate) fake: FakeSpawner,
    is_silent: Arc<AtomicBool>,
}

impl FickleSpawner {
    pub(crate) fn behave(&self, behaviour: FakeBehaviour) {
        self.fake.behave(behaviour);
    }

    /// Whether it keeps to itself what it runs.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::SeqCst);
    }
}

#[async_trait]
impl Spawner for FickleSpawner {
    fn kind(&self) -> &'static str {
        self.fake.kind()
    }

    async fn start(
        &self,
        spec: &ServerSpec,
        progress: &ProgressSink,
    ) -> Result<Started, SpawnError> {
        self.fake.start(spec, progress).await
    }

    async fn poll(&self, handle: &SpawnHandle) -> PollStatus {
        self.fake.poll(handle).await
    }

    async fn address_owner(&self, handle: &SpawnHandle, url: &str) -> AddressOwner {
        self.fake.address_owner(handle, url).await
    }

    async fn stop(&self, handle: &SpawnHandle, mode: StopMode) -> Result<(), SpawnError> {
        self.fake.stop(handle, mode).await
    }

    async fn list(&self) -> Result<Vec<FoundServer>, SpawnError> {
        if self.is_silent.load(Ordering::SeqCst) {
            return Err(SpawnError::unavailable("it does not say"));
        }
        self.fake.list().await
    }

    async fn log_tail(&self, handle: &SpawnHandle) -> String {
        self.fake.log_tail(handle).await
    }

    async fn remove(&self, server: ServerId) -> Result<(), SpawnError> {
        self.fake.remove(server).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.fake.check().await
    }
}
