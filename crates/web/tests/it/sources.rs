//! Where the broker's tokens come from, with a scripted provider behind it: D27, D28, D29, D30, D32.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jansky_hub::{Audience, AudienceRules, BrokerMode, NotObtained, Source, User};
use jansky_identity::oidc::OidcKind;
use jansky_testing::provider::{Audience as KnownService, BrokerMode as Way, Brokered, Service};
use jansky_testing::signing::decode;
use serde_json::{Value, json};

use crate::support::{OpenId, TestAgent, TestWeb, World, audience};

/// A hub with a provider of this kind, and these audiences.
struct Scene {
    hub: TestWeb,
    home: OpenId,
}

impl Scene {
    async fn new(kind: OidcKind, audiences: Vec<Audience>) -> Self {
        let world = World::new().await;
        let mut home = OpenId::start("op", &world).await;
        home.settings.kind = kind;
        let hub = TestWeb::of(world.hub_with(|recipe| {
            recipe.providers.push(home.configured());
            recipe.settings.broker.audiences = audiences;
        }));
        Self { hub, home }
    }

    /// Somebody signs in at the provider.
    async fn sign_in(&self) -> User {
        self.home.sign_in(&self.hub, "subject-1").await.0
    }

    /// River signs in and starts a server, whose agent comes in.
    async fn agent(&self) -> TestAgent {
        self.sign_in().await;
        self.hub.start("river").await;
        TestAgent::of_last_server(&self.hub).await
    }

    fn wait(&self, seconds: u64) {
        self.hub.clock.advance(Duration::from_secs(seconds));
    }
}

fn exchange(id: &str, name: &str, scopes: &[&str]) -> Audience {
    let source = Source::Exchange {
        provider: None,
        audience: name.to_owned(),
    };
    Audience {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..audience(id, source)
    }
}

/// D27, D28.
#[tokio::test]
async fn an_exchanged_token_is_for_one_service_and_a_refusal_says_why() {
    let scene = Scene::new(
        OidcKind::Keycloak,
        vec![
            exchange("archive", "rs-a", &["archive:read"]),
            exchange("nowhere", "rs-x", &[]),
            exchange("strange", "rs-a", &["nonsense"]),
            Audience {
                rules: AudienceRules::default(),
                ..exchange("closed", "rs-a", &["archive:read"])
            },
        ],
    )
    .await;
    let service = KnownService {
        scopes: vec!["archive:read".to_owned()],
        lifetime: 120,
    };
    scene
        .home
        .op
        .script()
        .audiences
        .insert("rs-a".to_owned(), service);
    let agent = scene.agent().await;
    let before = scene.home.op.calls("/token");

    let token = agent.token("archive").await.must_be(200).json();
    let again = agent.token("archive").await.must_be(200).json();
    let calls = scene.home.op.calls("/token") - before;
    let closed = agent.token("closed").await.must_be(403).json();
    let after_closed = scene.home.op.calls("/token") - before;
    let nowhere = agent.token("nowhere").await.must_be(400).json();
    let strange = agent.token("strange").await.must_be(400).json();
    scene.wait(110);
    let renewed = agent.token("archive").await.must_be(200).json();

    let text = token["access_token"].as_str().expect("a token");
    let (_, claims) = decode(text);
    assert_eq!(claims["aud"], "rs-a");
    assert_eq!(
        (&token["scope"], &token["expires_in"]),
        (&json!("archive:read"), &json!(120))
    );
    assert_eq!(again["access_token"], token["access_token"], "from memory");
    assert_ne!(renewed["access_token"], token["access_token"]);
    assert_eq!((calls, after_closed), (1, 1), "policy asks nobody");
    assert_eq!(closed["error"], "invalid_target");
    assert_eq!(nowhere["error"], "invalid_target");
    assert_eq!(strange["error"], "invalid_scope");
    assert_eq!(scene.home.op.refresh_calls(), 0);
}

fn external(alias: &str, mode: BrokerMode) -> Audience {
    let source = Source::IdentityBroker {
        provider: None,
        alias: alias.to_owned(),
        mode,
    };
    audience(alias, source)
}

fn behind(modes: &[Way], status: Option<u16>) -> Brokered {
    Brokered {
        modes: modes.to_vec(),
        lifetime: 60,
        status,
    }
}

/// D29.
#[tokio::test]
async fn an_external_token_comes_in_the_way_that_there_is_and_the_operator_sees_which() {
    for (way, word) in [(Way::V2, "v2"), (Way::V1, "v1"), (Way::Legacy, "legacy")] {
        let scene = Scene::new(OidcKind::Keycloak, vec![external("ext", BrokerMode::Auto)]).await;
        let brokered = behind(&[way], None);
        scene
            .home
            .op
            .script()
            .brokered
            .insert("ext".to_owned(), brokered);
        let agent = scene.agent().await;

        let token = agent.token("ext").await.must_be(200);

        assert!(
            !token.text().contains("refresh"),
            "{word}: {}",
            token.text()
        );
        let token = token.json();
        let text = token["access_token"].as_str().expect("a token");
        assert!(text.starts_with("canary-external-"), "{word}: {text}");
        scene.hub.admin("zoe").await;
        let zoe = scene.hub.token("zoe", &["read:hub"]).await;
        let info = zoe.api("GET", "/hub/api/info", None).await.must_be(200);
        let ways = json!([{ "provider": "op", "alias": "ext", "mode": word }]);
        assert_eq!(info.json()["external_tokens"], ways);
    }
}

/// D30: external tokens live a minute, the internal one an hour, and one of three is broken.
#[tokio::test]
async fn each_external_token_is_renewed_by_itself_and_a_broken_one_harms_nothing() {
    let aliases = ["one", "two", "broken"];
    let audiences = aliases.map(|alias| external(alias, BrokerMode::Auto));
    let scene = Scene::new(OidcKind::Keycloak, audiences.to_vec()).await;
    {
        let mut script = scene.home.op.script();
        script.lifetimes.access = 3600;
        for alias in aliases {
            let status = (alias == "broken").then_some(500);
            let brokered = behind(&[Way::V2], status);
            script.brokered.insert(alias.to_owned(), brokered);
        }
    }
    let agent = scene.agent().await;

    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for _ in 0..30 {
        for alias in ["one", "two"] {
            let token = agent.token(alias).await.must_be(200).json();
            let text = token["access_token"].as_str().expect("a token");
            seen.entry(alias).or_default().insert(text.to_owned());
        }
        let broken = agent.token("broken").await.must_be(503);
        assert_eq!(broken.json()["error"], "temporarily_unavailable");
        assert!(!broken.header("retry-after").is_empty());
        scene.wait(10);
    }

    for (alias, tokens) in seen {
        assert!((5..=8).contains(&tokens.len()), "{alias}: {}", tokens.len());
    }
    assert_eq!(
        scene.home.op.refresh_calls(),
        0,
        "the internal one is good for an hour"
    );
    let broken = scene.home.op.calls("/broker/broken/token");
    assert!(broken < 30, "the broken one is left alone: {broken} calls");
    assert!(agent.audiences().await.must_be(200).json()["state"] == "active");
}

/// D32, as an agent sees it.
#[tokio::test]
async fn a_token_that_came_along_is_given_and_renewed_with_its_own_refresh_token() {
    const TRANSFER: &str = "transfer.api.globus.org";
    let source = |service: &str| Source::Service {
        provider: None,
        service: service.to_owned(),
    };
    let scene = Scene::new(
        OidcKind::Globus,
        vec![
            audience("transfer", source(TRANSFER)),
            audience("other", source("other.api.globus.org")),
        ],
    )
    .await;
    {
        let mut script = scene.home.op.script();
        script.rotates = true;
        script.services = vec![Service {
            name: TRANSFER.to_owned(),
            lifetime: 120,
        }];
    }
    let agent = scene.agent().await;

    let first = agent.token("transfer").await.must_be(200).json();
    scene.wait(115);
    let second = agent.token("transfer").await.must_be(200).json();
    let missing = agent.token("other").await.must_be(401).json();
    let overview = agent.audiences().await.must_be(200).json();

    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!(scene.home.op.refresh_calls(), 1);
    assert_eq!(missing["error"], "reauth_required");
    let states: Vec<(&Value, &Value)> = overview["audiences"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["id"], &one["state"]))
        .collect();
    let state = |id: &str, state: &str| (json!(id), json!(state));
    let [ready, reauth] = [
        state("transfer", "ready"),
        state("other", "reauth_required"),
    ];
    assert_eq!(states, [(&ready.0, &ready.1), (&reauth.0, &reauth.1)]);
    let identities = overview["identities"].as_array().expect("a list");
    assert_eq!(identities.len(), 1, "one sign-in: {identities:?}");
}

#[tokio::test]
async fn a_token_of_jansky_itself_names_the_server_that_asked() {
    let source = Source::Jansky {
        audience: "https://archive.test".to_owned(),
        lifetime: Duration::from_mins(10),
    };
    let archive = Audience {
        scopes: vec!["archive:read".to_owned()],
        ..audience("archive", source)
    };
    let scene = Scene::new(OidcKind::Generic, vec![archive]).await;
    scene.hub.start("river").await;
    let agent = TestAgent::of_last_server(&scene.hub).await;

    let token = agent.token("archive").await.must_be(200).json();
    let text = token["access_token"].as_str().expect("a token");
    let (header, claims) = decode(text);

    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["iss"], "http://127.0.0.1:8000/hub/oidc");
    assert_eq!(claims["aud"], "https://archive.test");
    assert_eq!(claims["client_id"], "jupyterhub-user-river");
    assert_eq!(claims["preferred_username"], "river");
    assert_eq!(token["expires_in"], 600);
    assert_eq!(
        scene.home.op.calls("/token"),
        0,
        "nobody signed in anywhere"
    );
}

/// The part of D33 that needs no batch system: the hub's own account is for the hub.
#[tokio::test]
async fn the_hubs_own_account_is_not_given_to_servers_unless_an_audience_says_so() {
    let source = |service: &str| Source::ClientCredentials {
        provider: Some("op".parse().expect("it is a provider id")),
        audience: Some(service.to_owned()),
        client: None,
    };
    let scene = Scene::new(
        OidcKind::Keycloak,
        vec![
            Audience {
                rules: AudienceRules::default(),
                ..audience("poller", source("scheduler"))
            },
            audience("common", source("catalogue")),
        ],
    )
    .await;
    let agent = scene.agent().await;

    let polled = scene
        .hub
        .hub
        .broker
        .token_of_service("poller", Duration::from_mins(1));
    let polled = polled.await.expect("a token for the hub");
    let refused = agent.token("poller").await.must_be(403).json();
    let given = agent.token("common").await.must_be(200).json();
    let unknown = scene
        .hub
        .hub
        .broker
        .token_of_service("archive", Duration::ZERO)
        .await;

    assert!(polled.expires_at.is_some());
    assert_eq!(refused["error"], "invalid_target");
    assert_ne!(given["access_token"], json!(polled.token.expose()));
    assert!(
        matches!(unknown, Err(NotObtained::Refused { .. })),
        "{unknown:?}"
    );
}
