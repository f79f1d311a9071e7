//! What the tests of several crates need. No part of the program: it is a dependency of tests only,
//! and a test of the workspace holds it to that.
//!
//! - [`provider`] is an OpenID Connect provider that does as it is told, and remembers.
//! - [`firecrest`] stands in for FirecREST in front of a scheduler, and really runs its jobs.
//! - [`keycloak`] sets up a real Keycloak for one test.
//! - [`browser`] gets through the login pages of real providers.
//! - [`signing`] makes keys and signatures without the code that checks them.
//!
//! May use `model` alone, so that what it stands for is not checked with its own code.

pub mod browser;
pub mod firecrest;
pub mod keycloak;
pub mod provider;
pub mod signing;

pub use firecrest::ScriptedFirecrest;
pub use provider::{Call, Instead, Person, Script, ScriptedProvider};

/// The randomness of the machine, for what a test hands in and what it makes itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineRandom;

impl jansky_model::Random for MachineRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no crate below that asks the machine"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the machine has randomness");
    }
}
