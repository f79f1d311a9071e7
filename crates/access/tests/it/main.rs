//! The tests of the crate.

mod permits;
