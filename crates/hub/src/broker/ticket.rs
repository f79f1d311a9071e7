//! How an agent comes in: a ticket that is made before its server is, and works once.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::digest;
use jansky_crypto::token::{MAX_TOKEN_LENGTH, digest_text};
use jansky_model::{Secret, ServerId, UserId};
use jansky_spawn::AgentTicket;
use jansky_store::{Enrolment, NewTicket, Server, User};
use serde_json::json;
use tracing::{info, warn};

use super::BrokerError;
use super::caller::AgentCredentials;
use crate::broker::Broker;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};

/// How long a ticket works after the process of its server has begun.
const AFTER_BEGINNING: Duration = Duration::from_mins(1);

/// The prefix of tickets.
const TICKET: &str = "jkt_";

/// The prefix of agents' sessions.
const SESSION: &str = "jka_";

/// An agent that came in.
#[derive(Debug)]
pub struct Enrolled {
    /// What it shows from now on, together with a proof.
    pub session: Secret,
    /// Whose server it is beside.
    pub user: User,
    /// That server.
    pub server: Server,
}

impl Broker {
    /// Makes the ticket for the agent of a start that is under way; `None` when there is nothing to
    /// ask for, or the start is over.
    pub(crate) async fn make_ticket(
        &self,
        server: &Server,
    ) -> Result<Option<AgentTicket>, HubError> {
        let Some(start) = server.state.start() else {
            return Ok(None);
        };
        let audiences = &self.settings.broker.audiences;
        if audiences.is_empty() {
            return Ok(None);
        }
        let ticket = self.random.secret(TICKET);
        let new = NewTicket {
            digest: digest(&ticket),
            server: server.id,
            start,
            at: self.clock.now(),
        };
        if !self.store.create_ticket(&new).await? {
            return Ok(None);
        }
        Ok(Some(AgentTicket {
            ticket,
            broker_url: self.settings.broker_url(),
            token_file: audiences.iter().any(|audience| audience.token_file),
        }))
    }

    /// The process of a server has begun: its ticket does not work for much longer.
    pub(crate) async fn limit_ticket(&self, server: &Server) {
        let Some(start) = server.state.start() else {
            return;
        };
        let until = self.clock.now().plus(AFTER_BEGINNING);
        if let Err(error) = self.store.limit_tickets(server.id, start, until).await {
            warn!(server.id = %server.id, error = %error, "could not limit a ticket");
        }
    }

    /// Lets an agent in that presents a ticket and proves with the same request which key it has.
    pub async fn enroll(
        self: &Arc<Self>,
        presented: &AgentCredentials<'_>,
        ticket: &Secret,
    ) -> Result<Enrolled, BrokerError> {
        let checked = self.check_proof(presented, None).and_then(|proof| {
            self.take_proof(&proof)?;
            Ok(proof)
        });
        let proof = match checked {
            Ok(proof) => proof,
            Err(error) => {
                self.note_refusal(presented, None, &error).await;
                return Err(error);
            }
        };
        if ticket.expose().len() > MAX_TOKEN_LENGTH {
            return Err(BrokerError::InvalidTicket);
        }
        let session = self.random.secret(SESSION);
        let enrolment = self
            .store
            .enroll(
                &digest_text(ticket.expose()),
                &digest(&session),
                &proof.thumbprint,
                self.clock.now(),
            )
            .await?;
        let (began, server, user) = match enrolment {
            Enrolment::Began(began) => (began.clone(), began.server, began.user_id),
            Enrolment::Replayed { server, user_id } => {
                warn!(server.id = %server, "a ticket was used twice; the session is frozen");
                self.access.forget(user_id);
                let detail = json!({ "key": proof.thumbprint });
                self.note_ticket(presented, server, user_id, Event::TicketReplay, detail)
                    .await?;
                return Err(BrokerError::InvalidTicket);
            }
            Enrolment::Late { server, user_id } => {
                let detail = json!({ "key": proof.thumbprint, "why": "too_late" });
                self.note_ticket(presented, server, user_id, Event::Enroll, detail)
                    .await?;
                return Err(BrokerError::InvalidTicket);
            }
            Enrolment::Unknown => {
                self.note_refusal(presented, None, &BrokerError::InvalidTicket)
                    .await;
                return Err(BrokerError::InvalidTicket);
            }
        };
        self.access.forget(user);
        let server = self.store.server(server).await?;
        let user = self.store.user(user).await?;
        let (Some(server), Some(user)) = (server, user) else {
            return Err(BrokerError::InvalidTicket);
        };
        let event = AuditEntry {
            event: Event::Enroll,
            actor: "agent".to_owned(),
            user: Some(&user),
            server: Some(&server),
            outcome: "ok",
            detail: json!({ "key": began.thumbprint, "address": presented.address.to_string() }),
        };
        self.audit.write_audit(event).await?;
        info!(server.id = %server.id, user.name = %user.name, "the agent came in");
        Ok(Enrolled {
            session,
            user,
            server,
        })
    }

    async fn note_ticket(
        self: &Arc<Self>,
        presented: &AgentCredentials<'_>,
        server: ServerId,
        user: UserId,
        event: Event,
        mut detail: serde_json::Value,
    ) -> Result<(), HubError> {
        let server = self.store.server(server).await?;
        let user = self.store.user(user).await?;
        detail["address"] = json!(presented.address.to_string());
        self.audit
            .write_audit(AuditEntry {
                event,
                actor: "unknown".to_owned(),
                user: user.as_ref(),
                server: server.as_ref(),
                outcome: "invalid_grant",
                detail,
            })
            .await
    }
}
