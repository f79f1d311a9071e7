//! Tests of the HTTP surfaces.

mod broker;
mod direct_sign_in;
mod forgery;
mod headers;
mod html;
mod oauth;
mod pages;
mod postgres;
mod providers;
mod robustness;
mod routes;
mod server_pages;
mod servers;
mod setup;
mod shares;
mod sign_in;
mod support;
mod tokens;
mod users;
mod whoami;
