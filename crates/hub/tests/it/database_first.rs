//! The database first: whatever a use case does outside of it comes after what it says there.
//!
//! Each use case is played once for each call of the database in it, which fails then and from then
//! on. Nothing outside may differ from what the database says, and once the database is back, looking
//! and asking again must come to the end that was wanted.

use std::sync::Arc;
use std::time::Duration;

use jansky_access::action::{ChangeTokens, CreateUser, ShareServer};
use jansky_hub::{Hub, HubError, NewApiToken, Server, SharePartner, SharedActor, User};
use jansky_model::{Scope, ServerName, ServerState};
use jansky_spawn::fake::{FakeBehaviour, FakeStart};
use jansky_store::testing::Failing;
use jansky_testing::hub::{OpenId, SOON, TestHub, World, until};

/// How long whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is asked of the hub about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Start,
    StartThatFails,
    Stop,
    CancelStart,
    NoticeEnd,
    StopAll,
    Remove,
    DeleteOwner,
}

const CASES: [Case; 8] = [
    Case::Start,
    Case::StartThatFails,
    Case::Stop,
    Case::CancelStart,
    Case::NoticeEnd,
    Case::StopAll,
    Case::Remove,
    Case::DeleteOwner,
];

/// A hub with somebody's server in the state in which a case begins.
struct Scene {
    world: World,
    hub: TestHub,
    user: User,
    server: Server,
}

impl Case {
    fn name(self) -> ServerName {
        match self {
            // The default server cannot be removed.
            Self::Remove => "second".parse().expect("a valid name"),
            _ => ServerName::default_server(),
        }
    }

    async fn scene(self, world: World) -> Scene {
        let hub = world.hub_with(|recipe| recipe.settings.allow_named_servers = true);
        let (user, _) = world.server_of("river").await;
        let name = self.name();
        if self == Self::CancelStart {
            world.spawner.behave(FakeBehaviour {
                start: FakeStart::NeverAnswers,
                ..FakeBehaviour::default()
            });
        }
        if self != Self::Start && self != Self::StartThatFails {
            let begun = hub.hub.servers.start_unasked(&user, &name, None).await;
            let begun = begun.expect("it can be started");
            if self == Self::CancelStart {
                until("it runs", async || {
                    world.reread(&begun).await.handle.is_some()
                })
                .await;
            } else {
                assert!(hub.settled(&begun).await.state.is_ready());
            }
        }
        let server = hub
            .hub
            .servers
            .server(&user, &name)
            .await
            .expect("it reads");
        let mut server = server.expect("it is there");
        match self {
            Self::StartThatFails => world.spawner.behave(FakeBehaviour {
                start: FakeStart::Fails("no room".to_owned()),
                ..FakeBehaviour::default()
            }),
            Self::NoticeEnd => world.spawner.end(server.id, "was killed by signal 9"),
            Self::Remove => {
                hub.hub
                    .servers
                    .stop_unasked(&server)
                    .await
                    .expect("it stops");
                server = hub.settled(&server).await;
            }
            _ => {}
        }
        Scene {
            world,
            hub,
            user,
            server,
        }
    }
}

impl Scene {
    fn core(&self) -> &Arc<Hub> {
        &self.hub.hub
    }

    async fn play(&self, case: Case) -> Result<(), HubError> {
        let hub = self.core();
        match case {
            Case::Start | Case::StartThatFails => {
                let started = hub
                    .servers
                    .start_unasked(&self.user, &case.name(), None)
                    .await?;
                hub.servers.settled(&started, PATIENCE).await.map(|_| ())
            }
            Case::Stop | Case::CancelStart => hub.servers.stop_unasked(&self.server).await,
            Case::NoticeEnd => hub.servers.look_at_servers().await,
            Case::StopAll => hub.servers.stop_all_servers(hub.operator(), PATIENCE).await,
            Case::Remove => match hub.servers.reread(&self.server).await? {
                Some(server) => hub.servers.remove_unasked(&server).await,
                None => Ok(()),
            },
            Case::DeleteOwner => match hub.people.user("river").await? {
                // It waits a minute for the servers, longer than whoever asks here.
                Some(user) => {
                    tokio::time::timeout(PATIENCE, hub.delete_user(&hub.permit_of(user.clone())))
                        .await
                        .unwrap_or_else(|_| Err(HubError::conflict("it takes too long")))
                }
                None => Ok(()),
            },
        }
    }

    /// Asserts that what is outside agrees with the row, which may be ahead of it if it is not known
    /// here.
    async fn agree(&self, what: &str, is_known: bool) {
        let row = self
            .core()
            .servers
            .reread(&self.server)
            .await
            .expect("it reads");
        let path = self.core().servers.server_path(&self.server);
        let has_route = self.hub.routes.url(&path).is_some();
        let running = self.world.spawner.running();
        let state = row.map(|row| row.state);
        match &state {
            Some(ServerState::Ready { .. }) if is_known => assert!(
                has_route || running == 0,
                "{what}: it is ready, and has no route"
            ),
            Some(ServerState::Starting { .. }) => {
                assert!(!has_route, "{what}: a route to a start");
            }
            // What is recorded goes on when the database is back.
            Some(ServerState::Ready { .. } | ServerState::Stopping { .. }) => {}
            Some(ServerState::Stopped | ServerState::Failed { .. }) | None => {
                assert!(!has_route, "{what}: {state:?} with a route");
                assert_eq!(running, 0, "{what}: {state:?} and it runs");
            }
        }
    }

    /// Waits until nothing goes on, with the database as it is.
    async fn quiet(&self, case: Case) {
        // A start that could not be cancelled goes on.
        let patience = match case {
            Case::CancelStart => Duration::from_millis(200),
            _ => SOON,
        };
        self.core().shut_down_process(patience).await;
    }

    /// Looks until everything is at rest, as the hub does from time to time.
    async fn come_to_rest(&self, case: Case) {
        until(&format!("{case:?}: it comes to rest"), async || {
            self.core()
                .servers
                .look_at_servers()
                .await
                .expect("it looks");
            let row = self
                .core()
                .servers
                .reread(&self.server)
                .await
                .expect("it reads");
            row.is_none_or(|row| {
                let goes_on =
                    case == Case::CancelStart && matches!(row.state, ServerState::Starting { .. });
                (row.state.pending().is_none() || goes_on)
                    && !(case == Case::NoticeEnd && row.state.is_active())
            })
        })
        .await;
    }

    /// Whether it has come to the end that was wanted.
    async fn is_done(&self, case: Case) -> bool {
        let row = self
            .core()
            .servers
            .reread(&self.server)
            .await
            .expect("it reads");
        match (case, row.map(|row| row.state)) {
            (Case::Start, Some(ServerState::Ready { .. }))
            | (Case::StartThatFails, Some(ServerState::Failed { .. }))
            | (Case::Remove | Case::DeleteOwner, None) => true,
            (Case::Stop | Case::CancelStart | Case::NoticeEnd | Case::StopAll, Some(state)) => {
                state == ServerState::Stopped
            }
            _ => false,
        }
    }
}

/// Plays a case with a failure after each number of calls that work, until none fails.
async fn fail_each_call(case: Case, failing: Failing, world: impl AsyncFn() -> World) {
    for works in 0.. {
        let scene = case.scene(world().await).await;
        let faults = scene.world.store.faults().clone();
        let what = format!("{case:?} with {failing:?} failing after {works}");
        let before = (
            scene.hub.routes.paths(),
            scene.world.spawner.running(),
            scene.world.spawner.starts().len(),
        );

        faults.begin(failing, works);
        let outcome = scene.play(case).await;
        scene.quiet(case).await;
        let after = (
            scene.hub.routes.paths(),
            scene.world.spawner.running(),
            scene.world.spawner.starts().len(),
        );
        let failed = faults.end();

        scene.agree(&what, failing != Failing::Answers).await;
        if works == 0 && failing != Failing::Answers && case != Case::NoticeEnd {
            outcome.expect_err("nothing was recorded");
            assert_eq!(after, before, "{what}: something has changed outside");
        }
        scene.come_to_rest(case).await;
        scene.agree(&what, true).await;
        if !scene.is_done(case).await {
            scene
                .play(case)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            scene.come_to_rest(case).await;
            scene.agree(&what, true).await;
        }
        assert!(
            scene.is_done(case).await,
            "{what}: it never came to its end"
        );
        if failed == 0 {
            assert!(works > 0, "{what}: no call was seen");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_from_any_call_on_leaves_nothing_outside_that_it_does_not_know() {
    for case in CASES {
        fail_each_call(case, Failing::Everything, World::new).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_leaves_nothing_outside_that_it_does_not_know() {
    for case in CASES {
        fail_each_call(case, Failing::Changes, World::new).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_is_lost_comes_to_its_end_when_the_database_is_back() {
    for case in CASES {
        fail_each_call(case, Failing::Answers, World::new).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_on_postgresql() {
    for case in [Case::Start, Case::Stop, Case::DeleteOwner] {
        fail_each_call(case, Failing::Changes, World::on_postgres).await;
    }
}

/// Ways to sign out.
#[derive(Clone, Copy, Debug)]
enum ProviderSignOut {
    Here,
    Everywhere,
    Deleted,
}

async fn leave(way: ProviderSignOut, hub: &Hub, actor: &SharedActor) -> Result<(), HubError> {
    match way {
        ProviderSignOut::Here => hub
            .people
            .sign_out(actor, "http://127.0.0.1/", false)
            .await
            .map(|_| ()),
        ProviderSignOut::Everywhere => {
            hub.people
                .sign_out_everywhere(&hub.permit_by(actor, actor.user.clone()))
                .await
        }
        ProviderSignOut::Deleted => hub.delete_user(&hub.permit_of(actor.user.clone())).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_told_of_a_sign_out_only_after_the_database_and_in_the_end_always() {
    for (way, failing) in [
        (ProviderSignOut::Here, Failing::Everything),
        (ProviderSignOut::Here, Failing::Changes),
        (ProviderSignOut::Everywhere, Failing::Changes),
        (ProviderSignOut::Deleted, Failing::Changes),
    ] {
        for works in 0.. {
            let what = format!("{way:?} with {failing:?} failing after {works}");
            let (home, test) = OpenId::with_hub(|_| {}).await;
            let (_, session) = home.sign_in(&test, "subject-1").await;
            let hub = &test.hub;
            let access = hub.access();
            let actor = access.by_session(session.cookie.expose()).await;
            let actor = actor.expect("it reads").expect("they are signed in");
            let store = &test.store;
            let is_signed_in = async || {
                access.forget_everyone();
                let found = access.by_session(session.cookie.expose()).await;
                found.expect("it reads").is_some()
            };

            store.faults().begin(failing, works);
            let outcome = leave(way, hub, &actor).await;
            let failed = store.faults().end();

            if outcome.is_err() && is_signed_in().await {
                assert!(home.op.calls_of("/revoke").is_empty(), "{what}: told");
                let ended = hub.ended_sessions();
                assert!(!ended.contains(&session.session_id), "{what}: ended");
            }
            if outcome.is_err() {
                // They, or an administrator, try it again.
                let again = leave(way, hub, &actor).await;
                again.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            assert!(!is_signed_in().await, "{what}: still signed in");
            until(&format!("{what}: the provider is told"), async || {
                !home.op.calls_of("/revoke").is_empty()
            })
            .await;
            if failed == 0 {
                assert!(works > 0, "{what}: no call was seen");
                break;
            }
        }
    }
}

/// An account that is prepared for the people of one provider never waits for those of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_account_is_made_with_whose_it_is_or_not_at_all() {
    for failing in [Failing::Everything, Failing::Changes, Failing::Answers] {
        for works in 0.. {
            let what = format!("{failing:?} failing after {works}");
            let (home, test) = OpenId::with_hub(|_| {}).await;
            let hub = &test.hub;
            let permit = hub.permit::<CreateUser>(hub.operator(), "wash").await;
            let permit = permit.expect("the operator may");
            let faults = test.store.faults();

            faults.begin(failing, works);
            let made = hub.people.prepare_user(&permit, false, Some("home"));
            let made = made.await;
            let failed = faults.end();

            let user = hub.people.user("wash").await.expect("it reads");
            if let Some(user) = &user {
                let from = hub
                    .people
                    .adopt_from(hub.operator(), user)
                    .await
                    .expect("it reads");
                assert_eq!(from.as_ref(), Some(&home.settings.id), "{what}");
            }
            if failed == 0 {
                made.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(user.is_some() && works > 0, "{what}");
                break;
            }
        }
    }
}

/// Nobody enters a server without being on record, and a database that takes no changes takes nothing else
/// away from whoever has a token.
#[tokio::test]
async fn a_token_goes_on_without_the_servers_that_it_cannot_be_recorded_to_enter() {
    let world = World::new().await;
    let hub = world.hub_with(|recipe| {
        recipe.settings.broker.local_user_exposed_path = Some("tokens".to_owned());
    });
    let (river, _) = world.server_of("river").await;
    let server = hub.settled(&hub.begin_start(&river).await).await;
    let (wash, _) = world.server_of("wash").await;
    let hub = &hub.hub;
    let permit = hub.permit_of::<ShareServer>(server.clone());
    let partner = SharePartner::User(wash.name.clone());
    let shared = hub.servers.share(&permit, &partner, None).await;
    shared.expect("it is shared");
    let permit = hub.permit_of::<ChangeTokens>(wash.clone());
    let made = hub.people.create_token(&permit, NewApiToken::default());
    let (_, secret) = made.await.expect("it is made");
    let may = async |owner: &User, server: &ServerName| {
        let actor = hub.access().by_token(secret.expose()).await;
        let actor = actor.expect("it reads").expect("it is good");
        actor.may_on_server(Scope::ACCESS_SERVERS, &owner.name, server)
    };

    world.store.faults().begin(Failing::Changes, 0);
    let during = (
        may(&river, &server.name).await,
        may(&wash, &server.name).await,
    );
    world.store.faults().end();

    assert_eq!(during, (false, true), "only what is not on record");
    assert!(may(&river, &server.name).await, "as soon as it is recorded");
}
