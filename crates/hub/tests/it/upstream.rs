//! A hub with a scripted provider, and somebody who signs in.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_hub::{
    AdmissionRules, CallbackOutcome, ConfiguredProvider, Hub, NewBrowserSession, SignOutAtProvider,
    User,
};
use jansky_identity::oidc::OidcKind;
use jansky_identity::{CallbackQuery, OidcProvider, OidcSettings, http_client};
use jansky_model::{Clock, ProviderId, Secret};
use jansky_testing::provider::{CLIENT_ID, CLIENT_SECRET, ScriptedProvider};

use crate::support::{TestHub, World};

const CALLBACK: &str = "http://127.0.0.1:8000/hub/oauth_callback";

pub(crate) struct Upstream {
    pub(crate) world: World,
    pub(crate) op: ScriptedProvider,
    pub(crate) test: TestHub,
    pub(crate) provider: ProviderId,
}

impl Upstream {
    /// With other settings of the provider than the usual ones.
    pub(crate) async fn with(kind: OidcKind, change: impl FnOnce(&mut OidcSettings)) -> Self {
        let world = World::new().await;
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let op = ScriptedProvider::start(Arc::clone(&clock)).await;
        let provider: ProviderId = "op".parse().expect("it is a provider id");
        let mut settings = OidcSettings::new(provider.clone(), &op.issuer, CLIENT_ID);
        settings.kind = kind;
        settings.client_secrets = vec![Secret::new(CLIENT_SECRET)];
        change(&mut settings);
        let http = http_client().expect("the client is made");
        let made = OidcProvider::new(settings, http, clock).expect("the settings are right");
        let rules = AdmissionRules {
            allow_all: true,
            ..AdmissionRules::default()
        };
        let configured = ConfiguredProvider {
            client_id: CLIENT_ID.to_owned(),
            sign_out: SignOutAtProvider::Provider,
            ..ConfiguredProvider::new(Arc::new(made), rules)
        };
        let test = world.hub_of(vec![configured], |_| {});
        Self {
            world,
            op,
            test,
            provider,
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.test.hub
    }

    /// Somebody signs in.
    pub(crate) async fn sign_in(&self) -> (User, NewBrowserSession) {
        let hub = self.hub();
        let redirect = hub
            .people
            .begin_sign_in("op", CALLBACK.to_owned(), None, BTreeMap::new(), &[])
            .await
            .expect("the provider is up");
        let back = self.op.sign_in(&redirect.url);
        let query = CallbackQuery::parse(&back).expect("the callback is well formed");
        let back = hub
            .people
            .finish_sign_in(query, None, &[redirect.browser], None)
            .await
            .expect("everybody may come in");
        let CallbackOutcome::SignedIn(arrival) = back else {
            panic!("nobody links anything")
        };
        let session = hub.people.open_session_of(&arrival).await;
        (
            arrival.user().clone(),
            session.expect("a session is opened"),
        )
    }
}
