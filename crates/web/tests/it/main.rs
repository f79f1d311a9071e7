//! Tests of the HTTP surfaces.

mod html;
mod pages;
mod routes;
mod support;
