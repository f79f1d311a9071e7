//! The Docker spawner against a real Docker Engine and Podman (`tests/services/docker`).

mod bench;
mod check;
mod conformance;
mod failures;
mod joining;
mod lifecycle;
mod limits;
mod podman;
mod refusals;
mod removal;
mod secrets;
mod tripwire;
