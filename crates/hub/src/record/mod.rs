//! What is on record: every change of a credential or a right, with who did it and from where, and
//! who was not let in.

mod event;
mod refusals;

use jansky_store::{Server, User};
use serde_json::{Value, json};

pub use event::Event;
pub(crate) use refusals::{Refusals, SignInRefusal, reason_of};

use crate::Hub;
use crate::broker::{AccountChange, AuditEntry};
use crate::error::HubError;
use crate::request_context;

/// Who does what nobody asked for at this moment.
const NOBODY: &str = "the hub";

/// The most names that one event has.
const MOST_NAMES: usize = 100;

impl Hub {
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
