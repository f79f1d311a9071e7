//! Every door through which a token comes out asks the same question: is this person let in?
//!
//! The doors are a list, and so is what closes them. Each is tried with tokens that the hub still has
//! in its memory and that are good for long, at the usual `session.rights_refresh`, and with nothing
//! running that would have asked the provider meanwhile.

use std::time::Duration;

use jansky_hub::{
    BrokerMode, ClientCredentials, DeviceAuthorizationRequest, FreezeReason, IssuerClient,
    IssuerError, SignOutAtProvider, Source,
};
use jansky_identity::oidc::OidcKind;
use jansky_model::{ProviderId, Secret, Timestamp};
use jansky_testing::Instead;
use jansky_testing::provider::{Audience as KnownService, BrokerMode as Way, Brokered, Service};

use crate::support::{Client, OpenId, Opened, TestAgent, TestWeb, World, audience};

/// The usual `session.rights_refresh`.
const INTERVAL: Duration = Duration::from_mins(5);

const EXPOSED: &str = "/custom/userinfo";

/// A way for a token to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// The agent asks for a token of this kind of source, which it has had before.
    Agent(&'static str),
    /// The agent's memory, from which it answers by itself until the hub says otherwise.
    Stream,
    /// `broker.local_user_exposed_path`.
    ExposedPath,
    /// `broker.auth_state`.
    AuthState,
    /// What a person allowed a command line is fetched.
    Device,
    /// A service asks about a token of ours that it was shown.
    Introspection,
    /// A call of the API with a token that the person made for themselves.
    ApiToken,
}

/// What closes doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Disabled,
    Excluded,
    SignedOut,
    Frozen,
}

/// The audience of each kind of source. A new kind does not compile until it has one.
fn audience_of(source: &Source) -> &'static str {
    match source {
        Source::Jansky { .. } => "jansky",
        Source::Login { .. } => "login",
        Source::Exchange { .. } => "exchange",
        Source::IdentityBroker { .. } => "external",
        Source::Service { .. } => "service",
        Source::ClientCredentials { .. } => "account",
    }
}

fn provider() -> ProviderId {
    "op".parse().expect("it is a provider id")
}

/// All sources that a kind of provider has.
fn sources(kind: OidcKind) -> Vec<Source> {
    let mut sources = vec![
        Source::Jansky {
            audience: "https://archive.test".to_owned(),
            lifetime: Duration::from_hours(1),
        },
        Source::Login {
            provider: None,
            audience: None,
        },
    ];
    if kind == OidcKind::Globus {
        sources.push(Source::Service {
            provider: None,
            service: "transfer".to_owned(),
        });
        return sources;
    }
    sources.extend([
        Source::Exchange {
            provider: None,
            audience: "rs-a".to_owned(),
        },
        Source::IdentityBroker {
            provider: None,
            alias: "ext".to_owned(),
            mode: BrokerMode::Auto,
        },
        Source::ClientCredentials {
            provider: Some(provider()),
            audience: Some("catalogue".to_owned()),
            client: None,
        },
    ]);
    sources
}

fn doors(kind: OidcKind) -> Vec<Door> {
    let agent = sources(kind);
    let agent = agent.iter().map(|source| Door::Agent(audience_of(source)));
    let others = [
        Door::Stream,
        Door::ExposedPath,
        Door::AuthState,
        Door::Device,
        Door::Introspection,
        Door::ApiToken,
    ];
    agent.chain(others).collect()
}

/// River has signed in at a provider, has a server with an agent, a token for the API, and has allowed
/// a command line a token.
struct Scene {
    hub: TestWeb,
    home: OpenId,
    agent: TestAgent,
    river: Client,
    api_token: Client,
    server_token: Client,
    zoe: Client,
    device_code: Secret,
    /// A token of ours that a service was shown.
    shown: Secret,
    events: Opened,
}

impl Scene {
    async fn new(kind: OidcKind) -> Self {
        let world = World::new().await;
        let mut home = OpenId::start("op", &world).await;
        home.settings.kind = kind;
        home.sign_out = SignOutAtProvider::Hub;
        home.only_groups("/radio", "/operators");
        home.set_groups("subject-1", Some(&["/radio"]));
        {
            let mut script = home.op.script();
            script.lifetimes.access = 3600;
            let known = KnownService {
                scopes: Vec::new(),
                lifetime: 3600,
            };
            script.audiences.insert("rs-a".to_owned(), known);
            let brokered = Brokered {
                modes: vec![Way::V2],
                lifetime: 3600,
                status: None,
            };
            script.brokered.insert("ext".to_owned(), brokered);
            if kind == OidcKind::Globus {
                script.services = vec![Service {
                    name: "transfer".to_owned(),
                    lifetime: 3600,
                }];
            }
        }
        let audiences = sources(kind).into_iter();
        let audiences = audiences.map(|source| audience(audience_of(&source), source));
        let hub = TestWeb::of(world.hub_with(|recipe| {
            recipe.providers.push(home.configured());
            assert_eq!(recipe.settings.rights_refresh, INTERVAL, "as installed");
            let broker = &mut recipe.settings.broker;
            broker.audiences = audiences.collect();
            broker.local_user_exposed_path = Some(EXPOSED.to_owned());
            broker.auth_state = true;
            let service = IssuerClient {
                title: None,
                secrets: vec![Secret::new("canary-secret")],
            };
            let clients = &mut recipe.settings.issuer.clients;
            clients.insert("archive".to_owned(), service);
        }));
        let river = hub.browser_at(&home, "subject-1").await;
        hub.start("river").await;
        let agent = TestAgent::of_last_server(&hub).await;
        hub.admin("zoe").await;
        let mut events = agent.events().await;
        events.piece().await.expect("how it stands");
        let given = agent.token("jansky").await.must_be(200).json();
        let shown = Secret::new(given["access_token"].as_str().expect("a token"));
        let server_token = hub.bearer(&hub.server_token());
        let api_token = hub.token("river", &["inherit"]).await;
        let zoe = hub.token("zoe", &["inherit"]).await;
        let mut scene = Self {
            hub,
            home,
            agent,
            river,
            api_token,
            server_token,
            zoe,
            device_code: Secret::new(""),
            shown,
            events,
        };
        scene.allow_command_line().await;
        scene
    }

    async fn allow_command_line(&mut self) {
        let body = DeviceAuthorizationRequest {
            client: program(),
            audience: Some("jansky".to_owned()),
            address: "127.0.0.1".to_owned(),
            ..DeviceAuthorizationRequest::default()
        };
        let hub = &self.hub.hub;
        let begun = hub
            .broker
            .begin_device_request(&body)
            .await
            .expect("it begins");
        let cookie = self.river.cookie("jupyterhub-hub-login").expect("a cookie");
        let actor = hub.access().by_session(&cookie).await.expect("an answer");
        let actor = actor.expect("river is signed in");
        let allowed = hub
            .broker
            .answer_device_question(&actor, &begun.user_code, true);
        assert!(allowed.await.expect("river may"));
        self.device_code = begun.device_code;
    }

    /// Whether a token comes out of a door.
    async fn opens(&mut self, door: Door) -> bool {
        match door {
            Door::Agent(audience) => self.agent.token(audience).await.status.as_u16() == 200,
            Door::Stream => {
                // What comes next on the stream, if anything does.
                let next = tokio::time::timeout(Duration::from_millis(300), self.events.piece());
                let next = next.await.ok().flatten().unwrap_or_default();
                !(next.contains("changed") || next.contains("frozen"))
            }
            Door::ExposedPath => {
                let path = format!("/hub{EXPOSED}");
                self.server_token
                    .call("GET", &path)
                    .send()
                    .await
                    .status
                    .as_u16()
                    == 200
            }
            Door::AuthState => {
                let found = self.zoe.get("/hub/api/users/river").await.must_be(200);
                !found.json()["auth_state"].is_null()
            }
            Door::Device => {
                let program = program();
                let fetched = self
                    .hub
                    .hub
                    .broker
                    .device_token(&program, &self.device_code, None);
                match fetched.await {
                    Ok(_) => true,
                    Err(IssuerError::AccessDenied(_)) => false,
                    Err(error) => panic!("{error}"),
                }
            }
            Door::Introspection => {
                let service = ClientCredentials {
                    id: Some("archive".to_owned()),
                    secret: Some(Secret::new("canary-secret")),
                };
                let known = self.hub.hub.broker.introspect(&service, &self.shown).await;
                known.expect("it answers")["active"] == true
            }
            Door::ApiToken => self.api_token.get("/hub/api/user").await.status.as_u16() == 200,
        }
    }

    async fn close(&self, closing: Closing) {
        match closing {
            Closing::Disabled => self.home.op.script().records.end_sessions_of("subject-1"),
            Closing::Excluded => self.home.set_groups("subject-1", Some(&[])),
            Closing::SignedOut => {
                self.river.post("/hub/logout", &[]).await;
            }
            Closing::Frozen => {
                let server = self.hub.server("river", "").await.expect("it runs");
                let frozen =
                    self.hub
                        .hub
                        .broker
                        .freeze_unasked(&server, FreezeReason::Operator, "zoe");
                assert!(frozen.await.expect("it answers"));
            }
        }
    }
}

fn program() -> ClientCredentials {
    ClientCredentials {
        id: Some(jansky_hub::COMMAND_LINE_CLIENT.to_owned()),
        secret: None,
    }
}

/// Whether a door is to stay open all the same: freezing is about one server, a token for the API
/// was made to outlive the browser, and one that was given out before the sign-out is good to its end. Somebody whom the rules exclude may still ask who they are.
const fn stays_open(door: Door, closing: Closing) -> bool {
    match closing {
        Closing::Disabled => false,
        Closing::Excluded => matches!(door, Door::ApiToken),
        Closing::SignedOut => matches!(door, Door::Introspection | Door::ApiToken),
        Closing::Frozen => matches!(
            door,
            Door::AuthState | Door::Device | Door::Introspection | Door::ApiToken
        ),
    }
}

#[tokio::test]
async fn no_door_gives_a_token_to_somebody_who_is_not_let_in() {
    for kind in [OidcKind::Keycloak, OidcKind::Globus] {
        for closing in [
            Closing::Disabled,
            Closing::Excluded,
            Closing::SignedOut,
            Closing::Frozen,
        ] {
            for door in doors(kind) {
                let mut scene = Scene::new(kind).await;
                // The command line's answer is fetched once.
                if door != Door::Device {
                    assert!(scene.opens(door).await, "{kind:?} {door:?}");
                }
                scene.close(closing).await;
                scene.hub.clock.advance(INTERVAL);
                if door == Door::Stream && matches!(closing, Closing::Disabled | Closing::Excluded)
                {
                    // Whoever has a running server is asked about without their doing anything.
                    scene.hub.refresh_due().await;
                }

                let opens = scene.opens(door).await;

                let expected = stays_open(door, closing);
                assert_eq!(opens, expected, "{kind:?} {closing:?} {door:?}");
            }
        }
    }
}

/// What was confirmed a moment ago is not asked again, and nobody asks twice at the same time.
#[tokio::test]
async fn the_provider_is_asked_once_in_each_interval_however_many_doors_are_tried() {
    let scene = Scene::new(OidcKind::Keycloak).await;
    let before = scene.home.op.refresh_calls();

    for _ in 0..5 {
        scene.agent.token("jansky").await.must_be(200);
        scene.api_token.get("/hub/api/user").await.must_be(200);
    }
    assert_eq!(
        scene.home.op.refresh_calls(),
        before,
        "the sign-in was just now"
    );

    scene.hub.clock.advance(INTERVAL);
    let asked = (0..8).map(|_| scene.api_token.get("/hub/api/user"));
    for answer in futures_util::future::join_all(asked).await {
        answer.must_be(200);
    }
    scene.agent.token("jansky").await.must_be(200);
    assert_eq!(scene.home.op.refresh_calls(), before + 1);
}

/// A provider that does not answer has said nothing about anybody, and is asked again when it is back.
#[tokio::test]
async fn a_provider_that_does_not_answer_closes_no_door_and_is_asked_when_it_is_back() {
    let scene = Scene::new(OidcKind::Keycloak).await;
    scene.agent.token("jansky").await.must_be(200);
    scene
        .home
        .op
        .script()
        .instead
        .insert("/token", Instead::Status(503, String::new()));
    scene.home.op.script().records.end_sessions_of("subject-1");
    scene.hub.clock.advance(INTERVAL);

    scene.agent.token("jansky").await.must_be(200);
    scene.agent.token("login").await.must_be(200);
    scene.api_token.get("/hub/api/user").await.must_be(200);

    scene.home.op.script().instead.remove("/token");
    scene.hub.clock.advance(Duration::from_mins(1));
    scene.agent.token("jansky").await.must_be(401);
    scene.agent.token("login").await.must_be(401);
    let refused = scene.api_token.get("/hub/api/user").await.must_be(403);
    assert!(
        refused.text().contains("sign in again"),
        "{}",
        refused.text()
    );
}

/// A token for the API says what to do, works again after the next sign-in, and goes on for those who
/// work by tokens alone.
#[tokio::test]
async fn an_api_token_works_again_after_the_next_sign_in() {
    let scene = Scene::new(OidcKind::Keycloak).await;
    scene.home.op.script().records.end_sessions_of("subject-1");
    scene.hub.clock.advance(INTERVAL);

    let refused = scene.api_token.get("/hub/api/user").await.must_be(403);
    assert!(refused.text().contains("`river`"), "{}", refused.text());
    // Neither do other calls, nor what was made from it.
    scene
        .api_token
        .get("/hub/api/users/river")
        .await
        .must_be(403);

    let back = scene.river.sign_in_at(&scene.home, "subject-1").await;
    back.must_be(302);
    scene.api_token.get("/hub/api/user").await.must_be(200);
    scene.agent.token("login").await.must_be(200);
    assert!(scene.hub.now() > Timestamp::from_seconds(1_800_000_000));
}
