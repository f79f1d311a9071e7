//! What is on record: every change of a credential or a right, with who did it and from where, and
//! who was not let in.

mod event;
mod refusals;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::Random;
use jansky_model::Clock;
use jansky_store::{Server, Store, User};
use serde_json::{Value, json};

pub use event::Event;
pub(crate) use refusals::{SignInRefusal, reason_of};
pub use trail::check_audit;
pub(crate) use trail::{AccountChange, AuditEntry};

use crate::shared::error::HubError;
use crate::shared::request_context;

/// Who does what nobody asked for at this moment.
const NOBODY: &str = "the hub";

/// The most names that one event has.
const MOST_NAMES: usize = 100;

/// Writes down what happened.
pub struct AuditTrail {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// How long addresses of clients are kept.
    keep_addresses: Duration,
    writer: Arc<trail::AuditWriter>,
    refusals: refusals::Refusals,
}

impl AuditTrail {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        keep_addresses: Duration,
    ) -> Self {
        Self {
            writer: Arc::new(trail::AuditWriter::new(Arc::clone(&store))),
            refusals: refusals::Refusals::default(),
            store,
            clock,
            random,
            keep_addresses,
        }
    }

    /// Writes down what the caller of the present request did, and returns when it is in the database.
    pub(crate) async fn record(
        &self,
        event: Event,
        user: Option<&User>,
        detail: Value,
    ) -> Result<(), HubError> {
        let caller = request_context::caller();
        let actor = caller.as_deref().unwrap_or(NOBODY);
        self.record_by(actor, event, user, detail).await
    }

    /// Writes down what somebody did who is known otherwise: by their password, or a provider.
    pub(crate) async fn record_by(
        &self,
        actor: &str,
        event: Event,
        user: Option<&User>,
        detail: Value,
    ) -> Result<(), HubError> {
        self.audit_account(AccountChange {
            event: event.as_str(),
            actor,
            user,
            detail,
        })
        .await
    }

    /// Writes down what the caller of the present request did with somebody's server.
    pub(crate) async fn record_about(
        &self,
        event: Event,
        server: &Server,
        mut detail: Value,
    ) -> Result<(), HubError> {
        let address = request_context::address().map(|address| address.to_canonical().to_string());
        detail["address"] = json!(address);
        let owner = self.store.user(server.user_id).await?;
        self.write_audit(AuditEntry {
            event: event.as_str(),
            actor: request_context::caller().unwrap_or_else(|| NOBODY.to_owned()),
            user: owner.as_ref(),
            server: Some(server),
            outcome: "ok",
            detail,
        })
        .await
    }

    /// Writes down that users came into a group or left it: for each of them, who see it themselves.
    pub(crate) async fn record_members(
        &self,
        by: &str,
        event: Event,
        group: &str,
        users: &[jansky_model::UserId],
    ) -> Result<(), HubError> {
        let users = self.store.users(users).await?;
        let each = users.iter().map(|user| {
            let detail = json!({ "group": group });
            self.record_by(by, event, Some(user), detail)
        });
        futures_util::future::try_join_all(each).await?;
        Ok(())
    }
}

/// So many names that an event stays small.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T]) -> Vec<&str> {
    names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect()
}
