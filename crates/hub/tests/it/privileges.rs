//! Nobody comes to hold more than they do, whatever they may call and in whatever order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jansky_hub::{Hub, NewApiToken, Role, Roles, SharePartner, SharedActor, User};
use jansky_model::scope::Target;
use jansky_model::{Scope, Secret, ServerId, ServerName, UserId, UserName};
use jansky_testing::hub::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Who is there from the beginning; the first is the one who tries.
const PEOPLE: [&str; 4] = ["river", "wash", "kaylee", "zoe"];

/// Names that are given in the course of things. The configuration makes `boss` an administrator.
const NAMES: [&str; 7] = ["river", "wash", "kaylee", "zoe", "boss", "book", "mal"];

const GROUPS: [&str; 3] = ["crew", "ops", "guests"];

const SERVERS: [&str; 3] = ["", "gpu", "lab"];

/// What roles are made of.
const SCOPES: [&str; 14] = [
    "access:servers",
    "admin:groups",
    "admin:servers",
    "admin:users",
    "admin-ui",
    "delete:users",
    "groups",
    "list:users",
    "read:groups:name",
    "read:users:name",
    "servers",
    "shares",
    "tokens",
    "users:shares",
];

const FILTERS: [&str; 9] = [
    "",
    "",
    "!user",
    "!user=wash",
    "!user=book",
    "!group=crew",
    "!group=ops",
    "!server=wash/gpu",
    "!server=kaylee/lab",
];

#[derive(Clone, Debug)]
struct Given {
    scopes: Vec<String>,
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
}

/// One call, with the positions of what it is about in the lists above.
#[derive(Clone, Debug)]
enum Call {
    CreateUser { name: usize, admin: bool },
    Rename { user: usize, name: usize },
    MakeAdmin { user: usize },
    DeleteUser { user: usize },
    CreateGroup { group: usize, member: usize },
    AddMember { group: usize, member: usize },
    RemoveMember { group: usize, member: usize },
    DeleteGroup { group: usize },
    Token { user: usize, scope: Option<String> },
    Link { user: usize },
    Share { server: (usize, usize), with: usize },
    ShareCode { server: (usize, usize) },
    RenameServer { server: (usize, usize), name: usize },
}

/// Everything that a round begins with.
#[derive(Clone, Debug)]
struct Story {
    roles: Vec<Given>,
    members: Vec<(usize, usize)>,
    /// What the first credential is limited to; everything that its owner may do without.
    limits: Option<Vec<String>>,
    /// Each with the credential, of those at hand, with which it is tried.
    calls: Vec<(usize, Call)>,
}

fn scope() -> impl Strategy<Value = String> {
    (0..SCOPES.len(), 0..FILTERS.len())
        .prop_map(|(scope, filter)| format!("{}{}", SCOPES[scope], FILTERS[filter]))
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(prop::sample::select(names).prop_map(str::to_owned), 0..3)
}

fn given() -> impl Strategy<Value = Given> {
    let scopes = prop::collection::vec(scope(), 1..5);
    (scopes, some_of(&NAMES), some_of(&GROUPS)).prop_map(|(scopes, users, groups)| Given {
        scopes,
        users,
        groups,
    })
}

fn call() -> impl Strategy<Value = Call> {
    let name = || 0..NAMES.len();
    let group = || 0..GROUPS.len();
    let server = || (name(), 0..SERVERS.len());
    prop_oneof![
        (name(), any::<bool>()).prop_map(|(name, admin)| Call::CreateUser { name, admin }),
        (name(), name()).prop_map(|(user, name)| Call::Rename { user, name }),
        name().prop_map(|user| Call::MakeAdmin { user }),
        name().prop_map(|user| Call::DeleteUser { user }),
        (group(), name()).prop_map(|(group, member)| Call::CreateGroup { group, member }),
        (group(), name()).prop_map(|(group, member)| Call::AddMember { group, member }),
        (group(), name()).prop_map(|(group, member)| Call::RemoveMember { group, member }),
        group().prop_map(|group| Call::DeleteGroup { group }),
        (name(), prop::option::of(scope())).prop_map(|(user, scope)| Call::Token { user, scope }),
        name().prop_map(|user| Call::Link { user }),
        (server(), name()).prop_map(|(server, with)| Call::Share { server, with }),
        server().prop_map(|server| Call::ShareCode { server }),
        (server(), 0..SERVERS.len()).prop_map(|(server, name)| Call::RenameServer { server, name }),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    (
        prop::collection::vec(given(), 1..5),
        prop::collection::vec((0..GROUPS.len(), 0..PEOPLE.len()), 0..4),
        prop::option::weighted(0.3, prop::collection::vec(scope(), 1..4)),
        prop::collection::vec((0..8_usize, call()), 1..16),
    )
        .prop_map(|(roles, members, limits, calls)| Story {
            roles,
            members,
            limits,
            calls,
        })
}

/// A hub in which somebody tries.
struct Scene {
    hub: Arc<Hub>,
    /// The tokens at hand: the first one, and those that came of it.
    tokens: Vec<Secret>,
    users: Vec<UserId>,
    servers: Vec<ServerId>,
}

impl Scene {
    async fn new(world: &World, story: &Story) -> Self {
        let given = story.roles.iter().enumerate().map(|(number, given)| {
            let role = Role {
                scopes: given.scopes.clone(),
                users: given.users.clone(),
                groups: given.groups.clone(),
            };
            (format!("role-{number}"), role)
        });
        let roles = Roles(given.collect::<BTreeMap<_, _>>());
        let hub = world.hub_with(|recipe| {
            recipe.settings.roles = roles;
            recipe.settings.admin_users = ["boss".to_owned()].into();
            recipe.settings.minimum_password_length = 1;
        });
        let hub = hub.hub;
        let (mut users, mut servers) = (Vec::new(), Vec::new());
        for name in PEOPLE {
            let is_admin = name == "zoe";
            let name = user_name(name);
            let made = hub
                .people
                .create_user(&hub.permit_of(jansky_hub::TheHub), &name, is_admin)
                .await;
            let user = made.expect("the name is free");
            for server in ["", "gpu"] {
                let server = server.parse().expect("a valid name");
                let made = hub.servers.make_unasked(&user, &server, "").await;
                servers.push(made.expect("the name is free").id);
            }
            users.push(user.id);
        }
        for group in ["crew", "ops"] {
            let members = story.members.iter();
            let members = members.filter(|(of, _)| GROUPS[*of] == group);
            let members: Vec<String> = members.map(|(_, who)| PEOPLE[*who].to_owned()).collect();
            let names = [group.to_owned()];
            let made = hub
                .people
                .create_groups(&hub.permit_of(jansky_hub::TheHub), &names, &members)
                .await;
            made.expect("the name is free");
        }
        let river = hub
            .store()
            .user(users[0])
            .await
            .expect("read")
            .expect("made");
        let all = hub.people.rights_unasked(&river).await.expect("read");
        // Of the limits that a token may have, those that its owner holds.
        let limits = story.limits.as_ref().map(|limits| {
            let held = limits
                .iter()
                .filter(|text| all.to_texts().iter().any(|held| held == *text));
            held.cloned().collect()
        });
        let request = NewApiToken {
            scopes: limits,
            ..NewApiToken::default()
        };
        let made = hub
            .people
            .create_token(&hub.permit_of(river.clone()), request)
            .await;
        let (_, token) = made.expect("river holds it");
        Self {
            hub,
            tokens: vec![token],
            users,
            servers,
        }
    }

    async fn actor(&self, token: &Secret) -> Option<SharedActor> {
        let found = self.hub.access().by_token(token.expose()).await;
        found.expect("the database answers")
    }

    async fn user(&self, name: usize) -> Option<User> {
        self.hub.people.user(NAMES[name]).await.expect("read")
    }

    async fn server(&self, (owner, name): (usize, usize)) -> Option<jansky_hub::Server> {
        let owner = self.user(owner).await?;
        let name: ServerName = SERVERS[name].parse().expect("a valid name");
        self.hub.servers.server(&owner, &name).await.expect("read")
    }

    async fn place_of(&self, server: &jansky_hub::Server) -> jansky_hub::Place {
        let owner = self.hub.people.user(server.user.as_str()).await;
        jansky_hub::Place {
            owner: owner.expect("read").expect("it has an owner"),
            name: server.name.clone(),
            server: Some(server.clone()),
        }
    }

    /// What is now a token of somebody else, as a sign-in would give it.
    async fn signed_in_as(&self, user: &User) -> Secret {
        let permit = self.hub.permit_of(user.clone());
        let people = &self.hub.people;
        let made = people.create_token(&permit, NewApiToken::default());
        made.await.expect("everybody has what they have").1
    }

    /// Makes one call as a surface would: with a look at the scope that it needs. What it brings is
    /// kept; whether it is refused does not matter.
    async fn make(&mut self, actor: &SharedActor, call: &Call) {
        let hub = Arc::clone(&self.hub);
        let on = |scope, name: usize| actor.may(scope, Target::User(NAMES[name]));
        let on_group = |scope, group: usize| actor.may(scope, Target::Group(GROUPS[group]));
        let group = async |group: usize| hub.people.group(GROUPS[group]).await.expect("read");
        match call {
            Call::CreateUser { name, admin } if on(Scope::ADMIN_USERS, *name) => {
                let _ = hub
                    .people
                    .create_user(
                        &hub.permit_by(actor, jansky_hub::TheHub),
                        &user_name(NAMES[*name]),
                        *admin,
                    )
                    .await;
            }
            Call::Rename { user, name } if on(Scope::ADMIN_USERS, *user) => {
                if let Some(user) = self.user(*user).await {
                    let name = user_name(NAMES[*name]);
                    let _ = hub
                        .people
                        .change_user(&hub.permit_by(actor, user.clone()), Some(&name), None)
                        .await;
                }
            }
            Call::MakeAdmin { user } if on(Scope::ADMIN_USERS, *user) => {
                if let Some(user) = self.user(*user).await {
                    let _ = hub
                        .people
                        .change_user(&hub.permit_by(actor, user.clone()), None, Some(true))
                        .await;
                }
            }
            Call::DeleteUser { user } if on(Scope::DELETE_USERS, *user) => {
                if let Some(user) = self.user(*user).await.filter(|u| u.id != actor.user.id) {
                    let _ = hub.delete_user(&hub.permit_by(actor, user.clone())).await;
                }
            }
            Call::CreateGroup { group, member } if on_group(Scope::ADMIN_GROUPS, *group) => {
                let members = [NAMES[*member].to_owned()];
                let _ = hub
                    .people
                    .create_groups(
                        &hub.permit_by(actor, jansky_hub::TheHub),
                        &[GROUPS[*group].to_owned()],
                        &members,
                    )
                    .await;
            }
            Call::AddMember { group: of, member } if on_group(Scope::GROUPS, *of) => {
                if let Some(group) = group(*of).await {
                    let _ = hub
                        .people
                        .add_members(
                            &hub.permit_by(actor, group.clone()),
                            &[NAMES[*member].to_owned()],
                        )
                        .await;
                }
            }
            Call::RemoveMember { group: of, member } if on_group(Scope::GROUPS, *of) => {
                if let Some(group) = group(*of).await {
                    let _ = hub
                        .people
                        .remove_members(
                            &hub.permit_by(actor, group.clone()),
                            &[NAMES[*member].to_owned()],
                        )
                        .await;
                }
            }
            Call::DeleteGroup { group: of } if on_group(Scope::DELETE_GROUPS, *of) => {
                if let Some(group) = group(*of).await {
                    let _ = hub
                        .people
                        .delete_group(&hub.permit_by(actor, group.clone()))
                        .await;
                }
            }
            Call::Token { user, scope } if on(Scope::TOKENS, *user) => {
                if let Some(user) = self.user(*user).await {
                    let request = NewApiToken {
                        scopes: scope.clone().map(|scope| vec![scope]),
                        ..NewApiToken::default()
                    };
                    if let Ok((_, token)) = hub
                        .people
                        .create_token(&hub.permit_by(actor, user.clone()), request)
                        .await
                    {
                        self.tokens.push(token);
                    }
                }
            }
            Call::Link { user } if on(Scope::ADMIN_USERS, *user) => {
                if let Some(user) = self.user(*user).await
                    && hub
                        .people
                        .make_password_link(&hub.permit_by(actor, user.clone()))
                        .await
                        .is_ok()
                {
                    let token = self.signed_in_as(&user).await;
                    self.tokens.push(token);
                }
            }
            Call::Share { server, with } => {
                if let Some(server) = self.server(*server).await
                    && actor.may_on_server(Scope::SHARES, &server.user, &server.name)
                {
                    let with = SharePartner::User(user_name(NAMES[*with]));
                    let _ = hub
                        .servers
                        .share(&hub.permit_by(actor, server.clone()), &with, None)
                        .await;
                }
            }
            Call::ShareCode { server } => {
                if let Some(server) = self.server(*server).await
                    && actor.may_on_server(Scope::SHARES, &server.user, &server.name)
                    && let Ok((_, code)) = hub
                        .servers
                        .create_share_code(
                            &hub.permit_by(actor, server.clone()),
                            None,
                            jansky_hub::USUAL_CODE_LIFETIME,
                        )
                        .await
                {
                    let _ = hub.servers.accept_share_code(actor, code.expose()).await;
                }
            }
            Call::RenameServer { server, name } => {
                if let Some(server) = self.server(*server).await
                    && actor.may_on_server(Scope::START_SERVERS, &server.user, &server.name)
                {
                    let name: ServerName = SERVERS[*name].parse().expect("a valid name");
                    let _ = hub
                        .servers
                        .change_server(
                            &hub.permit_by(actor, self.place_of(&server).await),
                            Some(&name),
                            None,
                            None,
                        )
                        .await;
                }
            }
            _ => {}
        }
    }

    /// What can be done with the tokens at hand to whom and what was there from the beginning,
    /// whatever it is called by now.
    async fn reach(&self) -> BTreeSet<String> {
        let store = self.hub.store();
        let mut reach = BTreeSet::new();
        for token in &self.tokens {
            let Some(actor) = self.actor(token).await else {
                continue;
            };
            // Every token says whose it is.
            let identifies = [Scope::READ_USERS_NAME.name(), "read:users:groups"];
            for scope in Scope::all().filter(|scope| !identifies.contains(&scope.name())) {
                if actor.may(scope, Target::Hub) {
                    reach.insert(format!("{scope}"));
                }
                for id in &self.users {
                    let user = store.user(*id).await.expect("read");
                    if user.is_some_and(|u| actor.may(scope, Target::User(u.name.as_str()))) {
                        reach.insert(format!("{scope} of user {id}"));
                    }
                }
                for id in &self.servers {
                    let server = store.server(*id).await.expect("read");
                    if server.is_some_and(|s| actor.may_on_server(scope, &s.user, &s.name)) {
                        reach.insert(format!("{scope} of server {id}"));
                    }
                }
                for group in ["crew", "ops"] {
                    if actor.may(scope, Target::Group(group)) {
                        reach.insert(format!("{scope} of group {group}"));
                    }
                }
            }
            // As a sign-in makes one of everybody whom the configuration names.
            let becomes = actor.user.name.as_str() == "boss";
            if actor.user.admin || becomes {
                reach.insert("the admin flag".to_owned());
            }
        }
        reach
    }
}

fn user_name(name: &str) -> UserName {
    name.parse().expect("a valid name")
}

async fn play(story: &Story) -> Result<(), TestCaseError> {
    let world = World::new().await;
    let mut scene = Scene::new(&world, story).await;
    let before = scene.reach().await;
    for (with, call) in &story.calls {
        let token = scene.tokens[with % scene.tokens.len()].clone();
        let Some(actor) = scene.actor(&token).await else {
            continue;
        };
        scene.make(&actor, call).await;
        let after = scene.reach().await;
        let more: Vec<&String> = after.difference(&before).collect();
        prop_assert!(more.is_empty(), "after {call:?}: {more:?}");
    }
    Ok(())
}

#[test]
fn no_sequence_of_calls_makes_a_caller_hold_more_than_before() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    let played = runner.run(&story(), |story| runtime.block_on(play(&story)));
    played.unwrap_or_else(|error| panic!("{error}"));
}
