//! What the audit trail says of agents.

use serde_json::{Value, json};
use tracing::error;

use super::caller::{Agent, AgentCredentials};
use super::{BrokerError, ProofRefusal};
use crate::broker::Broker;
use crate::shared::error::HubError;
use crate::shared::record::AuditEntry;
use crate::shared::request_context::network_of;

impl Broker {
    /// Writes down what an agent did.
    pub(super) async fn note(
        &self,
        agent: &Agent,
        event: &'static str,
        outcome: &str,
        detail: Value,
    ) -> Result<(), HubError> {
        self.audit
            .write_audit(AuditEntry {
                event,
                actor: "agent".to_owned(),
                user: Some(&agent.user),
                server: Some(&agent.server),
                outcome,
                detail,
            })
            .await
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
            event: "refused",
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
}
