//! What the tests of several crates need. No part of the program: it is a dependency of tests only,
//! and a test of the workspace holds it to that.
//!
//! - [`provider`] is an OpenID Connect provider that does as it is told, and remembers.
//! - [`firecrest`] stands in for FirecREST in front of a scheduler, and really runs its jobs.
//! - [`keycloak`] sets up a real Keycloak for one test.
//! - [`browser`] gets through the login pages of real providers.
//! - [`signing`] makes keys and signatures without the code that checks them.
//! - `hub`, with the feature of that name, is a hub with everything around it, and people who sign in.
//!
//! May use `model`, and in `hub` also `crypto`, `hub`, `identity`, `spawn` and `store`: what stands in for
//! others is not to be checked with our own code.

pub mod browser;
pub mod firecrest;
#[cfg(feature = "hub")]
pub mod hub;
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
