//! The reverse proxy: routes, forwarding, upgrades, activity and drain.
//!
//! It knows no users, no database and no templates. Whoever runs it hands in [`Routes`] and
//! changes them while it serves; that is the only way in which it learns where requests go.
//!
//! The path of a request: accept ([`serve()`]) → find the route ([`RouteTable`]) → set and strip
//! headers → [`RequestFilter`] → a kept or new connection to the target → stream both bodies, or
//! join both ends of an upgraded connection.
//!
//! May use `model` and `settings`.
//!
//! What holds everywhere: what is forwarded is what was received, save for the headers that are named in one
//! table; every wait and every buffer has a bound; a connection is cut when the sessions or tokens that
//! came with it end; and a change of routes never waits for a request.

mod addresses;
mod body;
mod client;
mod client_body;
mod exchange;
mod forward;
mod head_watch;
mod headers;
mod io;
mod origin;
mod pages;
mod path;
mod pool;
mod refusal;
mod route;
mod serve;
mod settings;
mod stats;
mod table;
mod target;
mod tunnel;
mod turns;
mod unfinished;
mod upstream;
mod worker;

pub use body::{BodyError, ProxyBody};
pub use client_body::ClientBody;
pub use pages::{ErrorPages, PlainPages};
pub use path::MalformedPath;
pub use refusal::Refusal;
pub use route::{ClientInfo, LocalService, Route, RouteError, Target};
pub use serve::{Drained, Listener, ServeError, serve};
pub use settings::{Proxy, ProxySettings, RequestFilter, Revocation};
pub use stats::{Counter, Gauge, ProxyStats};
pub use table::{RouteTable, Routes};
pub use target::HttpTarget;
