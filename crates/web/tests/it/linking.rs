//! One account, several ways to sign in.

use serde_json::Value;

use crate::support::{Client, OpenId, TestWeb, World};

/// A hub with two providers.
struct Scene {
    hub: TestWeb,
    home: OpenId,
    other: OpenId,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other rules for those who come from the second provider.
    async fn with(change: impl FnOnce(&mut OpenId)) -> Self {
        Self::of(|_, other| change(other)).await
    }

    async fn of(change: impl FnOnce(&mut OpenId, &mut OpenId)) -> Self {
        let world = World::new().await;
        let mut home = OpenId::start("home", &world).await;
        let mut other = OpenId::start("other", &world).await;
        change(&mut home, &mut other);
        let hub = world.hub_with(|recipe| {
            recipe.providers = vec![home.configured(), other.configured()];
        });
        let hub = TestWeb::of(hub);
        Self { hub, home, other }
    }

    /// A browser in which river is signed in at home.
    async fn river(&self) -> Client {
        self.hub.browser_at(&self.home, "subject-1").await
    }

    async fn sign_ins(&self, browser: &Client, user: &str) -> Value {
        let path = format!("/hub/api/users/{user}/sign-ins");
        browser.api("GET", &path, None).await.must_be(200).json()
    }
}

async fn name_of(browser: &Client) -> String {
    let answer = browser.api("GET", "/hub/api/user", None).await;
    answer.must_be(200).json()["name"]
        .as_str()
        .expect("a name")
        .to_owned()
}

fn providers_of(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.filter_map(|one| one["provider"].as_str()).collect()
}

#[tokio::test]
async fn a_linked_identity_leads_to_the_same_account_and_keeps_its_own_tokens() {
    let scene = Scene::new().await;
    let browser = scene.river().await;

    let answer = browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(302);

    assert_eq!(answer.location(), "/hub/account");
    assert_eq!(
        answer.cookie("jupyterhub-hub-login"),
        "",
        "the session stays"
    );
    let sign_ins = scene.sign_ins(&browser, "river").await;
    assert_eq!(providers_of(&sign_ins["identities"]), ["home", "other"]);
    assert_eq!(providers_of(&sign_ins["grants"]), ["home", "other"]);
    let elsewhere = scene.hub.anonymous();
    elsewhere
        .sign_in_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    assert_eq!(name_of(&elsewhere).await, "river");
    assert!(
        scene
            .hub
            .hub
            .people
            .user("wash")
            .await
            .expect("it answers")
            .is_none()
    );
}

#[tokio::test]
async fn an_identity_of_another_account_is_not_taken_from_it() {
    let scene = Scene::new().await;
    let wash = scene.hub.anonymous();
    wash.sign_in_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    let browser = scene.river().await;

    let answer = browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(409);

    assert!(answer.text().contains("belongs to another account"));
    let sign_ins = scene.sign_ins(&browser, "river").await;
    assert_eq!(providers_of(&sign_ins["identities"]), ["home"]);
    assert_eq!(providers_of(&sign_ins["grants"]), ["home"]);
    assert_eq!(name_of(&wash).await, "wash");
}

#[tokio::test]
async fn nothing_is_linked_because_another_page_leads_there() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    let of_other_session = scene.river().await.link_button(&scene.other).await;

    for path in [
        "/hub/oauth_login?idp=other&link=",
        "/hub/oauth_login?idp=other&link=made-up",
        &of_other_session,
    ] {
        let answer = browser.get(path).await.must_be(403);
        assert!(answer.text().contains("another session"), "{path}");
    }
    // Without the proof it is a plain sign-in, as somebody else.
    let answer = scene.hub.anonymous().get(&of_other_session).await;
    answer.must_be(403);
}

#[tokio::test]
async fn an_answer_counts_only_in_the_session_that_asked() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    let link = browser.link_button(&scene.other).await;
    let answer = browser.get(&link).await.must_be(302);
    let url = url::Url::parse(answer.location()).expect("an address");
    // Meanwhile somebody else signs in at the same browser.
    browser
        .sign_in_at(&scene.home, "subject-2")
        .await
        .must_be(302);

    let query = scene.other.op.sign_in_as(&url, "subject-1");
    let answer = browser.get(&format!("/hub/oauth_callback?{query}")).await;

    assert!(
        answer
            .must_be(403)
            .text()
            .contains("is not the one of this browser now")
    );
    for user in ["river", "wash"] {
        let user = scene.hub.user(user).await;
        let sign_ins = scene
            .hub
            .hub
            .people
            .sign_ins(&scene.hub.hub.permit_of(user.clone()))
            .await
            .expect("it answers");
        assert_eq!(sign_ins.identities.len(), 1, "{}", user.name);
    }
}

#[tokio::test]
async fn one_account_has_one_identity_at_each_provider() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    let link = browser.link_button(&scene.other).await;
    browser
        .link_at(&scene.other, "subject-1")
        .await
        .must_be(302);

    let answer = browser.follow(&link, &scene.other, "subject-2").await;
    assert!(answer.must_be(403).text().contains("already linked"));
    // The same one again brings new tokens.
    let before = scene.other.op.script().records.latest("refresh");
    browser
        .follow(&link, &scene.other, "subject-1")
        .await
        .must_be(302);
    let after = scene.other.op.script().records.latest("refresh");
    assert_ne!(before, after);
}

#[tokio::test]
async fn rights_follow_the_provider_that_one_signed_in_with() {
    let scene = Scene::with(|other| {
        other.rules.allow_all = false;
        other.rules.admin_groups.insert("/operators".to_owned());
        other.set_groups("subject-2", Some(&["/operators"]));
    })
    .await;
    scene.home.set_groups("subject-1", Some(&["/radio"]));
    let browser = scene.river().await;
    let rights = async |browser: &Client| {
        let user = browser.api("GET", "/hub/api/user", None).await.must_be(200);
        let user = user.json();
        (user["admin"].clone(), user["groups"].clone())
    };
    browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    assert_eq!(
        rights(&browser).await,
        (false.into(), serde_json::json!(["/radio"]))
    );

    let elsewhere = scene.hub.anonymous();
    elsewhere
        .sign_in_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    let as_admin = (true.into(), serde_json::json!(["/operators"]));
    assert_eq!(rights(&elsewhere).await, as_admin);

    // A refresh of the first grant takes nothing away that the second one gives.
    scene.hub.clock.advance(std::time::Duration::from_mins(6));
    scene.hub.refresh_due().await;
    assert_eq!(rights(&elsewhere).await, as_admin);
    let again = scene.river().await;
    assert_eq!(rights(&again).await.1, serde_json::json!(["/radio"]));
}

#[tokio::test]
async fn rules_that_keep_people_out_also_hold_for_linking() {
    let scene = Scene::with(|other| {
        other.rules.blocked_users.insert("wash".to_owned());
    })
    .await;
    let browser = scene.river().await;

    browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(403);

    let sign_ins = scene.sign_ins(&browser, "river").await;
    assert_eq!(providers_of(&sign_ins["identities"]), ["home"]);
}

#[tokio::test]
async fn unlinking_takes_tokens_and_sessions_and_never_the_last_way_in() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    let elsewhere = scene.hub.anonymous();
    elsewhere
        .sign_in_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    let user = scene.hub.user("river").await;
    let ids: Vec<i64> = scene
        .hub
        .hub
        .people
        .sign_ins(&scene.hub.hub.permit_of(user.clone()))
        .await
        .expect("it answers")
        .identities
        .iter()
        .map(|identity| identity.id.0)
        .collect();
    let unlink = |id: i64| format!("/hub/account/identities/{id}/unlink");
    let token = scene.other.op.script().records.latest("refresh");

    // The one that this browser is signed in with stays.
    browser.post(&unlink(ids[0]), &[]).await.must_be(409);
    browser.post(&unlink(ids[1]), &[]).await.must_be(302);

    elsewhere.get("/hub/home").await.must_be(302);
    assert!(scene.other.op.script().records.is_revoked(&token));
    let sign_ins = scene.sign_ins(&browser, "river").await;
    assert_eq!(providers_of(&sign_ins["identities"]), ["home"]);
    assert_eq!(providers_of(&sign_ins["grants"]), ["home"]);
    // Whose it was can be somebody else's now.
    let wash = scene.hub.anonymous();
    wash.sign_in_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    assert_eq!(name_of(&wash).await, "wash");
    // Nobody unlinks what belongs to others.
    browser.post(&unlink(ids[1]), &[]).await.must_be(404);
}

#[tokio::test]
async fn two_browsers_that_unlink_at_once_leave_one_way_in() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    let user = scene.hub.user("river").await;
    let sign_ins = scene
        .hub
        .hub
        .people
        .sign_ins(&scene.hub.hub.permit_of(user.clone()))
        .await
        .expect("it answers");
    let store = scene.hub.hub.store();
    let now = scene.hub.now();

    let first = store.unbind_identity(user.id, sign_ins.identities[0].id, now);
    let second = store.unbind_identity(user.id, sign_ins.identities[1].id, now);
    let (first, second) = tokio::join!(first, second);

    let unbound = [first, second].map(|outcome| outcome.expect("it answers"));
    assert_eq!(unbound.iter().filter(|unbound| **unbound).count(), 1);
}

#[tokio::test]
async fn a_grant_that_has_died_is_renewed_from_the_account_page() {
    let scene = Scene::new().await;
    let browser = scene.river().await;
    browser
        .link_at(&scene.other, "subject-2")
        .await
        .must_be(302);
    scene.other.op.script().records.end_sessions_of("subject-2");
    scene.hub.clock.advance(std::time::Duration::from_mins(6));
    let user = scene.hub.user("river").await;
    let provider = "other".parse().expect("an id");
    let ask = || {
        scene.hub.hub.people.login_token(
            scene.hub.hub.operator(),
            &user,
            &provider,
            std::time::Duration::ZERO,
        )
    };
    ask().await.expect_err("the refresh token is dead");
    let page = browser.get("/hub/account").await.must_be(200);
    assert!(
        page.text()
            .contains("gives nothing more until you sign in again")
    );

    let link = browser.link_button(&scene.other).await;
    browser
        .follow(&link, &scene.other, "subject-2")
        .await
        .must_be(302);

    ask().await.expect("there are new tokens");
    assert!(
        !browser
            .get("/hub/account")
            .await
            .text()
            .contains("gives nothing more")
    );
}

/// Groups of the institute do not outlive the account there because of an account elsewhere.
#[tokio::test]
async fn rights_end_with_a_sign_in_elsewhere_once_their_provider_cannot_be_asked() {
    for is_signed_out in [false, true] {
        let two = TwoWays::new().await;
        assert_eq!(
            two.rights().await,
            TwoWays::followed(),
            "the other one says nothing"
        );
        two.come_elsewhere().await;
        assert_eq!(two.rights().await, TwoWays::followed(), "it can be asked");

        if is_signed_out {
            two.browser.post("/hub/logout", &[]).await;
        } else {
            two.home.op.script().records.end_sessions_of("subject-1");
            two.hub.clock.advance(std::time::Duration::from_mins(6));
            two.elsewhere.get("/hub/home").await.must_be(200);
            two.hub.hub.write_activity().await.expect("it answers");
            two.hub.refresh_due().await;
        }
        two.come_elsewhere().await;

        assert_eq!(two.rights().await, (false.into(), serde_json::json!([])));
        let again = two.hub.anonymous();
        again.sign_in_at(&two.home, "subject-1").await.must_be(302);
        assert_eq!(two.rights().await, TwoWays::followed());
    }
}

#[tokio::test]
async fn unlinking_ends_the_rights_that_nobody_could_be_asked_about_any_more() {
    let two = TwoWays::new().await;
    assert_eq!(
        two.rights().await,
        TwoWays::followed(),
        "the other one says nothing"
    );
    let user = two.hub.user("river").await;
    let sign_ins = two
        .hub
        .hub
        .people
        .sign_ins(&two.hub.hub.permit_of(user.clone()))
        .await
        .expect("it answers");
    let id = sign_ins.identities[0].id.0;

    let unlink = format!("/hub/account/identities/{id}/unlink");
    two.elsewhere.post(&unlink, &[]).await.must_be(302);

    assert_eq!(two.rights().await, (false.into(), serde_json::json!([])));
}

/// River, who is an admin by the word of one provider and has come in through another one that says
/// nothing about that.
struct TwoWays {
    hub: TestWeb,
    home: OpenId,
    other: OpenId,
    browser: Client,
    elsewhere: Client,
}

impl TwoWays {
    async fn new() -> Self {
        let scene = Scene::of(|home, other| {
            home.only_groups("/radio", "/operators");
            home.set_groups("subject-1", Some(&["/radio", "/operators"]));
            other.rules.groups.claims = Vec::new();
        });
        let Scene { hub, home, other } = Box::pin(scene).await;
        let browser = hub.browser_at(&home, "subject-1").await;
        browser.link_at(&other, "subject-2").await.must_be(302);
        let two = Self {
            elsewhere: hub.anonymous(),
            hub,
            home,
            other,
            browser,
        };
        two.come_elsewhere().await;
        two
    }

    async fn come_elsewhere(&self) {
        let came = self.elsewhere.sign_in_at(&self.other, "subject-2").await;
        came.must_be(302);
    }

    async fn rights(&self) -> (Value, Value) {
        let user = self.elsewhere.api("GET", "/hub/api/user", None).await;
        let user = user.must_be(200).json();
        (user["admin"].clone(), user["groups"].clone())
    }

    fn followed() -> (Value, Value) {
        (true.into(), serde_json::json!(["/operators", "/radio"]))
    }
}
