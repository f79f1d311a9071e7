//! Tests of the HTTP surfaces.

mod forgery;
mod html;
mod pages;
mod routes;
mod servers;
mod sign_in;
mod support;
mod tokens;
mod users;
mod whoami;
