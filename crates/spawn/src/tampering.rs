//! What somebody does to a server behind the hub's back.

use jansky_model::{ServerId, StartId};

/// Somebody reached into a server from outside, by the rights that they have on its machine: ran a
/// program in its container, for example, or copied files out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tampering {
    /// The server.
    pub server: ServerId,
    /// The start that it happened to.
    pub start: StartId,
    /// What was done, as the platform calls it: `exec_create: /bin/sh`.
    pub what: String,
    /// Whether the server shall get no tokens any more.
    pub freeze: bool,
}
