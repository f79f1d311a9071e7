//! The hub as an issuer of access tokens, over HTTP.
//!
//! No endpoint but the page takes a cookie: programs prove who they are with a client's secret, or
//! not at all.

mod answer;
pub(crate) mod device;
pub(crate) mod metadata;
pub(crate) mod tokens;
