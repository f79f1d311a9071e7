//! Connections to the hub: HTTP/1.1 over TCP or TLS, kept open between requests.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::trust;

/// How long the hub's machine may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections wait for the next request.
const KEPT: usize = 4;

type Sender = SendRequest<Full<Bytes>>;

/// Where the hub is, and the connections that are open to it.
pub(crate) struct Connections {
    host: String,
    port: u16,
    host_header: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Sender>>,
}

/// A response, and its connection for later.
pub(crate) struct Sent {
    pub(crate) response: Response<Incoming>,
    pub(crate) sender: Sender,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct NoResponse {
    pub(crate) reason: String,
    /// The connection was an old one, which the hub may have closed meanwhile.
    pub(crate) on_old_connection: bool,
    /// The hub has not seen the request.
    pub(crate) not_sent: bool,
}

impl Connections {
    /// # Errors
    /// When the URL is none of HTTP.
    pub(crate) fn new(url: &Url) -> Result<Self, String> {
        let no_such = || format!("`{url}` is no address of a hub");
        let host = url.host_str().ok_or_else(no_such)?;
        // A name for TLS and for the resolver has no brackets.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| no_such())?;
                Some((TlsConnector::from(trust::client_config()?), name))
            }
            _ => return Err(no_such()),
        };
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        Ok(Self {
            port: url.port_or_known_default().ok_or_else(no_such)?,
            host_header: HeaderValue::from_str(&authority).map_err(|_| no_such())?,
            host,
            tls,
            idle: Mutex::default(),
        })
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        new_connection: bool,
    ) -> Result<Sent, NoResponse> {
        request
            .headers_mut()
            .insert(header::HOST, self.host_header.clone());
        if !new_connection {
            while let Some(mut sender) = self.take_idle() {
                if sender.ready().await.is_err() {
                    continue;
                }
                match sender.try_send_request(request).await {
                    Ok(response) => return Ok(Sent { response, sender }),
                    Err(mut error) => match error.take_message() {
                        Some(unsent) => request = unsent,
                        None => return Err(lost(error.error(), true)),
                    },
                }
            }
        }
        let mut sender = self.connect().await.map_err(|error| NoResponse {
            reason: format!("the hub cannot be reached: {error}"),
            on_old_connection: false,
            not_sent: true,
        })?;
        match sender.send_request(request).await {
            Ok(response) => Ok(Sent { response, sender }),
            Err(error) => Err(lost(&error, false)),
        }
    }

    /// Keeps a connection whose response was read to its end.
    pub(crate) fn give_back(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT && !sender.is_closed() {
            idle.push(sender);
        }
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    async fn connect(&self) -> io::Result<Sender> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => handshake(stream).await,
                Some((tls, name)) => handshake(tls.connect(name.clone(), stream).await?).await,
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn handshake<S>(stream: S) -> io::Result<Sender>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends when its sender is dropped, and reports errors to whoever waits for the response.
    tokio::spawn(connection);
    Ok(sender)
}

fn lost(error: &hyper::Error, on_old_connection: bool) -> NoResponse {
    NoResponse {
        reason: format!("the hub did not answer: {error}"),
        on_old_connection,
        not_sent: false,
    }
}
