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
use std::sync::{Arc, Mutex};

use jansky_crypto::Random;
use jansky_model::{Clock, ServerId};
use jansky_spawn::Spawner;
use jansky_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::context::Context;
use crate::people::People;
use crate::privileges::Privileges;
use crate::shared::ended::EndedSessions;
use crate::shared::metrics::Metrics;
use crate::shared::record::AuditTrail;
use crate::shared::settings::Settings;
use crate::shared::signals::Signals;
use credential_watch::CredentialWatches;
use jansky_access::Access;
use operations::Operations;
use routes::RouteTable;

/// The servers. What begins something lasting needs them in an [`Arc`].
pub struct Servers {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<Settings>,
    access: Arc<Access>,
    privileges: Arc<Privileges>,
    audit: Arc<AuditTrail>,
    signals: Arc<Signals>,
    ended: Arc<EndedSessions>,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    people: Arc<People>,
    broker: Arc<Broker>,
    spawner: Arc<dyn Spawner>,
    routes: Arc<dyn RouteTable>,
    http: reqwest::Client,
    operations: Arc<Operations>,
    credential_watches: CredentialWatches,
    missing: Mutex<BTreeSet<ServerId>>,
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
        let Context {
            store,
            clock,
            random,
            settings,
            access,
            privileges,
            audit,
            signals,
            ended,
            metrics,
            tasks,
            stopping,
            ..
        } = context;
        Self {
            store,
            clock,
            random,
            settings,
            access,
            privileges,
            audit,
            signals,
            ended,
            metrics,
            tasks,
            stopping,
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
