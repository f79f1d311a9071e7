//! Why an agent does not get what it asked for, in the words of OAuth.

use std::time::Duration;

use jansky_crypto::dpop::ProofProblem;
use jansky_model::ProviderId;
use jansky_store::{FreezeReason, StoreError};

use super::give::sign_in_path;
use crate::broker::server_visitors::ServerVisitors;
use crate::people::admitted_user::NotAdmitted;
use crate::shared::error::HubError;

/// Why a proof of possession does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// It does not hold by itself.
    #[error(transparent)]
    Problem(#[from] ProofProblem),
    /// It has no nonce, or an old one; the answer brings the present one.
    #[error("the proof must carry the nonce of this answer")]
    Nonce,
    /// It was used before.
    #[error("the proof was used before")]
    Replayed,
    /// It was made with another key than the one that came in.
    #[error("the proof was made with another key")]
    OtherKey,
}

impl ProofRefusal {
    /// The code of RFC 9449.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            Self::OtherKey => "invalid_token",
            Self::Problem(_) | Self::Replayed => "invalid_dpop_proof",
        }
    }

    /// What the audit trail says, more exactly than the answer.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nonce => "no_nonce",
            Self::Replayed => "proof_replayed",
            Self::OtherKey => "other_key",
            Self::Problem(problem) => match problem {
                ProofProblem::Missing => "no_proof",
                ProofProblem::Malformed => "proof_malformed",
                ProofProblem::Kind => "proof_kind",
                ProofProblem::Signature => "proof_signature",
                ProofProblem::Method => "proof_method",
                ProofProblem::Address => "proof_address",
                ProofProblem::Time => "proof_time",
                ProofProblem::Token => "proof_token",
            },
        }
    }
}

/// Why an agent does not get what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The request is not one.
    #[error("{0}")]
    InvalidRequest(String),
    /// The ticket is not good (any more).
    #[error("the ticket is unknown, used or too old; start the server again")]
    InvalidTicket,
    /// There is no session, or the credential is none of an agent.
    #[error("an agent's session and a proof of its key are needed here")]
    InvalidToken,
    /// The proof does not do.
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
    /// The session is frozen.
    #[error("{}", frozen_words(*.0))]
    Frozen(FreezeReason),
    /// The rules no longer let the person in.
    #[error("the person may no longer use this hub")]
    NotAllowed,
    /// No rule gives this person tokens for this audience, or there is no such audience.
    #[error("the audience `{audience}` is not for this person, or there is none of this name")]
    NotInPolicy {
        /// What was asked for.
        audience: String,
    },
    /// The audience is for servers with other options.
    #[error("the audience `{audience}` is only for servers that were started with other options")]
    OtherServer {
        /// What was asked for.
        audience: String,
    },
    /// Others can use the server, too.
    #[error("the server is shared with others; it gets no tokens as long as it is")]
    ServerShared,
    /// Somebody else has been in the server since it was started.
    #[error("`{who}` has entered this server; it gets no tokens until it is started again")]
    ServerEntered {
        /// Who was the first.
        who: String,
    },
    /// The provider does not know the audience, or does not give us tokens for it.
    #[error("{0}")]
    InvalidTarget(String),
    /// A scope that cannot be had.
    #[error("{0}")]
    InvalidScope(String),
    /// The person has to sign in again.
    #[error("the person has to sign in again")]
    Reauth {
        /// Where, as a path below the hub's prefix.
        path: String,
    },
    /// The provider does not answer.
    #[error("the identity provider does not answer at the moment")]
    Later {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many requests of one person.
    #[error("too many requests; the agent keeps tokens so that it need not ask so often")]
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// The hub itself failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// What a person reads about a frozen session.
const fn frozen_words(reason: FreezeReason) -> &'static str {
    match reason {
        FreezeReason::SignedOut => "the person signed out; tokens come again with the next sign-in",
        FreezeReason::NotAllowed => "the person may no longer use this hub",
        FreezeReason::TicketReplay => {
            "the server's ticket was used twice; start the server again and tell the operator"
        }
        FreezeReason::Tripwire => {
            "somebody acted inside this server from outside; start the server again"
        }
        FreezeReason::Operator => "an operator has frozen this server's tokens",
        FreezeReason::Owner => "the owner has frozen this server's tokens; start the server again",
        FreezeReason::Stopped => "the server has ended",
    }
}

impl BrokerError {
    /// The person has to sign in again with this provider, if it is known, or with the account behind
    /// it.
    pub(crate) fn sign_in_again(provider: Option<&ProviderId>, behind: Option<&str>) -> Self {
        Self::Reauth {
            path: sign_in_path(provider, behind),
        }
    }

    /// Refuses a server in which others may be, too.
    pub(crate) fn must_be_alone(others: &ServerVisitors) -> Result<(), Self> {
        if others.is_shared {
            return Err(Self::ServerShared);
        }
        match others.entered.first() {
            Some(first) => Err(Self::ServerEntered {
                who: first.user.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// The code in `error`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidTicket => "invalid_grant",
            Self::InvalidToken => "invalid_token",
            Self::Proof(refusal) => refusal.code(),
            Self::Frozen(_) => "session_frozen",
            Self::NotAllowed => "not_allowed",
            Self::NotInPolicy { .. } | Self::OtherServer { .. } | Self::InvalidTarget(_) => {
                "invalid_target"
            }
            Self::ServerShared | Self::ServerEntered { .. } => "server_shared",
            Self::InvalidScope(_) => "invalid_scope",
            Self::Reauth { .. } => "reauth_required",
            Self::Later { .. } | Self::Hub(HubError::Unavailable { .. }) => {
                "temporarily_unavailable"
            }
            Self::TooMany { .. } => "too_many_requests",
            Self::Hub(_) => "server_error",
        }
    }

    /// What the audit trail says, more exactly than the answer.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Proof(refusal) => refusal.as_str(),
            Self::NotInPolicy { .. } => "not_in_policy",
            Self::OtherServer { .. } => "other_server",
            Self::ServerEntered { .. } => "server_entered",
            other => other.code(),
        }
    }
}

impl From<StoreError> for BrokerError {
    fn from(error: StoreError) -> Self {
        Self::Hub(error.into())
    }
}

impl From<ProofProblem> for BrokerError {
    fn from(problem: ProofProblem) -> Self {
        Self::Proof(problem.into())
    }
}

impl From<NotAdmitted> for BrokerError {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::Excluded => Self::NotAllowed,
            NotAdmitted::SignInAgain(provider) => Self::sign_in_again(Some(&provider), None),
            NotAdmitted::Hub(error) => Self::Hub(error),
        }
    }
}
