//! Rights of people whose provider gives no tokens: a directory is asked about them while they are
//! active.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jansky_hub::{AdmissionRules, ConfiguredProvider, NoLongerAllowed, SignOutAtProvider};
use jansky_identity::{
    Claims, ExternalIdentity, FormLogin, IdentityError, IdentityProvider, LoginMethod,
    PeopleLookup, ProviderStatus, UpstreamTokens,
};
use jansky_model::{ProviderId, Secret};
use serde_json::{Value, json};

use crate::support::{Client, TestHub};

const INTERVAL: Duration = Duration::from_mins(5);

/// What the directory makes of one person.
#[derive(Clone)]
enum Entry {
    InGroups(Vec<&'static str>),
    Gone,
    Down,
}

/// A directory with one entry for everybody, and how often it was asked about people.
struct Directory {
    id: ProviderId,
    state: Mutex<(Entry, usize)>,
}

impl Directory {
    fn new(groups: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            id: "institute".parse().expect("a valid id"),
            state: Mutex::new((Entry::InGroups(groups.to_vec()), 0)),
        })
    }

    fn set(&self, entry: Entry) {
        self.state.lock().expect("nobody panicked with it").0 = entry;
    }

    fn lookups(&self) -> usize {
        self.state.lock().expect("nobody panicked with it").1
    }

    fn person(&self, name: &str) -> Result<ExternalIdentity, IdentityError> {
        let entry = self
            .state
            .lock()
            .expect("nobody panicked with it")
            .0
            .clone();
        match entry {
            Entry::InGroups(groups) => Ok(ExternalIdentity {
                provider: self.id.clone(),
                issuer: "directory:institute".to_owned(),
                subject: name.to_owned(),
                username: Some(name.to_owned()),
                claims: Claims::from_iter([("groups".to_owned(), json!(groups))]),
                tokens: UpstreamTokens::none(),
            }),
            Entry::Gone => Err(IdentityError::AccountUnusable {
                context: "no entry".to_owned(),
            }),
            Entry::Down => Err(IdentityError::Unavailable {
                context: "no connection".to_owned(),
                retry: Duration::from_secs(1),
                source: None,
            }),
        }
    }

    fn configured(self: &Arc<Self>) -> ConfiguredProvider {
        let mut rules = AdmissionRules {
            allowed_groups: ["radio".to_owned()].into(),
            admin_groups: ["operators".to_owned()].into(),
            ..AdmissionRules::default()
        };
        rules.groups.claims = vec!["groups".to_owned()];
        ConfiguredProvider {
            provider: Arc::clone(self) as _,
            rules,
            callback_url: None,
            auto_login: false,
            hint_parameters: Vec::new(),
            client_id: String::new(),
            username_claim: "preferred_username".to_owned(),
            widens_logout: false,
            sign_out: SignOutAtProvider::Hub,
        }
    }
}

impl IdentityProvider for Directory {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn title(&self) -> &'static str {
        "Institute account"
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Form(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }

    fn people(&self) -> Option<&dyn PeopleLookup> {
        Some(self)
    }
}

#[async_trait]
impl FormLogin for Directory {
    fn attempts_per_minute(&self) -> u32 {
        100
    }

    async fn verify(&self, name: &str, _: &Secret) -> Result<ExternalIdentity, IdentityError> {
        self.person(name)
    }
}

#[async_trait]
impl PeopleLookup for Directory {
    async fn look_up(&self, subject: &str) -> Result<ExternalIdentity, IdentityError> {
        self.state.lock().expect("nobody panicked with it").1 += 1;
        self.person(subject)
    }
}

struct Scene {
    hub: TestHub,
    directory: Arc<Directory>,
    river: Client,
}

impl Scene {
    /// River is an admin and allowed in, by groups.
    async fn new(policy: NoLongerAllowed) -> Self {
        let directory = Directory::new(&["radio", "operators"]);
        let hub = TestHub::with(|recipe| {
            recipe.providers = vec![directory.configured()];
            recipe.settings.rights_refresh = INTERVAL;
            recipe.settings.no_longer_allowed = policy;
        })
        .await;
        let river = hub.anonymous();
        let fields = [
            ("provider", "institute"),
            ("username", "river"),
            ("password", "right"),
        ];
        river.post("/hub/login", &fields).await.must_be(302);
        Self {
            hub,
            directory,
            river,
        }
    }

    /// Lets so much time pass that the directory is asked again.
    async fn look_again(&self) {
        self.hub.clock.advance(INTERVAL + Duration::from_secs(1));
        self.river.get("/hub/home").await;
        self.hub.hub.write_activity().await.expect("it answers");
        self.hub.hub.refresh_due().await.expect("it answers");
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
    scene.hub.hub.refresh_due().await.expect("it answers");
    assert_eq!(scene.directory.lookups(), 1, "once for each interval");
    // Nobody asks about people who are not there, unless a server of theirs runs.
    scene.hub.clock.advance(Duration::from_mins(40));
    scene.hub.hub.refresh_due().await.expect("it answers");
    assert_eq!(scene.directory.lookups(), 1);
    scene.hub.start("river").await;
    scene.hub.clock.advance(INTERVAL);
    scene.hub.hub.refresh_due().await.expect("it answers");
    assert_eq!(scene.directory.lookups(), 2);
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
        let fields = [
            ("provider", "institute"),
            ("username", "river"),
            ("password", "right"),
        ];
        let back = scene.hub.anonymous().post("/hub/login", &fields).await;
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
    let now = scene.hub.clock_now();
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
