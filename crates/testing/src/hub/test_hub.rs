//! A hub as one process of the world has it.

use std::ops::Deref;
use std::sync::Arc;

use jansky_crypto::{KeyRing, SystemRandom};
use jansky_hub::{
    ConfiguredProvider, Hub, LOCAL_PROVIDER, NewApiToken, NewBrowserSession, Parts, Server,
    Settings, User,
};
use jansky_model::{Secret, ServerName, UserName};

use super::{RecordedRoutes, SOON, World};

/// The password of every account.
pub const PASSWORD: &str = "eleven names of stars";

/// What a hub is made of; tests change what they are about.
pub struct Recipe {
    /// What the operator decided.
    pub settings: Settings,
    /// The ways to sign in beside local accounts.
    pub providers: Vec<ConfiguredProvider>,
    /// Whether local accounts can sign in.
    pub has_local_accounts: bool,
    /// The keys with which tokens of providers are sealed.
    pub keys: KeyRing,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            settings: Settings {
                sign_in_attempts_per_minute: 1000,
                minimum_password_length: 8,
                ..Settings::default()
            },
            providers: Vec::new(),
            has_local_accounts: true,
            keys: KeyRing::generate(&SystemRandom),
        }
    }
}

/// A hub and its routes, in its world.
pub struct TestHub {
    /// The hub.
    pub hub: Arc<Hub>,
    /// What it gave the proxy.
    pub routes: Arc<RecordedRoutes>,
    /// What it is in, for another hub beside it.
    pub world: World,
}

impl Deref for TestHub {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl TestHub {
    pub(super) fn new(world: &World, change: impl FnOnce(&mut Recipe)) -> Self {
        let mut recipe = Recipe::default();
        change(&mut recipe);
        let routes = Arc::new(RecordedRoutes::default());
        let local = LOCAL_PROVIDER.parse().expect("a valid id");
        let (hub, _) = Hub::new(Parts {
            store: Arc::clone(&world.store),
            clock: Arc::clone(&world.clock) as _,
            random: Arc::new(SystemRandom),
            spawner: Arc::new(world.spawner.clone()),
            routes: Arc::clone(&routes) as _,
            providers: recipe.providers,
            local_accounts: recipe.has_local_accounts.then_some(local),
            keys: recipe.keys,
            settings: recipe.settings,
            http: reqwest::Client::new(),
        });
        let world = world.clone();
        Self { hub, routes, world }
    }

    /// Looks at the rights of those for whom it is time, as the housekeeping does.
    pub async fn refresh_due(&self) {
        self.hub.people.refresh_due().await.expect("it answers");
    }

    /// Hears what changes in the database from now on, as a process does.
    pub async fn listen(&self) {
        let listening = self.hub.spawn_listening().await;
        listening.expect("the database answers");
    }

    /// The user of this name; made, without a password, if there is none.
    pub async fn user(&self, name: &str) -> User {
        let people = &self.hub.people;
        if let Some(user) = people.user(name).await.expect("the database answers") {
            return user;
        }
        let name: UserName = name.parse().expect("a valid name");
        let permit = self.hub.permit_of(jansky_hub::TheHub);
        let made = people.create_user(&permit, &name, false).await;
        made.expect("the name is free")
    }

    /// The admin of this name; made if there is none.
    pub async fn admin(&self, name: &str) -> User {
        let permit = self.hub.permit_of(self.user(name).await);
        let changed = self.hub.people.change_user(&permit, None, Some(true)).await;
        changed.expect("the user exists")
    }

    /// Gives the user of this name [`PASSWORD`] as password.
    pub async fn account(&self, name: &str) -> User {
        let name: UserName = name.parse().expect("a valid name");
        let (hub, password) = (&self.hub, Secret::new(PASSWORD));
        let made = hub
            .people
            .set_account(hub.operator(), &name, password, false)
            .await;
        made.expect("an account can be made")
    }

    /// A session of this person, who has shown nothing for it.
    pub async fn session(&self, name: &str) -> NewBrowserSession {
        let user = self.user(name).await;
        let local = LOCAL_PROVIDER.parse().expect("a valid id");
        let session = self.hub.people.open_session(&user, &local, None, None);
        session.await.expect("a session can be opened")
    }

    /// A new token of this person for these scopes.
    pub async fn new_token(&self, name: &str, scopes: &[&str]) -> String {
        let permit = self.hub.permit_of(self.user(name).await);
        let request = NewApiToken {
            note: format!("note of {name}"),
            scopes: Some(scopes.iter().map(|&scope| scope.to_owned()).collect()),
            ..NewApiToken::default()
        };
        let made = self.hub.people.create_token(&permit, request).await;
        let (_, secret) = made.expect("the user holds the scopes");
        secret.expose().to_owned()
    }

    /// Whether a token is good for anything.
    pub async fn knows(&self, token: &Secret) -> bool {
        let actor = self.hub.access().by_token(token.expose()).await;
        actor.expect("the database answers").is_some()
    }

    /// The server of a user, if there is one.
    pub async fn server(&self, user: &str, name: &str) -> Option<Server> {
        let user = self.user(user).await;
        let name: ServerName = name.parse().expect("a valid name");
        let found = self.hub.servers.server(&user, &name).await;
        found.expect("the database answers")
    }

    /// Begins to start the default server of a user, and does not wait.
    pub async fn begin_start(&self, user: &User) -> Server {
        let name = ServerName::default_server();
        let started = self.hub.servers.start_unasked(user, &name, None).await;
        started.expect("it can be started")
    }

    /// Waits until nothing is under way for a server; the server then.
    pub async fn settled(&self, server: &Server) -> Server {
        let settled = self.hub.servers.settled(server, SOON).await;
        settled.expect("the database answers").expect("it is there")
    }
}
