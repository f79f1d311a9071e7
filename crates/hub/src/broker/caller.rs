//! Who asks: an agent with its session and a proof that it holds the key of that session.
//!
//! Cookies and other tokens of the hub count for nothing here, so that a page that somebody is lured
//! to, or a copied environment, gets nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::dpop::{self, CheckedProof, Expected, ProofProblem};
use jansky_crypto::token::{MAX_TOKEN_LENGTH, digest_text};
use jansky_model::Timestamp;
use jansky_store::{AgentSession, FreezeReason, Server, User};
use serde_json::json;
use tracing::error;

use super::proofs::NonceProblem;
use super::{BrokerError, ProofRefusal};
use crate::broker::Broker;
use crate::broker::server_visitors::ServerVisitors;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};
use crate::shared::request_context::network_of;

/// How long a caller is remembered; also the bound after which a change is seen that nobody told of.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// What a request of an agent brought.
#[derive(Clone, Copy, Debug)]
pub struct AgentCredentials<'a> {
    /// The method.
    pub method: &'a str,
    /// The last part of the path, below `…/hub/broker/v1/`.
    pub endpoint: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The headers `DPoP`.
    pub proof: Proofs<'a>,
    /// The network address of the caller.
    pub address: IpAddr,
}

/// How many headers `DPoP` there were; exactly one is right.
#[derive(Clone, Copy, Debug)]
pub enum Proofs<'a> {
    /// None, or several.
    Not,
    /// One.
    One(&'a str),
}

/// An agent that has shown who it is.
pub type Agent = Arc<Caller>;

/// An agent with all that decides what it gets.
#[derive(Debug)]
pub struct Caller {
    /// Its session.
    pub session: AgentSession,
    /// The server beside which it runs.
    pub server: Server,
    /// Whose server that is.
    pub user: User,
    /// Their groups.
    pub groups: Vec<String>,
    /// Who else can use the server, so that its tokens would be theirs as well.
    pub others: ServerVisitors,
    loaded_at: Timestamp,
}

impl Caller {
    /// Whether it gets tokens at all.
    pub(crate) const fn is_frozen(&self) -> Result<(), BrokerError> {
        match self.session.frozen {
            None => Ok(()),
            Some(FreezeReason::NotAllowed) => Err(BrokerError::NotAllowed),
            Some(reason) => Err(BrokerError::Frozen(reason)),
        }
    }
}

impl Broker {
    /// Finds out which agent sent a request. Whoever is refused stands in the audit trail.
    pub async fn agent(
        self: &Arc<Self>,
        presented: &AgentCredentials<'_>,
    ) -> Result<Agent, BrokerError> {
        let mut about = None;
        let found = self.find_agent(presented, &mut about).await;
        if let Err(error) = &found {
            self.note_refusal(presented, about.as_ref(), error).await;
        }
        found
    }

    async fn find_agent(
        &self,
        presented: &AgentCredentials<'_>,
        about: &mut Option<Agent>,
    ) -> Result<Agent, BrokerError> {
        let token = presented
            .authorization
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("dpop"))
            .map(|(_, token)| token.trim())
            .filter(|token| token.len() <= MAX_TOKEN_LENGTH)
            .ok_or(BrokerError::InvalidToken)?;
        let caller = self.caller(token).await?;
        let caller = caller.ok_or(BrokerError::InvalidToken)?;
        *about = Some(Arc::clone(&caller));
        let proof = self.check_proof(presented, Some(token))?;
        if proof.thumbprint != caller.session.thumbprint {
            return Err(ProofRefusal::OtherKey.into());
        }
        self.take_proof(&proof)?;
        Ok(caller)
    }

    /// Writes down that somebody was refused, but not as often as anybody likes.
    pub(super) async fn note_refusal(
        &self,
        presented: &AgentCredentials<'_>,
        about: Option<&Agent>,
        error: &BrokerError,
    ) {
        // To be asked for a nonce is how the protocol begins (RFC 9449 section 8).
        let is_usual = matches!(error, BrokerError::Proof(ProofRefusal::Nonce));
        let network = network_of(&presented.address.to_string());
        if is_usual || self.refusals.check(&network).is_err() {
            return;
        }
        let detail = json!({
            "endpoint": presented.endpoint,
            "address": presented.address.to_string(),
            "key": about.map(|agent| &agent.session.thumbprint),
        });
        let event = AuditEntry {
            event: Event::Refused,
            actor: "unknown".to_owned(),
            user: about.map(|agent| &agent.user),
            server: about.map(|agent| &agent.server),
            outcome: error.as_str(),
            detail,
        };
        if let Err(error) = self.audit.write_audit(event).await {
            error!(error = %error, "could not write a refusal down");
        }
    }

    /// The agent with this session.
    async fn caller(&self, token: &str) -> Result<Option<Agent>, HubError> {
        let digest = digest_text(token);
        let cache = &self.cache;
        let now = self.clock.now();
        if let Some(caller) = cache.caller(&digest)
            && now.since(caller.loaded_at) < REMEMBERED_FOR
        {
            return Ok(Some(caller));
        }
        let Some(session) = self.store.agent_session_by_digest(&digest).await? else {
            return Ok(None);
        };
        let stamp = self.signals.stamp(session.user_id);
        let caller = self.read_caller(session).await?;
        if let Some(caller) = &caller {
            cache.remember(digest, caller, stamp);
        }
        Ok(caller)
    }

    /// Reads all about an agent, its session once more.
    async fn read_caller(&self, session: AgentSession) -> Result<Option<Agent>, HubError> {
        let loaded_at = self.clock.now();
        let (session, server, user) = (
            self.store.agent_session(session.id).await?,
            self.store.server(session.server).await?,
            self.store.user(session.user_id).await?,
        );
        let (Some(session), Some(server), Some(user)) = (session, server, user) else {
            return Ok(None);
        };
        let groups = self.store.groups_of(user.id).await?;
        let others = self.visitors_of(&server).await?;
        Ok(Some(Arc::new(Caller {
            session,
            server,
            user,
            groups,
            others,
            loaded_at,
        })))
    }

    /// Checks a proof by itself.
    pub(super) fn check_proof(
        &self,
        presented: &AgentCredentials<'_>,
        token: Option<&str>,
    ) -> Result<CheckedProof, BrokerError> {
        let Proofs::One(proof) = presented.proof else {
            return Err(ProofProblem::Missing.into());
        };
        let urls = self.settings.broker_addresses(presented.endpoint);
        let expected = Expected {
            method: presented.method,
            urls: &urls,
            token,
            now: self.clock.now(),
        };
        Ok(dpop::check(proof, &expected)?)
    }

    /// Uses a proof up.
    pub(super) fn take_proof(&self, proof: &CheckedProof) -> Result<(), BrokerError> {
        let now = self.clock.now();
        let nonce = proof.nonce.as_deref();
        let taken = self.nonces.take(nonce, &proof.thumbprint, &proof.id, now);
        taken.map_err(|stale| match stale {
            NonceProblem::Nonce => ProofRefusal::Nonce.into(),
            NonceProblem::Used => ProofRefusal::Replayed.into(),
        })
    }
}
