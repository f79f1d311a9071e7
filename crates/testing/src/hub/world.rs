//! What is there before a hub is and stays when it goes.

use std::sync::Arc;

use jansky_crypto::{Random as _, SystemRandom, digest};
use jansky_hub::{Server, TokenKind, User};
use jansky_model::{Clock as _, ManualClock, Secret, ServerId, ServerName, StartId, Timestamp};
use jansky_spawn::fake::FakeSpawner;
use jansky_spawn::{ProgressSink, ServerSpec, Spawner as _};
use jansky_store::{BeginStart, NewServer, NewToken, Store};

use super::{Database, Recipe, TestHub};

/// The database, the time, and what the spawner runs. A clone is the same world.
#[derive(Clone)]
pub struct World {
    /// The database, opened.
    pub store: Arc<Store>,
    /// The time, which stands still until the test moves it.
    pub clock: Arc<ManualClock>,
    /// What starts servers.
    pub spawner: FakeSpawner,
    /// Where the database is, kept for as long as the world.
    pub database: Database,
}

impl World {
    /// With an SQLite database.
    pub async fn new() -> Self {
        Self::on(Database::sqlite()).await
    }

    /// With everything in a new database on PostgreSQL.
    pub async fn on_postgres() -> Self {
        Self::on(Database::postgres().await).await
    }

    /// With this database, as another process opens it that has a clock and servers of its own.
    pub async fn on(database: Database) -> Self {
        let store = Store::open(database.url()).await;
        Self {
            store: Arc::new(store.expect("the database opens")),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000))),
            spawner: FakeSpawner::default(),
            database,
        }
    }

    /// A hub in this world, as a process that has just begun: it knows nothing.
    pub fn hub(&self) -> TestHub {
        self.hub_with(|_| {})
    }

    /// A hub with something changed.
    pub fn hub_with(&self, change: impl FnOnce(&mut Recipe)) -> TestHub {
        TestHub::new(self, change)
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new user with a stopped default server.
    pub async fn server_of(&self, name: &str) -> (User, Server) {
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
    pub async fn begun(&self, name: &str) -> (Server, Secret) {
        let (user, server) = self.server_of(name).await;
        let token = SystemRandom.secret("");
        let begin = BeginStart {
            start: StartId(1),
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
    pub async fn spawned(&self, server: ServerId, start: StartId, token: &Secret) {
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
    pub async fn reread(&self, server: &Server) -> Server {
        let row = self.store.server(server.id).await;
        row.expect("the database answers").expect("it is there")
    }

    /// What the spawner was asked to start last.
    pub fn last_start(&self) -> ServerSpec {
        let starts = self.spawner.starts();
        starts.last().expect("a server was started").clone()
    }

    /// The token that the spawner was given last.
    pub fn last_token(&self) -> Secret {
        self.last_start().environment["JUPYTERHUB_API_TOKEN"].clone()
    }
}
