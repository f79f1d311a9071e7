//! Servers: their start, their life and their stop, who shares them, and what they ask of the hub.

pub(crate) mod activity;
pub(crate) mod credential_watch;
pub(crate) mod ended_stays;
pub(crate) mod environment;
pub(crate) mod launch;
pub(crate) mod lifecycle;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod reconcile;
pub(crate) mod routes;
pub(crate) mod share_codes;
pub(crate) mod shares;
pub(crate) mod spawner_tokens;
pub(crate) mod start;
#[cfg(feature = "testing")]
mod testing;
pub(crate) mod tripwire;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use jansky_model::ServerId;
use jansky_spawn::Spawner;

use crate::broker::Broker;
use crate::context::Context;
use crate::people::People;
use credential_watch::CredentialWatches;
use operations::Operations;
use routes::RouteTable;

/// The servers. What begins something lasting needs them in an [`Arc`].
pub struct Servers {
    context: Context,
    people: Arc<People>,
    broker: Arc<Broker>,
    spawner: Arc<dyn Spawner>,
    routes: Arc<dyn RouteTable>,
    http: reqwest::Client,
    operations: Arc<Operations>,
    credential_watches: CredentialWatches,
    missing: Mutex<BTreeSet<ServerId>>,
}

impl Deref for Servers {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Servers {
    pub(crate) fn new(
        context: Context,
        people: Arc<People>,
        broker: Arc<Broker>,
        spawner: Arc<dyn Spawner>,
        routes: Arc<dyn RouteTable>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            context,
            people,
            broker,
            spawner,
            routes,
            http,
            operations: Arc::default(),
            credential_watches: CredentialWatches::default(),
            missing: Mutex::default(),
        }
    }
}
