//! The process spawner against real processes, and the fake one against the same claims.

mod accounts;
mod agent;
mod bench;
mod conformance;
mod failures;
mod fake;
mod finding;
mod lifecycle;
mod limits;
mod planted;
mod ports;
mod secrets;
mod stopping;
