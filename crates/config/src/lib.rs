//! The configuration of Jansky: sections, defaults, checks, schema and reference.
//!
//! There is one TOML file with typed sections ([`Config`]). The JSON schema made from the section
//! types is the single source: [`load`] walks the file along it and collects every mistake with
//! its place, [`reference`] prints it for operators, [`schema`] for editors. A value given in the
//! environment or with `--set` takes the place of the one in the file.
//!
//! Only the binary uses this crate; it hands the settings on in the types of the other crates.
//! Nothing here opens anything but a secret's file or variable, and only in the `read` methods.

mod check;
mod document;
pub mod notation;
mod order;
mod overrides;
mod problem;
mod reference;
mod sections;
mod shape;
mod show;
mod written_toml;

pub use check::{Input, Loaded, check, load};
pub use notation::{
    DatabaseUrl, HttpUrl, SecretError, SecretSource, SecretSources, TextOrSecret, Texts, Written,
};
pub use problem::{Origin, Problem, Problems, Severity};
pub use reference::{reference, schema};
pub use sections::{
    AdmissionKeys, Audience, AudienceSource, Broker, Cgroups, ClaimsSource, Client,
    ClientAuthentication, CommonSpawner, Config, ContainerRemoval, Database, DescribedImage,
    DockerSpawner, Endpoints, FirecrestSpawner, GithubProvider, HeaderProvider, Hub,
    IdentityBrokerMode, Issuer, IssuerAlgorithm, LdapProvider, LocalProvider, Log, LogFormat,
    NoLongerAllowed, OfferedImage, OidcProvider, PamProvider, ProcessSpawner, Provider, Proxy,
    Pull, Reach, Role, RunAs, SecondFactor, SecurityEvents, Session, SignOut, SignUp, Spawner, Tls,
    Tripwire, UsernameCase, VolumeEntry,
};

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
