//! The audit trail: who got what, written down before they get it.
//!
//! Many requests at the same time are written together: while one write is under way the next ones
//! gather. Nobody goes on before what they did is in the database.

use std::sync::{Arc, Mutex, PoisonError};

use jansky_crypto::token::digest_bytes;
use jansky_store::{
    AuditCheck, AuditEvent, AuditQuery, EventAddress, NewAuditEvent, Record, Server, Store,
    StoreError, User,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::error;

use super::{AuditTrail, Event};
use crate::shared::error::HubError;
use crate::shared::request_context;
use jansky_access::Permit;
use jansky_access::action::{SeeAudit, SeeWholeAudit};

/// How many events one transaction takes.
const BATCH: usize = 512;

/// How many events wait before further ones are refused: the database is too slow or away.
const MOST: usize = 20_000;

/// What is to be written down.
pub(crate) struct AuditEntry<'a> {
    pub(crate) event: &'static str,
    pub(crate) actor: String,
    pub(crate) user: Option<&'a User>,
    pub(crate) server: Option<&'a Server>,
    pub(crate) outcome: &'a str,
    pub(crate) detail: Value,
}

/// Something that was done with an account.
pub(crate) struct AccountChange<'a> {
    pub(crate) event: &'static str,
    /// Who did it.
    pub(crate) actor: &'a str,
    /// Whose account it is.
    pub(crate) user: Option<&'a User>,
    pub(crate) detail: Value,
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
pub(crate) struct AuditWriter {
    store: Arc<Store>,
    queue: Mutex<Queue>,
}

impl AuditWriter {
    pub(crate) fn new(store: Arc<Store>) -> Self {
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

impl AuditTrail {
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
            event: event.as_str(),
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
        debug_assert!(
            Event::ALL.iter().any(|event| event.as_str() == about.event),
            "`{}` is no event",
            about.event
        );
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
            event: about.event,
            actor: about.actor,
            user_id: about.user.map(|user| user.id),
            user_name: about.user.map(|u| u.name.to_string()).unwrap_or_default(),
            server: about.server.map(|s| s.name.to_string()).unwrap_or_default(),
            outcome: about.outcome.to_owned(),
            detail,
            address,
        }
    }

    /// Writes down what was done with an account.
    pub(crate) async fn audit_account(&self, note: AccountChange<'_>) -> Result<(), HubError> {
        self.write_audit(AuditEntry {
            event: note.event,
            actor: note.actor.to_owned(),
            user: note.user,
            server: None,
            outcome: "ok",
            detail: note.detail,
        })
        .await
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

/// Checks that nobody has changed, removed or added an event of the trail.
pub async fn check_audit(store: &Store) -> Result<AuditCheck, StoreError> {
    store.check_audit(digest_bytes).await
}
