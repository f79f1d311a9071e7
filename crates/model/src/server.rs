//! The life of a server as one type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

macro_rules! id_type {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $type(pub i64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type! {
    /// The row of a user. It never changes, also when the user is renamed.
    UserId
}

id_type! {
    /// The row of a server. It never changes, also when the server is renamed.
    ServerId
}

id_type! {
    /// One attempt to start a server, counted per server from 1.
    ///
    /// Whatever a spawner makes carries the pair of [`ServerId`] and `StartId`, so that doing a
    /// start twice finds the first one instead of making a second.
    StartId
}

/// Where a server is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It does not run.
    Stopped,
    /// It was asked for and does not answer yet.
    Starting {
        /// Which attempt this is.
        start: StartId,
        /// When it was asked for.
        since: Timestamp,
    },
    /// It answers at `url`.
    Ready {
        /// Which attempt made it.
        start: StartId,
        /// When that attempt was asked for.
        since: Timestamp,
        /// Address of the server as the proxy reaches it: scheme, host and port.
        url: String,
    },
    /// It was asked to stop and may still run.
    Stopping {
        /// Which attempt made it.
        start: StartId,
        /// When the stop was asked for.
        since: Timestamp,
    },
    /// The last start did not work.
    Failed {
        /// Which attempt failed.
        start: StartId,
        /// When it failed.
        since: Timestamp,
        /// One sentence for a person.
        reason: String,
        /// The end of the server's log, possibly empty.
        log_tail: String,
    },
}

/// What can happen to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// Somebody asked for it; `start` is the id of the new attempt.
    Start {
        /// The new attempt.
        start: StartId,
    },
    /// It answered at `url`.
    Answered {
        /// Address of the server as the proxy reaches it.
        url: String,
    },
    /// It did not come up.
    StartFailed {
        /// One sentence for a person.
        reason: String,
        /// The end of the server's log, possibly empty.
        log_tail: String,
    },
    /// Somebody asked it to stop.
    Stop,
    /// It is known to be gone: its process ended, or a stop is complete.
    Gone,
}

/// An event that makes no sense in the state that a server is in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server that is {state} cannot take the event {event}")]
pub struct InvalidTransition {
    /// The state, as in [`ServerState::as_str`].
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
}

impl ServerState {
    /// The state after `event` at time `at`.
    pub fn next(self, event: ServerEvent, at: Timestamp) -> Result<Self, InvalidTransition> {
        use ServerEvent as E;
        use ServerState as S;
        match (self, event) {
            (S::Stopped | S::Failed { .. }, E::Start { start }) => {
                Ok(S::Starting { start, since: at })
            }
            (S::Starting { start, since }, E::Answered { url }) => {
                Ok(S::Ready { start, since, url })
            }
            (S::Starting { start, .. }, E::StartFailed { reason, log_tail }) => Ok(S::Failed {
                start,
                since: at,
                reason,
                log_tail,
            }),
            (S::Starting { start, .. } | S::Ready { start, .. }, E::Stop) => {
                Ok(S::Stopping { start, since: at })
            }
            (S::Ready { .. } | S::Stopping { .. }, E::Gone) => Ok(S::Stopped),
            (state, event) => Err(InvalidTransition {
                state: state.as_str(),
                event: event.as_str(),
            }),
        }
    }

    /// The state as one word, as the database has it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::Stopping { .. } => "stopping",
            Self::Failed { .. } => "failed",
        }
    }

    /// JupyterHub's `pending` field: what is under way, if anything.
    pub const fn pending(&self) -> Option<&'static str> {
        match self {
            Self::Starting { .. } => Some("spawn"),
            Self::Stopping { .. } => Some("stop"),
            _ => None,
        }
    }

    /// JupyterHub's `ready` field.
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether something runs or may run: starting, ready or stopping.
    pub const fn is_active(&self) -> bool {
        matches!(
            self,
            Self::Starting { .. } | Self::Ready { .. } | Self::Stopping { .. }
        )
    }

    /// The attempt that this state is about.
    pub const fn start(&self) -> Option<StartId> {
        match self {
            Self::Stopped => None,
            Self::Starting { start, .. }
            | Self::Ready { start, .. }
            | Self::Stopping { start, .. }
            | Self::Failed { start, .. } => Some(*start),
        }
    }
}

impl ServerEvent {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Answered { .. } => "answered",
            Self::StartFailed { .. } => "start failed",
            Self::Stop => "stop",
            Self::Gone => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1);

    fn any_event() -> impl Strategy<Value = ServerEvent> {
        prop_oneof![
            (1..9_i64).prop_map(|n| ServerEvent::Start { start: StartId(n) }),
            Just(ServerEvent::Answered {
                url: "http://127.0.0.1:1".to_owned()
            }),
            Just(ServerEvent::StartFailed {
                reason: "no".to_owned(),
                log_tail: String::new()
            }),
            Just(ServerEvent::Stop),
            Just(ServerEvent::Gone),
        ]
    }

    proptest! {
        #[test]
        fn a_server_is_only_ready_after_it_was_started_and_answered(
            events in proptest::collection::vec(any_event(), 0..40)
        ) {
            let mut state = ServerState::Stopped;
            let mut accepted = Vec::new();
            for event in events {
                if let Ok(next) = state.clone().next(event.clone(), NOW) {
                    accepted.push(event);
                    state = next;
                }
                if state.is_ready() {
                    let last_two = &accepted[accepted.len() - 2..];
                    let started = matches!(last_two[0], ServerEvent::Start { .. });
                    let answered = matches!(last_two[1], ServerEvent::Answered { .. });
                    prop_assert!(started && answered);
                }
                prop_assert_eq!(state.is_active(), state.is_ready() || state.pending().is_some());
            }
        }

        #[test]
        fn whatever_happened_a_stop_and_its_end_lead_back_to_startable(
            events in proptest::collection::vec(any_event(), 0..40)
        ) {
            let mut state = ServerState::Stopped;
            for event in events {
                state = state.clone().next(event, NOW).unwrap_or(state);
            }
            for event in [ServerEvent::Stop, ServerEvent::Gone] {
                state = state.clone().next(event, NOW).unwrap_or(state);
            }
            let again = state.next(ServerEvent::Start { start: StartId(99) }, NOW);
            prop_assert!(again.is_ok());
        }
    }

    #[test]
    fn a_second_start_of_a_running_server_is_refused() {
        let starting = ServerState::Stopped
            .next(ServerEvent::Start { start: StartId(1) }, NOW)
            .expect("a stopped server starts");

        let refused = starting.next(ServerEvent::Start { start: StartId(2) }, NOW);

        assert_eq!(
            refused,
            Err(InvalidTransition {
                state: "starting",
                event: "start"
            })
        );
    }
}
