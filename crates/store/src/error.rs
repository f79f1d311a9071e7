//! What can go wrong, by what the caller can do about it.

use jansky_model::InvalidTransition;

/// A cause that is only of interest to an operator.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what it was asked.
///
/// A look-up that finds nothing is not an error: it answers `None`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something that must be changed or referred to is not there (any more).
    #[error("there is no {what}")]
    NotFound {
        /// The thing, for example "user `river`".
        what: String,
    },
    /// A name or key is taken; choose another one.
    #[error("{what} already exists")]
    AlreadyExists {
        /// The thing, for example "user `river`".
        what: String,
    },
    /// Somebody else was faster; read again and decide again.
    #[error("{what} was changed by somebody else in the meantime")]
    Conflict {
        /// The thing, for example "server `7`".
        what: String,
    },
    /// The event makes no sense in the state that the server is in.
    #[error(transparent)]
    InvalidTransition(#[from] InvalidTransition),
    /// The database is away, full or too busy; trying again later may help.
    #[error("the database does not answer")]
    Unavailable {
        /// What the database or the network said.
        #[source]
        source: Cause,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the database has schema version `{found}` and this program knows only up to `{known}`; use the newer program"
    )]
    NewerSchema {
        /// The version in the database.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process has the database.
    #[error(
        "the database `{database}` is in use by another Jansky ({holder}); stop that one first"
    )]
    InUse {
        /// The file, or the name of the database and its server.
        database: String,
        /// What is known of the other process.
        holder: String,
    },
    /// The URL of the database cannot be used. The URL itself is not repeated: it may hold a password.
    #[error("the database URL cannot be used: {reason}")]
    BadUrl {
        /// What is wrong and what to write.
        reason: String,
    },
    /// A row holds something that this program never writes.
    #[error("column `{column}` holds a value that cannot be: {reason}")]
    InconsistentRow {
        /// The column as the query names it.
        column: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// A mistake in this program or a broken database.
    #[error("the database refused a statement")]
    Internal {
        /// What the database said.
        #[source]
        source: Cause,
    },
}

impl StoreError {
    pub(crate) fn unavailable(source: impl Into<Cause>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// For those who use a store after its end.
    pub(crate) fn closed() -> Self {
        Self::unavailable("it is closed")
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    fn key_is_taken() -> Self {
        Self::AlreadyExists {
            what: "a row with this key".to_owned(),
        }
    }

    fn owner_is_missing() -> Self {
        Self::not_found("row that the new one would belong to")
    }

    /// Says which thing a unique constraint was about; other errors stay as they are.
    pub(crate) fn naming(self, what: impl FnOnce() -> String) -> Self {
        match self {
            Self::AlreadyExists { .. } => Self::AlreadyExists { what: what() },
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) if refusal.is_unique_violation() => Self::key_is_taken(),
            sqlx::Error::Database(refusal) if refusal.is_foreign_key_violation() => {
                Self::owner_is_missing()
            }
            _ if remedy(&error).is_some() => Self::unavailable(error),
            _ => Self::Internal {
                source: error.into(),
            },
        }
    }
}

/// What helps when the database is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Asking again after a while.
    Wait,
    /// Asking on another connection, since this one leads to the wrong server or to none.
    Reconnect,
}

/// What the refusals of PostgreSQL mean for whoever asked, by the beginning of their code (appendix A
/// of its manual). A refusal that is not here is a mistake of this program.
const REMEDIES: &[(&str, Remedy)] = &[
    // connection exception; poolers, too, say so when their server is away
    ("08", Remedy::Reconnect),
    // read only transaction: a server that became a standby, or that may only be read; a process that
    // was stopped within a transaction, whose connection the server ended for that (two codes). The
    // rest of this class says that statements came in an order that makes no sense.
    ("25006", Remedy::Reconnect),
    ("25P03", Remedy::Reconnect),
    ("25P04", Remedy::Reconnect),
    // invalid authorization, unknown database: while it is being set up or moved
    ("28", Remedy::Wait),
    ("3D", Remedy::Wait),
    // transaction rollback: a deadlock, or a conflict with recovery
    ("40", Remedy::Wait),
    // insufficient resources: a full disk, too little memory, too many connections
    ("53", Remedy::Wait),
    // operator intervention: a shutdown (57P01), a crash (57P02), a start (57P03), and other
    // statements that were cancelled
    ("57P0", Remedy::Reconnect),
    ("57", Remedy::Wait),
    // the system around it: input or output failed
    ("58", Remedy::Wait),
];

fn remedy_of(code: &str) -> Option<Remedy> {
    let mut remedies = REMEDIES.iter();
    let found = remedies.find(|(class, _)| code.starts_with(class));
    found.map(|(_, remedy)| *remedy)
}

/// What helps against an error of PostgreSQL or on the way to it, if anything does.
pub(crate) fn remedy(error: &sqlx::Error) -> Option<Remedy> {
    match error {
        sqlx::Error::Database(refusal) => remedy_of(&refusal.code()?),
        // A conversation that breaks off while a connection is made is one against the protocol. The
        // pool gives up the connections of all these by itself.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Some(Remedy::Wait),
        _ => None,
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        use rusqlite::ffi;

        let Some(failure) = error.sqlite_error() else {
            return Self::Internal {
                source: error.into(),
            };
        };
        match (failure.code, failure.extended_code) {
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::key_is_taken()
            }
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::owner_is_missing(),
            (
                Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::ReadOnly
                | Code::SystemIoFailure
                | Code::DiskFull
                | Code::CannotOpen,
                _,
            ) => Self::unavailable(error),
            _ => Self::Internal {
                source: error.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_transactions_that_ends_the_connection_asks_for_another_one() {
        // A database that may only be read, a pause and a transaction that were too long.
        for away in ["25006", "25P03", "25P04"] {
            assert_eq!(remedy_of(away), Some(Remedy::Reconnect), "{away}");
        }
        // A transaction inside of another, a statement after a failed one.
        for mistake in ["25000", "25001", "25P01", "25P02"] {
            assert_eq!(remedy_of(mistake), None, "{mistake}");
        }
    }

    #[test]
    fn a_shutdown_asks_for_another_connection_and_a_cancelled_statement_for_patience() {
        assert_eq!(remedy_of("57P01"), Some(Remedy::Reconnect));
        assert_eq!(remedy_of("57014"), Some(Remedy::Wait));
        assert_eq!(remedy_of("42601"), None);
    }
}
