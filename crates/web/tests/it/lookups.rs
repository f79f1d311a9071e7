//! Rights of people whose provider gives no tokens: a directory is asked about them while they are
//! active.

use std::sync::Arc;
use std::time::Duration;

use jansky_hub::{AdmissionRules, NoLongerAllowed};
use serde_json::{Value, json};

use crate::support::{Client, Directory, Entry, TestWeb};

const INTERVAL: Duration = Duration::from_mins(5);

struct Scene {
    hub: TestWeb,
    directory: Arc<Directory>,
    river: Client,
}

impl Scene {
    /// River is an admin and allowed in, by groups.
    async fn new(policy: NoLongerAllowed) -> Self {
        let directory = Directory::new(&["radio", "operators"]);
        let mut rules = AdmissionRules {
            allowed_groups: ["radio".to_owned()].into(),
            admin_groups: ["operators".to_owned()].into(),
            ..AdmissionRules::default()
        };
        rules.groups.claims = vec!["groups".to_owned()];
        let hub = TestWeb::with(|recipe| {
            recipe.providers = vec![directory.with_rules(rules)];
            recipe.settings.rights_refresh = INTERVAL;
            recipe.settings.no_longer_allowed = policy;
        })
        .await;
        let river = hub.anonymous();
        river
            .type_password_at("institute", "river", "right")
            .await
            .must_be(302);
        Self {
            hub,
            directory,
            river,
        }
    }

    /// Lets so much time pass that the directory is asked again.
    async fn look_again(&self) {
        self.hub.clock.advance(INTERVAL + Duration::from_secs(1));
        self.hub.look_at_rights_of(&self.river).await;
    }

    async fn rights(&self) -> Value {
        let model = self.river.api("GET", "/hub/api/user", None).await;
        let user = model.must_be(200).json();
        json!([user["admin"], user["groups"]])
    }
}

#[tokio::test]
async fn rights_follow_a_directory_while_somebody_is_active() {
    let scene = Scene::new(NoLongerAllowed::Keep).await;
    assert_eq!(scene.rights().await, json!([true, ["operators", "radio"]]));

    scene.directory.set(Entry::InGroups(vec!["radio", "evn"]));
    scene.look_again().await;

    assert_eq!(scene.rights().await, json!([false, ["evn", "radio"]]));
    assert_eq!(scene.directory.lookups(), 1);
    scene.hub.refresh_due().await;
    assert_eq!(scene.directory.lookups(), 1, "once for each interval");
    // Nobody asks about people who are not there, unless a server of theirs runs.
    scene.hub.clock.advance(Duration::from_mins(40));
    scene.hub.refresh_due().await;
    assert_eq!(scene.directory.lookups(), 1);
    // A call of the API with their token is somebody who has come back, and asks.
    scene.hub.start("river").await;
    assert_eq!(scene.directory.lookups(), 2);
    scene.hub.clock.advance(INTERVAL);
    scene.hub.refresh_due().await;
    assert_eq!(scene.directory.lookups(), 3);
}

#[tokio::test]
async fn whom_the_rules_or_the_directory_no_longer_know_is_drained() {
    for entry in [Entry::InGroups(vec!["evn"]), Entry::Gone] {
        let scene = Scene::new(NoLongerAllowed::Drain(Duration::from_mins(30))).await;
        scene.hub.start("river").await;

        scene.directory.set(entry);
        scene.look_again().await;

        // What is open can be saved, and that is all.
        let page = scene.river.get("/hub/home").await.must_be(200);
        assert!(page.text().contains("Save your work"), "{}", page.text());
        assert_eq!(scene.rights().await, json!([false, []]));
        assert_eq!(scene.hub.spawner.running(), 1);
        let asked = scene.directory.lookups();
        scene.look_again().await;
        assert_eq!(scene.directory.lookups(), asked, "it has said so");
        let back = scene
            .hub
            .anonymous()
            .type_password_at("institute", "river", "right")
            .await;
        back.must_be(403);
    }
}

#[tokio::test]
async fn a_directory_that_does_not_answer_changes_nothing() {
    let scene = Scene::new(NoLongerAllowed::Stop).await;
    scene.hub.start("river").await;
    scene.directory.set(Entry::Down);

    scene.look_again().await;
    scene.look_again().await;

    assert_eq!(scene.directory.lookups(), 2);
    assert_eq!(scene.rights().await, json!([true, ["operators", "radio"]]));
    assert_eq!(scene.hub.spawner.running(), 1);
}

/// Signing in another way since makes that one's word count for being here.
#[tokio::test]
async fn a_directory_through_which_nobody_came_last_takes_only_what_it_gave() {
    let scene = Scene::new(NoLongerAllowed::Stop).await;
    let river = scene.hub.user("river").await;
    let local = "local".parse().expect("an id");
    let now = scene.hub.now();
    let store = scene.hub.hub.store();
    let noted = store.note_sign_in(river.id, &local, false, now).await;
    noted.expect("the database");
    let other = scene.hub.session("river").await;
    scene.directory.set(Entry::Gone);

    scene.look_again().await;

    scene.river.get("/hub/home").await.must_be(302);
    let model = other.api("GET", "/hub/api/user", None).await;
    let user = model.must_be(200).json();
    assert_eq!(json!([user["admin"], user["groups"]]), json!([false, []]));
}
