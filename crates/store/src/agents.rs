//! The agents beside servers: the tickets with which they come in, and their sessions.
//!
//! A session belongs to one start of one server and to one key. It can be frozen: then it is still
//! known, and good for nothing until it is thawed. What changes here is announced as a change of the
//! user whose server it is.

use std::fmt;
use std::str::FromStr;

use jansky_model::{ServerId, StartId, Timestamp, UserId};

use crate::changes::{USER_CHANGED, record_change};
use crate::db::Transaction;
use crate::row::Row;
use crate::statement::{Statement, sql};
use crate::{Digest, Store, StoreError};

/// The row of an agent's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentSessionId(pub i64);

impl fmt::Display for AgentSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a session gives no tokens for the time being, or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FreezeReason {
    /// The person signed out. The next sign-in lifts it.
    SignedOut,
    /// The rules of the provider no longer let the person in. A sign-in that works lifts it.
    NotAllowed,
    /// The ticket was used a second time.
    TicketReplay,
    /// Somebody acted inside the server from outside.
    Tripwire,
    /// An operator did it.
    Operator,
    /// The owner of the server did it.
    Owner,
    /// The server has ended.
    Stopped,
}

impl FreezeReason {
    const ALL: [Self; 7] = [
        Self::SignedOut,
        Self::NotAllowed,
        Self::TicketReplay,
        Self::Tripwire,
        Self::Operator,
        Self::Owner,
        Self::Stopped,
    ];

    /// The reason as one word, as the database and the agents have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::NotAllowed => "not_allowed",
            Self::TicketReplay => "ticket_replay",
            Self::Tripwire => "tripwire",
            Self::Operator => "operator",
            Self::Owner => "owner",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the next sign-in of the person lifts it; everything else only a new start of the
    /// server does.
    pub const fn ends_with_sign_in(self) -> bool {
        matches!(self, Self::SignedOut | Self::NotAllowed)
    }
}

impl FromStr for FreezeReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a reason to freeze a session"))
    }
}

/// The reasons that a sign-in lifts, for statements.
macro_rules! lifted_by_sign_in {
    () => {
        "('signed_out', 'not_allowed')"
    };
}

/// A ticket that is to be made.
#[derive(Clone, Debug)]
pub struct NewTicket {
    /// The digest of the ticket.
    pub digest: Digest,
    /// For the agent of which server.
    pub server: ServerId,
    /// Of which start of it.
    pub start: StartId,
    /// When it is made.
    pub at: Timestamp,
}

/// An agent that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSession {
    /// The row.
    pub id: AgentSessionId,
    /// The server that it is beside.
    pub server: ServerId,
    /// Which start of it.
    pub start: StartId,
    /// Whose server it is.
    pub user_id: UserId,
    /// The fingerprint of the key that it is bound to (RFC 7638).
    pub thumbprint: String,
    /// Why it gives no tokens, if it does not.
    pub frozen: Option<FreezeReason>,
    /// Since when.
    pub frozen_at: Option<Timestamp>,
    /// When the agent came in.
    pub created_at: Timestamp,
}

impl AgentSession {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            server: row.get("server_id")?,
            start: row.get("start_id")?,
            user_id: row.get("user_id")?,
            thumbprint: row.get("key_thumbprint")?,
            frozen: row.get_optional("frozen_reason")?,
            frozen_at: row.get_optional("frozen_at")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// What came of a ticket that somebody presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// It was good: this is the session.
    Began(AgentSession),
    /// It was good once before. The session that came of it is frozen now.
    Replayed {
        /// For which server it was.
        server: ServerId,
        /// Whose server that is.
        user_id: UserId,
    },
    /// It came too late.
    Late {
        /// For which server it was.
        server: ServerId,
        /// Whose server that is.
        user_id: UserId,
    },
    /// There is no such ticket, or not any more.
    Unknown,
}

/// Whose sessions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agents {
    /// Those of all servers of a user.
    OfUser(UserId),
    /// That of one server.
    OfServer(ServerId),
}

macro_rules! session_columns {
    () => {
        "id, server_id, start_id, user_id, key_thumbprint, frozen_reason, frozen_at, created_at"
    };
}

macro_rules! select_sessions {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM agent_sessions ",
            $condition
        )
    };
}

/// Forgets all that earlier starts of a server left of agents.
pub(crate) async fn forget_agents(
    transaction: &mut Transaction,
    server: ServerId,
) -> Result<(), StoreError> {
    for text in [
        "DELETE FROM agent_tickets WHERE server_id = $1",
        "DELETE FROM agent_sessions WHERE server_id = $1",
    ] {
        transaction.execute(sql(text).bind(server)).await?;
    }
    Ok(())
}

/// Ends what the agent of a server had, when the server has ended.
pub(crate) async fn end_agent(
    transaction: &mut Transaction,
    server: ServerId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let tickets = sql("DELETE FROM agent_tickets WHERE server_id = $1").bind(server);
    transaction.execute(tickets).await?;
    let session = sql(
        "UPDATE agent_sessions SET frozen_reason = 'stopped', frozen_at = $2 WHERE server_id = $1",
    );
    transaction.execute(session.bind(server).bind(at)).await?;
    Ok(())
}

impl Store {
    /// Makes a ticket for a start that is under way; says whether it still is.
    pub async fn create_ticket(&self, new: &NewTicket) -> Result<bool, StoreError> {
        let statement = sql(
            "INSERT INTO agent_tickets (digest, server_id, user_id, start_id, created_at)
             SELECT $1, id, user_id, start_id, CAST($4 AS BIGINT) FROM servers
             WHERE id = $2 AND start_id = $3 AND state = 'starting'",
        )
        .bind(&new.digest)
        .bind(new.server)
        .bind(new.start)
        .bind(new.at);
        let made = self
            .db
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| "a ticket with this digest".to_owned()))?;
        Ok(made > 0)
    }

    /// Limits the tickets of a start whose process has begun.
    pub async fn limit_tickets(
        &self,
        server: ServerId,
        start: StartId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE agent_tickets SET expires_at = $3
             WHERE server_id = $1 AND start_id = $2 AND expires_at IS NULL");
        let statement = statement.bind(server).bind(start).bind(until);
        self.db.execute(statement).await.map(|_| ())
    }

    /// Uses a ticket up and begins the session of the agent that presented it, which
    /// replaces the session of another ticket for the same server. A ticket that is used a second time
    /// freezes the session of the first use.
    pub async fn enroll(
        &self,
        ticket: &Digest,
        session: &Digest,
        thumbprint: &str,
        now: Timestamp,
    ) -> Result<Enrolment, StoreError> {
        let mut transaction = self.db.begin().await?;
        let take = sql("UPDATE agent_tickets SET used_at = $2
             WHERE digest = $1 AND used_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
             RETURNING server_id, user_id, start_id, frozen_reason");
        let Some(row) = transaction
            .fetch_optional(take.bind(ticket).bind(now))
            .await?
        else {
            return Self::refuse_ticket(transaction, ticket, now).await;
        };
        let server: ServerId = row.get("server_id")?;
        let user: UserId = row.get("user_id")?;
        let frozen: Option<String> = row.get_optional("frozen_reason")?;
        let older = sql("DELETE FROM agent_sessions WHERE server_id = $1").bind(server);
        let replaced = transaction.execute(older).await?;
        let insert = sql(concat!(
            "INSERT INTO agent_sessions (digest, server_id, user_id, start_id, key_thumbprint,
                 frozen_reason, frozen_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6 IS NULL THEN NULL ELSE $7 END, $7)
             RETURNING ",
            session_columns!()
        ))
        .bind(session)
        .bind(server)
        .bind(user)
        .bind(row.get::<StartId>("start_id")?)
        .bind(thumbprint)
        .bind(frozen.as_ref())
        .bind(now);
        let began = AgentSession::from_row(&transaction.fetch_one(insert).await?)?;
        if replaced > 0 {
            record_change(&mut transaction, USER_CHANGED, user.0, now).await?;
        }
        transaction.commit().await?;
        Ok(Enrolment::Began(began))
    }

    async fn refuse_ticket(
        mut transaction: Transaction,
        ticket: &Digest,
        now: Timestamp,
    ) -> Result<Enrolment, StoreError> {
        let find = sql("SELECT server_id, user_id, used_at FROM agent_tickets WHERE digest = $1");
        let Some(row) = transaction.fetch_optional(find.bind(ticket)).await? else {
            return Ok(Enrolment::Unknown);
        };
        let server: ServerId = row.get("server_id")?;
        let user_id: UserId = row.get("user_id")?;
        if row.get_optional::<Timestamp>("used_at")?.is_none() {
            return Ok(Enrolment::Late { server, user_id });
        }
        let reason = FreezeReason::TicketReplay;
        freeze(&mut transaction, Agents::OfServer(server), reason, now).await?;
        transaction.commit().await?;
        Ok(Enrolment::Replayed { server, user_id })
    }

    /// The session with this digest.
    pub async fn agent_session_by_digest(
        &self,
        digest: &Digest,
    ) -> Result<Option<AgentSession>, StoreError> {
        let statement = sql(select_sessions!("WHERE digest = $1")).bind(digest);
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(AgentSession::from_row).transpose()
    }

    /// The session with this id.
    pub async fn agent_session(
        &self,
        id: AgentSessionId,
    ) -> Result<Option<AgentSession>, StoreError> {
        let statement = sql(select_sessions!("WHERE id = $1")).bind(id);
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(AgentSession::from_row).transpose()
    }

    /// The sessions of agents, by server.
    pub async fn agent_sessions(&self, agents: Agents) -> Result<Vec<AgentSession>, StoreError> {
        let statement = match agents {
            Agents::OfUser(user) => {
                sql(select_sessions!("WHERE user_id = $1 ORDER BY server_id")).bind(user)
            }
            Agents::OfServer(server) => sql(select_sessions!("WHERE server_id = $1")).bind(server),
        };
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(AgentSession::from_row).collect()
    }

    /// Freezes sessions, also those of agents that have not enrolled yet; returns the sessions that were
    /// not frozen before.
    ///
    /// A reason that ends with the next sign-in is replaced by one that does not, never the other way.
    pub async fn freeze_agents(
        &self,
        agents: Agents,
        reason: FreezeReason,
        at: Timestamp,
    ) -> Result<Vec<AgentSession>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let frozen = freeze(&mut transaction, agents, reason, at).await?;
        transaction.commit().await?;
        Ok(frozen)
    }

    /// Thaws the sessions of a user that a sign-in thaws, and gives them back.
    pub async fn thaw_agents(
        &self,
        user: UserId,
        at: Timestamp,
    ) -> Result<Vec<AgentSession>, StoreError> {
        const ANY: &str = concat!(
            "SELECT 1 AS one FROM agent_tickets WHERE user_id = $1 AND frozen_reason IN ",
            lifted_by_sign_in!(),
            " UNION ALL
             SELECT 1 AS one FROM agent_sessions WHERE user_id = $1 AND frozen_reason IN ",
            lifted_by_sign_in!(),
            " LIMIT 1"
        );
        const TICKETS: &str = concat!(
            "UPDATE agent_tickets SET frozen_reason = NULL
             WHERE user_id = $1 AND frozen_reason IN ",
            lifted_by_sign_in!()
        );
        const SESSIONS: &str = concat!(
            "UPDATE agent_sessions SET frozen_reason = NULL, frozen_at = NULL
             WHERE user_id = $1 AND frozen_reason IN ",
            lifted_by_sign_in!(),
            " RETURNING ",
            session_columns!()
        );
        // Mostly there is nothing, which a look shows.
        if self.db.fetch_optional(sql(ANY).bind(user)).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut transaction = self.db.begin().await?;
        transaction.execute(sql(TICKETS).bind(user)).await?;
        let rows = transaction.fetch_all(sql(SESSIONS).bind(user)).await?;
        let thawed: Vec<_> = rows
            .iter()
            .map(AgentSession::from_row)
            .collect::<Result<_, _>>()?;
        if !thawed.is_empty() {
            record_change(&mut transaction, USER_CHANGED, user.0, at).await?;
        }
        transaction.commit().await?;
        Ok(thawed)
    }
}

/// Freezes sessions and the tickets of those that are yet to come, and announces it.
async fn freeze(
    transaction: &mut Transaction,
    agents: Agents,
    reason: FreezeReason,
    at: Timestamp,
) -> Result<Vec<AgentSession>, StoreError> {
    macro_rules! freezing {
        ($table:literal, $set:literal, $whose:literal, $end:expr) => {
            concat!(
                "UPDATE ",
                $table,
                " SET frozen_reason = $2",
                $set,
                " WHERE ",
                $whose,
                " = $1 AND (frozen_reason IS NULL OR ($3 = 0 AND frozen_reason IN ",
                lifted_by_sign_in!(),
                "))",
                $end
            )
        };
    }
    macro_rules! sessions {
        ($whose:literal) => {
            freezing!(
                "agent_sessions",
                ", frozen_at = $4",
                $whose,
                concat!(" RETURNING ", session_columns!())
            )
        };
    }
    let (of_tickets, of_sessions) = match agents {
        Agents::OfUser(_) => (
            sql(freezing!("agent_tickets", "", "user_id", "")),
            sql(sessions!("user_id")),
        ),
        Agents::OfServer(_) => (
            sql(freezing!("agent_tickets", "", "server_id", "")),
            sql(sessions!("server_id")),
        ),
    };
    let bind = |statement: Statement| {
        let statement = match agents {
            Agents::OfUser(user) => statement.bind(user),
            Agents::OfServer(server) => statement.bind(server),
        };
        statement
            .bind(reason.as_str())
            .bind(reason.ends_with_sign_in())
    };
    transaction.execute(bind(of_tickets)).await?;
    let rows = transaction.fetch_all(bind(of_sessions).bind(at)).await?;
    let frozen: Vec<_> = rows
        .iter()
        .map(AgentSession::from_row)
        .collect::<Result<_, _>>()?;
    if let Some(first) = frozen.first() {
        record_change(transaction, USER_CHANGED, first.user_id.0, at).await?;
    }
    Ok(frozen)
}
