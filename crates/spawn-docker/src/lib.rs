//! Servers as containers of Docker or Podman.
//!
//! [`DockerSpawner`] speaks the API of Docker Engine, which Podman has as well. Nothing secret is in
//! the definition of a container: its first program is the agent, and that reads the ticket, the
//! server's command and the server's environment from its standard input, which is written to once
//! and closed. So neither `docker inspect` nor the files of the engine nor an image that somebody
//! makes of the container hold a credential.
//!
//! A container is found again by its name, which is made of instance, server and start; there can be
//! only one of a name, however many hubs ask for it at once.
//!
//! May use `handover`, `model`, `settings` and `spawn`.
//!
//! What holds everywhere: only containers with the labels of this instance are touched, and an engine that
//! does not answer proves nothing.

mod access;
mod check;
mod definition;
mod engine;
mod handle;
mod handover;
mod images;
mod log;
mod names;
mod settings;
mod spawner;
mod state;
mod tripwire;

pub use settings::{Agent, DockerSettings};
pub use spawner::DockerSpawner;
