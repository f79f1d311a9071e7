//! The audit trail: what was done with tokens, in an order that nobody can change unnoticed.
//!
//! Each event holds the hash of the one before it, and its own covers that and everything else in
//! it. What a hash is the caller decides; this module has no cryptography. Events of several
//! processes come into one order by the lock of a single row, `audit_head`, which also knows the last
//! event, so that events are missed that somebody takes from the end.

use std::fmt::Write as _;

use jansky_model::{Timestamp, UserId};

use crate::db::Transaction;
use crate::row::Row;
use crate::statement::{Composed, sql, storable};
use crate::{Digest, Store, StoreError};

/// The hash before the first event.
const NOTHING: Digest = [0; 32];

/// How many events the check of the trail reads at once.
const PAGE: u32 = 1000;

/// How many events one statement takes; few sizes, so that few statements are prepared.
const SIZES: [usize; 3] = [64, 8, 1];

/// Something that happened and is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuditEvent {
    /// When.
    pub at: Timestamp,
    /// What, in one word.
    pub event: &'static str,
    /// Who did it.
    pub actor: String,
    /// Whose tokens it is about, if that is known.
    pub user_id: Option<UserId>,
    /// Their name at that time.
    pub user_name: String,
    /// Which of their servers; empty for the default one.
    pub server: String,
    /// How it ended, in one word.
    pub outcome: String,
    /// Everything else, without anything secret.
    pub detail: serde_json::Value,
    /// The network address that it came from, of which `detail` has the seal.
    pub address: Option<EventAddress>,
}

/// A network address that can be forgotten without a break in the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventAddress {
    /// Something random, so that nobody finds the address again by trying all.
    pub salt: String,
    /// The address.
    pub text: String,
}

impl EventAddress {
    /// The field of an event's detail with the seal.
    pub const SEAL: &'static str = "address_seal";

    /// What the event holds of the address: a hash of it, in hexadecimal digits.
    pub fn seal(&self, hash: impl Fn(&[u8]) -> Digest) -> String {
        let sealed = format!("{}\n{}", self.salt, self.text);
        let mut text = String::with_capacity(64);
        for byte in hash(sealed.as_bytes()) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// An event that goes on record in the transaction of what it is about: both are in the database, or
/// neither is.
#[derive(Debug)]
pub struct Record {
    event: NewAuditEvent,
    hash: fn(&[u8]) -> Digest,
}

impl Record {
    /// An event, and what makes its hash; see [`Store::append_audit`].
    pub const fn new(event: NewAuditEvent, hash: fn(&[u8]) -> Digest) -> Self {
        Self { event, hash }
    }
}

/// Commits a transaction with what is to go on record of it.
///
/// That comes last, after the change feed: all who write wait for the end of the trail.
pub(crate) async fn commit_on_record(
    mut transaction: Transaction,
    record: Option<Record>,
) -> Result<(), StoreError> {
    if let Some(Record { event, hash }) = record {
        append(&mut transaction, vec![event], hash).await?;
    }
    transaction.commit().await
}

/// An event of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its number; the one after it has the next higher one.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What, in one word.
    pub event: String,
    /// Who did it.
    pub actor: String,
    /// Whose tokens it is about, if that is known.
    pub user_id: Option<UserId>,
    /// Their name at that time.
    pub user_name: String,
    /// Which of their servers; empty for the default one.
    pub server: String,
    /// How it ended, in one word.
    pub outcome: String,
    /// Everything else, as JSON.
    pub detail: String,
    /// The network address that it came from, as long as it is kept.
    pub address: Option<EventAddress>,
    /// The hash of the event before it.
    pub previous: Digest,
    /// Its own hash.
    pub hash: Digest,
}

impl AuditEvent {
    /// What the hash of an event covers: the hash before it, and all its fields as a JSON array.
    pub fn covered(&self) -> Vec<u8> {
        let fields = serde_json::json!([
            self.seq,
            self.at.micros(),
            self.event,
            self.actor,
            self.user_id.map(|id| id.0),
            self.user_name,
            self.server,
            self.outcome,
            self.detail,
        ]);
        let mut covered = self.previous.to_vec();
        covered.extend_from_slice(fields.to_string().as_bytes());
        covered
    }

    /// Whether the address, if it is still kept, is the one that came with the event.
    fn is_address_sealed(&self, hash: impl Fn(&[u8]) -> Digest) -> bool {
        let Some(address) = &self.address else {
            return true;
        };
        let detail: serde_json::Value = serde_json::from_str(&self.detail).unwrap_or_default();
        detail[EventAddress::SEAL] == address.seal(hash).as_str()
    }

    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.get("seq")?,
            at: row.get("at")?,
            event: row.get("event")?,
            actor: row.get("actor")?,
            user_id: row.get_optional("user_id")?,
            user_name: row.get("user_name")?,
            server: row.get("server")?,
            outcome: row.get("outcome")?,
            detail: row.get("detail")?,
            address: match row.get_optional("address")? {
                Some(text) => Some(EventAddress {
                    salt: row.get("salt")?,
                    text,
                }),
                None => None,
            },
            previous: row.get("previous")?,
            hash: row.get("hash")?,
        })
    }
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only those about this user.
    pub user: Option<UserId>,
    /// Only those with a lower number.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// What a check of the whole trail found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many events there are.
    pub events: u64,
    /// The hash of the last one, in hexadecimal digits.
    pub last: String,
    /// The number of the first event that is not as it was written, and what is wrong with it.
    pub broken: Option<(i64, &'static str)>,
}

/// Where the trail ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of the last event.
    pub seq: i64,
    /// Its hash.
    pub hash: Digest,
}

/// The columns of an event.
macro_rules! columns {
    () => {
        "seq, audit_events.at, event, actor, user_id, user_name, server, outcome, detail, previous, hash"
    };
}

impl Store {
    /// Adds events to the trail, all of them or none. `hash` makes a hash of what
    /// [`AuditEvent::covered`] gives.
    pub async fn append_audit(
        &self,
        events: Vec<NewAuditEvent>,
        hash: impl Fn(&[u8]) -> Digest + Send,
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut transaction = self.db.begin().await?;
        append(&mut transaction, events, hash).await?;
        transaction.commit().await
    }

    /// Events of the trail, the newest first.
    pub async fn audit_events(&self, query: &AuditQuery) -> Result<Vec<AuditEvent>, StoreError> {
        let mut statement = Composed::default();
        statement.push(concat!(
            "SELECT ",
            columns!(),
            ", salt, address FROM audit_events LEFT JOIN audit_addresses USING (seq) WHERE seq < "
        ));
        statement.push_value(query.before.unwrap_or(i64::MAX));
        if let Some(user) = query.user {
            statement.push(" AND user_id = ").push_value(user);
        }
        statement
            .push(" ORDER BY seq DESC LIMIT ")
            .push_value(i64::from(query.limit));
        self.audit_rows(statement).await
    }

    /// The events after the one with number `seq`, in their order.
    pub async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let mut statement = Composed::default();
        statement
            .push(concat!(
                "SELECT ",
                columns!(),
                ", salt, address FROM audit_events LEFT JOIN audit_addresses USING (seq)
                 WHERE seq > "
            ))
            .push_value(seq)
            .push(" ORDER BY seq LIMIT ")
            .push_value(i64::from(limit));
        self.audit_rows(statement).await
    }

    async fn audit_rows(&self, statement: Composed) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = self.db.fetch_all(statement.finish()).await?;
        rows.iter().map(AuditEvent::from_row).collect()
    }

    /// Forgets the network addresses of the events before `until`; returns how many.
    pub async fn forget_audit_addresses(&self, until: Timestamp) -> Result<u64, StoreError> {
        // They are in the order of time, so only those that go are looked at, and the first that stays.
        let statement = sql("DELETE FROM audit_addresses WHERE seq < COALESCE(
                 (SELECT seq FROM audit_addresses WHERE at >= $1 ORDER BY seq LIMIT 1),
                 9223372036854775807)");
        self.db.execute(statement.bind(until)).await
    }

    /// Checks that nobody has changed, removed or added an event; `hash` is what made the hashes.
    ///
    /// What is written meanwhile is checked as well, but for its being the last.
    pub async fn check_audit(
        &self,
        hash: impl Fn(&[u8]) -> Digest + Send,
    ) -> Result<AuditCheck, StoreError> {
        let head = self.audit_head().await?;
        let mut check = AuditCheck::default();
        let (mut seq, mut last) = (0, NOTHING);
        loop {
            let page = self.audit_after(seq, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for event in page {
                check.events += 1;
                let problem = if event.seq != seq + 1 {
                    Some("an entry before it is missing")
                } else if event.previous != last {
                    Some("it does not follow the entry before it")
                } else if event.hash != hash(&event.covered()) {
                    Some("it was changed")
                } else if !event.is_address_sealed(&hash) {
                    Some("its network address was changed")
                } else if head.is_some_and(|head| head.seq == event.seq && head.hash != event.hash)
                {
                    Some("it is not the one that was last")
                } else {
                    None
                };
                (seq, last) = (event.seq, event.hash);
                if let Some(problem) = problem {
                    check.broken.get_or_insert((seq, problem));
                }
            }
        }
        for byte in last {
            let _ = write!(check.last, "{byte:02x}");
        }
        if check.broken.is_none() {
            check.broken = match head {
                Some(head) if seq < head.seq => Some((seq + 1, "it is missing at the end")),
                None if seq > 0 => Some((seq, "the record of the last entry is gone")),
                _ => None,
            };
        }
        Ok(check)
    }

    /// Where the trail ends; `None` before the first event.
    pub async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        let statement = sql("SELECT seq, hash FROM audit_head WHERE id = 1");
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| {
            Ok(AuditHead {
                seq: row.get("seq")?,
                hash: row.get("hash")?,
            })
        })
        .transpose()
    }
}

async fn append(
    transaction: &mut Transaction,
    events: Vec<NewAuditEvent>,
    hash: impl Fn(&[u8]) -> Digest + Send,
) -> Result<(), StoreError> {
    let first = sql("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, $1)
         ON CONFLICT (id) DO UPDATE SET seq = audit_head.seq RETURNING seq, hash")
    .bind(&NOTHING);
    let head = transaction.fetch_one(first).await?;
    let mut seq: i64 = head.get("seq")?;
    let mut last: Digest = head.get("hash")?;
    let rows: Vec<_> = events
        .into_iter()
        .map(|new| {
            seq += 1;
            let mut event = AuditEvent {
                seq,
                at: new.at,
                event: new.event.to_owned(),
                actor: storable(&new.actor),
                user_id: new.user_id,
                user_name: storable(&new.user_name),
                server: storable(&new.server),
                outcome: storable(&new.outcome),
                detail: new.detail.to_string(),
                address: new.address,
                previous: last,
                hash: NOTHING,
            };
            event.hash = hash(&event.covered());
            last = event.hash;
            event
        })
        .collect();
    insert(transaction, &rows).await?;
    let end = sql("UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1");
    transaction.execute(end.bind(seq).bind(&last)).await?;
    Ok(())
}

async fn insert(transaction: &mut Transaction, events: &[AuditEvent]) -> Result<(), StoreError> {
    let mut rest = events;
    while !rest.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= rest.len());
        let (now, later) = rest.split_at(size.unwrap_or(1));
        rest = later;
        let mut statement = Composed::default();
        statement.push(concat!(
            "INSERT INTO audit_events (seq, at, event, actor, user_id, user_name, server, outcome, ",
            "detail, previous, hash) VALUES "
        ));
        let mut separator = "(";
        for event in now {
            statement.push(separator);
            separator = "), (";
            statement
                .push_value(event.seq)
                .push(", ")
                .push_value(event.at)
                .push(", ")
                .push_value(&event.event)
                .push(", ")
                .push_value(&event.actor)
                .push(", ")
                .push_value(event.user_id)
                .push(", ")
                .push_value(&event.user_name)
                .push(", ")
                .push_value(&event.server)
                .push(", ")
                .push_value(&event.outcome)
                .push(", ")
                .push_value(&event.detail)
                .push(", ")
                .push_value(&event.previous)
                .push(", ")
                .push_value(&event.hash);
        }
        statement.push(")");
        transaction.execute(statement.finish()).await?;
    }
    for event in events {
        let Some(address) = &event.address else {
            continue;
        };
        let statement =
            sql("INSERT INTO audit_addresses (seq, at, salt, address) VALUES ($1, $2, $3, $4)")
                .bind(event.seq)
                .bind(event.at)
                .bind(&address.salt)
                .bind(&storable(&address.text));
        transaction.execute(statement).await?;
    }
    Ok(())
}
