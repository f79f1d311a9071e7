//! What the parts have in common.

use std::sync::Arc;

use jansky_crypto::Random;
use jansky_model::Clock;
use jansky_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::privileges::Privileges;
use crate::shared::ended::EndedSessions;
use crate::shared::metrics::Metrics;
use crate::shared::record::AuditTrail;
use crate::shared::settings::Settings;
use crate::shared::signals::Signals;
use jansky_access::{Access, Authority};

/// What the parts have in common. Each is one of these with what is its own, so that `self.store` is the
/// store in all of them.
#[derive(Clone)]
pub struct Context {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Arc<Settings>,
    /// Who callers are.
    pub(crate) access: Arc<Access>,
    /// Over the hub: what it does by itself is bounded by nothing.
    pub(crate) authority: Authority,
    /// What callers must not reach by what they may do.
    pub(crate) privileges: Arc<Privileges>,
    pub(crate) audit: Arc<AuditTrail>,
    pub(crate) signals: Arc<Signals>,
    /// The sessions that ended a short while ago.
    pub(crate) ended: Arc<EndedSessions>,
    pub(crate) metrics: Arc<Metrics>,
    /// What goes on in the background, until `stopping` is cancelled.
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
}
