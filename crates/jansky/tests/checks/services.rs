//! Tokens for services: exchanged, of identity providers behind, and of services with tokens of
//! their own (D27 to D30, D32).

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_testing::provider::{Audience, BrokerMode, Brokered, CLIENT_ID, CLIENT_SECRET, Service};
use jansky_testing::signing::decode;
use tokio::time::Instant;

use crate::agent::{Agent, token_of};
use crate::house::House;
use crate::person::PROVIDER;
use crate::site::{EVERYBODY, Site, add_oidc, configure, scripted_provider, within};
use crate::tokens::{somebody_at_work, start};

/// A site whose provider is of a kind, with these audiences.
async fn site(kind: &str, keys: &str, audiences: &str) -> Site {
    let site = Site {
        house: House::new(),
        op: scripted_provider().await,
    };
    let client = [site.op.issuer.as_str(), CLIENT_ID, CLIENT_SECRET];
    add_oidc(
        &site.house,
        PROVIDER,
        kind,
        client,
        &format!("{EVERYBODY}{keys}"),
    );
    configure(&site.house, audiences);
    site
}

fn brokered(modes: &[BrokerMode], lifetime: i64, status: Option<u16>) -> Brokered {
    Brokered {
        modes: modes.to_vec(),
        lifetime,
        status,
    }
}

const EXCHANGED: &str = "\
[audience.rs-a]
source = \"exchange\"
scopes = [\"archive:read\", \"archive:write\"]
allow_all = true
[audience.unknown]
source = \"exchange\"
audience = \"nobody-knows-this\"
allow_all = true
[audience.officers]
source = \"exchange\"
audience = \"rs-a\"
allowed_groups = [\"officers\"]
";

/// D27, D28
#[tokio::test]
async fn an_exchanged_token_is_for_one_service_and_nothing_is_asked_for_who_may_not() {
    let site = site("oidc", "", EXCHANGED).await;
    {
        let mut script = site.op.script();
        let scopes = ["archive:read", "archive:write"].map(str::to_owned);
        let audience = Audience {
            scopes: scopes.to_vec(),
            lifetime: 300,
        };
        script.audiences.insert("rs-a".to_owned(), audience);
        script.access_as_jwt = true;
    }
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;

    let answer = agent.token_with("rs-a", &[("scope", "archive:read")]).await;
    let token = token_of(&answer);
    let (_, claims) = decode(&token);
    assert_eq!(claims["aud"], "rs-a", "{claims}");
    assert_eq!(claims["sub"], "subject-1", "{claims}");
    assert_eq!(claims["scope"], "archive:read", "{claims}");
    let json = answer.json();
    assert_eq!(
        json["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert_eq!(answer.header("cache-control"), "no-store");

    let calls = site.op.script().calls.len();
    for (audience, scope, status, error) in [
        ("nowhere", "", 403, "invalid_target"),
        ("officers", "", 403, "invalid_target"),
        ("rs-a", "archive:delete", 400, "invalid_scope"),
    ] {
        let more = [("scope", scope)];
        let more = if scope.is_empty() {
            &more[..0]
        } else {
            &more[..]
        };
        let refused = agent.token_with(audience, more).await;
        assert_eq!(refused.status, status, "{audience}: {refused:#?}");
        assert_eq!(refused.json()["error"], error, "{audience}");
    }
    assert_eq!(site.op.script().calls.len(), calls, "nobody was asked");
    let unknown = agent.token("unknown").await;
    assert_eq!(unknown.status, 400, "{unknown:#?}");
    assert_eq!(unknown.json()["error"], "invalid_target");
    within(
        Duration::from_secs(5),
        "the operator reads which one",
        async || site.house.said("stderr").contains("unknown"),
    )
    .await;
}

/// D29
#[tokio::test]
async fn a_token_of_a_provider_behind_comes_in_each_of_keycloaks_ways() {
    let audiences = "\
[audience.newest]
source = \"identity-broker\"
allow_all = true
[audience.older]
source = \"identity-broker\"
allow_all = true
[audience.oldest]
source = \"identity-broker\"
allow_all = true
";
    let site = site("keycloak", "", audiences).await;
    for (alias, modes) in [
        ("newest", &[BrokerMode::V2][..]),
        ("older", &[BrokerMode::V1][..]),
        ("oldest", &[BrokerMode::Legacy][..]),
    ] {
        let found = brokered(modes, 300, None);
        site.op.script().brokered.insert(alias.to_owned(), found);
    }
    let hub = start(&site).await;
    let (_, agent) = somebody_at_work(&site, &hub).await;

    for alias in ["newest", "older", "oldest"] {
        let answer = agent.token(alias).await;
        assert_eq!(answer.status, 200, "{alias}: {answer:#?}");
        let external = site.op.script().records.issued("external");
        assert!(external.contains(&token_of(&answer)), "{alias}");
        let refresh = site.op.script().records.issued("external refresh");
        assert!(!refresh.iter().any(|text| answer.text.contains(text)));
    }
}

/// D30: tokens of 5 s and 25 s of use stand for those of a minute and five minutes.
#[tokio::test]
async fn each_external_token_is_renewed_by_itself_and_a_broken_one_breaks_alone() {
    let audiences = "\
[audience.one]
source = \"identity-broker\"
mode = \"v2\"
allow_all = true
[audience.two]
source = \"identity-broker\"
mode = \"v2\"
allow_all = true
[audience.broken]
source = \"identity-broker\"
mode = \"v2\"
allow_all = true
";
    let site = site("keycloak", "", audiences).await;
    {
        let mut script = site.op.script();
        script.lifetimes.access = 3600;
        for (alias, status) in [("one", None), ("two", None), ("broken", Some(500))] {
            let found = brokered(&[BrokerMode::V2], 5, status);
            script.brokered.insert(alias.to_owned(), found);
        }
    }
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;

    let began = Instant::now();
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    while began.elapsed() < Duration::from_secs(25) {
        for (alias, seen) in ["one", "two"].iter().zip(&mut seen) {
            seen.insert(token_of(&agent.token(alias).await));
        }
        let broken = agent.token("broken").await;
        assert!(matches!(broken.status, 400 | 503), "{broken:#?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    for (alias, seen) in ["one", "two"].iter().zip(&seen) {
        assert!(
            (4..=9).contains(&seen.len()),
            "{alias}: {} tokens",
            seen.len()
        );
        let path = format!("/broker/{alias}/token");
        assert_eq!(site.op.calls(&path), seen.len(), "{alias}");
    }
    assert_eq!(
        site.op.refresh_calls(),
        0,
        "the sign-in itself is good for an hour"
    );
    browser.get("hub/home").await.must_be(200);
}

/// D32
#[tokio::test]
async fn services_of_globus_are_refreshed_each_by_its_own_token_and_taken_back() {
    let keys = "exclude_services = [\"groups.api.globus.org\"]\n";
    let audiences = "\
[audience.transfer]
source = \"service\"
service = \"transfer.api.globus.org\"
allow_all = true
[audience.flows]
source = \"service\"
service = \"flows.globus.org\"
allow_all = true
[audience.groups]
source = \"service\"
service = \"groups.api.globus.org\"
allow_all = true
";
    let site = site("globus", keys, audiences).await;
    {
        let mut script = site.op.script();
        script.rotates = true;
        let names = [
            "transfer.api.globus.org",
            "flows.globus.org",
            "groups.api.globus.org",
        ];
        script.services = names
            .iter()
            .map(|name| Service {
                name: (*name).to_owned(),
                lifetime: 4,
            })
            .collect();
    }
    let hub = start(&site).await;
    let (browser, agent) = somebody_at_work(&site, &hub).await;

    for _ in 0..3 {
        for (id, service) in [
            ("transfer", "transfer.api.globus.org"),
            ("flows", "flows.globus.org"),
        ] {
            let token = token_of(&agent.token(id).await);
            let script = site.op.script();
            let known = script.records.access(&token).expect("the provider gave it");
            assert_eq!(known.audience, [service]);
        }
        newest_service_token_has_ended(&agent).await;
    }
    let excluded = agent.token("groups").await;
    assert!(matches!(excluded.status, 400 | 401 | 403), "{excluded:#?}");
    assert_eq!(site.op.script().records.reuses, 0);
    assert!(site.op.script().records.refreshes >= 4);
    browser.get("hub/home").await.must_be(200);

    browser.post("hub/logout", &[]).await;
    within(Duration::from_secs(10), "each is taken back", async || {
        let script = site.op.script();
        let live = script.records.live_refresh_tokens();
        let excluded = "groups.api.globus.org";
        live.iter()
            .all(|(service, _)| service.as_deref() == Some(excluded))
    })
    .await;
}

/// Waits until an answer for a service would be about to end.
async fn newest_service_token_has_ended(agent: &Agent) {
    let left = agent.token("transfer").await.must_be(200).json()["expires_in"]
        .as_u64()
        .expect("seconds");
    tokio::time::sleep(Duration::from_secs(left + 1)).await;
}
