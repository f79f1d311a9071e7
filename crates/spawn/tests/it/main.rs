//! The process spawner against real processes, and the fake one against its contract.

mod accounts;
mod agent;
mod bench;
mod failures;
mod fake;
mod finding;
mod lifecycle;
mod limits;
mod secrets;
mod stopping;
