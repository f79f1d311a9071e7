//! A server that gets no tokens any more, in words for those who can do something about it.

use jansky_hub::{AgentSession, FreezeReason, Server};

/// Why the present start of a server gets no tokens.
pub(crate) fn reason(agents: &[AgentSession], server: &Server) -> Option<FreezeReason> {
    let mut own = agents
        .iter()
        .filter(|agent| agent.server == server.id && Some(agent.start) == server.state.start());
    own.find_map(|agent| agent.frozen)
}

/// What its owner reads on the home page. Nothing when they signed out themselves, or when the page says
/// the reason elsewhere.
pub(crate) const fn for_owner(reason: FreezeReason) -> Option<&'static str> {
    match reason {
        FreezeReason::Tripwire => Some(
            "It gets no tokens any more: somebody with rights on its machine has reached into it. \
             What you have open there may have been read. Save your work, stop it and start it \
             again, and tell the operator of this hub.",
        ),
        FreezeReason::TicketReplay => Some(
            "It gets no tokens any more: what it proved itself with was used by somebody else, too. \
             Save your work, stop it and start it again, and tell the operator of this hub.",
        ),
        FreezeReason::Operator => Some(
            "It gets no tokens any more, because an operator ended that. Ask them why; then stop it \
             and start it again.",
        ),
        FreezeReason::Owner => Some(
            "It gets no tokens any more, because you ended that. Stop it and start it again to go \
             on.",
        ),
        FreezeReason::SignedOut | FreezeReason::NotAllowed | FreezeReason::Stopped => None,
    }
}

/// What an operator reads.
pub(crate) const fn for_operator(reason: FreezeReason) -> Option<&'static str> {
    match reason {
        FreezeReason::Tripwire => Some(
            "Gets no tokens: somebody reached into it from outside. The audit trail says when and \
             how. Find out who has rights on its machine, then let its owner start it again.",
        ),
        FreezeReason::TicketReplay => Some(
            "Gets no tokens: its ticket was used a second time. The audit trail says when and from \
             where. Somebody could read what was handed to it; then let its owner start it again.",
        ),
        FreezeReason::Operator => Some("Gets no tokens: an operator ended that."),
        FreezeReason::Owner => Some("Gets no tokens: its owner ended that."),
        FreezeReason::SignedOut | FreezeReason::NotAllowed | FreezeReason::Stopped => None,
    }
}
