//! Who gets a permit, and what the others are told.

use std::sync::Arc;

use jansky_access::action::{ChangeUser, ListUsers, SeeHubInfo, SeeTokens, SeeUser, StopServer};
use jansky_access::{
    Access, AccessError, Authority, Listener, Permit, ProvenOwner, Roles, SharedActor,
};
use jansky_crypto::{Random as _, SystemRandom, digest};
use jansky_model::{ManualClock, Timestamp, UserId};
use jansky_store::{NewSession, NewToken, Store, TokenKind, User};
use tempfile::TempDir;

struct NobodyElse;

impl Listener for NobodyElse {
    fn forget(&self, _: UserId) {}

    fn forget_everyone(&self) {}
}

struct Scene {
    store: Arc<Store>,
    access: Access,
    operator: Authority,
    _directory: TempDir,
}

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

impl Scene {
    /// A database with river, wash and zoe, who is an administrator.
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}/jansky.db", directory.path().display());
        let store = Arc::new(Store::open(&url).await.expect("a new database opens"));
        for (name, admin) in [("river", false), ("wash", false), ("zoe", true)] {
            let name = name.parse().expect("a valid name");
            let made = store.create_user(&name, admin, START).await;
            made.expect("the name is free");
        }
        let (access, operator) = Access::new(
            Arc::clone(&store),
            Arc::new(ManualClock::new(START)),
            Roles::default(),
            Arc::new(NobodyElse),
            None,
            false,
        );
        Self {
            store,
            access,
            operator,
            _directory: directory,
        }
    }

    async fn user(&self, name: &str) -> User {
        let name = name.parse().expect("a valid name");
        let found = self.store.user_by_name(&name).await;
        found
            .expect("the database answers")
            .expect("they are there")
    }

    /// A program with a token of this person for these scopes.
    async fn program(&self, name: &str, scopes: &[&str]) -> SharedActor {
        let secret = SystemRandom.secret("");
        let token = NewToken {
            digest: digest(&secret),
            kind: TokenKind::Api,
            user_id: self.user(name).await.id,
            server_id: None,
            client_id: None,
            session_id: None,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            note: String::new(),
            created_at: START,
            expires_at: None,
        };
        self.store.create_token(token).await.expect("a token");
        let found = self.access.by_token(secret.expose()).await;
        found
            .expect("the database answers")
            .expect("the token is good")
    }
}

fn refusal<T>(result: Result<T, AccessError>) -> AccessError {
    result.err().expect("this must be refused")
}

#[tokio::test]
async fn who_holds_a_scope_for_something_else_does_not_learn_what_exists() {
    let scene = Scene::new().await;
    let river = scene.program("river", &["inherit"]).await;

    for name in ["wash", "nobody", "no such name/"] {
        let error = refusal(scene.access.permit::<SeeUser>(&river, name).await);
        assert!(matches!(error, AccessError::NotFound(_)), "{name}: {error}");
        let place = (name, "");
        let error = refusal(scene.access.permit::<StopServer>(&river, place).await);
        assert!(matches!(error, AccessError::NotFound(_)), "{name}: {error}");
    }
    let own = scene.access.permit::<SeeUser>(&river, "river").await;
    assert_eq!(own.expect("their own").on().name.as_str(), "river");
}

#[tokio::test]
async fn who_holds_no_scope_of_an_action_is_told_which_there_are() {
    let scene = Scene::new().await;
    let river = scene.program("river", &["inherit"]).await;

    let texts = [
        refusal(scene.access.permit::<ChangeUser>(&river, "river").await),
        refusal(scene.access.permit::<ListUsers>(&river, ()).await),
        refusal(scene.access.permit::<SeeHubInfo>(&river, ()).await),
    ]
    .map(|error| error.to_string());
    for (text, scope) in texts.iter().zip(["admin:users", "list:users", "read:hub"]) {
        assert_eq!(
            *text,
            format!("Action is not authorized with current scopes; requires any of [{scope}]")
        );
    }
}

#[tokio::test]
async fn a_permit_says_in_whose_name_it_is() {
    let scene = Scene::new().await;
    let zoe = scene.program("zoe", &["inherit"]).await;

    let by_zoe = scene.access.permit::<ChangeUser>(&zoe, "river").await;
    assert_eq!(by_zoe.expect("an administrator").by().name(), "zoe");
    let operator = &scene.operator;
    let by_operator = scene.access.permit::<ChangeUser>(operator, "river").await;
    assert_eq!(by_operator.expect("the operator").by().name(), "operator");
    let missing = refusal(scene.access.permit::<ChangeUser>(operator, "nobody").await);
    assert!(matches!(missing, AccessError::NotFound(_)), "{missing}");
}

#[tokio::test]
async fn what_is_ones_own_is_so_at_a_browser_and_not_for_a_token() {
    let scene = Scene::new().await;
    let program = scene.program("river", &["read:users!user"]).await;
    let river = scene.user("river").await;

    let error = refusal(Permit::<SeeTokens>::own(&program));
    assert!(matches!(error, AccessError::Forbidden(_)), "{error}");

    let secret = SystemRandom.secret("");
    let session = NewSession {
        digest: digest(&secret),
        session_id: "one".to_owned(),
        user_id: river.id,
        provider: "local".parse().expect("a valid id"),
        identity: None,
        provider_session: None,
        id_token: None,
        grant_id: None,
        browser: None,
        created_at: START,
        expires_at: Timestamp::from_seconds(1_800_100_000),
    };
    scene
        .store
        .create_session(session, None)
        .await
        .expect("a session");
    let browser = scene.access.by_session(secret.expose()).await;
    let browser = browser.expect("an answer").expect("the session is good");
    let own = Permit::<SeeTokens>::own(&browser).expect("their own");
    assert_eq!(own.on().id, river.id);
}

#[tokio::test]
async fn who_has_shown_a_password_may_only_do_what_is_asked_of_their_own_account() {
    let scene = Scene::new().await;
    let owner = ProvenOwner::new(&scene.operator, scene.user("river").await);

    let own = Permit::<SeeTokens>::proven(&owner);
    assert_eq!(own.by().name(), "river");
    let error = refusal(scene.access.permit::<SeeTokens>(&owner, "wash").await);
    assert!(matches!(error, AccessError::Forbidden(_)), "{error}");
}
