//! Rights follow the provider, and what becomes of those whom it no longer lets in.

use std::time::Duration;

use jansky_hub::{NoLongerAllowed, Role};
use jansky_identity::oidc::ClaimsSource;
use jansky_testing::Instead;
use serde_json::{Value, json};

use crate::support::{Client, OpenId, Recipe, TestWeb, World};

/// How often the provider is asked in these tests.
const INTERVAL: Duration = Duration::from_mins(5);

struct Scene {
    hub: TestWeb,
    home: OpenId,
    river: Client,
}

impl Scene {
    /// River is an admin and allowed in, by groups.
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(home_is: impl FnOnce(&mut OpenId), hub_is: impl FnOnce(&mut Recipe)) -> Self {
        let world = World::new().await;
        let mut home = OpenId::start("home", &world).await;
        home.only_groups("/radio", "/operators");
        home.op.script().lifetimes.access = 3600;
        home.set_groups("subject-1", Some(&["/radio", "/operators"]));
        home_is(&mut home);
        let hub = TestWeb::of(world.hub_with(|recipe| {
            recipe.providers = vec![home.configured()];
            recipe.settings.rights_refresh = INTERVAL;
            hub_is(recipe);
        }));
        let river = hub.browser_at(&home, "subject-1").await;
        Self { hub, home, river }
    }

    /// Lets so much time pass that the provider is asked again.
    async fn look_again(&self) {
        self.hub.clock.advance(INTERVAL + Duration::from_secs(1));
        self.hub.look_at_rights_of(&self.river).await;
    }

    async fn rights(&self) -> Value {
        let token = self.hub.token("river", &["inherit"]).await;
        let user = token.get("/hub/api/user").await.must_be(200).json();
        json!({ "admin": user["admin"], "groups": user["groups"] })
    }
}

/// D15, within the bound and with a token that lives much longer.
#[tokio::test]
async fn a_group_that_is_taken_away_is_noticed_long_before_the_token_ends() {
    for source in [
        ClaimsSource::Auto,
        ClaimsSource::Both,
        ClaimsSource::Userinfo,
        ClaimsSource::IdToken,
    ] {
        let scene = Scene::with(|home| home.settings.claims_source = source, |_| {}).await;
        scene.look_again().await;
        let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
        assert_eq!(scene.rights().await, both, "{source:?}");
        scene.home.set_groups("subject-1", Some(&["/radio"]));

        scene.look_again().await;

        let one = json!({ "admin": false, "groups": ["/radio"] });
        assert_eq!(scene.rights().await, one, "{source:?}");
        scene.river.get("/hub/home").await.must_be(200);
    }
}

#[tokio::test]
async fn groups_that_cannot_be_read_take_nothing_away_and_give_nothing() {
    let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
    for shape in [
        json!({ "radio": true }),
        json!([["/radio"], ["/operators"]]),
        json!([{ "name": "/radio" }]),
        json!("/radio,/operators"),
        json!(true),
        json!(0.5),
    ] {
        let scene = Scene::new().await;
        scene.home.say("subject-1", "groups", shape.clone());

        scene.look_again().await;

        assert_eq!(scene.rights().await, both, "{shape}");
        scene.river.get("/hub/home").await.must_be(200);

        // A new sign-in shows no group that lets her in, and ends nothing of what she has.
        let other = scene.hub.anonymous();
        let refused = other
            .sign_in_at(&scene.home, "subject-1")
            .await
            .must_be(403);
        let text = refused.text();
        assert!(text.contains("where a list of texts is expected"), "{text}");
        assert_eq!(scene.rights().await, both, "{shape}");
        scene.river.get("/hub/home").await.must_be(200);

        scene.home.say("subject-2", "groups", shape.clone());
        let wash = scene.hub.anonymous();
        wash.sign_in_at(&scene.home, "subject-2").await.must_be(403);
    }
}

#[tokio::test]
async fn a_domain_that_cannot_be_read_takes_nothing_away_and_gives_nothing() {
    for (claim, value) in [
        ("email_verified", json!("yes")),
        ("email_verified", json!([true])),
        ("email", json!({ "value": "river@good.org" })),
        ("email", json!(["river@good.org"])),
    ] {
        let rules = |home: &mut OpenId| {
            home.rules.home.hosted_domains = vec!["good.org".to_owned()];
            home.say("subject-1", "email", json!("river@good.org"));
            home.say("subject-1", "email_verified", json!(true));
        };
        let scene = Scene::with(rules, |_| {}).await;
        scene.home.say("subject-1", claim, value.clone());

        scene.look_again().await;

        let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
        assert_eq!(scene.rights().await, both, "{claim} {value}");
        scene.river.get("/hub/home").await.must_be(200);
        let other = scene.hub.anonymous();
        other
            .sign_in_at(&scene.home, "subject-1")
            .await
            .must_be(403);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_read_takes_nothing_away() {
    for name in [
        json!({ "river": 1 }),
        json!(["river"]),
        json!(""),
        json!("a/b"),
    ] {
        let scene = Scene::new().await;
        scene
            .home
            .say("subject-1", "preferred_username", name.clone());

        scene.look_again().await;

        let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
        assert_eq!(scene.rights().await, both, "{name}");
        scene.river.get("/hub/home").await.must_be(200);
    }
}

/// Whoever signs out of the browser in which they came last is still here in another one.
#[tokio::test]
async fn rights_in_one_browser_follow_on_after_signing_out_of_another() {
    let scene = Scene::new().await;
    let other = scene.hub.anonymous();
    other
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(302);
    let refresh = scene.home.op.script().records.latest("refresh");
    other.post("/hub/logout", &[]).await;
    other.get("/hub/home").await.must_be(302);
    assert!(!scene.home.op.script().records.is_revoked(&refresh));
    scene.home.set_groups("subject-1", Some(&["/radio"]));

    scene.look_again().await;

    let one = json!({ "admin": false, "groups": ["/radio"] });
    assert_eq!(scene.rights().await, one);
    let refresh = scene.home.op.script().records.latest("refresh");
    scene.river.get("/hub/home").await.must_be(200);
    scene.river.post("/hub/logout", &[]).await;
    assert!(scene.home.op.script().records.is_revoked(&refresh));
}

#[tokio::test]
async fn userinfo_is_asked_at_a_sign_in_only_for_what_the_id_token_lacks() {
    let scene = Scene::with(
        |home| home.settings.claims_source = ClaimsSource::Auto,
        |_| {},
    )
    .await;
    let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
    assert_eq!(scene.rights().await, both);
    assert_eq!(scene.home.op.calls("/userinfo"), 0);

    scene.home.set_groups("subject-1", None);
    let said = json!({ "sub": "subject-1", "preferred_username": "river", "groups": ["/radio"] });
    scene.home.op.script().userinfo = Some(said);
    let other = scene.hub.anonymous();
    other
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(302);

    let one = json!({ "admin": false, "groups": ["/radio"] });
    assert_eq!(scene.rights().await, one);
    assert_eq!(scene.home.op.calls("/userinfo"), 1);

    // Later an ID token may be as old as the session at the provider.
    scene
        .home
        .set_groups("subject-1", Some(&["/radio", "/operators"]));
    scene.look_again().await;
    assert_eq!(scene.rights().await, one);
    assert_eq!(scene.home.op.calls("/userinfo"), 2);
}

#[tokio::test]
async fn nobody_asks_about_people_who_are_not_there() {
    let scene = Scene::new().await;
    scene.hub.clock.advance(Duration::from_mins(40));
    let before = scene.home.op.refresh_calls();

    scene.hub.refresh_due().await;
    assert_eq!(scene.home.op.refresh_calls(), before);

    // With a running server somebody is there, whatever their browser does.
    scene.hub.start("river").await;
    let before = scene.home.op.refresh_calls();
    scene.hub.clock.advance(Duration::from_mins(6));
    scene.hub.refresh_due().await;
    assert_eq!(scene.home.op.refresh_calls(), before + 1);
    scene.hub.refresh_due().await;
    assert_eq!(
        scene.home.op.refresh_calls(),
        before + 1,
        "once for each interval"
    );
}

#[tokio::test]
async fn what_the_api_changes_in_groups_lasts_until_the_provider_says_its_word() {
    let scene = Scene::new().await;
    scene.hub.admin("zoe").await;
    let zoe = scene.hub.token("zoe", &["inherit"]).await;
    for name in ["river", "wash"] {
        scene.hub.user(name).await;
    }
    let both = json!({ "users": ["river", "wash"] });
    zoe.api("POST", "/hub/api/groups/%2Fguests", Some(both.clone()))
        .await
        .must_be(201);
    let radio = "/hub/api/groups/%2Fradio";
    zoe.api("DELETE", radio, None).await.must_be(204);
    let groups = scene.rights().await["groups"].clone();
    assert_eq!(groups, json!(["/guests", "/operators"]));
    // Rules are about what the provider says.
    zoe.api(
        "DELETE",
        "/hub/api/groups/%2Foperators/users",
        Some(json!({ "users": ["river"] })),
    )
    .await
    .must_be(200);
    assert_eq!(scene.rights().await["admin"], json!(true));

    scene.look_again().await;

    let groups = scene.rights().await["groups"].clone();
    assert_eq!(groups, json!(["/operators", "/radio"]));
    let found = zoe.get(radio).await.must_be(200).json();
    assert_eq!(found["users"], json!(["river"]), "the group is there again");
    // Nobody says anything about people without a provider.
    let found = zoe.get("/hub/api/groups/%2Fguests").await.json();
    assert_eq!(found["users"], json!(["wash"]));
}

#[tokio::test]
async fn a_claim_that_is_not_there_takes_nothing_and_gives_nothing() {
    let scene = Scene::with(
        |home| home.settings.claims_source = ClaimsSource::IdToken,
        |_| {},
    )
    .await;
    let both = json!({ "admin": true, "groups": ["/operators", "/radio"] });
    scene.home.set_groups("subject-1", None);
    let before = scene.home.op.calls("/userinfo");

    scene.look_again().await;

    assert_eq!(scene.rights().await, both);
    scene.river.get("/hub/home").await.must_be(200);
    assert_eq!(
        scene.home.op.calls("/userinfo"),
        before + 1,
        "asked once more"
    );
    // What userinfo says instead counts.
    let said = json!({ "sub": "subject-1", "preferred_username": "river", "groups": ["/radio"] });
    scene.home.op.script().userinfo = Some(said);
    scene.look_again().await;
    assert_eq!(
        scene.rights().await,
        json!({ "admin": false, "groups": ["/radio"] })
    );
}

#[tokio::test]
async fn servers_of_somebody_who_may_not_come_in_any_more_are_drained() {
    let scene = Scene::new().await;
    scene.hub.start("river").await;
    scene.home.set_groups("subject-1", Some(&[]));

    scene.look_again().await;

    // What is open can be saved, and nothing can be begun.
    let page = scene.river.get("/hub/home").await.must_be(200);
    assert!(page.text().contains("Save your work"), "{}", page.text());
    assert_eq!(scene.hub.spawner.running(), 1);
    let token = scene.hub.token("river", &["inherit"]).await;
    let user = token.get("/hub/api/user").await.must_be(200).json();
    assert_eq!(user["admin"], json!(false));
    assert_eq!(user["groups"], json!([]));
    let server = "/hub/api/users/river/servers/more";
    token.api("POST", server, None).await.must_be(403);
    scene.river.post("/hub/spawn/river", &[]).await.must_be(404);
    scene.river.get("/hub/admin").await.must_be(403);
    let answer = token.api("POST", "/hub/api/users/river/tokens", None).await;
    answer.must_be(403);

    // The time is a row, so it counts for every process that comes.
    scene.hub.clock.advance(Duration::from_mins(29));
    scene
        .hub
        .hub
        .servers
        .finish_exclusions()
        .await
        .expect("it answers");
    assert_eq!(scene.hub.spawner.running(), 1);
    scene.hub.clock.advance(Duration::from_mins(2));
    scene
        .hub
        .hub
        .servers
        .finish_exclusions()
        .await
        .expect("it answers");
    let server = scene.hub.server("river", "").await.expect("the row stays");
    scene
        .hub
        .hub
        .servers
        .settled(&server, Duration::from_secs(10))
        .await
        .expect("it answers");
    assert_eq!(scene.hub.spawner.running(), 0);
    scene.river.get("/hub/home").await.must_be(302);
    scene
        .river
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(403);

    // Let in again, everything is as before.
    scene.home.set_groups("subject-1", Some(&["/radio"]));
    scene
        .river
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(302);
    scene.river.post("/hub/spawn/river", &[]).await.must_be(302);
    let page = scene.river.get("/hub/home").await.must_be(200);
    assert!(!page.text().contains("may no longer use"));
}

#[tokio::test]
async fn other_policies_end_the_sessions_at_once_and_keep_or_stop_the_servers() {
    for (policy, running) in [(NoLongerAllowed::Keep, 1), (NoLongerAllowed::Stop, 0)] {
        let scene = Scene::with(|_| {}, |hub| hub.settings.no_longer_allowed = policy).await;
        scene.hub.listen().await;
        let server = scene.hub.start("river").await;
        scene.home.set_groups("subject-1", Some(&[]));

        scene.look_again().await;

        scene.river.get("/hub/home").await.must_be(302);
        scene
            .hub
            .hub
            .servers
            .settled(&server, Duration::from_secs(10))
            .await
            .expect("it answers");
        assert_eq!(scene.hub.spawner.running(), running, "{policy:?}");
    }
}

#[tokio::test]
async fn a_refused_sign_in_ends_what_goes_on_in_other_browsers() {
    let scene = Scene::new().await;
    scene.home.set_groups("subject-1", Some(&[]));

    let elsewhere = scene.hub.anonymous();
    elsewhere
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(403);

    scene.river.get("/hub/home").await.must_be(302);
}

#[tokio::test]
async fn a_server_starts_with_a_token_that_is_good_for_a_while() {
    let scene = Scene::with(|home| home.op.script().lifetimes.access = 300, |_| {}).await;
    scene.hub.clock.advance(Duration::from_secs(270));
    let before = scene.home.op.refresh_calls();

    scene.hub.start("river").await;

    assert_eq!(scene.home.op.refresh_calls(), before + 1);
    let river = scene.hub.user("river").await;
    let provider = "home".parse().expect("an id");
    let token = scene
        .hub
        .hub
        .people
        .login_token(
            scene.hub.hub.operator(),
            &river,
            &provider,
            Duration::from_mins(4),
        )
        .await;
    token.expect("it is good for long");
    assert_eq!(scene.home.op.refresh_calls(), before + 1);
}

#[tokio::test]
async fn whoever_has_to_sign_in_again_does_so_before_a_server_starts() {
    let scene = Scene::new().await;
    scene.hub.clock.advance(Duration::from_hours(2));
    scene.home.op.script().records.end_sessions_of("subject-1");
    let token = scene.hub.token("river", &["self"]).await;
    let xsrf = scene.river.xsrf().await;

    let answer = token.api("POST", "/hub/api/users/river/server", None).await;
    let answer = answer.must_be(403).json();
    let message = answer["message"].as_str().expect("a message");
    assert!(message.contains("sign in again with home"), "{message}");

    // The browser is led to the sign-in page and comes back.
    let fields = [("_xsrf", xsrf.as_str())];
    let call = scene.river.call("POST", "/hub/spawn/river").navigating();
    let answer = call.form(&fields).send().await.must_be(302);
    assert!(
        answer.location().starts_with("/hub/login?"),
        "{}",
        answer.location()
    );
    scene.river.get(answer.location()).await.must_be(200);
    scene
        .river
        .sign_in_at(&scene.home, "subject-1")
        .await
        .must_be(302);
    scene.river.post("/hub/spawn/river", &[]).await.must_be(302);
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_from_starting_while_the_token_is_valid() {
    let scene = Scene::with(|home| home.op.script().lifetimes.access = 300, |_| {}).await;
    let down = Instead::Status(503, String::new());
    scene.home.op.script().instead.insert("/token", down);
    scene.hub.clock.advance(Duration::from_secs(270));

    scene.hub.start("river").await;

    let owner = scene.hub.token("river", &["self"]).await;
    let path = "/hub/api/users/river/server";
    owner.api("DELETE", path, None).await.must_be(204);
    scene.hub.clock.advance(Duration::from_mins(1));
    let answer = owner.api("POST", path, None).await.must_be(503);
    assert!(!answer.header("retry-after").is_empty());
    scene.river.get("/hub/home").await.must_be(200);
}

#[tokio::test]
async fn a_service_account_starts_servers_with_its_token_alone() {
    let scene = Scene::with(
        |_| {},
        |hub| {
            let role = Role {
                scopes: vec!["service-account".to_owned()],
                users: ["river".to_owned()].into(),
                groups: std::collections::BTreeSet::new(),
            };
            hub.settings.roles.0.insert("pipelines".to_owned(), role);
        },
    )
    .await;
    scene.hub.clock.advance(Duration::from_hours(2));
    scene.home.op.script().records.end_sessions_of("subject-1");

    scene.hub.start("river").await;

    assert_eq!(scene.hub.spawner.running(), 1);
}

#[tokio::test]
async fn a_role_shows_in_the_api_and_gives_what_it_holds_until_the_group_is_gone() {
    let scene = Scene::with(
        |_| {},
        |hub| {
            let role = Role {
                scopes: vec!["list:users".to_owned(), "read:roles".to_owned()],
                users: std::collections::BTreeSet::new(),
                groups: ["/watch".to_owned()].into(),
            };
            hub.settings.roles.0.insert("watch".to_owned(), role);
        },
    )
    .await;
    let token = scene.hub.token("river", &["inherit"]).await;
    scene
        .home
        .set_groups("subject-1", Some(&["/radio", "/watch"]));
    scene.look_again().await;

    let user = token.get("/hub/api/users/river").await.must_be(200).json();
    assert_eq!(user["roles"], json!(["user", "watch"]));
    token.get("/hub/api/users").await.must_be(200);

    scene.home.set_groups("subject-1", Some(&["/radio"]));
    scene.look_again().await;
    token.get("/hub/api/users").await.must_be(403);
    let user = token.get("/hub/api/users/river").await.must_be(200).json();
    assert_eq!(user["roles"], json!(["user"]));
}

/// The bound of `session.rights_refresh`, as installed and short, wherever between two looks of the hub
/// the provider's answer changes: it looks every ten seconds, or four times in each interval.
#[tokio::test]
async fn a_change_at_the_provider_is_known_within_the_interval_wherever_it_falls() {
    for (interval, look) in [(300_000, 10_000), (10_000, 2_500)] {
        let (interval, look) = (Duration::from_millis(interval), Duration::from_millis(look));
        for quarter in 0..4 {
            let scene = Scene::with(|_| {}, |hub| hub.settings.rights_refresh = interval).await;
            scene.hub.start("river").await;
            let river = scene.hub.user("river").await;
            let groups = async || {
                let groups = scene.hub.hub.store().groups_of(river.id).await;
                groups.expect("the database answers")
            };
            scene.hub.clock.advance(look / 4 * quarter);
            scene.home.set_groups("subject-1", Some(&["/radio"]));
            let changed_at = scene.hub.now();

            let mut looks = 0;
            while groups().await.len() > 1 {
                scene.hub.clock.advance(look);
                scene.hub.refresh_due().await;
                looks += 1;
                assert!(looks < 100, "it is never noticed");
            }

            let after = scene.hub.now().since(changed_at);
            assert!(after <= interval, "{after:?} of {interval:?}, {quarter}");
            assert!(
                after > interval / 4,
                "it is not asked at every look: {after:?}"
            );
        }
    }
}
