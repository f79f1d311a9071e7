//! The client of one connection, as far as every request on it shares it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};

use crate::headers;
use crate::route::ClientInfo;
use crate::settings::ProxySettings;
use crate::turns::Turns;

/// Who is at the other end of a connection, with the header values made once.
#[derive(Debug)]
pub(crate) struct Client {
    peer: SocketAddr,
    tls: bool,
    /// The peer is one of our own proxies.
    pub(crate) trusted: bool,
    /// The peer's address, for `X-Forwarded-For`.
    pub(crate) forwarded_for: HeaderValue,
    pub(crate) turns: Turns,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, tls: bool, settings: &ProxySettings) -> Self {
        let ip = peer.ip().to_canonical();
        Self {
            peer: SocketAddr::new(ip, peer.port()),
            tls,
            trusted: is_trusted(settings, ip),
            forwarded_for: HeaderValue::from_str(&ip.to_string())
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            turns: Turns::default(),
        }
    }

    /// The peer, or whom a trusted peer speaks for.
    pub(crate) fn info(&self, headers: &HeaderMap, settings: &ProxySettings) -> ClientInfo {
        let (address, secure) = if self.trusted {
            headers::claimed_client(headers, |ip| is_trusted(settings, ip))
        } else {
            (None, None)
        };
        ClientInfo {
            addr: address.map_or(self.peer, |ip| SocketAddr::new(ip, 0)),
            peer: self.peer.ip(),
            secure: secure.unwrap_or(self.tls),
        }
    }

    /// The value for `X-Forwarded-Proto`; `http` or `https`, also for a `WebSocket`, because servers
    /// compare it with the scheme of `Origin`.
    pub(crate) fn scheme(&self) -> HeaderValue {
        HeaderValue::from_static(if self.tls { "https" } else { "http" })
    }

    /// The value for `X-Forwarded-Port`: the port in `host`, or the usual one of the scheme.
    pub(crate) fn port(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let usual = if self.tls { "443" } else { "80" };
        host.and_then(|host| host.to_str().ok())
            .and_then(|host| host.rsplit_once(':'))
            .map(|(_, port)| port)
            .filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|port| HeaderValue::from_str(port).ok())
            .unwrap_or_else(|| HeaderValue::from_static(usual))
    }
}

fn is_trusted(settings: &ProxySettings, ip: IpAddr) -> bool {
    settings.trusted_proxies.iter().any(|net| net.contains(&ip))
}
