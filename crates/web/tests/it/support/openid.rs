//! A scripted OpenID provider behind a hub, and browsers that sign in there.

use std::sync::Arc;

use jansky_hub::{AdmissionRules, ConfiguredProvider, SignOutAtProvider};
use jansky_identity::claim_rules::GroupRules;
use jansky_identity::oidc::ClaimsSource;
use jansky_identity::{OidcProvider, OidcSettings, http_client};
use jansky_model::{ManualClock, Secret};
use jansky_testing::ScriptedProvider;
use jansky_testing::provider::{CLIENT_ID, CLIENT_SECRET};
use url::Url;

use super::{Answer, Client};

/// A provider with the settings of the hub for it.
pub(crate) struct OpenId {
    pub(crate) id: &'static str,
    pub(crate) op: ScriptedProvider,
    pub(crate) rules: AdmissionRules,
    pub(crate) sign_out: SignOutAtProvider,
    pub(crate) claims_source: ClaimsSource,
}

impl OpenId {
    /// A provider with the subjects `subject-1`, which is river, and `subject-2`, which is wash.
    /// Everybody whom it vouches for may come in.
    pub(crate) async fn start(id: &'static str, clock: &Arc<ManualClock>) -> Self {
        let op = ScriptedProvider::start(Arc::clone(clock) as _).await;
        let wash = jansky_testing::Person::new("subject-2", "wash");
        op.script().people.push(wash);
        Self {
            id,
            op,
            rules: AdmissionRules {
                allow_all: true,
                groups: GroupRules {
                    claims: vec!["groups".to_owned()],
                    ..GroupRules::default()
                },
                ..AdmissionRules::default()
            },
            sign_out: SignOutAtProvider::Provider,
            claims_source: ClaimsSource::Auto,
        }
    }

    /// Only members of a group may come in, and those of another one are admins.
    pub(crate) fn only_groups(mut self, allowed: &str, admins: &str) -> Self {
        self.rules.allow_all = false;
        self.rules.allowed_groups.insert(allowed.to_owned());
        self.rules.admin_groups.insert(admins.to_owned());
        self
    }

    /// What the provider says about somebody's groups; `None` says nothing.
    pub(crate) fn set_groups(&self, subject: &str, groups: Option<&[&str]>) {
        let mut script = self.op.script();
        let claims = &mut script.person(subject).claims;
        match groups {
            Some(groups) => claims.insert("groups".to_owned(), serde_json::json!(groups)),
            None => claims.remove("groups"),
        };
    }

    /// What the provider says about somebody in one claim.
    pub(crate) fn say(&self, subject: &str, claim: &str, value: serde_json::Value) {
        let mut script = self.op.script();
        let claims = &mut script.person(subject).claims;
        claims.insert(claim.to_owned(), value);
    }

    /// The provider as a hub takes it.
    pub(crate) fn configured(&self, clock: &Arc<ManualClock>) -> ConfiguredProvider {
        let id = self.id.parse().expect("a valid id");
        let mut settings = OidcSettings::new(id, &self.op.issuer, CLIENT_ID);
        settings.client_secrets = vec![Secret::new(CLIENT_SECRET)];
        settings.claims_source = self.claims_source;
        let http = http_client().expect("a client can be made");
        let clock = Arc::clone(clock) as _;
        let provider = OidcProvider::new(settings, http, clock);
        let provider = Arc::new(provider.expect("the settings are right"));
        ConfiguredProvider {
            client_id: CLIENT_ID.to_owned(),
            sign_out: self.sign_out,
            ..ConfiguredProvider::new(provider, self.rules.clone())
        }
    }

    /// Goes where a link of the hub leads, signs in there and comes back.
    pub(crate) async fn follow(&self, browser: &Client, link: &str, subject: &str) -> Answer {
        let answer = browser.get(link).await.must_be(302);
        let url = Url::parse(answer.location()).expect("an address");
        let query = self.op.sign_in_as(&url, subject);
        let back = format!("/hub/oauth_callback?{query}");
        browser.get(&back).await
    }

    /// Signs somebody in.
    pub(crate) async fn sign_in(&self, browser: &Client, subject: &str) -> Answer {
        let link = format!("/hub/oauth_login?idp={}", self.id);
        self.follow(browser, &link, subject).await
    }

    /// Links somebody's identity with the button on the account page.
    pub(crate) async fn link(&self, browser: &Client, subject: &str) -> Answer {
        let link = self.link_button(browser).await;
        self.follow(browser, &link, subject).await
    }

    /// Where the button on the account page leads that links an identity here.
    pub(crate) async fn link_button(&self, browser: &Client) -> String {
        let page = browser.get("/hub/account").await.must_be(200).html();
        let wanted = format!("/hub/oauth_login?idp={}&", self.id);
        let mut links = page.all("a").filter_map(|(_, a)| a.get("href"));
        let link = links.find(|href| href.starts_with(&wanted));
        link.expect("the account page offers it").to_owned()
    }
}
