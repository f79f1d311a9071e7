//! `[tls]`, `[proxy]` and `[log]`.

use std::path::PathBuf;
use std::time::Duration;

use jansky_model::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::Written;

/// TLS by Jansky itself. Leave this section out when something in front of it does TLS.
///
/// New files are used for new connections within ten seconds, without a restart. Files that cannot be
/// used change nothing and are named in the log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
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
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Proxy {
    /// How long requests that are under way may take when Jansky is told to end. Until they are done
    /// new ones are answered, too; then WebSockets are cut, which JupyterLab opens again by itself.
    #[schemars(example = &"5m")]
    pub drain_timeout: Written<Duration>,

    /// The largest head of a request, which is its path and all its headers. Larger ones are answered
    /// with 431.
    #[schemars(example = &"128 KiB")]
    pub max_header_size: Written<ByteSize>,

    /// How many headers a request may have. More are answered with 431.
    #[schemars(example = 200)]
    pub max_header_fields: u16,

    /// The longest path of a request, with its query. Longer ones are answered with 414.
    #[schemars(example = &"16 KiB")]
    pub max_uri_size: Written<ByteSize>,

    /// How much memory requests may take together that have not come as a whole: their heads, and their
    /// bodies where they are for the hub itself. When there is too much, the one that has waited longest is
    /// answered with 408.
    #[schemars(example = &"128 MiB")]
    pub max_unfinished_size: Written<ByteSize>,

    /// How many connections there may be from one address at the same time; of IPv6, from one network of
    /// 64 bits. Further ones are answered with 429.
    ///
    /// Everybody in a class room or an institute may have the same address, so this is far more than one
    /// person has: a browser opens 6 connections, or a single one with TLS. WebSockets do not count, and
    /// neither do connections from this machine. A proxy in `hub.trusted_proxies` may have any number;
    /// what counts there are the requests under way of each of its clients, and further ones wait for a few
    /// seconds before they are answered with 429.
    #[schemars(example = 20_000)]
    pub max_connections_per_address: u32,

    /// How long a client may take for the handshake of TLS and for the head of a request, and how long
    /// nothing more of a body may come. After that the answer is 408.
    #[schemars(example = &"30s")]
    pub client_timeout: Written<Duration>,

    /// How long what was sent to a client may wait to be taken before its connection is cut. This holds for
    /// WebSockets, too, and so it is how long a network may be away.
    #[schemars(example = &"10m")]
    pub send_timeout: Written<Duration>,

    /// How long a server may take to accept a connection.
    #[schemars(example = &"2s")]
    pub connect_timeout: Written<Duration>,

    /// How long a client's connection may be without a request, before the first one and between two.
    /// WebSockets are not affected.
    #[schemars(example = &"30s")]
    pub idle_timeout: Written<Duration>,

    /// How long a connection to a server is kept for the next request. It should be shorter than
    /// servers keep theirs; JupyterLab's is an hour.
    #[schemars(example = &"30s")]
    pub server_idle_timeout: Written<Duration>,

    /// How many threads handle connections; 0 means one for each processor.
    #[schemars(example = 4)]
    pub threads: u16,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            drain_timeout: written("30s"),
            max_header_size: written("64 KiB"),
            max_header_fields: 100,
            max_uri_size: written("32 KiB"),
            max_unfinished_size: written("32 MiB"),
            max_connections_per_address: 4096,
            client_timeout: written("1m"),
            send_timeout: written("2m"),
            connect_timeout: written("5s"),
            idle_timeout: written("75s"),
            server_idle_timeout: written("75s"),
            threads: 0,
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
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
