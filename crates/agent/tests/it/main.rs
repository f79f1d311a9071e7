//! The real agent against a scripted hub, which checks proofs as the real one does.

mod beside;
mod enrolment;
mod entry_point;
mod files;
mod freezing;
mod guards;
mod hub;
mod outages;
mod renewal;
mod size;
