//! Who asks: an agent with its session and a proof that it holds the key of that session.
//!
//! Cookies and other tokens of the hub count for nothing here, so that a page that somebody is lured
//! to, or a copied environment, gets nothing. A proof is good once and for a short time: it carries a nonce
//! that this process gave out, and is remembered for as long as that is taken.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jansky_crypto::MacKey;
use jansky_crypto::dpop::{self, CheckedProof, Expected, ProofProblem};
use jansky_crypto::token::{MAX_TOKEN_LENGTH, digest_text};
use jansky_model::Timestamp;
use jansky_store::{AgentSession, FreezeReason, Server, User};
use serde_json::json;
use tracing::error;

use super::{BrokerError, ProofRefusal};
use crate::broker::Broker;
use crate::broker::server_visitors::ServerVisitors;
use crate::shared::error::HubError;
use crate::shared::record::{AuditEntry, Event};
use crate::shared::request_context::network_of;

/// How long a caller is remembered; also the bound after which a change is seen that nobody told of.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// How long one nonce is given out, in seconds. It is taken for as long again.
const BUCKET: i64 = 60;

/// How many proofs are remembered for one nonce; more than a hub can check in its time.
const MOST: usize = 2_000_000;

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
        Ok(taken?)
    }
}

/// Half a digest: enough to tell proofs apart.
type ProofDigest = [u8; 16];

/// Nonces are signed times, so that none is kept. Proofs that came with one are remembered for as
/// long as it is taken.
pub(super) struct Nonces {
    key: MacKey,
    seen: Mutex<[UsedProofs; 2]>,
}

#[derive(Default)]
struct UsedProofs {
    bucket: i64,
    proofs: HashSet<ProofDigest>,
}

impl Nonces {
    pub(super) fn new(key: MacKey) -> Self {
        Self {
            key,
            seen: Mutex::default(),
        }
    }

    /// The nonce that is given out now.
    pub(super) fn current(&self, now: Timestamp) -> String {
        self.of(now.seconds().div_euclid(BUCKET))
    }

    fn of(&self, bucket: i64) -> String {
        self.key.sign(&["dpop-nonce", &bucket.to_string()])
    }

    /// The bucket of a nonce that is taken now.
    fn bucket_of(&self, nonce: &str, now: Timestamp) -> Option<i64> {
        let bucket = now.seconds().div_euclid(BUCKET);
        [bucket, bucket - 1]
            .into_iter()
            .find(|bucket| jansky_crypto::token::equal(nonce, &self.of(*bucket)))
    }

    /// Takes a proof that holds otherwise, once. `key` is the fingerprint of its key.
    pub(super) fn take(
        &self,
        nonce: Option<&str>,
        key: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<(), ProofRefusal> {
        let bucket = nonce.and_then(|nonce| self.bucket_of(nonce, now));
        let bucket = bucket.ok_or(ProofRefusal::Nonce)?;
        let digest = digest_text(&format!("{key}\n{id}"));
        let mut trace = ProofDigest::default();
        trace.copy_from_slice(&digest[..16]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let [even, odd] = &mut *seen;
        let place = if bucket % 2 == 0 { even } else { odd };
        if place.bucket < bucket {
            *place = UsedProofs {
                bucket,
                proofs: HashSet::new(),
            };
        }
        // A nonce of the time before, while the present one is used by others already.
        let is_new =
            place.bucket == bucket && place.proofs.len() < MOST && place.proofs.insert(trace);
        if is_new {
            Ok(())
        } else {
            Err(ProofRefusal::Replayed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_nonce_is_taken_for_one_to_two_minutes() {
        let nonces = Nonces::new(MacKey::from_bytes(&[1; 32]));
        let nonce = nonces.current(at(0));

        let take = |id: &str, seconds| nonces.take(Some(&nonce), "key", id, at(seconds));
        assert_eq!(take("1", 0), Ok(()));
        assert_eq!(take("2", 119), Ok(()));
        assert_eq!(take("3", 120), Err(ProofRefusal::Nonce));
        let now = at(0);
        assert_eq!(nonces.take(None, "key", "4", now), Err(ProofRefusal::Nonce));
        assert_eq!(
            nonces.take(Some(""), "key", "4", now),
            Err(ProofRefusal::Nonce)
        );
        let other = Nonces::new(MacKey::from_bytes(&[2; 32]));
        let stale = other.take(Some(&nonce), "key", "4", now);
        assert_eq!(stale, Err(ProofRefusal::Nonce), "another process");
    }

    #[test]
    fn a_proof_is_good_once_for_as_long_as_its_nonce_is() {
        let nonces = Nonces::new(MacKey::from_bytes(&[1; 32]));
        let nonce = nonces.current(at(0));

        let take = |key: &str, id: &str, seconds| nonces.take(Some(&nonce), key, id, at(seconds));
        assert_eq!(take("key", "1", 0), Ok(()));
        for seconds in [0, 30, 60, 119] {
            assert_eq!(
                take("key", "1", seconds),
                Err(ProofRefusal::Replayed),
                "{seconds} s"
            );
        }
        assert_eq!(take("other", "1", 60), Ok(()));
        let next = nonces.current(at(60));
        assert_eq!(nonces.take(Some(&next), "key", "1", at(61)), Ok(()));
        assert_eq!(take("key", "1", 61), Err(ProofRefusal::Replayed));
    }
}
