//! A fresh database of either kind per test, and values to fill it with.

use std::ops::Deref;

use jansky_model::name::server_client_id;
use jansky_model::{ProviderId, ServerName, Timestamp, UserId, UserName};
use jansky_store::{
    Code, Digest, LoginAttemptRow, NewServer, NewSession, NewToken, Server, Store, TokenKind, User,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

/// Runs each named `async fn(TestStore)` on both databases, as `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($name:ident,)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(crate::harness::TestStore::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(crate::harness::TestStore::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both;

/// A store on a database of its own.
pub(crate) struct TestStore {
    store: Store,
    pub(crate) url: String,
    /// Deletes an SQLite database at the end.
    _directory: Option<TempDir>,
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}/jansky.db", directory.path().display());
        Self {
            store: Store::open(&url).await.expect("a new database opens"),
            url,
            _directory: Some(directory),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let url = new_postgres_database().await;
        Self {
            store: Store::open(&url).await.expect("a new database opens"),
            url,
            _directory: None,
        }
    }

    /// Runs a statement behind the back of the store.
    pub(crate) async fn meddle(&self, text: &str) {
        if self.kind() == "sqlite" {
            sqlite_connection(&self.url)
                .execute_batch(text)
                .expect("the statement runs");
        } else {
            let mut connection = postgres_connection(&self.url).await;
            sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
                .execute(&mut connection)
                .await
                .expect("the statement runs");
        }
    }

    /// A user of this name.
    pub(crate) async fn add_user(&self, name: &str) -> User {
        self.create_user(&user_name(name), false, at(0))
            .await
            .expect("the name is free")
    }

    /// A stopped default server of a new user of this name.
    pub(crate) async fn add_server(&self, user: &str) -> Server {
        let owner = self.add_user(user).await;
        self.add_server_of(&owner, "").await
    }

    /// A stopped server of this user.
    pub(crate) async fn add_server_of(&self, owner: &User, name: &str) -> Server {
        let new = NewServer {
            user_id: owner.id,
            name: server_name(name),
            client_id: server_client_id(&owner.name, &server_name(name)),
            display_name: String::new(),
            user_options: serde_json::json!({}),
            created_at: at(0),
        };
        self.create_server(&new).await.expect("the name is free")
    }

    /// A session with this id, which is also the seed of its digest; it ends at second 1000.
    pub(crate) async fn add_session(&self, user: UserId, session_id: &str) {
        let new = NewSession {
            session_id: session_id.to_owned(),
            digest: digest(session_id),
            user_id: user,
            identity: None,
            provider: provider("local"),
            created_at: at(0),
            expires_at: at(1000),
            provider_session: None,
            grant_id: None,
            id_token: None,
            browser: Some(format!("browser of {session_id}")),
        };
        self.create_session(new, None)
            .await
            .expect("the id is free");
    }

    /// A code whose secret is `seed`.
    pub(crate) async fn add_code(&self, seed: &str, code: &Code) {
        self.create_code(&digest(seed), code)
            .await
            .expect("the code is new");
    }

    /// A sign-in whose state is `seed`.
    pub(crate) async fn add_attempt(&self, seed: &str, attempt: &LoginAttemptRow) {
        self.create_login_attempt(&digest(seed), attempt, "192.0.2.1")
            .await
            .expect("the state is new");
    }
}

/// Makes an empty database and returns its URL.
pub(crate) async fn new_postgres_database() -> String {
    jansky_store::testing::new_postgres_database("store").await
}

pub(crate) async fn postgres_connection(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .expect("the server named by JANSKY_TEST_POSTGRES answers")
}

pub(crate) fn sqlite_connection(url: &str) -> rusqlite::Connection {
    let path = url.strip_prefix("sqlite://").expect("a file");
    rusqlite::Connection::open(path).expect("the file opens")
}

/// So many seconds after the beginning of the test.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + seconds)
}

/// A digest that stands for the secret `seed`.
pub(crate) fn digest(seed: &str) -> Digest {
    let mut digest = [0; 32];
    digest[..seed.len()].copy_from_slice(seed.as_bytes());
    digest
}

pub(crate) fn user_name(text: &str) -> UserName {
    text.parse().expect("a valid name")
}

pub(crate) fn server_name(text: &str) -> ServerName {
    text.parse().expect("a valid name")
}

pub(crate) fn provider(text: &str) -> ProviderId {
    text.parse().expect("a valid id")
}

/// A token of this kind that does not expire.
pub(crate) fn token(seed: &str, kind: TokenKind, user: UserId) -> NewToken {
    NewToken {
        digest: digest(seed),
        kind,
        user_id: user,
        server_id: None,
        client_id: None,
        session_id: None,
        scopes: vec!["self".to_owned(), "read:hub".to_owned()],
        note: format!("note of {seed}"),
        created_at: at(0),
        expires_at: None,
    }
}
