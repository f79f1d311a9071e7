//! The configuration of Jansky: the file, its checks, schema and reference.
//!
//! There is one TOML file with typed sections, those of the crate `settings` ([`Config`]). The JSON
//! schema made from the section types is the single source: [`load`] walks the file along it and collects
//! every mistake with its place, [`reference()`] prints it for operators, [`schema`] for editors. A value given in the
//! environment or with `--set` takes the place of the one in the file.
//!
//! Only the binary uses this crate, and hands the sections on.
//! Nothing here opens anything but a secret's file or variable, and only in the `read` methods.
//!
//! May use `batch`, `handover`, `model` and `settings`.
//!
//! What holds everywhere: every mistake is told at once, each with its place and what to do; a value has one
//! default, in `settings`; and what is generated from the types is never written by hand.

mod check;
mod document;
mod overrides;
mod presets;
mod problem;
mod reference;
mod shape;
mod show;
mod written_toml;

pub use jansky_settings::*;

pub use check::{Input, Loaded, check, load};
pub use problem::{Origin, Problem, Problems, Severity};
pub use reference::{reference, schema};

/// Whether the name of a variable says that its value is secret.
fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 7] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "CREDENTIAL",
        "KEY",
    ];
    let name = name.to_ascii_uppercase();
    let mut parts = name.split(['_', '-', '.']);
    parts.any(|part| {
        WORDS
            .iter()
            .any(|word| part.trim_end_matches('S').ends_with(word))
    })
}
