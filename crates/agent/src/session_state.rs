//! How the agent stands with the hub.

use http::StatusCode;

use crate::answer::Answer;

/// Whether there are tokens to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// The ticket has not been redeemed yet.
    Enrolling,
    /// The hub knows this agent.
    Active,
    /// The hub gives no tokens until it says otherwise.
    Frozen {
        /// In the hub's words: `signed_out`, `operator` and so on.
        reason: String,
    },
    /// The hub did not take the ticket, or its answer was lost.
    Refused {
        /// For a person.
        why: String,
    },
}

impl SessionState {
    /// What to say to somebody who wants a token; nothing when the hub can be asked.
    pub(crate) fn objection(&self) -> Option<Answer> {
        match self {
            Self::Active => None,
            Self::Enrolling => Some(Answer::unavailable(
                "the agent of this server is still being introduced to the hub",
            )),
            Self::Frozen { reason } => Some(frozen(reason)),
            Self::Refused { why } => Some(Answer::problem(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                &format!("this server gets no tokens: {why}; start it again"),
            )),
        }
    }

    /// The word for it in an answer about the status.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Enrolling => "enrolling",
            Self::Active => "active",
            Self::Frozen { .. } => "frozen",
            Self::Refused { .. } => "refused",
        }
    }
}

fn frozen(reason: &str) -> Answer {
    let what_to_do = match reason {
        "signed_out" => "its owner has signed out; sign in at the hub again",
        "operator" => "an operator has stopped it",
        _ => "start the server again",
    };
    let description = format!("this server gets no tokens at the moment ({reason}): {what_to_do}");
    Answer::frozen(reason, &description)
}
