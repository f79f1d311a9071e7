//! What is on record: every change of a credential or a right, with who did it and from where, and
//! who was not let in; and who got what, written down before they get it.
//!
//! Many requests at the same time are written together: while one write is under way the next ones
//! gather. Nobody goes on before what they did is in the database.

mod event;
mod refusals;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jansky_access::Permit;
use jansky_access::action::{SeeAudit, SeeWholeAudit};
use jansky_crypto::Random;
use jansky_crypto::token::digest_bytes;
use jansky_model::Clock;
use jansky_store::{
    AuditCheck, AuditEvent, AuditQuery, EventAddress, NewAuditEvent, Record, Server, Store,
    StoreError, User,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::error;

pub use event::Event;
pub(crate) use refusals::{SignInRefusal, reason_of};

use crate::shared::error::HubError;
use crate::shared::request_context;

/// Who does what nobody asked for at this moment.
const NOBODY: &str = "the hub";

/// Whoever runs the hub and says so in its configuration.
pub(crate) const OPERATOR: &str = "operator";

/// The most names that one event has.
const MOST_NAMES: usize = 100;

/// How many events one transaction takes.
const BATCH: usize = 512;

/// How many events wait before further ones are refused: the database is too slow or away.
const MOST: usize = 20_000;

/// What is to be written down.
pub(crate) struct AuditEntry<'a> {
    pub(crate) event: Event,
    pub(crate) actor: String,
    pub(crate) user: Option<&'a User>,
    pub(crate) server: Option<&'a Server>,
    pub(crate) outcome: &'a str,
    pub(crate) detail: Value,
}

/// Writes down what happened.
pub struct AuditTrail {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// How long addresses of clients are kept.
    keep_addresses: Duration,
    writer: Arc<AuditWriter>,
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
            writer: Arc::new(AuditWriter::new(Arc::clone(&store))),
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
        self.write_audit(AuditEntry {
            event,
            actor: actor.to_owned(),
            user,
            server: None,
            outcome: "ok",
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
            event,
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

    /// Writes something down and returns when it is in the database.
    pub(crate) async fn write_audit(&self, about: AuditEntry<'_>) -> Result<(), HubError> {
        self.writer.write(self.event(about)).await
    }

    /// What an account change is on record with, for the transaction that makes it.
    pub(crate) fn record_of(
        &self,
        actor: &str,
        event: Event,
        user: &User,
        detail: Value,
    ) -> Record {
        let event = self.event(AuditEntry {
            event,
            actor: actor.to_owned(),
            user: Some(user),
            server: None,
            outcome: "ok",
            detail,
        });
        Record::new(event, digest_bytes)
    }

    /// The event that says something.
    ///
    /// A network address in `detail`, or that of the request if it is about an account, is kept apart
    /// and for a time: it is about a person, and the trail is for ever. The event holds a seal of it.
    fn event(&self, about: AuditEntry<'_>) -> NewAuditEvent {
        let mut detail = about.detail;
        let told = detail
            .as_object_mut()
            .and_then(|fields| fields.remove("address"));
        let told = told.and_then(|address| address.as_str().map(str::to_owned));
        let own = || request_context::address().map(|address| address.to_canonical().to_string());
        let address = told.or_else(|| own().filter(|_| about.server.is_none()));
        let is_kept = !self.keep_addresses.is_zero();
        let address = address
            .filter(|text| is_kept && !text.is_empty())
            .map(|text| EventAddress {
                salt: self.random.hex_id(),
                text,
            });
        if let (Some(address), Some(fields)) = (&address, detail.as_object_mut()) {
            let seal = address.seal(digest_bytes);
            fields.insert(EventAddress::SEAL.to_owned(), json!(seal));
        }
        NewAuditEvent {
            at: self.clock.now(),
            event: about.event.as_str(),
            actor: about.actor,
            user_id: about.user.map(|user| user.id),
            user_name: about.user.map(|u| u.name.to_string()).unwrap_or_default(),
            server: about.server.map(|s| s.name.to_string()).unwrap_or_default(),
            outcome: about.outcome.to_owned(),
            detail,
            address,
        }
    }

    /// Forgets the network addresses of events that are older than the operator wants to keep them.
    pub(crate) async fn forget_addresses(&self) -> Result<(), HubError> {
        let until = self.clock.now().minus(self.keep_addresses);
        self.store.forget_audit_addresses(until).await?;
        Ok(())
    }

    /// Events of the trail without a question, the newest first.
    #[cfg(feature = "testing")]
    pub async fn events(&self, query: &AuditQuery) -> Result<Vec<AuditEvent>, HubError> {
        Ok(self.store.audit_events(query).await?)
    }

    /// The newest events about a user, `limit` of them at most, before the one of this number.
    pub async fn events_of(
        &self,
        permit: &Permit<'_, SeeAudit>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, HubError> {
        let query = AuditQuery {
            user: Some(permit.on().id),
            before,
            limit,
        };
        Ok(self.store.audit_events(&query).await?)
    }

    /// The newest events about anybody, `limit` of them at most, before the one of this number.
    pub async fn all_events(
        &self,
        _: &Permit<'_, SeeWholeAudit>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, HubError> {
        let query = AuditQuery {
            user: None,
            before,
            limit,
        };
        Ok(self.store.audit_events(&query).await?)
    }
}

struct Waiting {
    event: NewAuditEvent,
    done: oneshot::Sender<bool>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_being_written: bool,
}

/// Writes events in batches.
struct AuditWriter {
    store: Arc<Store>,
    queue: Mutex<Queue>,
}

impl AuditWriter {
    fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            queue: Mutex::default(),
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event and returns when it is in the database.
    async fn write(self: &Arc<Self>, event: NewAuditEvent) -> Result<(), HubError> {
        let failed = || HubError::Unavailable {
            message: "the audit trail cannot be written at the moment; try again".to_owned(),
            source: None,
        };
        let (done, written) = oneshot::channel();
        let begin = {
            let mut queue = self.queue();
            if queue.waiting.len() >= MOST {
                return Err(failed());
            }
            queue.waiting.push(Waiting { event, done });
            !std::mem::replace(&mut queue.is_being_written, true)
        };
        if begin {
            // A task of its own, because whoever asked may go away in the middle.
            let writer = Arc::clone(self);
            tokio::spawn(async move { writer.write_all().await });
        }
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(failed()),
        }
    }

    /// Writes what waits until nothing does.
    async fn write_all(&self) {
        loop {
            let batch: Vec<Waiting> = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.is_being_written = false;
                    return;
                }
                let count = queue.waiting.len().min(BATCH);
                queue.waiting.drain(..count).collect()
            };
            let (events, dones): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|waiting| (waiting.event, waiting.done))
                .unzip();
            let written = self.store.append_audit(events, digest_bytes).await;
            if let Err(error) = &written {
                error!(error = %error, "could not write the audit trail");
            }
            for done in dones {
                let _ = done.send(written.is_ok());
            }
        }
    }
}

/// Checks that nobody has changed, removed or added an event of the trail.
pub async fn check_audit(store: &Store) -> Result<AuditCheck, StoreError> {
    store.check_audit(digest_bytes).await
}

/// So many names that an event stays small.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T]) -> Vec<&str> {
    names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect()
}
