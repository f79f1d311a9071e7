//! A browser without cookies that signs in: to the hub, to the provider, and back.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::message::Message;

/// The cookie of somebody who is signed in.
const SIGNED_IN: &str = "jupyterhub-hub-login";

/// A connection to the hub and one to the provider, which many browsers use one after the other.
pub(crate) struct Browser {
    hub: Connection,
    provider: Connection,
}

impl Browser {
    pub(crate) async fn new(hub: SocketAddr, provider: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            hub: Connection::new(hub).await?,
            provider: Connection::new(provider).await?,
        })
    }

    /// Signs a person in, from the click on the button to the session.
    pub(crate) async fn sign_in(&mut self, path: &str, person: &str) -> anyhow::Result<()> {
        let mut cookies = BTreeMap::new();
        let to_provider = self.hub.follow(path, &mut cookies).await?;
        let page = format!("{}&login_hint={person}", below_host(&to_provider)?);
        let back = self.provider.follow(&page, &mut BTreeMap::new()).await?;
        self.hub.follow(below_host(&back)?, &mut cookies).await?;
        ensure!(cookies.contains_key(SIGNED_IN), "nobody was signed in");
        Ok(())
    }
}

struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::new(),
        })
    }

    /// Opens an address that leads elsewhere, and says where.
    async fn follow(
        &mut self,
        path: &str,
        cookies: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<String> {
        let pairs: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: load\r\nAccept: */*\r\n\
             Sec-Fetch-Mode: navigate\r\nCookie: {}\r\n\r\n",
            self.address,
            pairs.join("; ")
        );
        self.stream.write_all(head.as_bytes()).await?;
        let answer = Message::read(&mut self.stream, &mut self.buffer).await?;
        let answer = answer.context("the connection was closed")?;
        for line in answer.all("set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if answer.status() != "302" {
            let text = String::from_utf8_lossy(&answer.body);
            bail!("`{path}` answered {}: {text}", answer.status());
        }
        let to = answer.header("location").context("no `Location`")?;
        Ok(to.to_owned())
    }
}

/// The path and query of an address.
fn below_host(url: &str) -> anyhow::Result<&str> {
    let Some((_, rest)) = url.split_once("://") else {
        return Ok(url);
    };
    let at = rest.find('/').context("an address without a path")?;
    Ok(&rest[at..])
}
