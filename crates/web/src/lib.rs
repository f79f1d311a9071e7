//! HTTP surfaces of the hub: pages, REST API and OAuth provider.
//!
//! Handlers read a request, ask [`jansky_hub::Hub`] and answer. They decide nothing; what status an
//! error has is known in one place for each surface.
//!
//! May use `crypto`, `hub` and `model`.
//!
//! What holds everywhere: all routes are in one table, which a test holds against who may call what. A form
//! or request that changes something needs the token against forgery or a token of the API. What an error
//! says is decided where it is made, and nothing of a cause inside is shown.

mod api;
mod broker;
mod cookies;
mod device;
mod error;
mod next_url;
mod oidc;
mod pages;
pub mod render;
mod routes;
pub mod scope_descriptions;
mod security_events;
mod server_hosts;
mod state;
pub mod static_files;
mod user_agent;
pub mod views;
mod visit;
mod xsrf;

pub use api::routes::{Operation, operations};
pub use routes::{proxy_page, route_names, router};
pub use state::{Peer, Policies, Web, WebState};
