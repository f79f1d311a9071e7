//! Tests of the HTTP surfaces.

mod html;
mod pages;
