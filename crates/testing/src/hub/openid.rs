//! A provider as a hub has it, and people who sign in there.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_hub::{
    AdmissionRules, CallbackOutcome, ConfiguredProvider, NewBrowserSession, SignOutAtProvider, User,
};
use jansky_identity::claim_rules::GroupRules;
use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{CallbackQuery, OidcProvider, OidcSettings, http_client};
use jansky_model::{ManualClock, Secret};
use serde_json::{Value, json};

use super::{TestHub, World, everybody};
use crate::provider::{CLIENT_ID, CLIENT_SECRET, Person, ScriptedProvider};

const CALLBACK: &str = "http://127.0.0.1:8000/hub/oauth_callback";

/// A scripted OpenID provider, with what the hub's operator decided about it.
pub struct OpenId {
    /// The provider.
    pub op: ScriptedProvider,
    /// How the hub talks to it.
    pub settings: OidcSettings,
    /// Whom the hub lets in from there.
    pub rules: AdmissionRules,
    /// Whether signing out ends the session there, too.
    pub sign_out: SignOutAtProvider,
    clock: Arc<ManualClock>,
}

impl OpenId {
    /// A provider with the subjects `subject-1`, which is river, and `subject-2`, which is wash.
    /// Everybody whom it vouches for may come in.
    pub async fn start(id: &str, world: &World) -> Self {
        let op = ScriptedProvider::start(Arc::clone(&world.clock) as _).await;
        op.script().people.push(Person::new("subject-2", "wash"));
        let id = id.parse().expect("a valid id");
        let mut settings = OidcSettings::new(id, &op.issuer.parse().expect("a URL"), CLIENT_ID);
        settings.client_secrets = vec![Secret::new(CLIENT_SECRET)];
        settings.claims_source = ClaimsSource::Auto;
        Self {
            op,
            settings,
            rules: AdmissionRules {
                groups: GroupRules {
                    claims: vec!["groups".to_owned()],
                    ..GroupRules::default()
                },
                ..everybody()
            },
            sign_out: SignOutAtProvider::Provider,
            clock: Arc::clone(&world.clock),
        }
    }

    /// A hub at which people sign in with such a provider, `home`, once `change` has made of it what
    /// the test is about.
    pub async fn with_hub(change: impl FnOnce(&mut Self)) -> (Self, TestHub) {
        let world = World::new().await;
        let mut home = Self::start("home", &world).await;
        change(&mut home);
        let hub = world.hub_with(|recipe| recipe.providers.push(home.configured()));
        (home, hub)
    }

    /// Only members of a group may come in, and those of another one are admins.
    pub fn only_groups(&mut self, allowed: &str, admins: &str) {
        self.rules.allow_all = false;
        self.rules.allowed_groups.insert(allowed.to_owned());
        self.rules.admin_groups.insert(admins.to_owned());
    }

    /// What the provider says about somebody's groups; `None` says nothing.
    pub fn set_groups(&self, subject: &str, groups: Option<&[&str]>) {
        match groups {
            Some(groups) => self.say(subject, "groups", json!(groups)),
            None => drop(self.op.script().person(subject).claims.remove("groups")),
        }
    }

    /// What the provider says about somebody in one claim.
    pub fn say(&self, subject: &str, claim: &str, value: Value) {
        let mut script = self.op.script();
        let claims = &mut script.person(subject).claims;
        claims.insert(claim.to_owned(), value);
    }

    /// The provider as a hub takes it.
    pub fn configured(&self) -> ConfiguredProvider {
        let http = http_client().expect("a client can be made");
        let clock = Arc::clone(&self.clock) as _;
        let provider = OidcProvider::new(self.settings.clone(), http, clock);
        let provider = Arc::new(provider.expect("the settings are right"));
        ConfiguredProvider {
            client_id: CLIENT_ID.to_owned(),
            sign_out: self.sign_out,
            ..ConfiguredProvider::new(provider, self.rules.clone())
        }
    }

    /// Signs somebody in with the use cases alone, as if there were pages.
    pub async fn sign_in(&self, hub: &TestHub, subject: &str) -> (User, NewBrowserSession) {
        let people = &hub.hub.people;
        let id = self.settings.id.as_str();
        let left = people.begin_sign_in(id, CALLBACK.to_owned(), None, BTreeMap::new(), &[]);
        let left = left.await.expect("the provider is up");
        let back = self.op.sign_in_as(&left.url, subject);
        let back = CallbackQuery::parse(&back).expect("the callback is well formed");
        let came = people
            .finish_sign_in(back, None, &[left.browser], None)
            .await;
        let CallbackOutcome::SignedIn(arrival) = came.expect("they may come in") else {
            panic!("nobody links anything")
        };
        let session = people.open_session_of(&arrival).await;
        (
            arrival.user().clone(),
            session.expect("a session is opened"),
        )
    }
}
