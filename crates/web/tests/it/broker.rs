//! The broker as agents meet it.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::SystemRandom;
use jansky_crypto::dpop::{ProofKey, Request};
use jansky_hub::{
    AdmissionRules, AgentCredentials, AgentNotice, Audience, AudienceRules, AuditEvent, AuditQuery,
    FreezeReason, Proofs, Role, Roles, Server, SharePartner, Source, User,
};
use jansky_identity::claim_rules::GroupRules;
use jansky_model::Clock as _;
use jansky_store::ShareWith;
use serde_json::{Value, json};

use crate::support::{
    self, Answer, Database, EXCHANGE, Mood, Recipe, SOON, TestAgent, TestWeb, Upstream, World,
};

/// How long the provider's access tokens live.
const LIFETIME: Duration = Duration::from_mins(5);

fn audience(id: &str) -> Audience {
    let source = Source::Login {
        provider: None,
        audience: None,
    };
    Audience {
        scopes: vec!["read".to_owned(), "write".to_owned()],
        ..support::audience(id, source)
    }
}

/// A hub with a provider and three audiences: `archive` for everybody, `club` for a group, and
/// `closed` for nobody.
struct Scene {
    hub: TestWeb,
    upstream: Arc<Upstream>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Recipe)) -> Self {
        Self::on(Database::sqlite(), change).await
    }

    async fn on(database: Database, change: impl FnOnce(&mut Recipe)) -> Self {
        let world = World::on(database).await;
        let upstream = Upstream::new(&world.clock, LIFETIME);
        upstream.set_groups(&["crew"]);
        let hub = TestWeb::of(world.hub_with(|recipe| {
            recipe.providers.push(upstream.with_rules(AdmissionRules {
                allowed_groups: ["crew".to_owned()].into(),
                groups: GroupRules {
                    claims: vec!["groups".to_owned()],
                    ..GroupRules::default()
                },
                ..AdmissionRules::default()
            }));
            let closed = |id: &str, group: &str| Audience {
                rules: AudienceRules {
                    allowed_groups: [group.to_owned()].into(),
                    ..AudienceRules::default()
                },
                ..audience(id)
            };
            let broker = &mut recipe.settings.broker;
            broker.audiences = vec![
                audience("archive"),
                closed("club", "crew"),
                closed("closed", "nobody"),
            ];
            change(recipe);
        }));
        Self { hub, upstream }
    }

    /// Signs somebody in with the provider, in a new browser.
    async fn sign_in(&self, name: &str) -> User {
        let user = self.hub.user(name).await;
        let identity = self.upstream.identity(name);
        let groups = ["crew".to_owned()];
        let now = self.hub.clock.now();
        let store = self.hub.hub.store();
        store
            .set_groups(user.id, &groups, now)
            .await
            .expect("a user");
        let session = self
            .hub
            .hub
            .people
            .open_session(&user, self.upstream.id(), Some(&identity), None)
            .await;
        session.expect("a session");
        user
    }

    /// Signs somebody in and starts their server, whose agent comes in.
    async fn agent(&self, name: &str) -> TestAgent {
        self.sign_in(name).await;
        self.hub.start(name).await;
        TestAgent::of_last_server(&self.hub).await
    }

    async fn server(&self, name: &str) -> Server {
        self.hub.server(name, "").await.expect("a server")
    }

    /// What stands in the audit trail, the oldest first.
    async fn trail(&self) -> Vec<AuditEvent> {
        let query = AuditQuery {
            limit: 1000,
            ..AuditQuery::default()
        };
        let mut events = self
            .hub
            .hub
            .audit()
            .events(&query)
            .await
            .expect("the trail");
        events.reverse();
        events
    }

    /// Events and outcomes of the trail.
    async fn outcomes(&self) -> Vec<(String, String)> {
        let events = self.trail().await.into_iter();
        events.map(|event| (event.event, event.outcome)).collect()
    }
}

fn error_of(answer: &Answer) -> String {
    answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn an_agent_comes_in_with_its_ticket_and_gets_tokens() {
    let scene = Scene::new().await;
    scene.sign_in("river").await;
    scene.hub.start("river").await;
    let mut agent = TestAgent::new(&scene.hub);

    let answer = agent.enroll(&scene.hub.ticket()).await.must_be(200);
    let answer = answer.json();
    assert_eq!(
        (&answer["user"], &answer["server"]),
        (&json!("river"), &json!(""))
    );
    assert_eq!(answer["events"], true);
    agent.session = answer["session"].as_str().map(str::to_owned);
    let token = agent.token("archive").await.must_be(200);

    assert_eq!(token.header("cache-control"), "no-store");
    assert_eq!(
        token.json(),
        json!({
            "access_token": "access-river-0",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "openid",
            "audience": "archive",
        })
    );
    assert!(!token.text().contains("refresh-") && !token.text().contains("id-token"));
}

#[tokio::test]
async fn an_audience_can_be_for_servers_with_certain_options_only() {
    let scene = Scene::with(|recipe| {
        let only = &mut recipe.settings.broker.audiences[0].rules.server_options;
        only.insert("image".to_owned(), ["casa".to_owned()].into());
    })
    .await;
    let start = async |image: &str| {
        let owner = scene.hub.token("river", &["self"]).await;
        let path = "/hub/api/users/river/server";
        let options = json!({ "image": image });
        owner.api("POST", path, Some(options)).await.must_be(201);
        let agent = TestAgent::of_last_server(&scene.hub).await;
        let answer = agent.token("archive").await;
        let overview = agent.audiences().await.must_be(200).json();
        owner.api("DELETE", path, None).await.must_be(204);
        (answer, overview["audiences"][0]["state"].clone())
    };
    scene.sign_in("river").await;

    let (given, state) = start("casa").await;
    given.must_be(200);
    assert_eq!(state, "ready");

    let (refused, state) = start("lab").await;
    let refused = refused.must_be(403);
    assert_eq!(error_of(&refused), "invalid_target");
    assert!(
        refused.text().contains("other options"),
        "{}",
        refused.text()
    );
    assert_eq!(state, "not_allowed");
    let trail = scene.trail().await;
    let last = trail.iter().rfind(|event| event.event == "token");
    assert_eq!(last.expect("it stands there").outcome, "other_server");
}

#[tokio::test]
async fn without_audiences_there_is_no_ticket() {
    let scene = Scene::with(|recipe| recipe.settings.broker.audiences.clear()).await;
    scene.hub.start("river").await;

    assert!(scene.hub.spawner.starts()[0].agent.is_none());
}

#[tokio::test]
async fn a_ticket_that_is_used_again_freezes_what_came_of_it() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);
    let thief = TestAgent::new(&scene.hub);

    let again = thief.enroll(&scene.hub.ticket()).await.must_be(401);

    assert_eq!(error_of(&again), "invalid_grant");
    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(error_of(&frozen), "session_frozen");
    assert_eq!(frozen.json()["frozen_reason"], "ticket_replay");
    scene.sign_in("river").await;
    agent.token("archive").await.must_be(401);
    let trail = scene.trail().await;
    let replay = trail.iter().find(|event| event.event == "ticket_replay");
    assert_eq!(replay.expect("it stands there").user_name, "river");
}

#[tokio::test]
async fn a_ticket_ends_a_minute_after_its_process_began() {
    let scene = Scene::new().await;
    scene.sign_in("river").await;
    scene.hub.start("river").await;
    let agent = TestAgent::new(&scene.hub);
    scene.hub.clock.advance(Duration::from_secs(61));

    let late = agent.enroll(&scene.hub.ticket()).await.must_be(401);

    assert_eq!(error_of(&late), "invalid_grant");
    let unknown = agent.enroll("jkt_unknown").await.must_be(401);
    assert_eq!(error_of(&unknown), "invalid_grant");
}

#[tokio::test]
async fn every_proof_that_is_not_right_is_refused_and_written_down() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);
    let session = agent.session.clone().expect("a session");
    let nonce = agent.nonce().expect("a nonce");
    let now = scene.hub.clock.now();
    let good = Request {
        method: "POST",
        url: "http://127.0.0.1:8000/hub/broker/v1/token",
        token: Some(&session),
        nonce: Some(&nonce),
        at: now,
    };
    let form = [("grant_type", EXCHANGE), ("audience", "archive")];
    let ask = async |proof: Option<&str>| {
        let call = agent.client.call("POST", "/hub/broker/v1/token");
        let mut call = call
            .header("authorization", &format!("DPoP {session}"))
            .form(&form);
        if let Some(proof) = proof {
            call = call.header("dpop", proof);
        }
        call.send().await
    };
    let prove = |request| agent.key.prove(&SystemRandom, request);
    let used = prove(good);
    ask(Some(&used)).await.must_be(200);
    let before = scene.trail().await.len();
    let other = |url| Request { url, ..good };
    let cases = [
        (None, "invalid_dpop_proof", "no_proof"),
        (Some(used), "invalid_dpop_proof", "proof_replayed"),
        (
            Some(prove(other("http://127.0.0.1:8000/hub/broker/v1/enroll"))),
            "invalid_dpop_proof",
            "proof_address",
        ),
        (
            Some(prove(other("http://evil.test/hub/broker/v1/token"))),
            "invalid_dpop_proof",
            "proof_address",
        ),
        (
            Some(prove(Request {
                method: "GET",
                ..good
            })),
            "invalid_dpop_proof",
            "proof_method",
        ),
        (
            Some(prove(Request {
                at: now.minus(Duration::from_secs(61)),
                ..good
            })),
            "invalid_dpop_proof",
            "proof_time",
        ),
        (
            Some(prove(Request {
                token: Some("another"),
                ..good
            })),
            "invalid_dpop_proof",
            "proof_token",
        ),
        (
            Some(prove(Request {
                nonce: None,
                ..good
            })),
            "use_dpop_nonce",
            "no_nonce",
        ),
        (
            Some(prove(Request {
                nonce: Some("invented"),
                ..good
            })),
            "use_dpop_nonce",
            "no_nonce",
        ),
        (
            Some(ProofKey::generate().prove(&SystemRandom, good)),
            "invalid_token",
            "other_key",
        ),
        (
            Some("nonsense".to_owned()),
            "invalid_dpop_proof",
            "proof_malformed",
        ),
    ];
    let mut expected = Vec::new();
    for (proof, code, outcome) in &cases {
        let answer = ask(proof.as_deref()).await.must_be(401);
        assert_eq!(error_of(&answer), *code, "{outcome}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("DPoP "), "{outcome}: {challenge}");
        assert!(challenge.contains(code), "{outcome}: {challenge}");
        assert!(!answer.header("dpop-nonce").is_empty(), "{outcome}");
        // To ask for a nonce is how the protocol begins.
        if *outcome != "no_nonce" {
            expected.push(("refused", *outcome, "river"));
        }
    }
    let trail = scene.trail().await;
    let written: Vec<_> = trail[before..]
        .iter()
        .map(|event| {
            (
                event.event.as_str(),
                event.outcome.as_str(),
                event.user_name.as_str(),
            )
        })
        .collect();
    assert_eq!(written, expected);
}

#[tokio::test]
async fn cookies_and_other_tokens_of_the_hub_count_for_nothing() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let browser = scene.hub.session("river").await;
    let server = scene.hub.bearer(&scene.hub.server_token());
    let owner = scene.hub.token("river", &["inherit"]).await;
    let admin = scene.hub.admin("zoe").await;
    let admin = scene.hub.token(admin.name.as_str(), &["inherit"]).await;

    for (who, client) in [
        ("a browser", &browser),
        ("the server's token", &server),
        ("the owner's token", &owner),
        ("an admin's token", &admin),
    ] {
        let form = [("grant_type", EXCHANGE), ("audience", "archive")];
        let xsrf = browser.xsrf().await;
        for answer in [
            client
                .call("POST", "/hub/broker/v1/token")
                .header("x-xsrftoken", &xsrf)
                .form(&form)
                .send()
                .await,
            client.call("GET", "/hub/broker/v1/audiences").send().await,
            client.call("GET", "/hub/broker/v1/events").send().await,
        ] {
            assert_eq!(answer.status.as_u16(), 401, "{who}: {}", answer.asked);
            assert_eq!(error_of(&answer), "invalid_token", "{who}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("DPoP "), "{who}: {challenge}");
        }
    }
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn an_agent_of_one_person_gets_nothing_of_another() {
    let scene = Scene::new().await;
    let river = scene.agent("river").await;
    let mut wash = scene.agent("wash").await;

    let own = wash.token("archive").await.must_be(200).json();
    assert_eq!(own["access_token"], "access-wash-0");
    wash.session.clone_from(&river.session);

    let stolen = wash.token("archive").await.must_be(401);
    assert_eq!(error_of(&stolen), "invalid_token");
}

#[tokio::test]
async fn what_is_not_in_the_rules_is_refused_without_asking_the_provider() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;

    for id in ["closed", "unknown"] {
        let refused = agent.token(id).await.must_be(403);
        assert_eq!(error_of(&refused), "invalid_target");
    }
    agent.token("club").await.must_be(200);
    let scope = agent
        .token_with("archive", &[("scope", "read admin")])
        .await;
    assert_eq!(error_of(&scope.must_be(400)), "invalid_scope");
    let twice = agent.token_with("archive", &[("audience", "club")]).await;
    assert_eq!(error_of(&twice.must_be(400)), "invalid_request");
    assert_eq!(scene.upstream.refreshes(), 0);
}

#[tokio::test]
async fn a_token_is_kept_until_a_part_of_its_life_is_left_or_more_is_asked_for() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;

    scene.hub.clock.advance(Duration::from_mins(3));
    let kept = agent.token("archive").await.must_be(200).json();
    let longer = agent.token_with("archive", &[("min_ttl", "150")]).await;
    let longer = longer.must_be(200).json();
    let again = agent.token("archive").await.must_be(200).json();

    assert_eq!(kept["access_token"], "access-river-0");
    assert_eq!(kept["expires_in"], 120);
    assert_eq!(longer["access_token"], "access-river-1");
    assert_eq!(again["access_token"], "access-river-1");
    assert_eq!(scene.upstream.refreshes(), 1);
    let trail = scene.trail().await;
    let tokens = trail.iter().filter(|event| event.event == "token");
    let sources: Vec<Value> = tokens
        .map(|event| {
            let detail: Value = serde_json::from_str(&event.detail).expect("JSON");
            assert_eq!(detail["audience"], "archive");
            assert_eq!(detail["key"], agent.key.thumbprint());
            assert!(detail["expires_at"].is_string() && detail["token"].is_string());
            assert!(!event.detail.contains("access-river"));
            detail["source"].clone()
        })
        .collect();
    assert_eq!(sources, [json!("login"), json!("login"), json!("cache")]);
}

#[tokio::test]
async fn an_outage_is_told_and_never_answered_with_a_token_that_has_ended() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);
    scene.upstream.be(Mood::IsDown);

    scene.hub.clock.advance(Duration::from_secs(290));
    let last = agent.token("archive").await.must_be(200).json();
    assert_eq!(last["expires_in"], 10, "what is good is given");
    scene.hub.clock.advance(Duration::from_secs(10));
    let away = agent.token("archive").await.must_be(503);

    assert_eq!(error_of(&away), "temporarily_unavailable");
    assert!(!away.header("retry-after").is_empty());
    scene.upstream.be(Mood::Gives);
    scene.hub.clock.advance(Duration::from_mins(2));
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn who_must_sign_in_again_is_told_where_and_goes_on_with_the_same_server() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    scene.upstream.be(Mood::Refuses);
    scene.hub.clock.advance(LIFETIME);

    let again = agent.token("archive").await.must_be(401);

    assert_eq!(
        again.header("www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    assert_eq!(again.json()["error"], "reauth_required");
    assert_eq!(
        again.json()["reauth_url"],
        "/hub/oauth_login?idp=upstream&next=%2Fhub%2Fsigned-in"
    );
    let shown = agent.audiences().await.must_be(200).json();
    assert_eq!(shown["audiences"][0]["state"], "reauth_required");
    assert_eq!(shown["identities"][0]["state"], "reauth");

    scene.upstream.be(Mood::Gives);
    scene.sign_in("river").await;
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn an_agent_sees_what_it_can_ask_for() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;

    let shown = agent.audiences().await.must_be(200).json();

    assert_eq!(shown["user"], "river");
    assert_eq!(shown["state"], "active");
    assert_eq!(
        shown["identities"],
        json!([{
            "provider": "upstream",
            "title": "the Upstream",
            "state": "ok",
            "reauth_url": "/hub/oauth_login?idp=upstream&next=%2Fhub%2Fsigned-in",
        }])
    );
    assert_eq!(
        shown["audiences"][0],
        json!({
            "id": "archive",
            "title": "The archive",
            "scopes": ["read", "write"],
            "state": "ready",
            "token_file": false,
        })
    );
    assert_eq!(shown["audiences"][2]["state"], "not_allowed");
}

#[tokio::test]
async fn signing_out_freezes_and_signing_in_thaws() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let browser = scene.hub.session("river").await;
    agent.token("archive").await.must_be(200);

    browser.post("/hub/logout", &[]).await.must_be(200);

    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(error_of(&frozen), "session_frozen");
    let shown = agent.audiences().await.must_be(200).json();
    assert_eq!(shown["state"], "frozen");
    assert_eq!(shown["frozen_reason"], "signed_out");
    assert!(scene.server("river").await.state.is_ready());

    scene.sign_in("river").await;
    agent.token("archive").await.must_be(200);
    let outcomes = scene.outcomes().await;
    for event in ["freeze", "thaw"] {
        assert!(outcomes.contains(&(event.to_owned(), "ok".to_owned())));
    }
}

#[tokio::test]
async fn who_keeps_working_keeps_tokens_after_signing_out() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let browser = scene.hub.session("river").await;

    let fields = [("keep_working", "yes")];
    browser.post("/hub/logout", &fields).await.must_be(200);

    agent.token("archive").await.must_be(200);
    scene.hub.clock.advance(LIFETIME);
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn who_is_no_longer_let_in_gets_no_tokens() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    agent.token("club").await.must_be(200);
    scene.upstream.set_groups(&[]);
    scene.hub.clock.advance(LIFETIME);

    // The refresh itself brings the news.
    agent.token("club").await;
    let refused = agent.token("archive").await.must_be(403);

    assert_eq!(error_of(&refused), "not_allowed");
    assert!(scene.server("river").await.state.is_ready());
    scene.upstream.set_groups(&["crew"]);
    let river = scene.sign_in("river").await;
    let (store, now) = (scene.hub.hub.store(), scene.hub.clock.now());
    let noted = store.note_sign_in(river.id, scene.upstream.id(), true, now);
    noted.await.expect("a sign-in that the rules accept");
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn a_stopped_server_has_no_tokens_and_its_next_start_a_new_ticket() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let first = scene.hub.ticket();
    let owner = scene.hub.token("river", &["self"]).await;

    owner
        .api("DELETE", "/hub/api/users/river/server", None)
        .await
        .must_be(204);

    let stopped = agent.token("archive").await.must_be(401);
    assert_eq!(stopped.json()["frozen_reason"], "stopped");
    scene.hub.start("river").await;
    assert_ne!(scene.hub.ticket(), first);
    let gone = agent.token("archive").await.must_be(401);
    assert_eq!(error_of(&gone), "invalid_token");
    let next = TestAgent::of_last_server(&scene.hub).await;
    next.token("archive").await.must_be(200);
}

#[tokio::test]
async fn an_agent_hears_of_everything_as_it_happens() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let user = scene.hub.user("river").await;
    let mut events = agent.events().await;
    let mut next = async || {
        let piece = tokio::time::timeout(SOON, events.piece()).await;
        piece.expect("it comes soon")
    };
    let frozen = |reason: &str| {
        Some(format!(
            "event: frozen\ndata: {{\"reason\":\"{reason}\"}}\n\n"
        ))
    };
    let active = Some("event: active\ndata: {}\n\n".to_owned());
    let changed = Some("event: changed\ndata: {}\n\n".to_owned());

    assert_eq!(next().await, active);
    let store = scene.hub.hub.store();
    let now = scene.hub.clock.now();
    store.set_groups(user.id, &[], now).await.expect("a user");
    scene.hub.hub.access().forget(user.id);
    assert_eq!(next().await, changed);
    scene
        .hub
        .hub
        .people
        .sign_out_everywhere(&scene.hub.hub.permit_of(user.clone()))
        .await
        .expect("out");
    // Each session that ends is news, too.
    let mut piece = next().await;
    while piece == changed {
        piece = next().await;
    }
    assert_eq!(piece, frozen("signed_out"));
    scene.sign_in("river").await;
    let mut piece = next().await;
    while piece == frozen("signed_out") {
        piece = next().await;
    }
    assert_eq!(piece, active);
    let server = scene.server("river").await;
    scene
        .hub
        .hub
        .servers
        .stop_unasked(&server)
        .await
        .expect("a stop");
    let mut piece = next().await;
    while piece == changed {
        piece = next().await;
    }
    assert_eq!(piece, frozen("stopped"));
    assert_eq!(next().await, None, "nothing comes after that");
}

#[tokio::test]
async fn an_operator_and_the_owner_freeze_for_good() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let server = scene.server("river").await;
    let freeze = scene
        .hub
        .hub
        .broker
        .freeze_unasked(&server, FreezeReason::Operator, "zoe")
        .await;
    assert!(freeze.expect("the database answers"));

    scene.sign_in("river").await;

    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(frozen.json()["frozen_reason"], "operator");
}

#[tokio::test]
async fn a_shared_server_gets_no_tokens_until_it_is_no_longer_shared() {
    let scene = Scene::with(|recipe| {
        recipe.settings.broker.audiences.push(Audience {
            shared: true,
            ..audience("open")
        });
    })
    .await;
    let agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);
    scene.hub.user("wash").await;
    let server = scene.server("river").await;
    let wash = SharePartner::User("wash".parse().expect("a valid name"));
    let store = scene.hub.hub.store();
    let name = "wash".parse().expect("a valid name");
    let scopes = ["access:servers!server=river/".to_owned()];
    let now = scene.hub.clock.now();
    let shared = store
        .share(server.id, ShareWith::User(&name), &scopes, now)
        .await;
    shared.expect("both exist");
    scene.hub.hub.access().forget(server.user_id);

    let refused = agent.token("archive").await.must_be(403);
    assert_eq!(error_of(&refused), "server_shared");
    agent.token("open").await.must_be(200);
    let shown = agent.audiences().await.must_be(200).json();
    assert_eq!(shown["audiences"][0]["state"], "server_shared");

    let ended = scene
        .hub
        .hub
        .servers
        .unshare(&scene.hub.hub.permit_of(server.clone()), &wash, None)
        .await;
    ended.expect("the database answers");
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn one_person_cannot_take_all_of_the_hub() {
    let scene = Scene::with(|recipe| recipe.settings.broker.requests_per_minute = 5).await;
    let river = scene.agent("river").await;
    let wash = scene.agent("wash").await;
    for _ in 0..5 {
        river.token("archive").await.must_be(200);
    }

    let refused = river.token("archive").await.must_be(429);

    assert_eq!(error_of(&refused), "too_many_requests");
    assert!(!refused.header("retry-after").is_empty());
    wash.token("archive").await.must_be(200);
}

#[tokio::test]
async fn nothing_that_an_agent_can_reach_tells_more_than_it_should() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let token = scene.hub.server_token();
    let server = scene.hub.bearer(&token);
    agent.token("archive").await.must_be(200);

    for (method, route) in jansky_web::route_names() {
        let path = route
            .replace("{user}", "river")
            .replace("{server}", "")
            .replace("{id}", "a1")
            .replace("{code}", "404")
            .replace("{*path}", "x");
        if method != "GET" || route == "broker/v1/events" {
            continue;
        }
        for client in [&server, &agent.client] {
            let answer = client.call("GET", &format!("/hub/{path}")).send().await;
            let text = answer.text();
            for secret in ["refresh-river", "an-id-token", "access-river"] {
                assert!(!text.contains(secret), "{route} shows {secret}");
            }
        }
    }
}

#[tokio::test]
async fn owners_and_operators_see_agents_and_freeze_them() {
    let scene = Scene::new().await;
    let agent = scene.agent("river").await;
    let owner = scene.hub.token("river", &["self"]).await;
    let path = "/hub/api/users/river/agents";

    let shown = owner.get(path).await.must_be(200).json();
    assert_eq!(shown["agents"][0]["state"], "active");
    assert_eq!(shown["agents"][0]["key"], agent.key.thumbprint());
    owner
        .api("POST", "/hub/api/users/river/server/tokens/freeze", None)
        .await
        .must_be(204);

    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(frozen.json()["frozen_reason"], "owner");
    let shown = owner.get(path).await.must_be(200).json();
    assert_eq!(shown["agents"][0]["frozen_reason"], "owner");
    scene.agent("wash").await;
    scene.hub.admin("zoe").await;
    let zoe = scene.hub.token("zoe", &["inherit"]).await;
    zoe.api("POST", "/hub/api/users/wash/server/tokens/freeze", None)
        .await
        .must_be(204);
    let shown = zoe.get("/hub/api/users/wash/agents").await.json();
    assert_eq!(shown["agents"][0]["frozen_reason"], "operator");
}

#[tokio::test]
async fn people_see_their_own_trail_and_operators_all_of_it() {
    let scene = Scene::new().await;
    let river = scene.hub.session("river").await;
    scene.hub.admin("zoe").await;
    let zoe = scene.hub.session("zoe").await;
    for name in ["river", "wash"] {
        let agent = scene.agent(name).await;
        agent.token("archive").await.must_be(200);
        agent.token("closed").await.must_be(403);
    }

    let own = river.api("GET", "/hub/api/users/river/audit?limit=2", None);
    let own = own.await.must_be(200).json();
    let events = own["events"].as_array().expect("a list");
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["outcome"], "not_in_policy");
    assert_eq!(events[1]["detail"]["audience"], "archive");
    let before = format!("/hub/api/users/river/audit?before={}", events[1]["seq"]);
    let older = river.api("GET", &before, None).await.must_be(200).json();
    for event in older["events"].as_array().expect("a list") {
        assert_eq!(event["user"], "river");
    }
    let path = "/hub/api/users/wash/audit";
    river.api("GET", path, None).await.must_be(404);
    let all = zoe.api("GET", "/hub/api/audit", None).await.must_be(200);
    assert!(all.text().contains("\"river\"") && all.text().contains("\"wash\""));

    let page = river.get("/hub/account/audit").await.must_be(200).text();
    assert!(
        page.contains("Token for archive") && !page.contains("wash"),
        "{page}"
    );
    let page = zoe.get("/hub/admin/audit").await.must_be(200).text();
    assert!(page.contains("river") && page.contains("wash"));
}

#[tokio::test]
async fn the_exposed_path_opens_only_to_a_servers_own_token_and_shows_no_refresh_token() {
    let scene = Scene::with(|recipe| {
        recipe.settings.broker.local_user_exposed_path = Some("/custom/userinfo".to_owned());
        let mut other = audience("other");
        let provider = "upstream".parse().expect("a valid id");
        other.source = Source::Login {
            provider: Some(provider),
            audience: None,
        };
        recipe.settings.broker.audiences.push(other);
    })
    .await;
    let agent = scene.agent("river").await;
    let server = scene.hub.bearer(&scene.hub.server_token());
    let path = "/hub/custom/userinfo";

    let shown = server.call("GET", path).send().await.must_be(200);

    assert_eq!(shown.header("cache-control"), "no-store");
    let exp = scene.hub.clock.now().plus(LIFETIME).seconds();
    assert_eq!(
        shown.json(),
        json!({
            "username": "river",
            "access_token": "access-river-0",
            "exp": exp,
            "exchanged_tokens": {
                "other": { "access_token": "access-river-0", "exp": exp },
            },
        })
    );
    for stranger in [
        scene.hub.session("river").await,
        scene.hub.token("river", &["inherit"]).await,
        scene.hub.anonymous(),
    ] {
        let answer = stranger.call("GET", path).send().await.must_be(401);
        assert!(!answer.text().contains("access-river"));
    }
    let user = scene.hub.user("river").await;
    scene
        .hub
        .hub
        .people
        .sign_out_everywhere(&scene.hub.hub.permit_of(user.clone()))
        .await
        .expect("out");
    server.call("GET", path).send().await.must_be(401);
    agent.token("archive").await.must_be(401);

    let usual = Scene::new().await;
    usual.agent("river").await;
    let server = usual.hub.bearer(&usual.hub.server_token());
    server.call("GET", path).send().await.must_be(404);
}

#[tokio::test]
async fn auth_state_is_shown_only_when_the_operator_wants_it_and_to_who_may() {
    let on = Scene::with(|recipe| recipe.settings.broker.auth_state = true).await;
    let off = Scene::new().await;
    let path = "/hub/api/users/river";
    for (scene, is_on) in [(&on, true), (&off, false)] {
        scene.agent("river").await;
        scene.hub.admin("zoe").await;
        let zoe = scene.hub.token("zoe", &["inherit"]).await;
        let state = zoe.get(path).await.must_be(200).json()["auth_state"].clone();
        assert_eq!(state["access_token"] == "access-river-0", is_on);
        assert_eq!(state.is_null(), !is_on);
        assert!(!state.to_string().contains("refresh"));
        // A cookie opens it for nobody, not even with the token of the session's pages.
        let browser = scene.hub.session("zoe").await;
        let shown = browser.api("GET", path, None).await.must_be(200);
        assert!(shown.json()["auth_state"].is_null());
        let river = scene.hub.token("river", &["self"]).await;
        let own = river.get(path).await.must_be(200);
        assert!(!own.text().contains("access-river"));
    }
    let outcomes = on.outcomes().await;
    assert!(outcomes.contains(&("auth_state".to_owned(), "ok".to_owned())));
}

/// `admin:users` contains `admin:auth_state`, as in JupyterHub.
#[tokio::test]
async fn auth_state_of_somebody_who_holds_more_is_not_shown() {
    let scene = Scene::with(|recipe| {
        recipe.settings.broker.auth_state = true;
        let desk = Role {
            scopes: vec!["admin:users".to_owned()],
            users: ["kaylee".to_owned(), "mal".to_owned()].into(),
            ..Role::default()
        };
        recipe.settings.roles.0.insert("desk".to_owned(), desk);
    })
    .await;
    let river = scene.sign_in("river").await;
    scene.sign_in("kaylee").await;
    scene.hub.user("mal").await;
    scene.hub.admin("zoe").await;
    let shown = async |who: &str| {
        let reader = scene.hub.token(who, &["inherit"]).await;
        let found = reader.get("/hub/api/users/river").await.must_be(200);
        !found.json()["auth_state"].is_null()
    };

    assert!(shown("kaylee").await, "she gets what river gets");
    assert!(!shown("mal").await, "he gets no tokens for `club`");
    let (store, now) = (scene.hub.hub.store(), scene.hub.clock.now());
    store.set_admin(river.id, true, now).await.expect("river");
    assert!(!shown("kaylee").await, "river is an administrator");
    assert!(shown("zoe").await, "so is zoe");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_expires_in_the_same_second_causes_one_refresh_each() {
    const PEOPLE: usize = 25;
    let scene = Scene::new().await;
    let mut agents = Vec::new();
    for number in 0..PEOPLE {
        let agent = scene.agent(&format!("user{number}")).await;
        agent.token("archive").await.must_be(200);
        agents.push(agent);
    }
    scene.upstream.be_slow(Duration::from_millis(200));
    scene.hub.clock.advance(LIFETIME);

    // Each agent asks for two audiences several times at once.
    let asking = agents.iter().flat_map(|agent| {
        ["archive", "club", "archive", "club"].map(|audience| agent.token(audience))
    });
    for answer in futures_util::future::join_all(asking).await {
        assert_eq!(answer.must_be(200).json()["expires_in"], 300);
    }

    assert_eq!(scene.upstream.refreshes(), PEOPLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_in_one_process_is_heard_in_another() {
    let database = Database::postgres().await;
    let again = database.clone();
    let first = Scene::on(database, |_| {}).await;
    let second = Scene::on(again, |_| {}).await;
    for scene in [&first, &second] {
        scene.hub.hub.spawn_listening().await.expect("it listens");
    }
    let agent = first.agent("river").await.at(&second.hub);
    agent.audiences().await.must_be(200);
    let mut events = agent.events().await;
    let active = events.piece().await;
    assert_eq!(active.as_deref(), Some("event: active\ndata: {}\n\n"));
    let user = first.hub.user("river").await;

    first
        .hub
        .hub
        .people
        .sign_out_everywhere(&first.hub.hub.permit_of(user.clone()))
        .await
        .expect("out");
    let heard = tokio::time::timeout(SOON, async {
        loop {
            let piece = events.piece().await.expect("the stream goes on");
            if piece.contains("frozen") {
                return;
            }
        }
    });
    heard.await.expect("it is heard");

    let frozen = agent.token("archive").await.must_be(401);
    assert_eq!(error_of(&frozen), "session_frozen");
}

/// Where a provider gives no refresh token there is nothing after the end of the first token. An
/// agent that was told of a change each time would ask again each time.
#[tokio::test]
async fn who_asks_in_vain_again_and_again_is_told_of_no_change() {
    let scene = Scene::new().await;
    let user = scene.hub.user("river").await;
    let mut identity = scene.upstream.identity("river");
    identity.tokens.refresh = None;
    let hub = &scene.hub.hub;
    let session = hub
        .people
        .open_session(&user, scene.upstream.id(), Some(&identity), None);
    let session = session.await.expect("a session");
    scene.hub.start("river").await;
    let agent = TestAgent::of_last_server(&scene.hub).await;
    agent.token("archive").await.must_be(200);
    scene.hub.clock.advance(LIFETIME + Duration::from_secs(1));
    let refused = agent.token("archive").await.must_be(401);
    assert_eq!(error_of(&refused), "reauth_required");
    let known = async || {
        let known = hub.access().by_session(session.cookie.expose()).await;
        known.expect("it answers").expect("they are signed in")
    };
    let before = known().await;

    for _ in 0..3 {
        agent.token("archive").await.must_be(401);
    }

    assert!(Arc::ptr_eq(&before, &known().await), "nothing has changed");
    let overview = agent.audiences().await.must_be(200).json();
    assert_eq!(overview["audiences"][0]["state"], "reauth_required");
}

/// The stream of events also says that it is still there, and gives up what it waits for to do so.
#[tokio::test]
async fn news_that_were_interrupted_are_told_the_next_time() {
    let scene = Scene::on(Database::postgres().await, |_| {}).await;
    let agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);
    let proof = agent.prove("GET", "events");
    let session = format!("DPoP {}", agent.session.as_deref().expect("it came in"));
    let presented = AgentCredentials {
        method: "GET",
        endpoint: "events",
        authorization: Some(&session),
        proof: Proofs::One(&proof),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let hub = &scene.hub.hub;
    let known = hub.broker.agent(&presented).await.expect("it is known");
    let mut watch = hub.broker.watch_agent(&known);
    assert_eq!(watch.next().await, Some(AgentNotice::Active));
    let server = scene.server("river").await;
    let reason = FreezeReason::Operator;
    let frozen = hub.broker.freeze_unasked(&server, reason, "admin").await;
    frozen.expect("it is frozen");

    let interrupted = {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(watch.next()).poll(&mut context)
    };
    let told = match interrupted {
        // The database was faster than that, which it rarely is.
        std::task::Poll::Ready(told) => told,
        std::task::Poll::Pending => tokio::time::timeout(SOON, watch.next())
            .await
            .expect("it is told"),
    };

    assert_eq!(told, Some(AgentNotice::Frozen(reason)));
}

#[tokio::test]
async fn owner_and_operator_read_why_a_server_gets_no_tokens_and_what_to_do() {
    for (reason, to_owner, to_operator) in [
        (
            FreezeReason::Tripwire,
            "somebody with rights on its machine has reached into it",
            "somebody reached into it from outside",
        ),
        (
            FreezeReason::TicketReplay,
            "was used by somebody else, too",
            "its ticket was used a second time",
        ),
    ] {
        let scene = Scene::new().await;
        scene.agent("river").await;
        let server = scene.server("river").await;
        let owner = scene.hub.session("river").await;
        scene.hub.admin("zoe").await;
        let operator = scene.hub.session("zoe").await;
        let before = owner.get("/hub/home").await.must_be(200).text();
        assert!(!before.contains("gets no tokens"), "{before}");

        let frozen = scene
            .hub
            .hub
            .broker
            .freeze_unasked(&server, reason, "test")
            .await;
        assert!(frozen.expect("the database answers"));

        let home = owner.get("/hub/home").await.must_be(200).text();
        assert!(home.contains(to_owner), "{home}");
        assert!(home.contains("stop it and start it again"), "{home}");
        let admin = operator.get("/hub/admin").await.must_be(200).text();
        assert!(admin.contains(to_operator), "{admin}");
        assert!(admin.contains("The audit trail says when"), "{admin}");
    }
}

/// Who else than its owner may enter any server: administrators, and people with a role.
async fn with_other_entrants() -> Scene {
    let scene = Scene::with(|recipe| {
        recipe.settings.broker.audiences.push(Audience {
            shared: true,
            ..audience("open")
        });
        let role = |scope: &str| Role {
            scopes: vec![scope.to_owned()],
            ..Role::default()
        };
        let named = Role {
            users: ["wash".to_owned()].into(),
            ..role("access:servers!user=river")
        };
        let of_group = Role {
            groups: ["helpers".to_owned()].into(),
            ..role("access:servers!group=crew")
        };
        let roles = [("named", named), ("of_group", of_group)];
        let roles = roles.map(|(name, role)| (name.to_owned(), role));
        recipe.settings.roles = Roles(roles.into());
    })
    .await;
    scene.hub.admin("zoe").await;
    let kaylee = scene.hub.user("kaylee").await;
    let groups = ["helpers".to_owned()];
    let now = scene.hub.clock.now();
    let store = scene.hub.hub.store();
    let helper = store.set_groups(kaylee.id, &groups, now).await;
    helper.expect("a user");
    scene
}

/// Shares the server of river with somebody.
async fn share_with(scene: &Scene, name: &str) {
    let with = scene.hub.user(name).await;
    let server = scene.server("river").await;
    let scopes = ["access:servers!server=river/".to_owned()];
    let store = scene.hub.hub.store();
    let now = scene.hub.clock.now();
    let with = ShareWith::User(&with.name);
    let shared = store.share(server.id, with, &scopes, now).await;
    shared.expect("both exist");
    scene.hub.hub.access().forget(server.user_id);
}

async fn unshare_with(scene: &Scene, name: &str) {
    let server = scene.server("river").await;
    let partner = SharePartner::User(name.parse().expect("a valid name"));
    let ended = scene
        .hub
        .hub
        .servers
        .unshare(&scene.hub.hub.permit_of(server.clone()), &partner, None)
        .await;
    ended.expect("the database answers");
}

/// Somebody opens the server of river in a browser and agrees to what they are asked.
async fn enter(scene: &Scene, name: &str) {
    let browser = scene.hub.session(name).await;
    let path = "/hub/api/oauth2/authorize?client_id=jupyterhub-user-river&response_type=code";
    let entered = browser.post(path, &[]).await.must_be(302);
    assert!(
        entered.location().contains("code="),
        "{}",
        entered.location()
    );
}

/// Stops the server of river, starts it again, and lets its agent come in.
async fn start_again(scene: &Scene) -> TestAgent {
    let owner = scene.hub.token("river", &["self"]).await;
    let path = "/hub/api/users/river/server";
    owner.api("DELETE", path, None).await.must_be(204);
    scene.hub.start("river").await;
    TestAgent::of_last_server(&scene.hub).await
}

#[tokio::test]
async fn who_may_enter_keeps_no_tokens_away_and_who_enters_does_until_the_next_start() {
    let scene = with_other_entrants().await;
    let mut agent = scene.agent("river").await;
    agent.token("archive").await.must_be(200);

    for (right, who) in [
        ("administrator", "zoe"),
        ("role of a name", "wash"),
        ("role of a group", "kaylee"),
        ("share that has ended", "mal"),
    ] {
        if who == "mal" {
            share_with(&scene, who).await;
        }
        enter(&scene, who).await;
        if who == "mal" {
            unshare_with(&scene, who).await;
        }

        let refused = agent.token("archive").await.must_be(403);
        assert_eq!(error_of(&refused), "server_shared", "{right}");
        let text = refused.text();
        assert!(
            text.contains(who) && text.contains("again"),
            "{right}: {text}"
        );
        agent.token("open").await.must_be(200);
        let shown = agent.audiences().await.must_be(200).json();
        assert_eq!(shown["audiences"][0]["state"], "server_shared", "{right}");
        // That they have gone, or are nobody any more, changes nothing: what they began may still run.
        let user = scene.hub.user(who).await;
        scene
            .hub
            .hub
            .people
            .sign_out_everywhere(&scene.hub.hub.permit_of(user.clone()))
            .await
            .expect("the database answers");
        agent.token("archive").await.must_be(403);
        let trail = scene.trail().await;
        let entered = trail.iter().rfind(|event| event.event == "entered");
        assert_eq!(entered.map(|event| event.actor.as_str()), Some(who));

        agent = start_again(&scene).await;
        agent.token("archive").await.must_be(200);
    }
    // Neither does its owner, in however many browsers.
    enter(&scene, "river").await;
    agent.token("archive").await.must_be(200);
}

#[tokio::test]
async fn nobody_enters_unseen_with_a_token() {
    let scene = with_other_entrants().await;
    let agent = scene.agent("river").await;
    share_with(&scene, "mal").await;

    // The rights of administrators and roles open no server of somebody else with a token.
    for who in ["zoe", "wash", "kaylee"] {
        let token = scene.hub.token(who, &["inherit"]).await;
        let user = token.get("/hub/api/user").await.must_be(200).json();
        let scopes = user["scopes"].as_array().expect("a list").iter();
        let scopes = scopes.filter_map(Value::as_str);
        let entering: Vec<&str> = scopes.filter(|s| s.starts_with("access:servers")).collect();
        assert_eq!(entering, [format!("access:servers!user={who}")], "{who}");
    }
    // A share does; whoever has one and uses a token may have been inside.
    let token = scene.hub.token("mal", &["inherit"]).await;
    let user = token.get("/hub/api/user").await.must_be(200).text();
    assert!(user.contains("access:servers!server=river/"), "{user}");
    unshare_with(&scene, "mal").await;
    let refused = agent.token("archive").await.must_be(403);
    assert!(refused.text().contains("mal"), "{}", refused.text());

    // Without tokens to guard, everything is as in JupyterHub.
    let usual = TestWeb::new().await;
    usual.admin("zoe").await;
    let zoe = usual.token("zoe", &["inherit"]).await;
    let user = zoe.get("/hub/api/user").await.must_be(200).json();
    let scopes = user["scopes"].as_array().expect("a list");
    assert!(scopes.contains(&json!("access:servers")));
}
