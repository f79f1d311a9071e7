//! The proxy between real sockets.
#![expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "tests say what they expect, and modules of a test binary have no outside"
)]

mod activity;
mod drain;
mod failures;
mod headers;
mod http2;
mod http2_floods;
mod limits;
mod local;
mod neighbours;
mod reuse;
mod routing;
mod smuggling;
mod streaming;
mod support;
mod upgrade;
