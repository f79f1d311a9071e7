//! The client of one connection, as far as every request on it shares it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue, Response, request};
use tokio::time::Instant;

use crate::exchange::ResponseBody;
use crate::headers;
use crate::refusal::Refusal;
use crate::route::ClientInfo;
use crate::settings::ProxySettings;
use crate::turns::Turns;
use crate::worker::Worker;

/// Who is at the other end of a connection, with the header values made once.
pub(crate) struct Client {
    /// Whose connection it is.
    pub(crate) worker: Arc<Worker>,
    peer: SocketAddr,
    tls: bool,
    /// When it was accepted.
    pub(crate) accepted: Instant,
    /// It came when the end had begun already.
    pub(crate) is_late: bool,
    /// The peer is one of our own proxies.
    pub(crate) trusted: bool,
    /// The peer's address, for `X-Forwarded-For`.
    pub(crate) forwarded_for: HeaderValue,
    /// The first `Host` on this connection and its value for `X-Forwarded-Port`: it is the only one
    /// nearly always.
    first_port: OnceLock<(HeaderValue, HeaderValue)>,
    pub(crate) turns: Turns,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, tls: bool, worker: Arc<Worker>, is_late: bool) -> Self {
        let ip = peer.ip().to_canonical();
        Self {
            peer: SocketAddr::new(ip, peer.port()),
            tls,
            accepted: Instant::now(),
            is_late,
            trusted: is_trusted(&worker.proxy.settings, ip),
            forwarded_for: HeaderValue::from_str(&ip.to_string())
                .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            first_port: OnceLock::new(),
            turns: Turns::default(),
            worker,
        }
    }

    /// The peer, or whom a trusted peer speaks for.
    pub(crate) fn info(&self, headers: &HeaderMap) -> ClientInfo {
        let (address, secure) = if self.trusted {
            let settings = &self.worker.proxy.settings;
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

    /// The page for an answer of the proxy itself to one of its requests.
    pub(crate) fn page(&self, refusal: Refusal, head: &request::Parts) -> Response<ResponseBody> {
        let client = self.info(&head.headers);
        let pages = &self.worker.proxy.pages;
        pages.page(refusal, head, &client).map(Into::into)
    }

    /// The client for which a trusted peer speaks, if it is another machine.
    pub(crate) fn forwarded_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let address = self.info(headers).addr.ip();
        let is_another = !is_trusted(&self.worker.proxy.settings, address);
        is_another.then_some(address)
    }

    /// The value for `X-Forwarded-Proto`; `http` or `https`, also for a `WebSocket`, because servers
    /// compare it with the scheme of `Origin`.
    pub(crate) fn scheme(&self) -> HeaderValue {
        HeaderValue::from_static(if self.tls { "https" } else { "http" })
    }

    /// The value for `X-Forwarded-Port`: the port in `host`, or the usual one of the scheme.
    pub(crate) fn port(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let usual = HeaderValue::from_static(if self.tls { "443" } else { "80" });
        let Some(host) = host else {
            return usual;
        };
        let port = || port_in(host).unwrap_or(usual);
        match self.first_port.get() {
            Some((first, port)) if first == host => port.clone(),
            Some(_) => port(),
            None => {
                let port = port();
                // A copy, because the header shares the memory of all that was read with it.
                if let Ok(host) = HeaderValue::from_bytes(host.as_bytes()) {
                    let _ = self.first_port.set((host, port.clone()));
                }
                port
            }
        }
    }
}

fn port_in(host: &HeaderValue) -> Option<HeaderValue> {
    let (_, port) = host.to_str().ok()?.rsplit_once(':')?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    HeaderValue::from_str(port).ok().filter(|_| is_number)
}

fn is_trusted(settings: &ProxySettings, ip: IpAddr) -> bool {
    settings.trusted_proxies.iter().any(|net| net.contains(&ip))
}
