//! `[tls]`, `[proxy]` and `[log]`.

use std::path::PathBuf;
use std::time::Duration;

use jansky_model::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::Written;

/// TLS by Jansky itself. Leave this section out when something in front of it does TLS.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the certificate and the chain that belongs to it.
    #[schemars(example = &"/etc/jansky/fullchain.pem")]
    pub certificate: Written<PathBuf>,

    /// A PEM file with the private key of the certificate. Only Jansky may read it.
    #[schemars(example = &"/run/credentials/jansky.service/tls-key")]
    pub key: Written<PathBuf>,
}

/// The proxy between browsers and servers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// How long requests and WebSockets may go on when Jansky is told to end.
    #[schemars(example = &"5m")]
    pub drain_timeout: Written<Duration>,

    /// The largest head of a request, which is its path and all its headers.
    #[schemars(example = &"128 KiB")]
    pub max_header_size: Written<ByteSize>,

    /// How long a server may take to accept a connection.
    #[schemars(example = &"2s")]
    pub connect_timeout: Written<Duration>,

    /// How long a connection without requests is kept open. WebSockets are not affected.
    #[schemars(example = &"30s")]
    pub idle_timeout: Written<Duration>,

    /// How many threads handle connections; 0 means one for each processor.
    #[schemars(example = 4)]
    pub threads: u16,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            drain_timeout: written("30s"),
            max_header_size: written("64 KiB"),
            connect_timeout: written("5s"),
            idle_timeout: written("75s"),
            threads: 0,
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Which events are logged: `error`, `warn`, `info`, `debug` or `trace`, also for single parts
    /// of the program.
    #[schemars(length(min = 1), example = &"info,jansky_proxy=debug")]
    pub filter: String,

    /// How events are written.
    #[schemars(example = LogFormat::Json)]
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object in each line.
    Json,
}
