//! Names: that a rule about one is not escaped, that none is taken for another, and who gets an account
//! that waits for its person.

use jansky_hub::{Role, Settings};
use serde_json::json;

use crate::support::{Client, OpenId, TestWeb, World};

struct Scene {
    hub: TestWeb,
    home: OpenId,
    other: Option<OpenId>,
    zoe: Client,
}

impl Scene {
    /// A hub with the provider `home`, which keeps `mallory` out, and perhaps with `other` beside it.
    async fn new(has_other: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::new().await;
        let mut home = OpenId::start("home", &world).await;
        home.rules.blocked_users.insert("mallory".to_owned());
        let mut other = None;
        if has_other {
            other = Some(OpenId::start("other", &world).await);
        }
        let hub = TestWeb::of(world.hub_with(|recipe| {
            let providers = [Some(&home), other.as_ref()].into_iter().flatten();
            recipe.providers = providers.map(OpenId::configured).collect();
            change(&mut recipe.settings);
        }));
        hub.admin("zoe").await;
        let zoe = hub.token("zoe", &["inherit"]).await;
        Self {
            hub,
            home,
            other,
            zoe,
        }
    }

    /// What the provider calls river from now on.
    fn call(&self, name: &str) {
        self.home
            .say("subject-1", "preferred_username", json!(name));
    }

    /// Signs river in in a new browser; the words of a refusal, or nothing.
    async fn come(&self) -> Option<String> {
        come(&self.hub, &self.home, "subject-1").await
    }

    async fn rename(&self, from: &str, to: &str) {
        let body = json!({ "name": to });
        let path = format!("/hub/api/users/{from}");
        self.zoe.api("PATCH", &path, Some(body)).await.must_be(200);
    }
}

async fn come(hub: &TestWeb, provider: &OpenId, subject: &str) -> Option<String> {
    let answer = hub.anonymous().sign_in_at(provider, subject).await;
    if answer.status == 302 {
        return None;
    }
    Some(answer.must_be(403).text().replace("&#x27;", "'"))
}

#[tokio::test]
async fn who_changes_their_name_at_the_provider_stays_kept_out() {
    let scene = Scene::new(false, |_| {}).await;

    scene.call("Mallory");
    assert!(scene.come().await.is_some(), "kept out by name");
    scene.call("mary");
    assert!(scene.come().await.is_some(), "the identity came as mallory");
    let mary = scene.hub.hub.people.user("mary").await.expect("read");
    assert!(mary.is_none());
}

#[tokio::test]
async fn who_was_ever_called_so_is_kept_out() {
    let scene = Scene::new(false, |_| {}).await;
    // The account had the name once, and the person is called otherwise everywhere now.
    scene.call("mary");
    assert_eq!(scene.come().await, None);
    scene.rename("mary", "mallory").await;
    assert!(scene.come().await.is_some(), "the account is called so");
    scene.rename("mallory", "mary").await;
    assert!(scene.come().await.is_some(), "the account was called so");
}

/// No name may be forgotten, so the number of them has an end.
#[tokio::test]
async fn who_was_named_in_a_thousand_ways_comes_in_by_none_that_is_new() {
    let scene = Scene::new(false, |_| {}).await;
    scene.call("mary");
    assert_eq!(scene.come().await, None);
    let (store, issuer) = (scene.hub.hub.store(), &scene.home.op.issuer);
    for number in 0..1_000 {
        let name = format!("name-{number}");
        let noted = store.note_identity_name(issuer, "subject-1", &name);
        noted.await.expect("it is noted");
    }

    scene.call("name-7");
    assert_eq!(scene.come().await, None, "an old name");
    scene.call("name-1000");
    let refused = scene.come().await.expect("one more");
    assert!(refused.contains("and no more are kept here"), "{refused}");
}

#[tokio::test]
async fn a_name_at_one_provider_keeps_out_of_another_that_blocks_it() {
    let scene = Scene::new(true, |_| {}).await;
    let other = scene.other.as_ref().expect("it is there");
    let browser = scene.hub.anonymous();
    other.say("subject-1", "preferred_username", json!("mallory"));
    browser.sign_in_at(other, "subject-1").await.must_be(302);

    let words = browser
        .link_at(&scene.home, "subject-1")
        .await
        .must_be(403)
        .text();

    assert!(words.contains("may not use this hub"), "{words}");
    let river = scene.hub.hub.people.user("river").await.expect("read");
    assert!(river.is_none());
}

#[tokio::test]
async fn a_name_that_looks_like_another_one_is_given_to_nobody() {
    let scene = Scene::new(false, |_| {}).await;
    scene.hub.user("scope").await;

    for (name, words) in [
        ("ѕсоре", "looks like that of another account"),
        ("ri\u{200b}ver", "cannot be seen"),
        ("\u{202e}revir", "cannot be seen"),
        ("rіver", "scripts that are not written together"),
    ] {
        let body = json!({ "usernames": [name] });
        let refused = scene.zoe.api("POST", "/hub/api/users", Some(body)).await;
        let said = refused.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            [400, 409].contains(&refused.status.as_u16()),
            "{name}: {said}"
        );
        let body = json!({ "name": name });
        let refused = scene
            .zoe
            .api("PATCH", "/hub/api/users/zoe", Some(body))
            .await;
        assert!([400, 409].contains(&refused.status.as_u16()), "{name}");
        scene.call(name);
        let refused = scene.come().await.expect("not let in");
        assert!(refused.contains(words), "{name}: {refused}");
    }
    // Plain letters may be those of two people; it is on record.
    scene.hub.user("wash1").await;
    scene.hub.user("washl").await;
    let trail = scene.zoe.get("/hub/api/audit").await.must_be(200).json();
    let events = trail["events"].as_array().expect("a list");
    let told = events
        .iter()
        .find(|event| event["event"] == "look_alike_name");
    let detail = &told.expect("it is told")["detail"];
    assert_eq!(detail, &json!({ "name": "washl", "other": "wash1" }));
}

#[tokio::test]
async fn composed_and_decomposed_names_are_one() {
    let scene = Scene::new(false, |_| {}).await;
    scene.call("Ju\u{308}rgen");
    assert_eq!(scene.come().await, None);
    let body = json!({ "usernames": ["j\u{fc}rgen"] });
    let again = scene.zoe.api("POST", "/hub/api/users", Some(body)).await;
    again.must_be(409);
    assert!(
        scene
            .hub
            .hub
            .people
            .user("jürgen")
            .await
            .expect("read")
            .is_some()
    );
}

#[tokio::test]
async fn groups_of_a_directory_are_compared_as_directories_compare_them() {
    let scene = Scene::new(false, |settings| {
        let role = Role {
            scopes: vec!["read:hub".to_owned()],
            groups: ["cn=staff,ou=groups,dc=example,dc=org".to_owned()].into(),
            ..Role::default()
        };
        settings.roles.0.insert("staff".to_owned(), role);
    })
    .await;
    let group = "CN=Staff, OU=Groups,DC=Example,DC=org";
    scene.home.set_groups("subject-1", Some(&[group]));
    assert_eq!(scene.come().await, None);

    let river = scene
        .zoe
        .get("/hub/api/users/river")
        .await
        .must_be(200)
        .json();
    assert_eq!(
        river["groups"],
        json!(["cn=staff,ou=groups,dc=example,dc=org"])
    );
    assert_eq!(river["roles"], json!(["user", "staff"]));
    let path = "/hub/api/groups/CN%3DStaff%2C%20OU%3DGroups%2CDC%3DExample%2CDC%3Dorg";
    let found = scene.zoe.get(path).await.must_be(200).json();
    assert_eq!(found["users"], json!(["river"]));
}

#[tokio::test]
async fn what_programs_did_in_a_prepared_account_is_no_trace_of_a_person() {
    let scene = Scene::new(false, |_| {}).await;
    scene
        .zoe
        .api("POST", "/hub/api/users/river", None)
        .await
        .must_be(201);
    let start = "/hub/api/users/river/server";
    scene.zoe.api("POST", start, None).await.must_be(201);
    let token = json!({ "note": "for a script" });
    let path = "/hub/api/users/river/tokens";
    scene.zoe.api("POST", path, Some(token)).await.must_be(201);

    assert_eq!(
        scene.come().await,
        None,
        "there is one provider, and it is theirs"
    );
    let sign_ins = scene.zoe.get("/hub/api/users/river/sign-ins").await;
    assert_eq!(
        sign_ins.must_be(200).json()["identities"][0]["provider"],
        "home"
    );
}

#[tokio::test]
async fn an_administrator_says_whose_people_take_over_a_prepared_account() {
    let scene = Scene::new(true, |_| {}).await;
    let other = scene.other.as_ref().expect("it is there");
    let make = json!({ "adopt_from": "nowhere" });
    let path = "/hub/api/users/river";
    let refused = scene.zoe.api("POST", path, Some(make)).await.must_be(400);
    assert!(
        refused.text().contains("use one of: home, other"),
        "{}",
        refused.text()
    );
    scene.zoe.api("POST", path, None).await.must_be(201);

    let words = scene.come().await.expect("nobody has said so");
    assert!(
        words.contains("prepared here") && words.contains("adopt_from"),
        "{words}"
    );
    let say = json!({ "adopt_from": "other" });
    scene.zoe.api("PATCH", path, Some(say)).await.must_be(200);
    let told = scene.zoe.get(path).await.must_be(200).json();
    assert_eq!(told["adopt_from"], "other");
    assert!(scene.come().await.is_some(), "it is for the other one");
    assert_eq!(come(&scene.hub, other, "subject-1").await, None);
    let words = scene.come().await.expect("it has a person now");
    assert!(words.contains("belongs to another account"), "{words}");

    let make = json!({ "adopt_from": "home" });
    scene
        .zoe
        .api("POST", "/hub/api/users/wash", Some(make))
        .await
        .must_be(201);
    assert!(come(&scene.hub, other, "subject-2").await.is_some());
    let forget = json!({ "adopt_from": null });
    scene
        .zoe
        .api("PATCH", "/hub/api/users/wash", Some(forget))
        .await
        .must_be(200);
    let told = scene
        .zoe
        .get("/hub/api/users/wash")
        .await
        .must_be(200)
        .json();
    assert!(told.get("adopt_from").is_none(), "{told}");
}

#[tokio::test]
async fn names_in_rules_are_for_the_people_of_the_providers_that_may_have_them() {
    let home = "home".parse().expect("a valid id");
    let scene = Scene::new(true, |settings| {
        settings.admin_users.insert("river".to_owned());
        settings.prepared_accounts_from = Some([home].into());
    })
    .await;
    let other = scene.other.as_ref().expect("it is there");

    let words = come(&scene.hub, other, "subject-1")
        .await
        .expect("somebody else's");
    assert!(words.contains("prepared_accounts_from"), "{words}");
    assert_eq!(scene.come().await, None);
    let river = scene.hub.hub.people.user("river").await.expect("read");
    assert!(river.expect("made").admin);
    // A name of which nothing speaks is anybody's.
    assert_eq!(come(&scene.hub, other, "subject-2").await, None);
}

#[tokio::test]
async fn a_token_does_not_open_what_is_made_later_under_an_old_name() {
    let scene = Scene::new(false, |_| {}).await;
    let hub = &scene.hub;
    let server = hub.start("kaylee").await;
    let stop = "/hub/api/users/kaylee/server";
    scene.zoe.api("DELETE", stop, None).await.must_be(204);
    let token = hub.token("zoe", &["read:servers!server=kaylee/"]).await;
    token.get(stop).await.must_be(200);
    let wash = hub.token("wash", &["inherit"]).await;
    hub.user("wash").await;
    let share = json!({ "user": "wash", "scopes": ["read:servers"] });
    let path = "/hub/api/shares/kaylee/";
    scene.zoe.api("POST", path, Some(share)).await.must_be(200);
    wash.get(stop).await.must_be(200);

    scene.rename("kaylee", "tam").await;
    let kaylee = hub.user("kaylee").await;
    let made = hub
        .hub
        .servers
        .make_unasked(&kaylee, &server.name, "")
        .await;
    made.expect("the name is free");

    for client in [&token, &wash] {
        client.get(stop).await.must_be(404);
        client.get("/hub/api/users/tam/server").await.must_be(200);
    }
    let tam = hub.user("tam").await;
    hub.hub
        .delete_user(&hub.hub.permit_of(tam.clone()))
        .await
        .expect("deleted");
    hub.user("tam").await;
    token.get("/hub/api/users/tam/server").await.must_be(403);
    wash.get("/hub/api/users/tam/server").await.must_be(404);
    let nobody = json!({ "scopes": ["servers!user=nobody"] });
    let path = "/hub/api/users/zoe/tokens";
    scene.zoe.api("POST", path, Some(nobody)).await.must_be(400);
}
