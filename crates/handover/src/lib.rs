//! What a spawner hands to the agent beside a server, and what both hand to the server.
//!
//! Owns the [`StartDocument`], the address that an agent announces ([`Announced`]), the names of the
//! [`variables`] by which a server finds its agent, and the checks of all three. Spawners write, the
//! agent reads, with the same types. May use `model` alone, and nothing heavy: the agent is built of it.
//!
//! What holds everywhere: a document is the only thing that shows a ticket or a server's variables
//! ([`StartDocument::write`]), it goes over a pipe or into a file that is closed first, and what cannot be
//! read is never repeated in a message.

mod announced;
mod document;
mod environment;
mod ticket;
pub mod variables;

pub use announced::{Announced, Listen};
pub use document::{LARGEST_DOCUMENT, ReadError, StartDocument, TOKEN_FILE};
pub use environment::{Environment, Unfit, can_be_a_name};
pub use ticket::AgentTicket;
