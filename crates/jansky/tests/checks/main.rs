//! Checks from outside: real hubs as processes, a scripted identity provider, and a real Keycloak.
//!
//! Their numbers stand in `docs/development/checks.md`. Nothing in here looks into the hub: what a
//! check knows is what a browser, a program with a token, a provider or an operator sees.

mod agent;
mod batch;
mod beside;
#[path = "../it/browser.rs"]
#[expect(dead_code, reason = "the other tests of the program use more of it")]
mod browser;
mod crawl;
mod docker;
mod hand_over;
#[path = "../it/harbour.rs"]
mod harbour;
#[path = "../it/house.rs"]
#[expect(dead_code, reason = "the other tests of the program use more of it")]
mod house;
mod identities;
mod keycloak;
mod keycloak_page;
mod keycloak_services;
mod keycloak_tokens;
mod mapping;
mod operations;
mod operators;
mod person;
#[path = "../it/processes.rs"]
#[expect(dead_code, reason = "the other tests of the program use more of it")]
mod processes;
mod security_events;
mod services;
mod sign_in;
mod sign_out;
mod site;
mod storage;
mod table;
mod tokens;
