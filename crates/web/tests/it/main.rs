//! Tests of the HTTP surfaces.

mod broker;
mod direct_sign_in;
mod forgery;
mod headers;
mod html;
mod leaving;
mod linking;
mod oauth;
mod pages;
mod people;
mod postgres;
mod provider_word;
mod providers;
mod rights;
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
