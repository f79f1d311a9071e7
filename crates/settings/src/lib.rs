//! What an operator decides, as the sections of `jansky.toml` say it.
//!
//! Owns the section types ([`Config`] and what is in it), the notations in which values are written
//! ([`notation`]), and every default: a crate that obeys a setting takes the section or makes its own
//! settings from one, and has no default beside it. May use `model` alone, and knows no file: what reads
//! one, checks it and describes it is the crate `config`.
//!
//! Nothing here opens anything but a secret's file or variable, and only in the `read` methods.

pub mod notation;
mod order;
mod sections;

pub use notation::{
    DatabaseUrl, HttpUrl, SecretError, SecretSource, SecretSources, TextOrSecret, Texts, Written,
};
pub use order::ORDER;
pub use sections::{
    AdmissionKeys, Audience, AudienceSource, Broker, Cgroups, ClaimsSource, Client,
    ClientAuthentication, CommonSpawner, Config, ContainerRemoval, Database, DescribedImage,
    DockerSpawner, Endpoints, FirecrestSpawner, GithubProvider, HeaderProvider, Hub,
    IdentityBrokerMode, Issuer, IssuerAlgorithm, LdapProvider, LocalProvider, Log, LogFormat,
    Meeting, NoLongerAllowed, OfferedImage, OidcProvider, PROTOCOL_PARAMETERS, PamProvider,
    ProcessSpawner, Provider, Proxy, Pull, Reach, Role, RunAs, SecondFactor, SecurityEvents,
    Session, SignOut, SignUp, Spawner, Tls, Tripwire, UsernameCase, VolumeEntry,
};
