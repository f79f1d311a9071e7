//! HTTP surfaces of the hub: pages, REST API and OAuth provider.

pub mod render;
pub mod scope_words;
pub mod static_files;
pub mod views;
